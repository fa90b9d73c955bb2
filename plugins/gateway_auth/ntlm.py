"""
C{NTLM}: three messages on one connection (MS-NLMP), checked by Samba's C{ntlm_auth}. Off unless it is switched on.

It is an old scheme: whoever can make a client speak NTLM to him can be that client elsewhere (relay), and what he overhears he
can guess passwords from. It is here for clients that can't do Kerberos. Its challenge belongs to one connection and one process,
so a message that answers another connection's challenge proves nothing.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from typing import Annotated

from gateway.api import Challenge, Identity, Key, Services, Transaction
from gateway.api.settings import BadValue, Duration, Help, TextKind, WholeKind
from gateway_auth.connections import Connections
from gateway_auth.negotiate import MAX_TOKEN, NTLM_SIGNATURE, LookUp, encode
from gateway_auth.ntlm_helpers import Helpers, Lease
from gateway_auth.verifier import Reason, Refused, Unavailable, Verified

SCHEME = "NTLM"

_NEGOTIATE = 1
_AUTHENTICATE = 3
#: Where the fixed part of the third message has the length of the user's name, and how long that part is at least.
_USER_LENGTH = 36
_FIXED = 64

#: What C{ntlm_auth} says of credentials that are no good, and what we call that.
_REASONS: dict[str, Reason] = {
    "NT_STATUS_WRONG_PASSWORD": "wrong_password",
    "NT_STATUS_LOGON_FAILURE": "wrong_password",
    "NT_STATUS_NO_SUCH_USER": "unknown_user",
    "NT_STATUS_NO_SUCH_DOMAIN": "unknown_user",
    "NT_STATUS_ACCOUNT_DISABLED": "disabled",
    "NT_STATUS_ACCOUNT_RESTRICTION": "disabled",
    "NT_STATUS_INVALID_LOGON_HOURS": "disabled",
    "NT_STATUS_INVALID_WORKSTATION": "disabled",
    "NT_STATUS_LOGON_TYPE_NOT_GRANTED": "disabled",
    "NT_STATUS_ACCOUNT_EXPIRED": "expired",
    "NT_STATUS_PASSWORD_EXPIRED": "expired",
    "NT_STATUS_PASSWORD_MUST_CHANGE": "expired",
    "NT_STATUS_ACCOUNT_LOCKED_OUT": "locked",
    "NT_STATUS_INVALID_PARAMETER": "bad_token",
    "NT_STATUS_INVALID_MESSAGE": "bad_token",
    "NT_STATUS_NTLM_BLOCKED": "disabled",
}
#: Names that stand for nobody.
_NOBODY = frozenset(("anonymous logon", "guest"))


def _domain(text: str) -> str:
    """
    Check the short name of a domain.

    @raise BadValue: it is none.
    """
    if not text.isprintable() or set(text) & set('\\/@ "'):
        raise BadValue(f'"{text}" is not the short name of a domain', 'such as "EXAMPLE"')
    return text.upper()


@dataclass(frozen=True, slots=True)
class NtlmSettings:
    """C{[plugins.auth.ntlm]}: NTLM by Samba's winbindd."""

    enabled: Annotated[
        bool,
        Help(
            "Take NTLM, as such and in the place of a ticket in Negotiate. Read about its risks first."
        ),
    ] = False
    helper: Annotated[
        tuple[str, ...],
        Help(
            "The command that checks messages. With `--require-membership-of=` behind it only the members of a group are "
            "let in."
        ),
    ] = ("/usr/bin/ntlm_auth", "--helper-protocol=squid-2.5-ntlmssp")
    helpers: Annotated[
        int,
        WholeKind(low=1, high=256),
        Help("Most processes; each is one client's from its first message to its last."),
    ] = 16
    timeout: Annotated[
        Duration, Help("For one answer of a process, and for the wait for a free one.")
    ] = 5.0
    handshake: Annotated[
        Duration, Help("So long a client may take from its first message to its last.")
    ] = 10.0
    domain: Annotated[
        str,
        TextKind("the short name of a domain", _domain),
        Help(
            "The domain whose users are called by their name alone. Those of others, and all if it is empty, are called "
            "`DOMAIN\\user`.",
            '"EXAMPLE"',
        ),
    ] = ""


@dataclass(slots=True)
class _Handshake:
    """
    A challenge that was sent on a connection.

    @ivar scheme: by which the client began.
    """

    lease: Lease
    scheme: str
    until: float


_HANDSHAKE: Key[_Handshake | None] = Key("auth.ntlm.handshake")


