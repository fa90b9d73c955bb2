"""
The acceptor's side of SPNEGO and Kerberos (RFC 4178, RFC 4121), by the system's GSSAPI library.

Everything here blocks and is called in threads; it knows nothing of HTTP. Only Kerberos is ever agreed on, whatever other
mechanisms the library has. Of the library nothing is set for the whole process: keytab and replay cache go with the
credentials, so that another configuration can have others. It is the extra C{gateway[kerberos]}, imported when it is used.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

#: The service that clients ask for a ticket to (RFC 4559 section 4.1).
SERVICE = "HTTP"

KERBEROS = "1.2.840.113554.1.2.2"
SPNEGO = "1.3.6.1.5.5.2"

#: Why a token is no good, for the log and the metrics.
Fault: TypeAlias = Literal["replayed", "clock", "expired", "no_key", "mechanism", "damaged"]

# By the words of MIT's library: its numbers are its own affair, and differ from process to process.
_WORDS: tuple[tuple[str, Fault], ...] = (
    ("replay", "replayed"),
    ("clock skew", "clock"),
    ("not yet valid", "clock"),
    ("expired", "expired"),
    ("keytab", "no_key"),
    ("key table", "no_key"),
    ("key version", "no_key"),
    ("wrong principal", "no_key"),
    ("mechanism", "mechanism"),
)
_SHOWN = 300
# What the library says of the mechanism's own fault is behind what it says of all faults.
_MAJOR = re.compile(r"Major \(\d+\): (.*?), Minor \(\d+\): (.*)", re.DOTALL)


class NotInstalled(Exception):
    """The extra is missing."""


class KeytabUnusable(Exception):
    """
    There is no key to accept tickets with.

    The text says what to do.
    """


class TokenRefused(Exception):
    """
    A token proves nothing.

    @ivar fault: what kind of fault it is.
    @ivar detail: what the library says, in printable characters; it may name principals, and no key.
    """

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Round:
    """
    What one token led to.

    @ivar context: to be given with the client's next token; C{None} when it is done.
    @ivar reply: the token for the client, empty if there is none.
    @ivar peer: the client's principal, when it is done.
    @ivar own: the principal that it wanted to speak to, likewise.
    @ivar seconds: how long the ticket is still good for, likewise.
    """

    context: object | None
    reply: bytes
    peer: str = ""
    own: str = ""
    seconds: float = 0.0


class Accepts(Protocol):
    """Takes tokens of clients; all of it blocks."""

    def open(self) -> None:
        """
        Look whether there is a key.

        @raise NotInstalled: nothing can be done without the library.
        @raise KeytabUnusable: there is none.
        """

    def step(self, context: object | None, token: bytes) -> Round:
        """
        Take a client's token.

        @param context: of the round before, to which it belongs alone; C{None} in the first.
        @raise TokenRefused: it is no good; the context is of no use any more.
        @raise KeytabUnusable: nobody can say.
        """


class Acceptor:
    """Accepts by the keys of one keytab."""

    def __init__(self, keytab: str, principal: str, replay_cache: str) -> None:
        """
        Prepare; nothing is opened yet.

        @param principal: the only one that is accepted for; empty: every C{HTTP/...} in the keytab.
        @param replay_cache: name of a replay cache; empty: the library's own.
        """
        self._keytab = keytab
        self._principal = principal
        self._replay_cache = replay_cache
        self._credentials: Any = None

    def open(self) -> None:
        """Look whether there is a key; see L{Accepts.open}."""
        _library()
        look_at(self._keytab)
        self._credentials = self._acquired()

    def step(self, context: object | None, token: bytes) -> Round:
        """Take a token; see L{Accepts.step}."""
        gssapi = _library()
        raw = gssapi.raw
        if self._credentials is None:
            self.open()
        try:
            result = raw.accept_sec_context(token, self._credentials, context)
        except raw.GSSError as error:
            # Keys are read anew each time, so a keytab that was taken away is noticed here.
            look_at(self._keytab)
            raise _refused(error) from None
        reply = result.token or b""
        if result.more_steps:
            return Round(result.context, reply)
        if result.mech is None or result.mech.dotted_form != KERBEROS:
            raise TokenRefused("mechanism", "another mechanism than Kerberos")
        if result.initiator_name is None:
            raise TokenRefused("damaged", "a context without a name")
        own = raw.inquire_context(result.context, initiator_name=False).target_name
        return Round(
            None,
            reply,
            _text(raw.display_name(result.initiator_name, False).name),
            "" if own is None else _text(raw.display_name(own, False).name),
            # Without an end it is the longest number that there is.
            float(min(result.lifetime or 0, 1 << 31)),
        )

    def _acquired(self) -> Any:
        """
        Get credentials that can do Kerberos, within SPNEGO and without.

        @raise KeytabUnusable: there is no key.
        """
        gssapi = _library()
        raw = gssapi.raw
        if self._principal:
            name = gssapi.Name(self._principal, gssapi.NameType.kerberos_principal)
        else:
            # Without a host it is every host's.
            name = gssapi.Name(SERVICE, gssapi.NameType.hostbased_service)
        store = {b"keytab": b"FILE:" + os.fsencode(self._keytab)}
        if self._replay_cache:
            store[b"rcache"] = self._replay_cache.encode()
        kerberos = gssapi.OID.from_int_seq(KERBEROS)
        try:
            found = raw.acquire_cred_from(
                store,
                name,
                mechs=[kerberos, gssapi.OID.from_int_seq(SPNEGO)],
                usage="accept",
            ).creds
            raw.set_neg_mechs(found, [kerberos])
        except raw.GSSError as error:
            wanted = self._principal or f"{SERVICE}/..."
            raise KeytabUnusable(
                f'no key for {wanted} in "{self._keytab}": {_said(error)}; `klist -kte` shows what is in it'
            ) from None
        return found


def look_at(keytab: str) -> None:
    """
    Look whether a keytab can be read by whom we run as; it blocks.

    @raise KeytabUnusable: it can't, or is none.
    """
    try:
        with open(keytab, "rb") as stream:
            begin = stream.read(2)
    except OSError as error:
        raise KeytabUnusable(f'cannot read "{keytab}": {error.strerror}') from None
    # All versions of the format begin with 5.
    if begin[:1] != b"\x05":
        raise KeytabUnusable(f'"{keytab}" is no keytab')


def _library() -> Any:
    """
    Give the module C{gssapi}.

    @raise NotInstalled: it is missing, or the system's library is.
    """
    try:
        import gssapi
    except (ImportError, OSError) as error:
        raise NotInstalled(
            "Negotiate needs the extra: pip install 'gateway[kerberos]', and for that on Debian "
            f"`apt-get install gcc libkrb5-dev` ({error})"
        ) from None
    return gssapi


def _refused(error: Any) -> TokenRefused:
    said = _said(error)
    lower = said.lower()
    fault: Fault = next((fault for word, fault in _WORDS if word in lower), "damaged")
    return TokenRefused(fault, said)


def _said(error: Any) -> str:
    """Give what the library says, with what a peer may have put in made harmless."""
    try:
        said = str(error.gen_message())
    except Exception:
        # It could not be put into words.
        said = type(error).__name__
    found = _MAJOR.fullmatch(said)
    if found is not None:
        said = found[1] if found[2] == "Unknown error" else found[2]
    return "".join(c if c.isprintable() else "?" for c in said)[:_SHOWN]


def _text(name: bytes) -> str:
    """
    Give a principal's name.

    @raise TokenRefused: it is no text.
    """
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise TokenRefused("damaged", "a name that is not UTF-8") from None
