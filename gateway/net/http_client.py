"""
Requests of the gateway's own, for plugins: to a directory, a reputation service, a place for alarms.

Not the data plane: whole requests and whole answers, bounded in size and time. It is made of the data plane's parts all
the same, the strict parser, kept connections and the dialler, because twisted.web's client bounds neither the head
of an answer nor how many of them a server sends before the real one (docs/decisions/0001). No redirect is followed, no
proxy is used and nothing of the environment is read.

A request that would reach a listener of this very process is refused by the address that is dialled, and every request
carries our name in Via, so that one which comes back on another way is known as a loop by our own modes (RFC 9110
section 7.6.3). Nothing here knows what a plugin asks for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from gateway.api.services import HttpAnswer, HttpFailed, HttpReason
from gateway.message.fields import CONNECTION_FIELDS, Fields
from gateway.message.target import InvalidTarget, format_authority, parse_absolute
from gateway.message.via import Via
from gateway.net.deadlines import Deadlines
from gateway.net.dial import Dialer, Dialling
from gateway.net.faults import (
    DestinationForbidden,
    NameNotFound,
    NameServerFailure,
    NameTimeout,
    UpstreamClosed,
    UpstreamProtocolError,
)
from gateway.net.guard import Guard
from gateway.net.pool import Pool
from gateway.net.tls_faults import TlsFault
from gateway.net.upstream import UpstreamConnection
from gateway.wire.events import ResponseHead
from gateway.wire.limits import DEFAULT_LIMITS

#: Requests of one plugin that may be under way at once.
MOST_REQUESTS = 64
#: How long a connection is kept for the next request, and how many to one server.
IDLE_SECONDS = 30.0
KEPT_PER_SERVER = 8

_MOST_CONTEXTS = 64
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}")
# Sent again on a fresh connection when a kept one was dead (RFC 9110 section 9.2.2).
_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"))


class HttpClient:
    """
    What all plugins' requests share.

    @ivar pool: the kept connections.
    """

    def __init__(
        self,
        reactor: Any,
        deadlines: Deadlines,
        *,
        dialer: Callable[[], Dialer],
        own: Callable[[], Collection[tuple[str, int]]],
        via: Callable[[], Via],
        looped: Callable[[], object],
        trust: Any = None,
    ) -> None:
        """
        Compose; nothing is opened.

        @param dialer: gives the one of the running configuration: its resolver and its source ports are used, its
            guard, which is for clients, is not.
        @param own: gives address and port of our listeners.
        @param looped: called for each request that led back to us.
        @param trust: whom to trust instead of the system's certificates, in Twisted's terms.
        """
        self.pool = Pool(
            deadlines, idle_seconds=IDLE_SECONDS, per_key=KEPT_PER_SERVER, limits=DEFAULT_LIMITS
        )
        self.reactor = reactor
        self.looped = looped
        self.asking: set[Asking] = set()
        self.closed = False
        self._dialer = dialer
        self._via = via
        self._guard = Guard(_Everything(), (), own)
        self._trust = trust
        self._contexts: dict[str, Any] = {}

    def for_plugin(self) -> PluginHttp:
        """Give what one plugin asks with."""
        return PluginHttp(self)

    def close(self) -> None:
        """Fail what is under way, close what is kept, and take nothing any more."""
        self.closed = True
        for asking in list(self.asking):
            asking.fail("closed", "the gateway stops")
        self.pool.retire()

    def dialer(self) -> Dialer:
        """Give a dialler that judges by our guard. For L{Asking} only."""
        base = self._dialer()
        return Dialer(self.reactor, base.resolver, self._guard, base.source_ports, base.deadlines)

    def via_line(self) -> bytes:
        """Give our entry. For L{Asking} only."""
        return self._via().lines[1]

    def secured(self, host: str, inner: UpstreamConnection) -> Any:
        """
        Put TLS around a connection: the certificate must be the host's and signed by whom the system trusts.

        For L{Asking} only.
        """
        context = self._contexts.get(host)
        if context is None:
            if len(self._contexts) >= _MOST_CONTEXTS:
                self._contexts.clear()
            more = {} if self._trust is None else {"trustRoot": self._trust}
            # Reading the system's store takes milliseconds, hence once for each host.
            context = self._contexts[host] = optionsForClientTLS(host, **more)
        factory = TLSMemoryBIOFactory(context, True, _Giving(inner), clock=self.reactor)
        return factory.buildProtocol(None)


class PluginHttp:
    """
    One plugin's C{services.http}.

    @ivar under_way: how many of its requests have no answer yet.
    """

    def __init__(self, client: HttpClient) -> None:
        self.under_way = 0
        self._client = client

    def request(
        self,
        method: str,
        url: str,
        *,
        fields: Fields | None = None,
        content: bytes = b"",
        timeout_seconds: float = 10.0,
        max_bytes: int = 1 << 20,
    ) -> Deferred[HttpAnswer]:
        """
        Ask a server; see L{gateway.api.Http.request}.

        @raise ValueError: a method that is no token or opens a tunnel, bounds that are not more than 0, or a field
            line that holds a line end.
        """
        if not _METHOD.fullmatch(method) or method == "CONNECT":
            raise ValueError(f"{method!r} is no method for a request of a plugin")
        if not (math.isfinite(timeout_seconds) and timeout_seconds > 0 and max_bytes > 0):
            raise ValueError("timeout_seconds and max_bytes are more than 0")
        lines = _sendable(fields)
        asking = Asking(self._client, max_bytes)
        if self._client.closed:
            asking.fail("closed", "the gateway stops")
        elif self.under_way >= MOST_REQUESTS:
            asking.fail("busy", f"{self.under_way} requests are under way")
        else:
            self.under_way += 1
            asking.answer.addBoth(self._over)
            asking.begin(method.encode("ascii"), url, lines, content, timeout_seconds)
        return asking.answer

    def _over(self, result: Any) -> Any:
        self.under_way -= 1
        return result


class Asking:
    """
    One request until it has an answer.

    It is an L{Answering<gateway.net.upstream.Answering>}.

    @ivar answer: fires once; cancelling it breaks the connection off.
    """

    def __init__(self, client: HttpClient, max_bytes: int) -> None:
        self.answer: Deferred[HttpAnswer] = Deferred(lambda _: self._end())
        self._client = client
        self._max_bytes = max_bytes
        self._limit: Any = None
        self._dialling: Dialling | None = None
        self._connection: UpstreamConnection | None = None
        self._is_over = False
        self._head: ResponseHead | None = None
        self._received: list[bytes] = []
        self._size = 0
        self._method = b""
        self._request = b""
        self._content = b""
        self._scheme = self._host = ""
        self._port = 0

    def begin(
        self, method: bytes, url: str, fields: list[bytes], content: bytes, seconds: float
    ) -> None:
        """
        Send it; once.

        @param fields: lines beside those that are ours.
        """
        try:
            self._scheme, self._host, self._port, target = parse_absolute(
                url.encode("ascii"), method
            )
        except (InvalidTarget, UnicodeEncodeError) as error:
            # Not the URL itself: there may be a password in it.
            what = error.detail if isinstance(error, InvalidTarget) else "not ASCII"
            self.fail("url", f"not a URL that can be asked: {what}")
            return
        self._method = method
        self._content = content
        authority = format_authority(self._scheme, self._host, self._port)
        lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: " + authority]
        lines += fields
        lines.append(self._client.via_line())
        if content or method in (b"POST", b"PUT", b"PATCH"):
            lines.append(b"Content-Length: %d" % len(content))
        self._request = b"\r\n".join([*lines, b"", b""])
        self._client.asking.add(self)
        self._limit = self._client.reactor.callLater(seconds, self._out_of_time, seconds)
        kept = self._client.pool.take(self._key)
        if kept is None:
            self._dial(seconds)
        else:
            self._send(kept)

    def fail(self, reason: HttpReason, detail: str) -> None:
        """Give it up; harmless when it is over."""
        if not self._is_over:
            self._end()
            self.answer.errback(Failure(HttpFailed(reason, detail)))

    # What the connection calls.

    def interim(self, head: ResponseHead) -> None:
        """Take a 1xx response, which means nothing to us."""

    def answered(self, head: ResponseHead) -> None:
        """Take the head."""
        self._head = head
        if head.status == 101:
            self.fail("protocol", "the server switched to a protocol that was not asked for")
        elif head.framing > self._max_bytes and self._method != b"HEAD":
            self._too_large()

    def received(self, data: bytes) -> None:
        """Take content."""
        self._size += len(data)
        if self._size > self._max_bytes:
            self._too_large()
        else:
            self._received.append(data)

    def whole(
        self, head: ResponseHead, content: bytes | memoryview, trailers: tuple[bytes, ...]
    ) -> None:
        """Take all of it at once."""
        self._connection = None
        self._head = head
        if len(content) > self._max_bytes:
            self._too_large()
            return
        self._received.append(bytes(content))
        self._done()

    def ended(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end."""
        self._connection = None
        self._done()

    def settled(self) -> None:
        """All of one read was given; nothing is passed on here."""

    def lost(self, error: UpstreamClosed | UpstreamProtocolError | TlsFault) -> None:
        """It broke off: perhaps a kept connection was dead, and then another one is tried."""
        connection, self._connection = self._connection, None
        assert connection is not None
        if (
            connection.used > 1
            and not error.begun
            and isinstance(error, UpstreamClosed)
            and self._method in _IDEMPOTENT
            and not self._content
        ):
            self._dial(max(0.1, self._limit.getTime() - self._client.reactor.seconds()))
            return
        reason = connection.reason if isinstance(connection, SecuredConnection) else None
        if reason is not None:
            self.fail("tls", f"{self._host}: {reason}")
        else:
            self.fail("protocol", f"{self._host}: {error.detail}")

    # On the way.

    @property
    def _key(self) -> tuple[str, str, int]:
        return self._scheme, self._host, self._port

    def _dial(self, seconds: float) -> None:
        is_secured = self._scheme == "https"
        kind = SecuredConnection if is_secured else UpstreamConnection
        made: list[UpstreamConnection] = []

        def factory() -> Any:
            made.append(kind(self._key, self._client.pool, DEFAULT_LIMITS))
            return self._client.secured(self._host, made[0]) if is_secured else made[0]

        dialling = self._client.dialer().begin(
            self._host,
            self._port,
            factory,
            lambda protocol: self._connected(made[0]),
            self._not_connected,
            timeout=seconds,
        )
        if not self._is_over and self._connection is None:
            self._dialling = dialling

    def _connected(self, connection: UpstreamConnection) -> None:
        self._dialling = None
        self._send(connection)

    def _not_connected(self, error: BaseException) -> None:
        self._dialling = None
        match error:
            case DestinationForbidden():
                self._client.looped()
                self.fail("loop", f"{self._host}:{self._port} is this gateway itself")
            case NameNotFound() | NameTimeout() | NameServerFailure():
                self.fail("name", error.detail)
            case _:
                self.fail("connect", getattr(error, "detail", "") or type(error).__name__)

    def _send(self, connection: UpstreamConnection) -> None:
        self._connection = connection
        if self._content:
            connection.send(self._method, self._request, False, self)
            connection.write(self._content)
            connection.end(())
        else:
            connection.ask(self._method, self._request, self)

    def _out_of_time(self, seconds: float) -> None:
        self._limit = None
        self.fail("timeout", f"{self._host}: no whole answer within {seconds:g} s")

    def _too_large(self) -> None:
        self.fail("too_large", f"{self._host}: more than {self._max_bytes} bytes of content")

    def _done(self) -> None:
        head = self._head
        assert head is not None
        if head.status == 508:
            # Who answers so has seen our name in Via, and that is us (RFC 5842 section 7.2).
            self._client.looped()
            self.fail("loop", f"{self._host}: the request came back to where it had been")
            return
        self._end()
        self.answer.callback(HttpAnswer(head.status, head.fields, b"".join(self._received)))

    def _end(self) -> None:
        """Let go of everything."""
        self._is_over = True
        self._client.asking.discard(self)
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
        dialling, self._dialling = self._dialling, None
        if dialling is not None:
            dialling.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()