class Ntlm:
    """Identifies connections by NTLM."""

    def __init__(
        self,
        settings: NtlmSettings,
        services: Services,
        connections: Connections,
        look_up: LookUp | None = None,
        helpers: Helpers | None = None,
    ) -> None:
        """
        Prepare.

        @param look_up: asks the directory for users' groups; C{None}: they have none.
        @param helpers: only for tests.
        """
        self._settings = settings
        self._services = services
        self._connections = connections
        self._look_up = look_up
        self._helpers = helpers or Helpers(
            settings.helper,
            services,
            most=settings.helpers,
            timeout_seconds=settings.timeout,
        )
        self._messages = services.metrics.counter(
            "ntlm_messages", "Messages of NTLM by what became of them.", ("result",)
        )

    async def start(self) -> None:
        """
        Start one process, so that a wrong command is told at once.

        @raise Unavailable: it can't be started.
        """
        (await self._helpers.lease()).end()

    async def stop(self) -> None:
        """End all processes."""
        await self._helpers.stop()

    def challenge(self) -> str:
        """Give the scheme as it stands in a challenge."""
        return SCHEME

    def offered(self, txn: Transaction) -> bool:
        """Tell whether it can be done here: never where several users may share the connection."""
        return not self._connections.is_shared(txn)

    async def step(
        self, txn: Transaction, token: bytes, scheme: str = SCHEME
    ) -> Identity | Challenge:
        """
        Take a message from C{(Proxy-)Authorization}.

        @param scheme: by which it came, and by which the challenge goes.
        @return: the challenge that answers the first message; who it is, by source C{ntlm}, after the third.
        @raise Refused: wrong credentials, or no message of NTLM. What was known of the connection is forgotten.
        @raise Unavailable: nobody can say now.
        """
        self._connections.forget(txn)
        before = self._taken(txn)
        kind = _kind(token)
        if kind is None or not self.offered(txn):
            if before is not None:
                before.lease.end()
            raise self._refusal(
                "bad_token",
                "no message of NTLM" if kind is None else "the connection may be shared",
            )
        try:
            if kind == _NEGOTIATE:
                return await self._first(txn, token, scheme, before)
            return await self._third(txn, token, scheme, before)
        except Unavailable:
            self._messages.inc(result="unavailable")
            raise

    async def _first(
        self, txn: Transaction, token: bytes, scheme: str, before: _Handshake | None
    ) -> Challenge:
        """Answer the first message by a challenge."""
        lease = before.lease if before is not None else await self._helpers.lease()
        answer, rest = _words(await lease.ask(b"YR " + encode(token).encode()))
        if answer != "TT":
            lease.end()
            if answer == "NA":
                raise self._refusal("bad_token", rest)
            raise Unavailable(f"no challenge for NTLM: {answer} {rest}")
        try:
            if not b64decode(rest.encode("ascii"), validate=True).startswith(NTLM_SIGNATURE):
                raise ValueError
        except (binascii.Error, ValueError):
            lease.end()
            raise Unavailable("the process that checks NTLM gives no challenge") from None
        until = self._services.clock.seconds() + self._settings.handshake
        txn.client.store[_HANDSHAKE] = _Handshake(lease, scheme, until)
        self._messages.inc(result="challenged")
        return Challenge((f"{scheme} {rest}",))

    async def _third(
        self, txn: Transaction, token: bytes, scheme: str, before: _Handshake | None
    ) -> Identity | Challenge:
        """Check the third message."""
        if before is None or before.scheme != scheme:
            if before is not None:
                before.lease.end()
            # Whatever challenge it answers, it is not one of this connection. The client may begin again.
            self._messages.inc(result="restarted")
            return Challenge((scheme,))
        lease = before.lease
        if _is_anonymous(token):
            lease.end()
            raise self._refusal("empty", "an anonymous client")
        try:
            answer, rest = _words(await lease.ask(b"KK " + encode(token).encode()))
        finally:
            lease.end()
        if answer == "NA":
            reason = _REASONS.get(rest)
            if reason is None:
                # No domain controller, no trust, and whatever else is not the client's fault.
                raise Unavailable(f"NTLM can't be checked: {rest}")
            raise self._refusal(reason, rest)
        if answer != "AF":
            raise Unavailable(f"NTLM can't be checked: {answer} {rest}")
        user = Verified(self._user(rest))
        if self._look_up is not None:
            user = await self._look_up(user.user)
        identity = Identity(user.user, user.groups, "ntlm")
        self._messages.inc(result="accepted")
        self._connections.remember(txn, identity)
        return identity

    def _taken(self, txn: Transaction) -> _Handshake | None:
        """Take the challenge of the connection, so that it is answered once."""
        store = txn.client.store
        found = store.get(_HANDSHAKE)
        if found is None:
            return None
        store[_HANDSHAKE] = None
        if found.lease.ended:
            return None
        if self._services.clock.seconds() >= found.until:
            found.lease.end()
            return None
        return found

    def _user(self, said: str) -> str:
        """
        Make a user's name of what the process said.

        @raise Refused: it is nobody's.
        """
        domain, _, name = said.rpartition("\\")
        if not name or not said.isprintable() or "\\" in domain or name.lower() in _NOBODY:
            raise self._refusal("bad_name", "a name that is nobody's")
        # winbindd leaves out the domain if it was told to take its own for granted.
        if not domain or domain.upper() == self._settings.domain:
            return name.lower()
        return f"{domain.upper()}\\{name.lower()}"

    def _refusal(self, reason: Reason, detail: str) -> Refused:
        """Note why a message is no good."""
        self._messages.inc(result=reason)
        self._services.log.info("NTLM: refused ({reason}), {detail}", reason=reason, detail=detail)
        return Refused(reason)


def _kind(token: bytes) -> int | None:
    """Give which message it is, C{None} if it is none that a client sends."""
    if not 16 <= len(token) <= MAX_TOKEN or not token.startswith(NTLM_SIGNATURE):
        return None
    kind = int.from_bytes(token[8:12], "little")
    if kind == _AUTHENTICATE and len(token) < _FIXED:
        return None
    return kind if kind in (_NEGOTIATE, _AUTHENTICATE) else None


def _is_anonymous(token: bytes) -> bool:
    """Tell whether the third message names nobody."""
    return int.from_bytes(token[_USER_LENGTH : _USER_LENGTH + 2], "little") == 0


def _words(answer: bytes) -> tuple[str, str]:
    """Give the code of an answer and what is behind it."""
    code, _, rest = answer.decode("utf-8", "replace").partition(" ")
    return code, rest.strip()
