"""
What hooks are told and may answer beyond verdicts: who asks, where it goes, what is stored.

All are values that don't change; C{None} in their place means "no opinion, ask the next plugin".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gateway.api.errors import UpstreamError
    from gateway.api.messages import Response
    from gateway.api.transaction import Transaction


@dataclass(frozen=True, slots=True)
class ClientHello:
    """
    What a client says before its TLS handshake (RFC 8446 section 4.1.2).

    All of it is the client's claim, unproven and unencrypted. Lists are in its order and as it sent them, with the
    values that it made up to keep servers tolerant (GREASE, RFC 8701); only C{versions} is without those.

    @ivar server_name: the host it wants, in lower case and without a dot at the end: a well-formed name and never an
        address; empty if it does not say. With ECH the name that is wanted may be another one.
    @ivar alpn: the protocols it offers, such as C{"h2"}; one character for each byte (Latin-1), which may be any.
    @ivar versions: the versions it offers, such as C{0x0304} for TLS 1.3. A client from before TLS 1.3 says only the
        highest.
    @ivar ciphers: numbers of cipher suites.
    @ivar extensions: numbers of all extensions.
    @ivar groups: numbers of groups for the key exchange, from C{supported_groups}.
    @ivar signature_algorithms: numbers, from the extension of that name.
    @ivar point_formats: numbers, from C{ec_point_formats}.
    @ivar has_ech: there is an C{encrypted_client_hello} (RFC 9849). Browsers send one filled with noise to servers
        that have none (GREASE), and nobody but the server can tell.
    @ivar has_ticket: it wants to resume a session of TLS 1.2 by a ticket.
    @ivar has_psk: it wants to resume a session of TLS 1.3, or shares a key with the server.
    """

    server_name: str
    alpn: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()
    ciphers: tuple[int, ...] = ()
    extensions: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    signature_algorithms: tuple[int, ...] = ()
    point_formats: tuple[int, ...] = ()
    has_ech: bool = False
    has_ticket: bool = False
    has_psk: bool = False


@dataclass(frozen=True, slots=True)
class Intercept:
    """
    Decrypt this connection.

    @ivar why: for the log.
    """

    why: str = ""


@dataclass(frozen=True, slots=True)
class Tunnel:
    """
    Pass this connection on unread.

    @ivar why: for the log.
    """

    why: str = ""


@dataclass(frozen=True, slots=True)
class Challenge:
    """
    Ask the client to say who it is (RFC 9110 section 11.3).

    @ivar schemes: one value of C{Proxy-Authenticate} or C{WWW-Authenticate} for each way, best first; which of
        the two fields, and so 407 or 401, is the mode's to know.
    @ivar why: for the page and the log.
    """

    schemes: tuple[str, ...]
    why: str = ""

    @classmethod
    def merged(cls, challenges: Iterable[Challenge]) -> Challenge:
        """Make one of several: every way once, in their order."""
        schemes: dict[str, None] = {}
        why: list[str] = []
        for challenge in challenges:
            schemes.update(dict.fromkeys(challenge.schemes))
            if challenge.why and challenge.why not in why:
                why.append(challenge.why)
        return cls(tuple(schemes), "; ".join(why))


@dataclass(frozen=True, slots=True)
class Route:
    """
    Where a request goes next.

    @ivar kind: C{"direct"}: to the target itself; C{"parent"}: to another proxy; C{"origin"}: to this origin
        in place of the target.
    @ivar host: name or address of the parent or the origin; empty for C{"direct"}.
    @ivar port: its TCP port; 0 for C{"direct"}.
    @ivar why: for the log.
    """

    kind: Literal["direct", "parent", "origin"]
    host: str = ""
    port: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """
    The upstream that was really dialled.

    @ivar host: the name that was looked up.
    @ivar address: the IP address it is connected to, as text.
    @ivar port: the TCP port.
    """

    host: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class StoredFile:
    """
    Stored content that is read from a file while it is sent.

    @ivar descriptor: an open regular file; it is read by position, so its own position means nothing. It has to stay
        open until C{release} is called.
    @ivar offset: where the content begins, bytes.
    @ivar length: how long it is, bytes; a file that turns out to be shorter breaks the response off.
    @ivar release: called once when nothing more is read, whatever became of the response; from the reactor's thread.
    """

    descriptor: int
    offset: int
    length: int
    release: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Stored:
    """
    A stored response to answer with.

    The same one may be given for any number of requests, as long as it is right: it is never changed, and plugins that
    look at an answer are shown a copy of C{response}.

    @ivar response: with whole content in C{response.content}, unless C{file} has it. Its C{length} counts only where
        the request is HEAD: what the content would have.
    @ivar file: where the content is; C{None}: in C{response.content}. Since 1.0.
    @ivar refresh: once this was sent the core also asks the upstream, by a request of its own that nobody waits for, and
        tells the validator what came (RFC 5861 section 3). C{None}: it does not. Since 1.0.
    @ivar memo: where the core writes down what it has worked out of the content, such as by what it is known again, so that
        it need not do so each time that this is sent. It must belong to this very content, the whole of it, and go with
        it; its names begin with C{gateway.}. It is kept in memory alone: what is in it means something to this process,
        and is not shown. C{None}: there is no such place. Since 1.0.
    """

    response: Response
    file: StoredFile | None = None
    refresh: Validator | None = None
    memo: MutableMapping[str, object] | None = None

    def again(self) -> Stored:
        """Give the same with a response of its own, whose fields can be changed."""
        return Stored(self.response.again(), self.file, self.refresh, self.memo)


@dataclass(frozen=True, slots=True)
class Validator:
    """
    Ask the upstream whether what is stored still holds (RFC 9110 section 13).

    @ivar fields: names and values to set in the forwarded request, such as C{If-None-Match}; a name whose value is
        C{None} is taken out of it.
    @ivar answered: told what came, once: the final response's head before any plugin has judged it, or why there is
        none. What it gives is sent in its place (what is stored, confirmed by a 304; or stale, RFC 5861 section 4); with
        C{None} the answer goes on as any. For a 304 with C{None} the request is sent again as the client had sent it,
        for the client has not asked for that 304. One that raises is logged and counts as C{None}. Since 1.0.
    """

    fields: Mapping[str, str | None]
    answered: Callable[[Transaction, Response | UpstreamError], Stored | None] | None = None


@dataclass(frozen=True, slots=True)
class AdminPage:
    """
    A page of the web console.

    @ivar path: where under the plugin's own folder, such as C{"lists"}; empty for the folder itself.
    @ivar title: what its link says.
    @ivar resource: a C{twisted.web} resource that renders it.
    """

    path: str
    title: str
    resource: object
