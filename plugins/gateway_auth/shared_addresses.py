"""
The guard of the address cache: which addresses stand for more than one person.

An address tells who is asking only while one person is behind it. Behind NAT, terminal servers, VPN concentrators and
downstream proxies there are many, and whoever is taken for the one who authenticated last gets his rights and leaves his
traces under that name. So an address counts as shared for a time once two users have authenticated there within one
window, or a request from there came through another proxy; and always if the settings say so.

Machine accounts of a domain (C{PC1$}) authenticate beside the person at the machine and are nobody else.

This notices and remembers; what follows is the business of L{gateway_auth.addresses}.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from gateway.api import Services, Transaction
from gateway.api.catalogue.identity import ADDRESS_SHARED
from gateway.api.settings import NetworkSet
from gateway_auth.address_book import AddressBook, Mark, Reason
from gateway_auth.connections import PROXY_FIELDS

# They are looked for in all lines at once, for an index of the fields would cost each request more than all the rest here.
_RELAYED = re.compile(f"\n(?i:{'|'.join(PROXY_FIELDS)}):".encode("ascii"))

#: Networks that operators are told of once; more than that are in no configuration.
_MOST_TOLD = 1000

#: Reasons that the settings give.
_SAID = ("proxy", "network")

_WHY: dict[Reason, str] = {
    "users": "two users have authenticated from {address}",
    "relay": "requests from {address} come through another proxy",
    "proxy": "{address} is one of trusted_proxies",
    "network": "{address} is in shared_networks",
}


class SharedAddresses:
    """
    Knows which addresses are shared.

    @ivar notices: whether it finds out by itself, beside what the settings say.
    """

    def __init__(
        self,
        book: AddressBook,
        services: Services,
        *,
        notices: bool,
        seconds: float,
        most: int,
        shared_networks: NetworkSet,
        trusted_proxies: NetworkSet,
    ) -> None:
        """
        Look at a book; nothing in it is changed yet.

        @param seconds: so long an address counts as shared after the last sign of it.
        @param most: marks that are kept; those that were not needed for longest go first.
        """
        self.notices = notices
        self._book = book
        self._services = services
        self._seconds = seconds
        self._most = most
        self._networks = shared_networks
        self._proxies = trusted_proxies

    def by_settings(self, address: str) -> Reason | None:
        """Tell why the settings take an address for shared."""
        if self._proxies and address in self._proxies:
            return "proxy"
        if self._networks and address in self._networks:
            return "network"
        return None

    def relayed(self, txn: Transaction) -> bool:
        """
        Tell whether a request came through another proxy, which then has the address and not the client.

        A trusted proxy that names its client is none here: the address is the client's then.
        """
        if not self.notices or txn.client.peer != txn.client.address:
            return False
        return _RELAYED.search(b"\n".join((b"", *txn.request.fields.lines))) is not None

    def mark(self, address: str) -> Mark | None:
        """Give the mark of an address, if it counts as shared now."""
        found = self._book.marks.get(address)
        if found is None:
            return None
        over = self._services.clock.seconds() >= found.until
        # What the settings said before a reload they may not say any more.
        if over or (found.reason in _SAID and self.by_settings(address) != found.reason):
            del self._book.marks[address]
            return None
        return found

    def reason(self, address: str) -> Reason | None:
        """Tell why an address counts as shared now; C{None}: it does not."""
        found = self.by_settings(address)
        if found is None:
            mark = self.mark(address)
            found = None if mark is None else mark.reason
        return found

    def noticed(self, address: str, reason: Reason, user: str) -> None:
        """Take an address for shared from now on, and tell operators once as long as it is."""
        now = self._services.clock.seconds()
        mark = self.mark(address)
        if mark is None:
            marks = self._book.marks
            marks[address] = Mark(address, reason, now, now + self._seconds, user)
            while len(marks) > self._most:
                marks.popitem(last=False)
            self._tell(address, reason)
            return
        self._book.marks.move_to_end(address)
        if mark.reason != "users" or mark.last != user:
            # It goes on; of a user who is alone there by now that can't be said.
            mark.until = now + self._seconds
            mark.last = user

    def _tell(self, address: str, reason: Reason) -> None:
        subject = address
        if reason in _SAID:
            # Operators wrote it down themselves: one word for the whole network is enough.
            subject = self._network_of(address, reason)
            if subject in self._book.told:
                return
            if len(self._book.told) < _MOST_TOLD:
                self._book.told.add(subject)
        self._services.events(
            ADDRESS_SHARED(
                f"{_WHY[reason].format(address=address)}: it no longer says who is asking, "
                "and its users are identified by connection, credentials or cookie",
                subject,
                address=address,
                reason=reason,
            )
        )

    def _network_of(self, address: str, reason: Reason) -> str:
        found = ip_address(address)
        networks = self._proxies if reason == "proxy" else self._networks
        return next((str(net) for net in networks if found in net), address)
