"""
Which clients have the gateway's CA, as far as their handshakes tell.

Who accepts a certificate of ours has the CA that signs at that moment. Who refuses one name after the other and accepts
none in between probably lacks it, which is told once. Clients are addresses here: behind one there may be several
devices. Bounded: the least recent are forgotten.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

from gateway.api.catalogue.certificate import TLS_CA_MISSING
from gateway.api.events import Event

#: Of a client that has refused so many names, one after the other, it is said that it lacks the CA.
NAMES_WITHOUT_CA: Final = 4
#: Clients that are remembered.
MAX_CLIENTS: Final = 10_000
#: Events within L{TOLD_SECONDS}: when a CA was exchanged too early, all clients lack it.
MAX_TOLD: Final = 20
TOLD_SECONDS: Final = 600.0


@dataclass(slots=True)
class _Client:
    """
    What an address has done lately.

    @ivar accepted: when it last accepted a certificate.
    @ivar refused: names that it refused since then, up to L{NAMES_WITHOUT_CA}.
    """

    accepted: float = -inf
    refused: tuple[str, ...] = ()

    @property
    def lacking(self) -> bool:
        """Whether it refuses everything."""
        return len(self.refused) >= NAMES_WITHOUT_CA


class CaHolders:
    """The clients of one process."""

    def __init__(self, tell: Callable[[Event], None]) -> None:
        """
        Know nobody yet.

        @param tell: takes the event C{tls_ca_missing}.
        """
        self._tell = tell
        self._clients: OrderedDict[str, _Client] = OrderedDict()
        # When it was last told of clients.
        self._told: deque[float] = deque(maxlen=MAX_TOLD)

    def __len__(self) -> int:
        """Count the clients that are remembered."""
        return len(self._clients)

    def accepted(self, address: str, now: float) -> None:
        """Note that a client accepted a certificate."""
        client = self._client(address)
        client.accepted = now
        if client.refused:
            client.refused = ()

    def refused(self, address: str, name: str, now: float) -> bool:
        """Note that it refused one; tell whether it refuses everything, so that this says nothing about the name."""
        client = self._client(address)
        if client.lacking:
            return True
        if name not in client.refused:
            client.refused += (name,)
            if client.lacking:
                self._missing(address, now)
                return True
        return False

    def accepted_since(self, address: str, moment: float) -> bool:
        """Tell whether a client has accepted any certificate after a moment."""
        client = self._clients.get(address)
        return client is not None and client.accepted > moment

    def lacking(self) -> list[str]:
        """Give the clients that refuse everything."""
        return sorted(address for address, client in self._clients.items() if client.lacking)

    def _client(self, address: str) -> _Client:
        clients = self._clients
        client = clients.get(address)
        if client is None:
            client = clients[address] = _Client()
            if len(clients) > MAX_CLIENTS:
                clients.popitem(last=False)
        else:
            clients.move_to_end(address)
        return client

    def _missing(self, address: str, now: float) -> None:
        told = self._told
        if len(told) == MAX_TOLD and now - told[0] < TOLD_SECONDS:
            return
        told.append(now)
        self._tell(
            TLS_CA_MISSING(
                f"{address or 'a client'} has refused the gateway's certificates for {NAMES_WITHOUT_CA} names, one after "
                "the other, and accepted none in between: it probably lacks the gateway's CA",
                address,
            )
        )
