"""
The plugin: asks the parts in their order, and knows none of them from within.

For each request: the policy of the client's network; credentials in the request, the connection's own identity, a cookie, the
address; and if nobody knows, a challenge or a redirect. Most requests of known users have the same lines as the one before on
their connection (L{gateway_auth.repeats}) or bring credentials that are remembered, so that comes first and waits for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Final, TypeAlias

from gateway.api import (
    Block,
    Caution,
    Challenge,
    Fields,
    Identity,
    Key,
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
from gateway_auth import cookies
from gateway_auth.cookie_mode import RESERVED, CookieMode, is_navigation
from gateway_auth.credentials import BadCredentials, find_line, parse, token, user_password
from gateway_auth.digest import Stale
from gateway_auth.parts import Parts
from gateway_auth.policy import Policies, Policy
from gateway_auth.repeats import LAST, Proof, Repeat
from gateway_auth.review import review
from gateway_auth.sessions import Session
from gateway_auth.settings import CONNECTION_BOUND, AuthSettings, available
from gateway_auth.verifier import Refused, Unavailable

#: What the hook answers.
Answer: TypeAlias = Identity | Challenge | Block | Respond | None

PROXY_AUTHORIZATION: Final = b"proxy-authorization"
AUTHORIZATION: Final = b"authorization"
#: What is in each cookie of ours, whatever it is called.
COOKIE: Final = cookies.NAME.encode("ascii")
#: What a path begins with that is kept for ourselves.
_OWN: Final = RESERVED.encode("ascii")

#: Seconds after which an address's user is noted again on a connection that goes on.
NOTE_SECONDS: Final = 5.0

#: So long groups count that a session did not bring and that were asked for, seconds. Who was asked remembers for longer.
GROUPS_SECONDS: Final = 30.0

#: Which user a connection's address was noted for, and when.
_NOTED: Key[tuple[str, float]] = Key("auth.noted")


@dataclass(slots=True, eq=False)
class _Opened:
    """What a cookie has shown (a L{Proof<gateway_auth.repeats.Proof>})."""

    identity: Identity
    until: float


class Auth(Plugin):
    """Find out who is asking."""

    name = "auth"
    Settings = AuthSettings

    settings: AuthSettings

    def __init__(self, settings: AuthSettings, services: Services) -> None:
        super().__init__(settings, services)
        self._parts = Parts(settings, services)
        self._policies = Policies(settings, available(settings))
        self._guest = Identity(settings.guest, source="guest")
        # In what connections keep, in place of this object, which they must not keep after a reload.
        self._token = object()
        self._seconds = services.clock.seconds
        self._epoch = self._parts.epoch
        # Requests with the same lines have the same fate here in reverse mode and with cookies alone.
        self._browsers = self._parts.browsers
        self._requests = 0
        self._challenges = 0
        self._known: defaultdict[str, int] = defaultdict(int)

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
        fields = request.fields
        last = client.store.get(LAST)
        # All that is compared is compared by identity or short, and here: a call for it would cost as much as all of it.
        if (
            last is not None
            and (last.lines is fields.lines or last.cookie is not None)
            and last.host == request.host
            and last.port == request.port
            and last.scheme == request.scheme
            and last.maker is self._token
            and last.epoch is self._epoch.now
            and not client.by_proxy
            and (last.lines is fields.lines or last.goes_on(fields.lines))
        ):
            proof = last.proof
            if proof is None:
                if last.left is not last.lines:
                    request.fields = Fields(last.left)
                return self._unshown(txn, self._policies.of(client.address), last)
            now = self._seconds()
            if now < last.until and now < proof.until and self._is_taken(last):
                if last.left is not last.lines:
                    request.fields = Fields(last.left)
                identity = proof.identity
                self._known[identity.source] += 1
                return identity
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
            return self._known_as(self._guest)
        try:
            line = find_line(fields.lines, AUTHORIZATION if is_reverse else PROXY_AUTHORIZATION)
        except BadCredentials:
            return self._nobody(txn, policy)
        if line is None:
            return self._without(txn, policy, received)
        value = line.partition(b":")[2].strip(b" \t")
        if is_reverse and self._has_cookie(txn, policy):
            # Whoever is known by a cookie has credentials for the origin alone.
            return self._by_cookie(txn, policy, received, value)
        if "basic" in policy.order:
            good = self._parts.passwords.known(value)
            if good is not None:
                if is_reverse:
                    self._parts.sites.consumed(txn)
                noted = self._noted(txn, policy, good.identity)
                self._keep(txn, received, good, noted, is_basic=True)
                return self._known_as(good.identity)
        return self._with(txn, policy, value, received)

    @hookimpl()
    def request_headers(self, txn: Transaction) -> Block | Respond | ReadContent | None:
        """Answer what is for the login page, and tell the origin of a site who it is."""
        browsers = self._browsers
        is_reverse = txn.client.mode == "reverse"
        if browsers is None and not is_reverse:
            return None
        request, identity = txn.request, txn.identity
        before = request.fields.lines
        last = txn.client.store.get(LAST) if identity is not None else None
        if last is not None and not (
            last.left is before
            and last.proof is not None
            and last.proof.identity is identity
            and last.is_of(self._token, self._epoch.now, request)
            and not request.raw_target.startswith(_OWN)
        ):
            last = None
        if last is not None and last.sent is not None:
            if last.sent is not before:
                request.fields = Fields(last.sent)
            return None
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
            last.sent = request.fields.lines
        return None

    @hookimpl()
    def response_headers(self, txn: Transaction) -> None:
        """Let the gateway prove itself to the client, and no origin set cookies of ours."""
        negotiate = self._parts.negotiate
        if negotiate is not None:
            negotiate.answered(txn)
        browsers = self._browsers
        if browsers is None:
            return
        last = txn.client.store.get(LAST)
        if last is None or txn.response is None:
            browsers.judge(txn)
            return
        lines = txn.response.fields.lines
        if lines is not last.answered:
            browsers.judge(txn)
            if txn.response.fields.lines is lines:
                last.answered = lines

    @hookimpl()
    async def order(self, name: str, said: Mapping[str, object]) -> Mapping[str, object] | None:
        """Carry out C{gateway user ...}."""
        return await self._parts.orders.carry_out(name, said)

    @hookimpl()
    def counters(self) -> Mapping[str, float]:
        """Give what is counted for each request, too often for metrics with labels."""
        remembered = self._parts.remembered
        if self._browsers is not None:
            self._browsers.mode.tell()
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

    async def _with(
        self, txn: Transaction, policy: Policy, value: bytes, received: list[bytes]
    ) -> Answer:
        """Judge a request by its credentials; with those that are nothing to us, as one that has none."""
        try:
            credentials = parse(value)
        except BadCredentials:
            return self._nobody(txn, policy)
        scheme = credentials.scheme
        if scheme not in policy.order or scheme == "cookie":
            answer = self._without(txn, policy, received)
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
        self._noted(txn, policy, identity)
        return self._known_as(identity)

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

    def _without(self, txn: Transaction, policy: Policy, received: list[bytes]) -> Maybe[Answer]:
        """Find out by what is known of the connection, the browser or the address."""
        parts = self._parts
        if parts.binds and not CONNECTION_BOUND.isdisjoint(policy.order):
            shown = parts.connections.shown(txn)
            if shown is not None:
                self._keep(txn, received, shown)
                return self._known_as(shown.identity)
        if self._has_cookie(txn, policy):
            return self._by_cookie(txn, policy, received)
        if not policy.believes_address:
            return self._nobody(txn, policy)
        if policy.redirects:
            # What is done depends on more than the lines.
            return self._unless_sent_away(txn, policy)
        return self._by_address(txn, policy, self._keep(txn, received))

    def _unshown(self, txn: Transaction, policy: Policy, last: Repeat) -> Maybe[Answer]:
        """Find out by connection or address alone, as nothing in the request's lines says who it is."""
        parts = self._parts
        if parts.binds and not CONNECTION_BOUND.isdisjoint(policy.order):
            shown = parts.connections.shown(txn)
            if shown is not None:
                self._keep(txn, last.lines, shown)
                return self._known_as(shown.identity)
        return self._by_address(txn, policy, last)

    def _has_cookie(self, txn: Transaction, policy: Policy) -> bool:
        return "cookie" in policy.order and COOKIE in b"\n".join(txn.request.fields.lines)

    def _by_cookie(
        self, txn: Transaction, policy: Policy, received: list[bytes], credentials: bytes = b""
    ) -> Maybe[Answer]:
        """
        Find out by a cookie; if it says nothing, by the rest.

        @param credentials: that are judged then; empty: there are none.
        """
        mode = self._cookies()
        session, until = mode.shown(txn)
        if session is None:
            return self._without_cookie(txn, policy, received, credentials)
        identity, recent = mode.at_once(session)
        if identity is None:
            return self._with_groups(txn, policy, received, credentials, session, until)
        return self._by_session(txn, policy, received, identity, min(until, recent))

    async def _with_groups(
        self,
        txn: Transaction,
        policy: Policy,
        received: list[bytes],
        credentials: bytes,
        session: Session,
        until: float,
    ) -> Answer:
        """Find out by a session whose groups have to be asked for."""
        mode = self._cookies()
        epoch = self._epoch.now
        try:
            identity = await mode.identity(session)
        except Refused:
            answer = self._without_cookie(txn, policy, received, credentials)
            return await answer if isinstance(answer, Awaitable) else answer
        except Unavailable as error:
            return self._unavailable(txn, error)
        if epoch is not self._epoch.now:
            # Something has changed while it was asked: good for this request alone.
            until = 0.0
        now = mode.tokens.now()
        return self._by_session(txn, policy, received, identity, min(until, now + GROUPS_SECONDS))

    def _by_session(
        self,
        txn: Transaction,
        policy: Policy,
        received: list[bytes],
        identity: Identity,
        until: float,
    ) -> Identity:
        """
        Take whom a cookie names.

        @param until: when it has to be looked again, in seconds since the epoch.
        """
        mode = self._cookies()
        ends = self._seconds() + until - mode.tokens.now()
        noted = self._noted(txn, policy, identity)
        last = self._keep(txn, received, _Opened(identity, ends), noted, keys=mode.tokens.keys)
        if txn.client.mode != "reverse" and not self._parts.binds:
            # Then nothing else in a request comes before its cookie but credentials for a proxy.
            last.take_cookie()
        return self._known_as(identity)

    def _without_cookie(
        self, txn: Transaction, policy: Policy, received: list[bytes], credentials: bytes
    ) -> Maybe[Answer]:
        """Find out by the rest, as there is a cookie and it says nothing."""
        if credentials:
            return self._with(txn, policy, credentials, received)
        return self._unless_sent_away(txn, policy)

    def _unless_sent_away(self, txn: Transaction, policy: Policy) -> Answer:
        # A browser that can be sent to get its cookie shows its own user, whoever else is behind the address.
        if not policy.believes_address or (policy.redirects and is_navigation(txn.request)):
            return self._nobody(txn, policy)
        return self._by_address(txn, policy)

    def _by_address(self, txn: Transaction, policy: Policy, last: Repeat | None = None) -> Answer:
        addresses = self._parts.addresses
        signs = None
        if last is not None:
            signs = last.signs
            if signs is None:
                signs = last.signs = addresses.signs(txn)
        can_be_asked = policy.order != ("cookie",)
        identity = addresses.get(txn, can_be_asked=can_be_asked, signs=signs)
        if identity is not None:
            return self._known_as(identity)
        return self._nobody(txn, policy)

    def _cookies(self) -> CookieMode:
        browsers = self._browsers
        assert browsers is not None
        return browsers.mode

    # What is kept for the next request.

    def _keep(
        self,
        txn: Transaction,
        received: list[bytes],
        proof: Proof | None = None,
        until: float = inf,
        *,
        keys: object = None,
        is_basic: bool = False,
    ) -> Repeat:
        """Keep what a request has shown for those of the connection that have the same lines."""
        made = Repeat(
            self._token,
            self._epoch.now,
            txn.request,
            received,
            proof,
            until,
            keys=keys,
            is_basic=is_basic,
        )
        txn.client.store[LAST] = made
        return made

    def _is_taken(self, last: Repeat) -> bool:
        """Tell whether a proof still counts that has not ended by itself, and count it where its kind is counted."""
        if last.is_basic:
            self._parts.remembered.hits += 1
        elif last.keys is not None:
            mode = self._cookies()
            if last.keys is not mode.tokens.keys:
                return False
            mode.repeated += 1
        return True

    # Answers.

    def _noted(self, txn: Transaction, policy: Policy, identity: Identity) -> float:
        """
        Note at his address who has shown in this very request who he is.

        @return: when that has to be done again, on the monotonic clock.
        """
        if not policy.believes_address:
            return inf
        store, now = txn.client.store, self._seconds()
        noted = store.get(_NOTED)
        if noted is None or noted[0] != identity.user or now - noted[1] >= NOTE_SECONDS:
            noted = store[_NOTED] = identity.user, now
            self._parts.addresses.put(txn, identity)
        return noted[1] + NOTE_SECONDS

    def _known_as(self, identity: Identity) -> Identity:
        self._known[identity.source] += 1
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
