"""
The load inside TLS: clients of a site that is terminated, and clients that ask for a tunnel and meet TLS within it.

No tool at hand asks for a tunnel and then speaks TLS, and wrk resumes sessions when it connects anew, so this is our own: OpenSSL through
Python's C{ssl}, TLS 1.3, every handshake a full one. Clients are bounded in number and time. They cost several times
what a C program would, on a core that is not the proxy's: no measure of throughput, good enough for processor time of the proxy.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from benchmarks import load
from benchmarks.load import (
    BULK_TUNNELS,
    CONNECTIONS,
    HELD_BATCH,
    MAX_TUNNELS,
    TUNNEL_BATCH,
    LoadFailed,
    Work,
)

#: Seconds that a step of one client may take.
PATIENCE = 15.0
_READ_BYTES = 65536
_BULK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Way:
    """
    How clients reach an origin.

    @ivar port: where they connect.
    @ivar host: whom they ask for, and whose certificate they have to be shown.
    @ivar destination: port of the host that they ask a tunnel to; C{None}: TLS begins at once.
    @ivar trust: PEM file with the authority that has signed what they are shown; it may hold a key as well.
    """

    port: int
    host: str
    destination: int | None
    trust: Path

    def context(self, *, verifies: bool = False) -> ssl.SSLContext:
        """Make a client's context; judging certificates costs time, so only the first client does."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["http/1.1"])
        if verifies:
            context.load_verify_locations(cafile=self.trust)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


class Client:
    """One connection in its steps; the two halves of a step are apart so that many clients can walk in step."""

    __slots__ = ("_context", "_plain", "tls", "way")

    def __init__(self, way: Way, context: ssl.SSLContext) -> None:
        """Connect."""
        self.way = way
        self._context = context
        self._plain = socket.create_connection(("127.0.0.1", way.port), PATIENCE)
        self._plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls: ssl.SSLSocket | None = None

    def ask(self) -> None:
        """Ask for the tunnel, if there is to be one."""
        way = self.way
        if way.destination is not None:
            load.send_connect(self._plain, way.destination, way.host)

    def admitted(self) -> None:
        """Wait for the answer to that."""
        if self.way.destination is not None:
            load.read_connect_answer(self._plain)

    def hello(self) -> None:
        """Send the ClientHello."""
        self.tls = self._context.wrap_socket(
            self._plain, do_handshake_on_connect=False, server_hostname=self.way.host
        )
        self.tls.settimeout(0)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()

    def shaken(self) -> None:
        """Wait for the end of the handshake."""
        assert self.tls is not None
        self.tls.settimeout(PATIENCE)
        self.tls.do_handshake()

    def request(self, request: bytes) -> None:
        """Send a request."""
        assert self.tls is not None
        self.tls.sendall(request)

    def answer(self) -> bytes:
        """
        Wait for its answer.

        @raise LoadFailed: it is not a whole 200.
        """
        assert self.tls is not None
        return load.read_answer(self.tls)

    def close(self) -> None:
        """Close, and say so in TLS, but wait for nothing."""
        if self.tls is None:
            self._plain.close()
            return
        self.tls.settimeout(0)
        with contextlib.suppress(OSError, ValueError):
            self.tls.unwrap()
        self.tls.close()


def shaken(ways: Sequence[Way], context: ssl.SSLContext) -> list[Client]:
    """Connect a client for each way and shake hands, in step; those that fail are closed and left out."""
    clients = _connected(ways, context)
    for step in (Client.ask, Client.admitted, Client.hello, Client.shaken):
        clients = each(step, clients)
    return clients


def each(step: Callable[[Client], object], clients: list[Client]) -> list[Client]:
    """Let every client do a step; give those that could."""
    good = []
    for client in clients:
        try:
            step(client)
        except (LoadFailed, OSError):
            client.close()
        else:
            good.append(client)
    return good


def prove(way: Way, request: bytes) -> None:
    """
    See that the certificate comes from the authority that it should come from, and that a request is answered.

    The authority of an intercepting proxy has not signed the origin's own certificate: a proxy that only tunnels fails here.

    @raise LoadFailed: it does not.
    """
    client = Client(way, way.context(verifies=True))
    try:
        for step in (Client.ask, Client.admitted, Client.hello, Client.shaken):
            step(client)
        client.request(request)
        client.answer()
    except OSError as error:
        raise LoadFailed(f"no TLS as it should be: {error}") from None
    finally:
        client.close()


def new(way: Way, request: bytes, seconds: float) -> Work:
    """Connect, ask for the tunnel, shake hands, make one request, close; in batches that walk in step."""
    context = way.context()
    done = errors = 0
    begun = time.monotonic()
    while done + errors < MAX_TUNNELS and time.monotonic() - begun < seconds:
        clients = shaken([way] * TUNNEL_BATCH, context)
        clients = each(lambda client: client.request(request), clients)
        clients = each(Client.answer, clients)
        for client in clients:
            client.close()
        done += len(clients)
        errors += TUNNEL_BATCH - len(clients)
    return Work(done, time.monotonic() - begun, errors)


