"""
Clients that refuse the certificates made for them: which names an app may have pinned, and what is passed on unread.

An app that knows whom it talks to (certificate pinning) breaks when it is decrypted. It shows by alerts about the
certificate (RFC 8446 section 6.2), and so does a device that merely lacks the gateway's CA; so does, for a while, every
device after the CA was exchanged too early. Therefore three refusals within ten minutes for one name, by one family of
clients of which none accepted it in that time, are a proposal and no more. People decide, or C{tls.pinned_bypass} does: for
a day, for this family alone, and only if a client that refuses this name accepts the gateway's certificate for another.

All of it is what clients claim: three alerts cost nothing. Kept in memory only, in bounded space, for as long as the
process runs; a reload changes nothing but C{automatic}. Who judges connections, and what else rules over them
(C{never_decrypt}, hooks), is not known here.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from twisted.logger import Logger

from gateway.api.answers import ClientHello
from gateway.api.catalogue.certificate import TLS_PINNED
from gateway.api.events import Event
from gateway.net.bypasses import (
    BYPASS_SECONDS,
    LONGEST_BYPASS_SECONDS,
    MAX_BYPASSED,
    Bypass,
    Bypasses,
    TooMany,
)
from gateway.net.ca_holders import CaHolders
from gateway.net.client_family import client_family
from gateway.net.tls_faults import alert_name

#: So many refusals ...
REFUSALS: Final = 3
#: ... within so many seconds make a proposal.
WINDOW_SECONDS: Final = 600.0

#: Names and families of each that are remembered: the least recent give way.
MAX_NAMES: Final = 1000
MAX_FAMILIES: Final = 8
#: Clients of one suspicion that are told apart; more are counted as this many.
MAX_NAMED_CLIENTS: Final = 16

#: Alerts of a client that does not believe a certificate. Not certificate_expired and the like, which say what is wrong
#: with the one that was shown.
ALERTS: Final = frozenset(("unknown ca", "bad certificate", "certificate unknown"))


@dataclass(frozen=True, slots=True)
class Pin:
    """
    A proposal, a bypass, or both.

    @ivar family: as L{client_family} tells it; empty for a bypass that holds for all clients.
    @ivar refusals: how often the certificate was refused; 0 for a bypass that nobody proposed.
    @ivar first_seen: of the refusals, in seconds since 1970.
    @ivar clients: addresses that refused it, L{MAX_NAMED_CLIENTS} at the most.
    @ivar trusting: those of them that have accepted a certificate for another name after they refused this one, and
        have the CA, therefore.
    """

    name: str
    family: str
    refusals: int = 0
    first_seen: float = 0.0
    last_seen: float = 0.0
    clients: int = 0
    trusting: int = 0
    bypass: Bypass | None = None


@dataclass(slots=True)
class _Suspicion:
    """
    One name and one family of clients.

    @ivar recent: when the last refusals were that may make a proposal.
    @ivar clients: by address, when the client refused it first; anew after L{WINDOW_SECONDS}, for a sign that it has the
        CA should be of the same days.
    @ivar accepted: when somebody of the family accepted the certificate after all.
    """

    first: float
    last: float
    refusals: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=REFUSALS))
    clients: dict[str, float] = field(default_factory=dict)
    accepted: float = -inf
    proposed: bool = False

    def refused_by(self, address: str, now: float) -> None:
        """Count a refusal."""
        self.last = now
        self.refusals += 1
        clients = self.clients
        before = clients.get(address)
        if before is None:
            if len(clients) < MAX_NAMED_CLIENTS:
                clients[address] = now
        elif now - before > WINDOW_SECONDS:
            clients[address] = now

    def reset(self) -> None:
        """Take it all for disproved."""
        self.proposed = False
        self.recent.clear()


class Pins:
    """
    What one process knows of pinned names.

    @ivar automatic: proposals become bypasses by themselves where that is safe enough; see L{follow}.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Any,
        tell: Callable[[Event], None],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Know nothing yet.

        @param clock: an C{IReactorTime}.
        @param tell: takes events: C{tls_pinned}, C{tls_ca_missing}, C{tls_bypass_begun}, C{tls_bypass_ended}.
        @param wall: seconds since 1970, for what people read.
        """
        self.automatic = False
        self._clock = clock
        self._tell = tell
        self._wall = wall
        # By name, then by family; both in the order in which they were refused last.
        self._suspicions: OrderedDict[str, OrderedDict[str, _Suspicion]] = OrderedDict()
        self._holders = CaHolders(tell)
        self._bypasses = Bypasses(clock, tell, self._ended, wall=wall)
        self._bypassed = self._bypasses.names()

    def follow(self, *, automatic: bool) -> None:
        """Do as C{tls.pinned_bypass} says; when it is switched off, what it began ends."""
        self.automatic = automatic
        if not automatic:
            for bypass in self._bypasses.all():
                if bypass.by == "automatic":
                    self._bypasses.end(bypass, "tls.pinned_bypass is off")

    def stop(self) -> None:
        """Forget all bypasses without a word; for the end of the process."""
        self._bypasses.stop()

    # What connections tell and ask.

    def failed(
        self, server_name: str, alert_reason: str, client_address: str, hello: ClientHello
    ) -> None:
        """
        Take note that a client ended TLS with an alert.

        To be told only of leaves that the gateway's CA has signed, and only of alerts of the client: in the handshake, or
        in place of the first content, for some judge a certificate only then.

        @param server_name: the name the leaf was minted for; empty is ignored.
        @param alert_reason: what OpenSSL calls it, such as C{tlsv1 alert unknown ca}; others than L{ALERTS} are ignored.
        @param client_address: empty if it has none.
        """
        if not server_name or alert_name(alert_reason) not in ALERTS:
            return
        now = self._clock.seconds()
        if self._holders.refused(client_address, server_name, now):
            return
        family = client_family(hello)
        suspicion = self._suspect(server_name, family, now)
        suspicion.refused_by(client_address, now)
        if now - suspicion.accepted < WINDOW_SECONDS:
            # Others of this family take it: whoever does not lacks the CA.
            return
        recent = suspicion.recent
        recent.append(now)
        if not suspicion.proposed:
            if len(recent) < REFUSALS or now - recent[0] > WINDOW_SECONDS:
                return
            suspicion.proposed = True
            self._propose(server_name, family, suspicion)
        if self.automatic and self._trusting(suspicion):
            self._bypass_by_itself(server_name, family)

    def succeeded(self, server_name: str, client_address: str, hello: ClientHello) -> None:
        """
        Take note that a client accepted a certificate of the gateway's CA.

        To be told of full handshakes only: whoever resumes a session judges no certificate.
        """
        now = self._clock.seconds()
        self._holders.accepted(client_address, now)
        families = self._suspicions.get(server_name)
        if families is not None:
            family = client_family(hello)
            suspicion = families.get(family)
            if suspicion is not None:
                suspicion.accepted = now
                self._withdraw(server_name, family, suspicion)

    def bypassed(self, server_name: str, hello: ClientHello) -> bool:
        """
        Tell whether a connection is to be passed on unread.

        The name alone says nothing about where the connection leads: ask only if it is the host that is connected to.
        """
        families = self._bypassed.get(server_name)
        return families is not None and ("" in families or client_family(hello) in families)

    # What people ask and order.

    def proposals(self) -> list[Pin]:
        """Give what is proposed or bypassed, by name."""
        found = {
            (name, family): self._pin(name, family, suspicion)
            for name, families in self._suspicions.items()
            for family, suspicion in families.items()
            if suspicion.proposed
        }
        for bypass in self._bypasses.all():
            key = bypass.name, bypass.family
            if key not in found:
                found[key] = Pin(*key, bypass=bypass)
        return [found[key] for key in sorted(found)]

    def lacking(self) -> list[str]:
        """Give the clients that refuse every name and lack the CA, therefore."""
        return self._holders.lacking()

    def bypass(self, server_name: str, seconds: float = BYPASS_SECONDS) -> Bypass:
        """
        Pass a name on unread, whichever client asks for it; also one that nobody proposed, and longer or shorter than before.

        @param server_name: in lower case.
        @raise TooMany: nothing has changed.
        """
        seconds = min(seconds, LONGEST_BYPASS_SECONDS)
        return self._bypasses.begin(server_name, "", "operator", seconds)

    def forget(self, server_name: str) -> bool:
        """End what there is of a name, proposals and bypasses; tell whether there was anything."""
        suspected = self._suspicions.pop(server_name, None)
        bypasses = self._bypasses.of(server_name).values()
        for bypass in bypasses:
            self._bypasses.end(bypass, "an operator ended it")
        proposed = suspected is not None and any(one.proposed for one in suspected.values())
        return proposed or bool(bypasses)

    # Within.

    def _suspect(self, name: str, family: str, now: float) -> _Suspicion:
        """Find the suspicion, or make it."""
        suspicions = self._suspicions
        families = suspicions.get(name)
        if families is None:
            families = suspicions[name] = OrderedDict()
            if len(suspicions) > MAX_NAMES:
                suspicions.popitem(last=False)
        else:
            suspicions.move_to_end(name)
        suspicion = families.get(family)
        if suspicion is None:
            suspicion = families[family] = _Suspicion(now, now)
            if len(families) > MAX_FAMILIES:
                families.popitem(last=False)
        else:
            families.move_to_end(family)
        return suspicion

    def _trusting(self, suspicion: _Suspicion) -> int:
        """Count the clients that have accepted something since they refused this: those have the CA that signs now."""
        since = self._holders.accepted_since
        return sum(since(address, moment) for address, moment in suspicion.clients.items())

    def _propose(self, name: str, family: str, suspicion: _Suspicion) -> None:
        clients, trusting = len(suspicion.clients), self._trusting(suspicion)
        who = f"{clients} client{'' if clients == 1 else 's'}"
        why = (
            f"{trusting} of them accept{'s' if trusting == 1 else ''} it for other names, so an app may have pinned its own"
            if trusting
            else "none of them has accepted it for another name since, so the gateway's CA may be all that is missing"
        )
        self._tell(
            TLS_PINNED(
                f"the gateway's certificate for {name} was refused {REFUSALS} times within "
                f"{WINDOW_SECONDS / 60:g} minutes by {who} of one family: {why}. To pass it on unread: "
                f"gateway tls pins --bypass {name}",
                name,
                family=family,
                refusals=str(suspicion.refusals),
                clients=str(clients),
                trusting=str(trusting),
            )
        )

    def _withdraw(self, name: str, family: str, suspicion: _Suspicion) -> None:
        """Somebody of the family takes it: nothing is pinned."""
        proposed = suspicion.proposed
        suspicion.reset()
        bypass = self._bypasses.of(name).get(family)
        if bypass is not None:
            # Of a connection that was under way when it began.
            self._bypasses.end(bypass, "a client of this family accepts the gateway's certificate")
        elif proposed:
            self._log.info(
                "{name} is not pinned after all: a client of the family {family} accepts the gateway's certificate",
                name=name,
                family=family,
            )

    def _pin(self, name: str, family: str, suspicion: _Suspicion) -> Pin:
        bypasses = self._bypasses.of(name)
        shift = self._wall() - self._clock.seconds()
        return Pin(
            name,
            family,
            suspicion.refusals,
            suspicion.first + shift,
            suspicion.last + shift,
            len(suspicion.clients),
            self._trusting(suspicion),
            bypasses.get(family) or bypasses.get(""),
        )

    def _bypass_by_itself(self, name: str, family: str) -> None:
        # A client whose handshake was under way already is no reason to begin it again.
        if family in self._bypasses.of(name):
            return
        try:
            self._bypasses.begin(name, family, "automatic", BYPASS_SECONDS)
        except TooMany:
            self._log.warn(
                "{name} is not passed on by itself: {count} names are already",
                name=name,
                count=MAX_BYPASSED,
            )

    def _ended(self, bypass: Bypass) -> None:
        """Find out anew what was passed on by itself."""
        if bypass.by == "automatic":
            families = self._suspicions.get(bypass.name)
            if families is not None and bypass.family in families:
                families[bypass.family].reset()
