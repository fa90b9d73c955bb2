"""
Which TLS connection is decrypted, which passes unread, which is refused.

What C{[tls]} says, what plugins said of this one, and what is known of apps that take no certificate of ours, put into
one answer with its reason. Where a connection comes from, how it is peeked at and what follows is not known here.

The name that a client asks for in its first message (RFC 6066 section 3) is its own claim, and so are the protocols it
offers (RFC 7301 section 3.1); the host of the CONNECT says where the connection really leads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from twisted.logger import Logger

from gateway.api.answers import ClientHello, Intercept, Tunnel
from gateway.api.verdicts import Block
from gateway.config.sections.tls import Tls
from gateway.net.certificate_checks import is_address

_HTTP: Final = "http/1.1"


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What becomes of one connection.

    @ivar why: a token for the log: C{off}, C{never_decrypt}, C{plugin}, C{decrypt_all}, C{decrypt_hosts}, C{not_listed},
        C{pinned}, C{http2_only}, C{unknown_protocol}.
    @ivar to: the host that the connection has to lead to, if another than that of the CONNECT: it is left unread for its
        name, and only the client says that the address is of that name.
    """

    kind: Literal["intercept", "tunnel", "block"]
    why: str
    to: str = ""


_OFF = Decision("tunnel", "off")
_NEVER = Decision("tunnel", "never_decrypt")
_NOT_LISTED = Decision("tunnel", "not_listed")
_PINNED = Decision("tunnel", "pinned")
_PASSED = Decision("tunnel", "plugin")
_BLOCKED = Decision("block", "plugin")
_ALL = Decision("intercept", "decrypt_all")
_LISTED = Decision("intercept", "decrypt_hosts")
_WANTED = Decision("intercept", "plugin")
#: For a server that can't be decrypted, where it may pass all the same.
HTTP2_ONLY: Final = Decision("tunnel", "http2_only")


class Decryption:
    """
    Decides for the connections of one snapshot.

    @ivar unknown: what becomes of what is no TLS, or speaks nothing that we read.
    @ivar page_over_tls: a refusal is shown as a page within TLS.
    @ivar may_intercept: there may be connections that are decrypted, and so the CA is needed for them.
    """

    _log = Logger()

    __slots__ = (
        "_all",
        "_asked",
        "_bypassed",
        "_http2_only",
        "_listed",
        "_never",
        "_told",
        "may_intercept",
        "page_over_tls",
        "unknown",
    )

    def __init__(
        self,
        tls: Tls,
        *,
        asked: bool = False,
        bypassed: Callable[[str, ClientHello], bool] | None = None,
    ) -> None:
        """
        Take what the configuration says.

        @param asked: some plugin has the hook C{client_hello}.
        @param bypassed: tells whether clients of this kind are known to refuse our certificate for this name; see
            L{gateway.net.pins.Pins.bypassed}.
        """
        self.unknown: Literal["tunnel", "block"] = tls.on_unknown_protocol
        self._http2_only = tls.on_http2_only
        self.page_over_tls = tls.block_page_over_tls
        self.may_intercept = tls.decrypt != "none"
        self._all = tls.decrypt == "all"
        self._never = tls.never_decrypt
        self._listed = tls.decrypt_hosts
        self._asked = asked
        self._bypassed = bypassed
        self._told = False

    def never(self, *names: str) -> bool:
        """Tell whether one of these is not to be decrypted, whoever wants it."""
        return not self.may_intercept or any(name in self._never for name in names if name)

    def before_hello(self, host: str) -> Decision | None:
        """
        Decide by the host of the CONNECT alone, so that nothing need be peeked at.

        @param host: a name in lower case, or an address without brackets.
        @return: C{None}: the first message has to be seen, for what it says or to know whether it is TLS at all.
        """
        if self._asked:
            return None
        if host in self._never:
            return _NEVER
        if not self.may_intercept and self.unknown == "tunnel":
            return _OFF
        return None

    def decide(
        self, host: str, hello: ClientHello, said: Intercept | Tunnel | Block | None
    ) -> Decision:
        """
        Decide when the first message is there.

        @param host: of the CONNECT, or the address that a redirected client wanted.
        @param said: what plugins answered.
        """
        if isinstance(said, Block):
            return _BLOCKED
        name = hello.server_name
        if host in self._never:
            return _NEVER
        if name and self.may_intercept and is_address(host) and name in self._never:
            # Else it would be enough to claim a name that is never decrypted.
            return Decision("tunnel", "never_decrypt", to=name)
        if isinstance(said, Tunnel):
            return _PASSED
        if not self.may_intercept:
            if said is not None and not self._told:
                self._told = True
                self._log.warn(
                    'a plugin wants {host} decrypted, and others perhaps: with tls.decrypt = "none" they pass unread',
                    host=host,
                )
            return _OFF
        wanted = self._wanted(host, name, said)
        if wanted.kind != "intercept":
            return wanted
        if wanted is not _WANTED and self._is_pinned(host, hello):
            return _PINNED
        if hello.alpn and _HTTP not in hello.alpn:
            # It would not take HTTP/1.1 in answer, which is all that is spoken within.
            return Decision(self.unknown, "unknown_protocol")
        return wanted

    def why_not_unread(
        self,
        host: str,
        hello: ClientHello,
        said: Intercept | Tunnel | Block | None,
        *,
        content_wanted: bool,
    ) -> str:
        """
        Say why a connection that is to be decrypted may not pass unread if its server speaks HTTP/2 alone.

        @param host: as of L{decide}, and so is C{said}.
        @param content_wanted: plugins have to see what passes.
        @return: the end of a sentence for people; empty: it may.
        """
        if said is not None:
            return "a plugin wants to see what is within"
        if hello.server_name not in ("", host):
            # Else a name that is served so would open a way to the other sites of the same server.
            return "the name in TLS is not the one that the connection was asked for"
        if hello.alpn and not any(protocol != _HTTP for protocol in hello.alpn):
            return "the client speaks HTTP/1.1 alone, so that would not help it"
        if self._http2_only == "tunnel":
            return ""
        if self._http2_only == "block" or self.unknown == "block":
            return "this gateway lets nothing pass that it can't read"
        return "content has to be looked at here" if content_wanted else ""

    def _wanted(self, host: str, name: str, said: Intercept | None) -> Decision:
        if said is not None:
            return _WANTED
        if self._all:
            return _ALL
        if host in self._listed or (name and name in self._listed):
            return _LISTED
        return _NOT_LISTED

    def _is_pinned(self, host: str, hello: ClientHello) -> bool:
        """Ask only of a name that the connection leads to: else it would be enough to claim one that is bypassed."""
        if self._bypassed is None or hello.server_name not in ("", host):
            return False
        return self._bypassed(host, hello)