@contextlib.contextmanager
def kept_alive(
    way: Way, request: bytes, content_bytes: int, connections: int = CONNECTIONS
) -> Iterator[Callable[[float], Work]]:
    """
    Hold connections that are ready; what is given makes requests on them for so many seconds.

    @param content_bytes: of each answer.
    """
    with held(way, connections, request) as clients:
        yield lambda seconds: _asked(clients, request, content_bytes, seconds)


@contextlib.contextmanager
def bulk(
    way: Way, request: bytes, tunnels: int = BULK_TUNNELS
) -> Iterator[Callable[[float], Work]]:
    """
    Hold a few connections that are ready; what is given pulls content through them for so many seconds.

    @param request: for something large; it is made again when the answer is complete.
    """
    with held(way, tunnels, None) as clients:
        yield lambda seconds: _pulled(clients, request, seconds)


@contextlib.contextmanager
def held(way: Way, count: int, first_request: bytes | None) -> Iterator[list[Client]]:
    """
    Hold connections whose handshake is done.

    @param first_request: made on each and answered; C{None} for none.
    @raise LoadFailed: one of them failed.
    """
    context = way.context()
    clients: list[Client] = []
    try:
        while len(clients) < count:
            wanted = min(HELD_BATCH, count - len(clients))
            batch = shaken([way] * wanted, context)
            if first_request is not None:
                batch = each(_requesting(first_request), batch)
                batch = each(Client.answer, batch)
            clients += batch
            if len(batch) < wanted:
                raise LoadFailed(f"{wanted - len(batch)} of {wanted} connections failed")
        yield clients
    finally:
        for client in clients:
            client.close()


def _requesting(request: bytes) -> Callable[[Client], None]:
    return lambda client: client.request(request)


def _connected(ways: Sequence[Way], context: ssl.SSLContext) -> list[Client]:
    clients = []
    for way in ways:
        with contextlib.suppress(OSError):
            clients.append(Client(way, context))
    return clients


def _asked(clients: list[Client], request: bytes, content_bytes: int, seconds: float) -> Work:
    """Keep every connection busy with one request at a time."""
    poll = select.epoll()
    waiting: dict[int, tuple[ssl.SSLSocket, list[bytes]]] = {}
    since: dict[int, float] = {}
    times: list[float] = []
    errors = 0
    clock = time.monotonic
    begun = clock()
    deadline = begun + seconds
    for client in clients:
        assert client.tls is not None
        client.tls.settimeout(0)
        number = client.tls.fileno()
        poll.register(number, select.EPOLLIN)
        waiting[number] = client.tls, []
        since[number] = clock()
        client.tls.send(request)
    with contextlib.closing(poll):
        while (now := clock()) < deadline and waiting:
            for number, _ in poll.poll(deadline - now):
                tls, parts = waiting[number]
                try:
                    data = tls.recv(_READ_BYTES)
                except ssl.SSLWantReadError:
                    continue
                except OSError:
                    data = b""
                if parts:
                    data = b"".join([*parts, data]) if data else b""
                end = data.find(b"\r\n\r\n")
                if data and (end < 0 or len(data) - end - 4 < content_bytes):
                    parts[:] = [data]
                    continue
                if not data.startswith(b"HTTP/1.1 200"):
                    errors += 1
                    poll.unregister(number)
                    del waiting[number]
                    continue
                parts.clear()
                now = clock()
                times.append(now - since[number])
                since[number] = now
                tls.send(request)
    if len(times) < 2:
        raise LoadFailed("no answer at all")
    steps = quantiles(times, n=100)
    return Work(len(times), clock() - begun, errors, steps[49] * 1e3, steps[98] * 1e3)


def _pulled(clients: list[Client], request: bytes, seconds: float) -> Work:
    """Read as fast as possible, a thread for each connection."""
    counts = [0] * len(clients)
    broken = [0] * len(clients)
    begun = time.monotonic()
    deadline = begun + seconds

    def pull(index: int) -> None:
        tls = clients[index].tls
        assert tls is not None
        sink = bytearray(_BULK_BYTES)
        try:
            while time.monotonic() < deadline:
                tls.sendall(request)
                counts[index] += _drain(tls, sink, deadline)
        except (OSError, ValueError):
            broken[index] = 1

    threads = [threading.Thread(target=pull, args=(index,)) for index in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Work(sum(counts) / (1 << 20), time.monotonic() - begun, errors=sum(broken))


def _drain(tls: ssl.SSLSocket, sink: bytearray, deadline: float) -> int:
    """Read one answer, or what comes of it in time; give its bytes."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = tls.recv(4096)
        if not data or len(head) > 65536:
            raise ConnectionError("no whole head")
        head += data
    fields, _, content = head.partition(b"\r\n\r\n")
    length = int(fields.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    if not fields.startswith(b"HTTP/1.1 200"):
        raise ConnectionError("refused")
    total = len(content)
    while total < length and time.monotonic() < deadline:
        received = tls.recv_into(sink)
        if not received:
            raise ConnectionError("cut short")
        total += received
    return total
