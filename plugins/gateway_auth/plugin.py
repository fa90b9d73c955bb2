"""
The plugin: its hooks, and the short way for requests of users who are known already. It knows none of the parts from within.

Most requests of known users have the same lines as the one before on their connection (L{gateway_auth.repeats}) or bring
credentials that are remembered, so that comes first and waits for nothing. All others are for L{gateway_auth.identification},
under the policy of the client's network.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.api import (
    Block,
    Caution,
    Maybe,
    Plugin,
    ReadContent,
    Respond,
    Services,
    SettingFault,
    Surroundings,
    Transaction,
    hookimpl,
)
from gateway_auth.challenges import Answer, Challenges
from gateway_auth.credentials import BadCredentials, find_line
from gateway_auth.identification import Identification
from gateway_auth.known import Known
from gateway_auth.parts import Parts
from gateway_auth.policy import Policies
from gateway_auth.redirects import RESERVED
from gateway_auth.repeats import LAST, Repeat, Repeats, telling
from gateway_auth.review import review
from gateway_auth.settings import AuthSettings, available

PROXY_AUTHORIZATION: Final = b"proxy-authorization"
AUTHORIZATION: Final = b"authorization"
#: Of so many answers it is remembered that they set no cookie of ours.
MOST_HARMLESS: Final = 64
#: What a path begins with that is kept for ourselves.
_OWN: Final = RESERVED.encode("ascii")


class Auth(Plugin):
    """Find out who is asking."""

    name = "auth"
    Settings = AuthSettings

    settings: AuthSettings

    def __init__(self, settings: AuthSettings, services: Services) -> None:
        super().__init__(settings, services)
        self._parts = Parts(settings, services)
        # Requests with the same lines have the same fate here in reverse mode and with cookies alone.
        self._browsers = self._parts.browsers
        self._policies = Policies(settings, available(settings))
        self._known = Known(self._parts.addresses, services.clock)
        self._counts = self._known.counts
        self._challenges = Challenges(settings, services, self._parts, self._known)
        self._remembered = self._parts.remembered
        self._epoch = self._parts.epoch
        self._repeats = Repeats(self._epoch, *self._tellings())
        self._maker = self._repeats.maker
        self._identification = Identification(
            self._parts, self._known, self._challenges, self._repeats, services.clock
        )
        self._seconds = services.clock.seconds
        self._requests = 0
        # What the last request was known by that goes to the origin as authenticate has left it.
        self._sent: Repeat | None = None
        # Lines of answers that set no cookie of ours, and those that were looked at last: upstream connections give the same list
        # again for the same lines.
        self._harmless: dict[int, list[bytes]] = {}
        self._answered: list[bytes] | None = None

    def review(self, around: Surroundings) -> Iterable[Caution | SettingFault]:
        """Say what an operator should think about."""
        return review(self.settings, around)

    async def start(self) -> None:
        """Open the parts."""
        await self._parts.start()

    async def stop(self) -> None:
        """Close the parts."""
        await self._parts.stop()

    @hookimpl()
    def authenticate(self, txn: Transaction) -> Maybe[Answer]:
        """Say who is asking."""
        self._requests += 1
        client = txn.client
        request = txn.request
        lines = request.lines()
        last = client.store.get(LAST)
        # All that is compared is compared by identity or short, and here: a call for it would cost as much as all of it.
        if (
            last is not None
            and last.host == request.host
            and last.port == request.port
            and last.scheme == request.scheme
            and last.maker is self._maker
            and last.epoch is self._epoch.now
            and not client.by_proxy
            and not (last.is_sent and request.raw_target.startswith(_OWN))
            and (last.lines is lines or last.goes_on(request, lines))
        ):
            proof = last.proof
            if proof is None:
                if last.left is not lines:
                    request.fields.lines = last.left
                last.txn = txn.id
                policy = self._policies.of(client.address)
                return self._identification.unshown(txn, policy, last)
            now = self._seconds()
            if (
                now < last.until
                and now < proof.until
                and (last.is_simple or self._parts.addresses.again(last.key, client))
            ):
                if last.left is not lines:
                    request.fields.lines = last.left
                last.txn = txn.id
                if last.is_sent:
                    self._sent = last
                if last.is_basic:
                    self._remembered.hits += 1
                identity = proof.identity
                self._counts[identity.source] += 1
                return identity
        fields = request.fields
        received = fields.lines
        is_reverse = client.mode == "reverse"
        if is_reverse:
            sites = self._parts.sites
            # Not in request_headers alone: a plugin in front may end that phase.
            sites.strip(fields)
            if request.host not in sites.hosts:
                return None
        policy = self._policies.of(client.address)
        if policy.name == "off":
            return None
        if policy.name == "guest":
            return self._known.count(self._challenges.guest)
        try:
            line = find_line(fields.lines, AUTHORIZATION if is_reverse else PROXY_AUTHORIZATION)
        except BadCredentials:
            return self._challenges.ask(txn, policy)
        if line is None:
            return self._identification.without(txn, policy, received)
        value = line.partition(b":")[2].strip(b" \t")
        cookies = self._identification.cookies
        if is_reverse and cookies is not None and cookies.has(txn, policy):
            # Whoever is known by a cookie has credentials for the origin alone.
            return cookies.identify(txn, policy, received, value)
        if "basic" in policy.order:
            good = self._parts.passwords.known(value)
            if good is not None:
                if is_reverse:
                    self._parts.sites.consumed(txn)
                noted = self._known.note(txn, policy, good.identity)
                self._repeats.keep(txn, received, good, noted, is_basic=True)
                return self._known.count(good.identity)
        return self._identification.by_credentials(txn, policy, value, received)

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | Respond | ReadContent | None:
        """Answer what is for the login page, and tell the origin of a site who it is."""
        last = self._sent
        if (
            last is not None
            and last.txn is txn.id
            and last.left is txn.request.lines()
            and last.proof.identity is txn.identity  # type: ignore[union-attr]  # it was known by that
        ):
            return None
        browsers = self._browsers
        is_reverse = txn.client.mode == "reverse"
        if browsers is None and not is_reverse:
            return None
        request, identity = txn.request, txn.identity
        last = txn.client.store.get(LAST)
        if last is not None and not (
            last.txn is txn.id
            and last.left is request.lines()
            and last.proof is not None
            and last.proof.identity is identity
            and not request.raw_target.startswith(_OWN)
        ):
            last = None
        if browsers is not None:
            said = browsers.answer(txn)
            if said is not None:
                return said
        if is_reverse:
            fields = request.fields
            self._parts.sites.strip(fields)
            if identity is not None:
                self._parts.sites.tell(fields, identity)
        if last is not None:
            last.sends(request.fields.lines)
        return None

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Let the gateway prove itself to the client, and no origin set cookies of ours."""
        negotiate = self._parts.negotiate
        if negotiate is not None:
            negotiate.answered(txn)
        browsers = self._browsers
        response = txn.response
        if browsers is None or response is None:
            return
        lines = response.lines()
        if lines is self._answered:
            return
        harmless = self._harmless
        if harmless.get(id(lines)) is not lines:
            browsers.judge(txn)
            if response.lines() is not lines:
                return
            if len(harmless) >= MOST_HARMLESS:
                harmless.clear()
            harmless[id(lines)] = lines
        self._answered = lines

    @hookimpl()
    async def order(self, name: str, said: Mapping[str, object]) -> Mapping[str, object] | None:
        """Carry out C{gateway user ...}."""
        return await self._parts.orders.carry_out(name, said)

    @hookimpl()
    def counters(self) -> Mapping[str, float]:
        """Give what is counted for each request, too often for metrics with labels."""
        remembered = self._remembered
        cookies = self._identification.cookies
        if cookies is not None:
            cookies.tell(self._counts["cookie"])
        return {
            "auth_requests_total": self._requests,
            "auth_challenges_total": self._challenges.count,
            "auth_memory_hits_total": remembered.hits,
            "auth_memory_refused_hits_total": remembered.refused_hits,
            "auth_remembered": len(remembered),
            "auth_limited": self._parts.limiter.size,
            **{f"auth_by_{source}_total": count for source, count in self._counts.items()},
            **self._parts.addresses.numbers(),
        }

    def _tellings(self) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
        """Give what finds the lines that tell who asks, and those in front of sites."""
        cookies = ("cookie",) if self._browsers is not None else ()
        return (
            telling(("proxy-authorization", *cookies)),
            telling(("authorization", *cookies, *self._parts.sites.names)),
        )
