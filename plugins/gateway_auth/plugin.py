"""
The plugin: asks the parts in their order, and knows none of them from within.

For each request: the policy of the client's network; credentials in the request, the connection's own identity, a cookie, the
address; and if nobody knows, a challenge or a redirect. Most requests of known users bring credentials that are remembered, so
that comes first and waits for nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Final, TypeAlias

from gateway.api import (
    Block,
    Challenge,
    Identity,
    Key,
    Maybe,
    Plugin,
    ReadContent,
    Respond,
    Services,
    Transaction,
    hookimpl,
)
from gateway_auth import cookies
from gateway_auth.cookie_mode import RESERVED, is_navigation
from gateway_auth.credentials import BadCredentials, find_line, parse, token, user_password
from gateway_auth.digest import Stale
from gateway_auth.parts import Parts
from gateway_auth.policy import Policies, Policy
from gateway_auth.settings import CONNECTION_BOUND, AuthSettings, available
from gateway_auth.verifier import Refused, Unavailable

#: What the hook answers.
Answer: TypeAlias = Identity | Challenge | Block | Respond | None

PROXY_AUTHORIZATION: Final = b"proxy-authorization"
AUTHORIZATION: Final = b"authorization"
#: What is in each cookie of ours, whatever it is called.
COOKIE: Final = cookies.NAME.encode("ascii")

#: Seconds after which an address's user is noted again on a connection that goes on.
NOTE_SECONDS: Final = 5.0

#: Which user a connection's address was noted for, and when.
_NOTED: Key[tuple[str, float]] = Key("auth.noted")


class Auth(Plugin):
    """Find out who is asking."""

    name = "auth"
    Settings = AuthSettings

    settings: AuthSettings

    def __init__(self, settings: AuthSettings, services: Services) -> None:
        super().__init__(settings, services)
        self._there = available(settings)
        self._parts = Parts(settings, services)
        self._policies = Policies(settings, self._there)
        self._guest = Identity(settings.guest, source="guest")
        self._requests = 0
        self._challenges = 0
        self._known: dict[str, int] = {}

    async def start(self) -> None:
        """Open the parts, and say what an operator should think about."""
        log = self.services.log
        if any(policy.name == "required" and not policy.order for policy in self._policies.all):
            log.warn(
                "nobody can show who he is, so all of whom that is required are refused: set users, ldap or negotiate"
            )
        named = {*self.settings.order, *(s for rule in self.settings.networks for s in rule.order)}
        for scheme in sorted(named - self._there):
            log.warn(
                "{scheme} is in the order, but there are no settings for it: it is not offered",
                scheme=scheme,
            )
        await self._parts.start()

    async def stop(self) -> None:
        """Close the parts."""
        await self._parts.stop()

    @hookimpl()
    def authenticate(self, txn: Transaction) -> Maybe[Answer]:
        """Say who is asking."""
        self._requests += 1
        client = txn.client
        fields = txn.request.fields
        is_reverse = client.mode == "reverse"
        if is_reverse:
            sites = self._parts.sites
            # Not in request_headers alone: a plugin in front may end that phase.
            sites.strip(fields)
            if txn.request.host not in sites.hosts:
                return None
        policy = self._policies.of(client.address)
        if policy.name == "off":
            return None
        if policy.name == "guest":
            return self._known_as(self._guest)
        try:
            line = find_line(fields.lines, AUTHORIZATION if is_reverse else PROXY_AUTHORIZATION)
        except BadCredentials:
            return self._nobody(txn, policy)
        if line is None:
            return self._without(txn, policy)
        value = line.partition(b":")[2].strip(b" \t")
        if is_reverse and self._has_cookie(txn, policy):
            # Whoever is known by a cookie has credentials for the origin alone.
            return self._by_cookie(txn, policy, value)
        if "basic" in policy.order:
            identity = self._parts.passwords.known(value)
            if identity is not None:
                if is_reverse:
                    self._parts.sites.consumed(txn)
                return self._shown(txn, policy, identity)
        return self._with(txn, policy, value)

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | Respond | ReadContent | None:
        """Answer what is for the login page, and tell the origin of a site who it is."""
        browsers = self._parts.browsers
        if browsers is not None:
            said = browsers.answer(txn)
            if said is not None:
                return said
        if txn.client.mode == "reverse":
            fields = txn.request.fields
            self._parts.sites.strip(fields)
            if txn.identity is not None:
                self._parts.sites.tell(fields, txn.identity)
        return None

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Let the gateway prove itself to the client, and no origin set cookies of ours."""
        parts = self._parts
        if parts.negotiate is not None:
            parts.negotiate.answered(txn)
        if parts.browsers is not None:
            parts.browsers.judge(txn)

    @hookimpl()
    async def order(self, name: str, said: Mapping[str, object]) -> Mapping[str, object] | None:
        """Carry out C{gateway user ...}."""
        return await self._parts.orders.carry_out(name, said)

    @hookimpl()
    def counters(self) -> Mapping[str, float]:
        """Give what is counted for each request, too often for metrics with labels."""
        remembered = self._parts.remembered
        return {
            "auth_requests_total": self._requests,
            "auth_challenges_total": self._challenges,
            "auth_memory_hits_total": remembered.hits,
            "auth_memory_refused_hits_total": remembered.refused_hits,
            "auth_remembered": len(remembered),
            "auth_limited": self._parts.limiter.size,
            **{f"auth_by_{source}_total": count for source, count in self._known.items()},
            **self._parts.addresses.numbers(),
        }

    # With credentials in the request.

    async def _with(self, txn: Transaction, policy: Policy, value: bytes) -> Answer:
        """Judge a request by its credentials; with those that are nothing to us, as one that has none."""
        try:
            credentials = parse(value)
        except BadCredentials:
            return self._nobody(txn, policy)
        scheme = credentials.scheme
        if scheme not in policy.order or scheme == "cookie":
            answer = self._without(txn, policy)
            return await answer if isinstance(answer, Awaitable) else answer
        if txn.client.mode == "reverse":
            # Whatever becomes of them: a password that is wrong here is none of the origin's business.
            self._parts.sites.consumed(txn)
        try:
            if scheme == "basic":
                said = user_password(credentials.rest)
                identity = await self._parts.passwords.check(
                    said.user, said.password, txn.client.address
                )
            elif scheme == "digest":
                identity = self._digest(txn, credentials.rest)
            else:
                found = await self._step(txn, scheme, credentials.rest)
                if isinstance(found, Challenge):
                    return found
                self._parts.addresses.saw(txn, found)
                return self._known_as(found)
        except (BadCredentials, Refused):
            return self._nobody(txn, policy)
        except Stale:
            return self._nobody(txn, policy, stale=True)
        except Unavailable as error:
            return self._unavailable(txn, error)
        return self._shown(txn, policy, identity)

    def _digest(self, txn: Transaction, rest: bytes) -> Identity:
        parts = self._parts
        digest, local = parts.digest, parts.local
        assert digest is not None and local is not None
        user, address = digest.user_of(rest), txn.client.address
        if parts.limiter.wait(user, address) > 0:
            raise parts.passwords.refusal("too_often", user, address)
        try:
            user = digest.check(rest, txn.request)
        except Refused as error:
            parts.limiter.failed(user, address)
            raise parts.passwords.refusal(error.reason, user, address) from None
        parts.limiter.succeeded(user, address)
        return Identity(user, local.groups(user), "digest")

    async def _step(self, txn: Transaction, scheme: str, rest: bytes) -> Identity | Challenge:
        parts = self._parts
        if scheme == "negotiate":
            assert parts.negotiate is not None
            return await parts.negotiate.step(txn, token(rest))
        assert parts.ntlm is not None
        address = txn.client.address
        if parts.limiter.wait_at(address) > 0:
            raise parts.passwords.refusal("too_often", "", address)
        try:
            return await parts.ntlm.step(txn, token(rest))
        except Refused as error:
            if error.reason in ("wrong_password", "unknown_user"):
                parts.limiter.failed_at(address)
            raise

    # Without.

    def _without(self, txn: Transaction, policy: Policy) -> Maybe[Answer]:
        """Find out by what is known of the connection, the browser or the address."""
        parts = self._parts
        if parts.binds:
            identity = parts.connections.identity(txn)
            if identity is not None and not CONNECTION_BOUND.isdisjoint(policy.order):
                return self._known_as(identity)
        if self._has_cookie(txn, policy):
            return self._by_cookie(txn, policy)
        return self._by_address(txn, policy)

    def _has_cookie(self, txn: Transaction, policy: Policy) -> bool:
        return "cookie" in policy.order and any(COOKIE in line for line in txn.request.fields.lines)

    async def _by_cookie(
        self, txn: Transaction, policy: Policy, credentials: bytes = b""
    ) -> Answer:
        """
        Find out by a cookie; if it says nothing, by the rest.

        @param credentials: that are judged then; empty: there are none.
        """
        browsers = self._parts.browsers
        assert browsers is not None
        try:
            identity = await browsers.identify(txn)
        except Refused:
            identity = None
        except Unavailable as error:
            return self._unavailable(txn, error)
        if identity is not None:
            return self._shown(txn, policy, identity)
        if credentials:
            return await self._with(txn, policy, credentials)
        return self._by_address(txn, policy)

    def _by_address(self, txn: Transaction, policy: Policy) -> Answer:
        # A browser that can be sent to get its cookie shows its own user, whoever else is behind the address.
        if policy.believes_address and not (policy.redirects and is_navigation(txn.request)):
            can_be_asked = policy.order != ("cookie",)
            identity = self._parts.addresses.get(txn, can_be_asked=can_be_asked)
            if identity is not None:
                return self._known_as(identity)
        return self._nobody(txn, policy)

    # Answers.

    def _shown(self, txn: Transaction, policy: Policy, identity: Identity) -> Identity:
        """Take who has shown in this very request who he is."""
        if policy.believes_address:
            store, now = txn.client.store, self.services.clock.seconds()
            noted = store.get(_NOTED)
            if noted is None or noted[0] != identity.user or now - noted[1] >= NOTE_SECONDS:
                store[_NOTED] = identity.user, now
                self._parts.addresses.put(txn, identity)
        return self._known_as(identity)

    def _known_as(self, identity: Identity) -> Identity:
        source = identity.source
        self._known[source] = self._known.get(source, 0) + 1
        return identity

    def _nobody(self, txn: Transaction, policy: Policy, *, stale: bool = False) -> Answer:
        """Ask who it is, always in the same words; or pass where nobody has to say it."""
        if policy.name == "optional":
            return None
        browsers = self._parts.browsers
        if browsers is not None and self._may_redirect(txn, policy) and browsers.seed(txn):
            # What is asked within a tunnel, and forms, whose content has to be read, come later.
            if not txn.request.scheme or browsers.is_open(txn):
                return None
            said = browsers.answer(txn)
            if isinstance(said, Block | Respond):
                return said
        schemes = self._offered(txn, policy, stale=stale)
        if not schemes:
            return Block("Nobody can sign in here.", "auth", 403, "authenticate")
        self._challenges += 1
        return Challenge(tuple(schemes))

    def _may_redirect(self, txn: Transaction, policy: Policy) -> bool:
        """Tell whether a browser gets a page or a redirect before a challenge."""
        request = txn.request
        browsers = self._parts.browsers
        return (
            policy.redirects
            # A challenge of a proxy means nothing within a tunnel.
            or (request.scheme == "https" and txn.client.mode != "reverse")
            or request.path.startswith(RESERVED)
            or (browsers is not None and browsers.is_open(txn))
        )

    def _offered(self, txn: Transaction, policy: Policy, *, stale: bool) -> list[str]:
        parts = self._parts
        offered: list[str] = []
        for scheme in policy.order:
            if scheme == "negotiate" and parts.negotiate is not None:
                offered.append(parts.negotiate.challenge())
            elif scheme == "ntlm" and parts.ntlm is not None:
                if parts.ntlm.offered(txn):
                    offered.append(parts.ntlm.challenge())
            elif scheme == "digest" and parts.digest is not None:
                offered += parts.digest.challenges(stale=stale)
            elif scheme == "basic":
                offered.append(f'Basic realm="{self.settings.realm}", charset="UTF-8"')
        return offered

    def _unavailable(self, txn: Transaction, error: Unavailable) -> Answer:
        """Do what is set for credentials that nobody can check."""
        choice = self.settings.unavailable
        self.services.log.warn(
            "nobody can say who {address} is, {choice}: {why}",
            address=txn.client.address,
            choice=choice,
            why=error.detail,
        )
        if choice == "guest":
            return self._known_as(self._guest)
        if choice == "anonymous":
            return None
        return Block(
            "Your name and password can't be checked at the moment.",
            "auth_unavailable",
            503,
            "auth_unavailable",
        )
