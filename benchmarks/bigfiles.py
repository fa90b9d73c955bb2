"""
Large content: bounded memory both ways, peers that never read, and the upload limit to the byte.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.odd_origin import start_odd_origin
from benchmarks.peers import Ports, Role
from benchmarks.programs import Cores, Program
from benchmarks.subject import PeakMemory, ports_from, start_gateway

MIB = 1 << 20
TIMEOUT = 60
TRANSFER_LIMIT = 64 * MIB
DEAF_LIMIT = 2 * MIB
DEAF_PEERS = 10
DEAF_SECONDS = 5.0
SMALL_LIMIT = 3 * MIB
_BLOCK = memoryview(bytes(MIB))

Say = Callable[[str], None]


class Checks:
    """Collects what held and what did not."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.failed = 0

    def note(self, what: str, good: bool, figure: str) -> None:
        """Print one line of the result."""
        self.failed += not good
        self._say(f"{'ok  ' if good else 'FAIL'}  {what}: {figure}")


def bigfiles(state: Path, cores: Cores, port_base: int, size: int, say: Say) -> int:
    """Run all checks; the exit code is 0 if all hold."""
    ports = ports_from(port_base)
    checks = Checks(say)
    with start_odd_origin(ports.web_origin, cores.load, state):
        with start_gateway(
            ports, cores, state / "large", upload_limit=f"{size // MIB}MiB"
        ) as gateway:
            for role in (Role.FORWARD, Role.REVERSE):
                _transfers(gateway, ports, role, size, checks)
                _limits(ports, role, size, checks, gateway)
        with start_gateway(
            ports, cores, state / "small", upload_limit=f"{SMALL_LIMIT // MIB}MiB"
        ) as gateway:
            for role in (Role.FORWARD, Role.REVERSE):
                _limits(ports, role, SMALL_LIMIT, checks, gateway)
        for role in (Role.FORWARD, Role.REVERSE):
            with start_gateway(ports, cores, state / f"deaf-{role.value}") as gateway:
                _deaf_clients(gateway, ports, role, checks)
            with start_gateway(ports, cores, state / f"deaf-origin-{role.value}") as gateway:
                _deaf_origin(gateway, ports, role, checks)
    say("holds" if not checks.failed else f"{checks.failed} DO NOT HOLD")
    return 1 if checks.failed else 0


def _transfers(gateway: Program, ports: Ports, role: Role, size: int, checks: Checks) -> None:
    for kind in ("zeros", "chunked"):
        with PeakMemory(gateway) as memory, _client(ports, role) as client:
            begun = time.monotonic()
            client.sendall(_head(ports, role, "GET", f"/{kind}/{size}/x", b"Connection: close\r\n"))
            status, received = _count_answer(client)
            seconds = time.monotonic() - begun
        # Chunk framing weighs a little more than the content.
        whole = received == size if kind == "zeros" else size <= received <= size * 1.01 + 100
        checks.note(
            f"{role.value} download, {kind}, {size / MIB:.0f} MiB",
            status == 200 and whole and memory.growth < TRANSFER_LIMIT,
            f"status {status}, {received} bytes, {size / MIB / seconds:.0f} MiB/s, RSS +{memory.growth / MIB:.1f} MiB",
        )


def _limits(ports: Ports, role: Role, limit: int, checks: Checks, gateway: Program) -> None:
    for chunked in (False, True):
        framing = "chunked" if chunked else "declared"
        for size, expected in ((limit, 200), (limit + 1, 413)):
            for asks in (False, True):
                if asks and limit > SMALL_LIMIT:
                    continue
                with PeakMemory(gateway) as memory, _client(ports, role) as client:
                    begun = time.monotonic()
                    first, status, text = _upload(
                        client, ports, role, size, chunked=chunked, asks=asks
                    )
                    seconds = time.monotonic() - begun
                good = status == expected and memory.growth < TRANSFER_LIMIT
                if expected == 200:
                    good = good and text == b"%d" % size
                elif not chunked:
                    # Refused by the length alone: neither content nor a 100 is wanted.
                    good = good and first == 413
                rate = (
                    f", {size / MIB / seconds:.0f} MiB/s"
                    if size > SMALL_LIMIT + 1 and status == 200
                    else ""
                )
                checks.note(
                    f"{role.value} upload, {framing}, limit {limit} {'+ 1' if size > limit else 'exactly'}"
                    f"{', Expect' if asks else ''}",
                    good,
                    f"status {status}{rate}, RSS +{memory.growth / MIB:.1f} MiB",
                )


