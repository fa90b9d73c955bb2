"""
Every server that a gateway under test could go to, as one mapping of URLs, and the witness of what really came there.

C{gw.origin["http://good.example/"] = Response(200, content=b"hello")} is a page; what has no page is answered with 404.
C{gw.origin.requests} is what was received, taken apart by a reader that is not the gateway's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred

from gateway.api.messages import Response
from gateway.net.faults import NameNotFound
from gateway.testing.harness import Names
from gateway.testing.messages import Message, read_requests, read_responses
from gateway.testing.network import MemoryNetwork, Station
from gateway.testing.peers import ScriptedPeer
from gateway.testing.sockets import MemorySocket

#: What a URL is answered with: a response, its content, or what makes one of these of the request. Of a tunnel: the bytes
#: that answer the first ones that come, or a function from what came to what goes back.
Page: TypeAlias = Response | bytes | Callable[[Message], "Response | bytes"]
Far: TypeAlias = bytes | Callable[[bytes], bytes]

_AUTHORITY = re.compile(r"(?:[^\s/:@]+|\[[0-9a-fA-F:.]+\]):\d+")
_HTTP = re.compile(rb"[A-Z]+ \S+ HTTP/1\.[01]\r\n")
_FREE = [f"198.51.100.{n}" for n in range(1, 255)] + [f"203.0.113.{n}" for n in range(1, 255)]


class FakeOrigin:
    """
    All origins at once.

    @ivar requests: every request that came, in order, incomplete ones included (C{complete} tells); C{url} says where to.
    @ivar tunnels: the bytes that came through each CONNECT tunnel.
    @ivar addresses: of hosts, where a test wants certain ones; the others get one each.
    @ivar down: hosts that refuse connections.
    @ivar unknown: hosts whose names have no address.
    """

    def __init__(self, pages: Mapping[str, Page | Far] | None = None) -> None:
        self.addresses: dict[str, str] = {}
        self.down: set[str] = set()
        self.unknown: set[str] = set()
        self.connections: list[_Connection] = []
        self._pages: dict[str, Page | Far] = {}
        self._requests: list[Message] = []
        self._tunnels: list[_Connection] = []
        for url, page in (pages or {}).items():
            self[url] = page

    def __setitem__(self, url: str, page: Page | Far) -> None:
        """
        Answer a URL from now on.

        @param url: C{http://host/path?query}, or C{host:port} for the far end of a tunnel.
        @param page: C{bytes} are the content of a 200; a function of the request gives either.
        @raise ValueError: neither of the two forms, or C{https}: what is in a tunnel the gateway does not see.
        """
        self._pages[canonical(url)] = page

    def __getitem__(self, url: str) -> Page | Far:
        """
        Give what a URL is answered with.

        @raise KeyError: it is the usual 404.
        """
        return self._pages[canonical(url)]

    def __delitem__(self, url: str) -> None:
        """Answer it with 404 again."""
        del self._pages[canonical(url)]

    def __contains__(self, url: str) -> bool:
        """Tell whether there is a page."""
        return canonical(url) in self._pages

    @property
    def requests(self) -> list[Message]:
        """Every request that came, in order."""
        for connection in self.connections:
            connection.refresh()
        return list(self._requests)

    @property
    def request(self) -> Message:
        """
        The only request that came.

        @raise AssertionError: none came, or more than one.
        """
        found = self.requests
        if len(found) != 1:
            came = ", ".join(f"{each.method.decode()} {each.url}" for each in found) or "nothing"
            raise AssertionError(f"not one request came to the origin, but {came}")
        return found[0]

    @property
    def tunnels(self) -> list[bytes]:
        """What came through each tunnel, in the order of their first bytes."""
        return [connection.received for connection in self._tunnels]

    def join(self, network: MemoryNetwork) -> Names:
        """Be everywhere on a network, and give the names that lead there. For L{FakeGateway} only."""
        network.stations = _Everywhere(self, network)
        return _EveryName(self)

    def reached(self, url: str, *, after: tuple[int, int]) -> bool:
        """
        Tell whether a request for a URL came, or a first byte through a tunnel there.

        @param url: empty for any.
        @param after: what L{came_so_far} gave before it could have.
        """
        requests = self.requests[after[0] :]
        tunnels = self._tunnels[after[1] :]
        if not url:
            return bool(requests or tunnels)
        wanted = canonical(url)
        return any(_is_for(request, wanted) for request in requests) or any(
            connection.authority == wanted for connection in tunnels
        )

    @property
    def came_so_far(self) -> tuple[int, int]:
        """Count requests and tunnels, for L{reached}."""
        return len(self.requests), len(self._tunnels)

    # For connections.

    def tunnelled(self, connection: _Connection) -> None:
        """Take note of a tunnel, as soon as its first byte is there."""
        self._tunnels.append(connection)

    def opened(self, connection: _Connection) -> None:
        """Take note of a connection."""
        self.connections.append(connection)

    def came(self, request: Message) -> None:
        """Take note of a request, as soon as its first line is there."""
        self._requests.append(request)

    def answer(self, request: Message) -> bytes:
        """Make the whole answer to a request."""
        page = self._pages.get(canonical(request.url)) if request.fields else None
        if callable(page):
            page = cast("Callable[[Message], Response | bytes]", page)(request)
        if page is None:
            page = Response(404, content=b"the test has no page for %b\n" % request.url.encode())
        if isinstance(page, bytes):
            page = Response(200, content=page)
        if not isinstance(page, Response):
            raise AssertionError(f"{page!r} is no answer for {request.url}: give a Response")
        return written(page, request.method)

    def far_end(self, authority: str) -> Far | None:
        """Give what speaks at the far end of a tunnel."""
        return cast("Far | None", self._pages.get(authority))

    def name_of(self, address: str, port: int) -> str:
        """Give C{host:port} for an address that was looked up."""
        for host, known in self.addresses.items():
            if known == address:
                return f"{host}:{port}"
        return f"{address}:{port}"


def canonical(url: str) -> str:
    """
    Write a URL in the one way in which it is looked up.

    @raise ValueError: it is neither C{http://host/...} nor C{host:port}.
    """
    if _AUTHORITY.fullmatch(url):
        return url.lower()
    parts = urlsplit(url)
    if parts.scheme == "https":
        raise ValueError(
            f"{url}: the gateway sees no request within TLS; use gw.connect({parts.netloc!r}) for the tunnel"
        )
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url!r} is neither http://host/path nor host:port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, 80) else f":{parts.port}"
    query = f"?{parts.query}" if "?" in url else ""
    return f"http://{host}{port}{parts.path or '/'}{query}"


def _is_for(request: Message, wanted: str) -> bool:
    try:
        return canonical(request.url) == wanted
    except ValueError:
        return False


def written(page: Response, method: bytes) -> bytes:
    """Write a response with a length; only the length for HEAD and for those that have no content."""
    lines = [b"HTTP/1.1 %d " % page.status + page.reason, *page.fields.lines]
    bodiless = page.status in (204, 304) or page.status < 200
    framed = any(
        line[:15].lower() == b"content-length:" or line[:18].lower() == b"transfer-encoding:"
        for line in lines
    )
    if not bodiless and not framed:
        lines.append(b"Content-Length: %d" % len(page.content))
    content = b"" if bodiless or method == b"HEAD" else page.content
    return b"\r\n".join([*lines, b"", content])


class _Connection(ScriptedPeer):
    """
    One connection of the gateway's, to whatever it takes for an origin, a parent or a tunnel's end.

    @ivar is_tunnel: what came is no HTTP, or nobody speaks HTTP here.
    @ivar authority: C{host:port} that it was made to.
    """

    def __init__(
        self, network: MemoryNetwork, socket: MemorySocket, origin: FakeOrigin, authority: str
    ) -> None:
        super().__init__(network, socket)
        self.is_tunnel = False
        self._origin = origin
        self.authority = authority
        self._begin = 0
        self._enough = 0
        self._current: Message | None = None

    def act(self) -> None:
        """Send and read; end when the gateway has ended, as a server does."""
        super().act()
        if self._seen == "fin" and not self._socket.closed and not self._outbox:
            self._socket.close()

    def refresh(self) -> None:
        """Bring the request that is coming up to date."""
        self._enough = 0
        if not self.is_tunnel and self._current is not None:
            self._read_requests()

    def _came(self) -> None:
        if self.is_tunnel:
            self._speak()
            return
        if not self._begin and self._current is None:
            # The gateway writes a request's head in one piece, so the first bytes tell what this is.
            far = self._origin.far_end(self.authority)
            if far is not None or not _HTTP.match(self._received):
                self.is_tunnel = True
                self._origin.tunnelled(self)
                self._speak()
                return
        if len(self._received) >= self._enough:
            self._read_requests()

    def _read_requests(self) -> None:
        for message in read_requests(bytes(self._received[self._begin :])):
            if not message.fields and not message.complete:
                return  # not even its head is there
            known = self._current
            if known is None:
                self._current = known = message
                self._origin.came(message)
            else:
                for name in ("content", "trailers", "complete", "raw"):
                    setattr(known, name, getattr(message, name))
            if not message.complete:
                # Long content must not be taken apart at every piece of it.
                length = message.get("content-length") if message.framing == "length" else None
                if length is not None:
                    self._enough = len(self._received) + int(length) - len(message.content)
                return
            self._current = None
            self._begin += len(message.raw)
            self._reply(known)

    def _reply(self, request: Message) -> None:
        data = self._origin.answer(request)
        self._outbox += data
        found = read_responses(data, [request.method])
        if found and found[-1].framing == "close":
            self._ending = True

    def _speak(self) -> None:
        far = self._origin.far_end(self.authority)
        if callable(far):
            self._outbox += far(bytes(self._received[self._begin :]))
        elif far is not None and not self._begin:
            self._outbox += far
        self._begin = len(self._received)


class _Station:
    """One address and port, where there is always somebody."""

    def __init__(
        self, origin: FakeOrigin, network: MemoryNetwork, address: tuple[str, int]
    ) -> None:
        self._origin = origin
        self._network = network
        self._authority = origin.name_of(*address)

    def admits(self) -> bool | None:
        """Tell the network whether a connection is accepted."""
        host = self._authority.rpartition(":")[0]
        return not self._origin.down & {host, self._authority}

    def accept(self, socket: MemorySocket) -> None:
        """Take a connection."""
        self._origin.opened(_Connection(self._network, socket, self._origin, self._authority))


class _Everywhere(dict[tuple[str, int], Station]):
    """Stations that are there as soon as somebody looks."""

    def __init__(self, origin: FakeOrigin, network: MemoryNetwork) -> None:
        super().__init__(network.stations)
        self._origin = origin
        self._network = network

    def get(self, address: tuple[str, int], default: object = None) -> Station:
        """Give the station at an address."""
        return super().get(address) or _Station(self._origin, self._network, address)


class _EveryName(Names):
    """Names that all have an address."""

    def __init__(self, origin: FakeOrigin) -> None:
        super().__init__()
        self.known.clear()
        self._origin = origin

    def resolve(self, name: str) -> tuple[str, ...] | Deferred[tuple[str, ...]]:
        """Give a name's address: what a test put into C{known}, or one that nobody else has."""
        if name in self.known or name.replace(".", "").isdigit() or ":" in name:
            return super().resolve(name)
        self.asked.append(name)
        if name in self._origin.unknown:
            raise NameNotFound(f"{name}: no such name")
        addresses = self._origin.addresses
        if name not in addresses:
            taken = set(addresses.values())
            free = next((address for address in _FREE if address not in taken), None)
            if free is None:
                raise AssertionError(f"more than {len(_FREE)} hosts in one test")
            addresses[name] = free
        return (addresses[name],)