class SecuredConnection(UpstreamConnection):
    """
    A connection inside TLS.

    @ivar reason: what TLS ended it with, if it did: a certificate, an alert.
    """

    __slots__ = ("reason",)

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.reason: str | None = None

    def connectionLost(self, reason: Failure) -> None:
        """Remember what TLS says, then go on as usual."""
        if reason.check(ConnectionDone, ConnectionLost) is None:
            self.reason = f"{type(reason.value).__name__}: {reason.getErrorMessage()}"[:500]
        super().connectionLost(reason)


class _Giving(Factory):
    """Gives TLS the connection that is there already."""

    noisy = False

    def __init__(self, inner: UpstreamConnection) -> None:
        self._inner = inner

    def buildProtocol(self, addr: Any) -> Any:
        return self._inner


class _Everything:
    """The set of all addresses: plugins may ask whom they like, except ourselves."""

    def __contains__(self, address: str, /) -> bool:
        return True


def _sendable(fields: Fields | None) -> list[bytes]:
    """Give the lines of a plugin's fields, without those that decide framing or belong to one hop."""
    lines: list[bytes] = []
    named_agent = False
    for line in () if fields is None else fields.lines:
        name = line.partition(b":")[0].decode("latin-1").lower()
        if name in CONNECTION_FIELDS:
            continue
        if b"\r" in line or b"\n" in line or b"\0" in line:
            raise ValueError(f"a line of {name!r} holds what no field line may hold")
        named_agent = named_agent or name == "user-agent"
        lines.append(line)
    return lines if named_agent else [*lines, b"User-Agent: gateway"]
