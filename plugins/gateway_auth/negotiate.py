"""
C{Negotiate}: Kerberos tickets in HTTP (RFC 4559), as browsers send them without asking anybody for a password.

The client shows a ticket for C{HTTP/<name of the gateway>}; the key in our keytab opens it, and no directory is asked. Usually one
token is enough; where there are more, what is half done is kept with the client's connection. Accepting is done in the
C{directory} threads by L{gateway_auth.acceptor}. Whom an identity holds for is L{gateway_auth.connections}'s matter.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeAlias
from weakref import WeakSet

from gateway.api import Challenge, Identity, Key, Overloaded, Services, Transaction
from gateway.api.settings import BadValue, Duration, Help, PathKind, TextKind, WholeKind
from gateway_auth.acceptor import (
    Acceptor,
    Accepts,
    KeytabUnusable,
    NotInstalled,
    Round,
    TokenRefused,
    look_at,
)
from gateway_auth.connections import Connections
from gateway_auth.verifier import Refused, Unavailable, Verified

SCHEME = "Negotiate"

#: A ticket of Active Directory has up to 48 KiB, by what its PAC says of groups.
MAX_TOKEN = 65536

#: What a bare NTLM message begins with, also in the place of a SPNEGO token.
NTLM_SIGNATURE = b"NTLMSSP\0"

#: Gives the canonical name and the groups of a user that is known to be one; raises L{Unavailable}, or L{Refused} if the
#: directory does not know him or has him disabled.
LookUp: TypeAlias = Callable[[str], Awaitable[Verified]]

_PRINCIPAL = re.compile(r"[^\s/@\\]+(/[^\s/@\\]+)?(@[^\s/@\\]+)?")


def _principal(text: str) -> str:
    """
    Check a principal.

    @raise BadValue: it is none.
    """
    if text and _PRINCIPAL.fullmatch(text) is None:
        raise BadValue(
            f'"{text}" is not a principal', 'such as "HTTP/gateway.example.com@EXAMPLE.COM"'
        )
    return text


class KeytabKind(PathKind):
    """A keytab; looked at with the settings, so that its faults are shown with theirs."""

    def read(self, raw: object, place: Any) -> Any:
        """Look whether it can be read."""
        path = super().read(raw, place)
        if path:
            try:
                look_at(path)
            except KeytabUnusable as error:
                raise BadValue(str(error)) from None
        return path


@dataclass(frozen=True, slots=True)
class NegotiateSettings:
    """C{[plugins.auth.negotiate]}: Kerberos."""

    keytab: Annotated[
        str,
        KeytabKind(),
        Help(
            "The keytab with the gateway's keys. Empty: no Negotiate.", '"/etc/gateway/http.keytab"'
        ),
    ] = ""
    principal: Annotated[
        str,
        TextKind("a principal", _principal),
        Help(
            "The only service that tickets are accepted for. Empty: every `HTTP/...` in the keytab.",
            '"HTTP/gateway.example.com@EXAMPLE.COM"',
        ),
    ] = ""
    realms: Annotated[
        tuple[str, ...],
        Help(
            "The realms whose users are let in. Empty: the gateway's own alone, whatever other realms that trusts.",
            '["EXAMPLE.COM", "CORP.EXAMPLE.COM"]',
        ),
    ] = ()
    names: Annotated[
        Literal["user", "principal"],
        Help(
            "What a user is called. `user`: `alice`, and `alice@OTHER.EXAMPLE.COM` if the realm is another one than the "
            "gateway's; `principal`: always with the realm."
        ),
    ] = "user"
    replay_cache: Annotated[
        str,
        TextKind("the name of a replay cache", str),
        Help(
            "Where it is noted which tokens were used. Empty: as the Kerberos library does it.",
            '"file2:/var/lib/gateway/replay"',
        ),
    ] = ""
    rounds: Annotated[
        int, WholeKind(low=1, high=16), Help("Most tokens of one client until it is known.")
    ] = 5
    handshakes: Annotated[
        int,
        WholeKind(low=1, high=100_000),
        Help("Most clients that may be in the midst of several rounds at the same time."),
    ] = 1000
    handshake: Annotated[Duration, Help("So long a client may take for all its rounds.")] = 30.0


class BareNtlm(Protocol):
    """Takes NTLM messages that come in the place of SPNEGO tokens."""

    async def step(self, txn: Transaction, token: bytes, scheme: str) -> Identity | Challenge:
        """Take one."""


class _Handshake:
    """
    What is half done on one connection.

    @ivar rounds: tokens that were taken.
    @ivar until: when it has taken too long.
    """

    __slots__ = ("__weakref__", "context", "rounds", "until")

    def __init__(self, context: object, until: float) -> None:
        self.context: object | None = context
        self.rounds = 1
        self.until = until


_HANDSHAKE: Key[_Handshake | None] = Key("auth.negotiate.handshake")
_REPLY: Key[str] = Key("auth.negotiate.reply")


class Negotiate:
    """Identifies clients by their tickets."""

    def __init__(
        self,
        settings: NegotiateSettings,
        services: Services,
        connections: Connections,
        look_up: LookUp | None = None,
        ntlm: BareNtlm | None = None,
        acceptor: Accepts | None = None,
    ) -> None:
        """
        Prepare.

        @param look_up: asks the directory for users' groups; C{None}: they have none, and are called as the ticket says.
        @param ntlm: what takes NTLM under this scheme; C{None}: it is refused.
        @param acceptor: only for tests.
        """
        self._settings = settings
        self._services = services
        self._connections = connections
        self._look_up = look_up
        self._ntlm = ntlm
        self._acceptor = acceptor or Acceptor(
            settings.keytab, settings.principal, settings.replay_cache
        )
        self._open: WeakSet[_Handshake] = WeakSet()
        self._tokens = services.metrics.counter(
            "negotiate_tokens", "Tokens of Negotiate by what became of them.", ("result",)
        )
        self._seconds = services.metrics.histogram(
            "negotiate_seconds", "How long a token took, with the wait for a thread."
        )

    async def start(self) -> None:
        """
        Look whether there is a key.

        @raise NotInstalled: the extra is missing.
        @raise KeytabUnusable: there is no key; the text says why.
        """
        await self._services.threads.run("directory", self._acceptor.open)

    def stop(self) -> None:
        """Drop what is half done."""
        for handshake in self._open:
            handshake.context = None
        self._open.clear()

    def challenge(self) -> str:
        """Give the scheme as it stands in a challenge."""
        return SCHEME

    async def step(self, txn: Transaction, token: bytes) -> Identity | Challenge:
        """
        Take a token from C{(Proxy-)Authorization}.

        @return: who it is, by source C{negotiate}, and remembered for the connection; or what to ask it next.
        @raise Refused: the token proves nothing, or the directory does not know the user. What was known of the
            connection is forgotten.
        @raise Unavailable: nobody can say now.
        """
        self._connections.forget(txn)
        before = self._taken(txn)
        if not 0 < len(token) <= MAX_TOKEN:
            raise self._refusal("damaged", f"a token of {len(token)} bytes")
        if token.startswith(NTLM_SIGNATURE):
            if self._ntlm is None:
                # The usual sign that a client has no ticket for us.
                raise self._refusal("ntlm", "NTLM in place of a ticket")
            return await self._ntlm.step(txn, token, SCHEME)
        begun = self._services.clock.seconds()
        try:
            done = await self._services.threads.run(
                "directory", self._acceptor.step, before.context if before else None, token
            )
        except TokenRefused as error:
            raise self._refusal(error.fault, error.detail) from None
        except (KeytabUnusable, NotInstalled, Overloaded) as error:
            self._tokens.inc(result="unavailable")
            raise Unavailable(str(error)) from None
        finally:
            self._seconds.observe(self._services.clock.seconds() - begun)
        if done.context is not None:
            return self._next(txn, done, before)
        user = Verified(self._user(done))
        if self._look_up is not None:
            user = await self._look_up(user.user)
        identity = Identity(user.user, user.groups, "negotiate")
        self._tokens.inc(result="accepted")
        self._connections.remember(txn, identity, done.seconds)
        if done.reply:
            txn.store[_REPLY] = encode(done.reply)
        return identity

    def answered(self, txn: Transaction) -> None:
        """
        Add the last token to the answer, by which the gateway proves itself to the client; for C{response_headers}.

        The field is the challenge's (RFC 4559 section 5). The answer to a CONNECT can't have it.
        """
        reply = txn.store.get(_REPLY)
        if reply is not None and txn.response is not None:
            reverse = txn.client.mode == "reverse"
            field = "WWW-Authenticate" if reverse else "Proxy-Authenticate"
            txn.response.fields.add(field, f"{SCHEME} {reply}")

    def _taken(self, txn: Transaction) -> _Handshake | None:
        """Take what is half done on the connection, so that it is used once."""
        store = txn.client.store
        found = store.get(_HANDSHAKE)
        if found is None:
            return None
        store[_HANDSHAKE] = None
        self._open.discard(found)
        if found.context is None or self._services.clock.seconds() >= found.until:
            return None
        return found

    def _next(self, txn: Transaction, done: Round, before: _Handshake | None) -> Challenge:
        """Ask for another token."""
        if self._connections.is_shared(txn):
            raise self._refusal("shared", "several rounds on a connection that may be shared")
        now = self._services.clock.seconds()
        handshake = before
        if handshake is None:
            if len(self._open) >= self._settings.handshakes:
                self._sweep(now)
            if len(self._open) >= self._settings.handshakes:
                self._tokens.inc(result="unavailable")
                raise Unavailable("too many clients are in the midst of Negotiate")
            handshake = _Handshake(done.context, now + self._settings.handshake)
        else:
            handshake.context = done.context
            handshake.rounds += 1
        if handshake.rounds >= self._settings.rounds:
            raise self._refusal("damaged", "too many rounds")
        self._open.add(handshake)
        txn.client.store[_HANDSHAKE] = handshake
        self._tokens.inc(result="continued")
        return Challenge((f"{SCHEME} {encode(done.reply)}",))

    def _sweep(self, now: float) -> None:
        """Drop what takes too long."""
        for handshake in list(self._open):
            if now >= handshake.until:
                handshake.context = None
                self._open.discard(handshake)

    def _user(self, done: Round) -> str:
        """
        Make a user's name of a principal, in lower case: to Active Directory all cases are the same.

        @raise Refused: it is none that is let in.
        """
        name, _, realm = done.peer.rpartition("@")
        own = done.own.rpartition("@")[2]
        # A backslash is the library's way to write what would have a meaning, as another @.
        if not name or not realm or not done.peer.isprintable() or "\\" in name or "@" in name:
            raise self._refusal("bad_name", "a principal that makes no user name")
        if realm not in (self._settings.realms or (own,)):
            raise self._refusal("realm", f"a user of the realm {realm[:100]}")
        if self._settings.names == "principal" or realm != own:
            return f"{name.lower()}@{realm}"
        return name.lower()

    def _refusal(self, result: str, detail: str) -> Refused:
        """Note why a token is no good."""
        self._tokens.inc(result=result)
        self._services.log.info(
            "Negotiate: refused ({result}), {detail}", result=result, detail=detail
        )
        return Refused("bad_name" if result in ("bad_name", "realm") else "bad_token")


def encode(token: bytes) -> str:
    """Write a token as it stands behind the scheme."""
    return b64encode(token).decode("ascii")