def _upload(
    client: socket.socket, ports: Ports, role: Role, size: int, *, chunked: bool, asks: bool
) -> tuple[int, int, bytes]:
    """
    Upload zeros; stop sending once an answer is there.

    @return: the first status seen (100 counts), the last, and the last answer's content.
    """
    fields = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: %d\r\n" % size
    if asks:
        fields += b"Expect: 100-continue\r\n"
    client.sendall(_head(ports, role, "POST", "/upload/x", fields))
    first = 0
    if asks or not chunked:
        # A declared length too large is to be refused before anything is sent; otherwise nothing comes here.
        client.settimeout(10 if asks else 0.5)
        with contextlib.suppress(TimeoutError):
            first, content = _answer(client)
            if first != 100:
                return first, first, content
    client.settimeout(TIMEOUT)
    with contextlib.suppress(ConnectionError):
        for block in _blocks(size):
            if chunked:
                client.sendall(b"".join((b"%x\r\n" % len(block), block, b"\r\n")))
            else:
                client.sendall(block)
        if chunked:
            client.sendall(b"0\r\n\r\n")
    try:
        last, content = _answer(client)
    except ConnectionError:
        return first, 0, b""
    return first or last, last, content


def _deaf_clients(gateway: Program, ports: Ports, role: Role, checks: Checks) -> None:
    _warm(ports, role)
    with contextlib.ExitStack() as stack, PeakMemory(gateway) as memory:
        clients = []
        for _ in range(DEAF_PEERS):
            client = stack.enter_context(_client(ports, role))
            client.sendall(_head(ports, role, "GET", f"/zeros/{512 * MIB}/x"))
            clients.append(client)
        time.sleep(DEAF_SECONDS)
        begun = [_first_bytes(client) for client in clients]
    refused = "" if all(text.startswith(b"HTTP/1.1 200") for text in begun) else f"but {begun}"
    _note_deaf(f"{role.value}, clients that never read", memory, checks, refused)


def _deaf_origin(gateway: Program, ports: Ports, role: Role, checks: Checks) -> None:
    _warm(ports, role)
    with contextlib.ExitStack() as stack, PeakMemory(gateway) as memory:
        clients = []
        for _ in range(DEAF_PEERS):
            client = stack.enter_context(_client(ports, role))
            client.sendall(
                _head(ports, role, "POST", "/deaf/x", b"Content-Length: %d\r\n" % (512 * MIB))
            )
            client.setblocking(False)
            clients.append(client)
        deadline = time.monotonic() + DEAF_SECONDS
        sent = 0
        refused = ""
        while time.monotonic() < deadline and not refused:
            for client in clients:
                try:
                    sent += client.send(_BLOCK)
                except BlockingIOError:
                    continue
                except OSError as error:
                    # Not holding content is no merit if the upload was thrown out.
                    refused = str(error)
            time.sleep(0.01)
    _note_deaf(
        f"{role.value}, an origin that never reads (clients sent {sent / MIB / DEAF_PEERS:.1f} MiB)",
        memory,
        checks,
        refused,
    )


def _note_deaf(what: str, memory: PeakMemory, checks: Checks, refused: str) -> None:
    each = memory.growth / DEAF_PEERS
    figure = f"RSS +{each / MIB:.2f} MiB each, {DEAF_PEERS} at once"
    checks.note(what, each < DEAF_LIMIT and not refused, f"{figure} {refused}".strip())


def _first_bytes(client: socket.socket) -> bytes:
    try:
        return client.recv(12)
    except OSError as error:
        return str(error).encode()


def _warm(ports: Ports, role: Role) -> None:
    # The first large answer makes the gateway take its buffers; what is asked is what a deaf peer adds.
    with _client(ports, role) as client:
        client.sendall(_head(ports, role, "GET", f"/zeros/{4 * MIB}/x", b"Connection: close\r\n"))
        _count_answer(client)


def _client(ports: Ports, role: Role) -> socket.socket:
    port = ports.forward if role is Role.FORWARD else ports.reverse
    return socket.create_connection(("127.0.0.1", port), TIMEOUT)


def _head(ports: Ports, role: Role, method: str, path: str, fields: bytes = b"") -> bytes:
    origin = f"127.0.0.1:{ports.web_origin}"
    target = f"http://{origin}{path}" if role is Role.FORWARD else path
    return f"{method} {target} HTTP/1.1\r\nHost: {origin}\r\n".encode() + fields + b"\r\n"


def _blocks(size: int) -> Iterator[memoryview]:
    while size:
        yield _BLOCK[: min(size, MIB)]
        size -= min(size, MIB)


def _count_answer(client: socket.socket) -> tuple[int, int]:
    """Give the status and the length of all that follows the head, up to the end of the connection."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = client.recv(65536)
        if not data:
            return 0, 0
        head += data
    top, _, content = head.partition(b"\r\n\r\n")
    total = len(content)
    sink = bytearray(MIB)
    while count := client.recv_into(sink, MIB, socket.MSG_TRUNC):
        total += count
    return int(top[9:12]), total


def _answer(client: socket.socket) -> tuple[int, bytes]:
    """
    Read one answer with a Content-Length or none.

    @raise ConnectionError: the connection ended first.
    """
    received = b""
    while b"\r\n\r\n" not in received:
        data = client.recv(65536)
        if not data:
            raise ConnectionResetError("no answer")
        received += data
    head, _, content = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line[15:])
    while len(content) < length:
        data = client.recv(65536)
        if not data:
            break
        content += data
    return int(head[9:12]), content
