"""
The load: wrk for requests, and our own bounded clients for tunnels and idle connections.

Each function does its work once against an entrance on 127.0.0.1 and tells what it did; who measures the proxy meanwhile is not known here.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import find

WRK_SCRIPTS = Path(__file__).parent / "wrk"
CONNECTIONS = 64
BULK_TUNNELS = 4
TUNNEL_BATCH = 16
HELD_BATCH = 32
# More would run into the ports of recently closed connections on machines that keep them all.
MAX_TUNNELS = 8000
_DISCARD_BYTES = 1 << 20
# How often and how far apart a cache is asked until it gives the same answer twice.
SETTLING_REQUESTS = 20
SETTLING_SECONDS = 0.05


class LoadFailed(Exception):
    """The load could not be done, and why."""


@dataclass(frozen=True, slots=True)
class Work:
    """
    What the load did.

    @ivar units: requests answered, tunnels used, or MiB moved.
    @ivar errors: requests or tunnels that failed.
    @ivar p50_ms: median time of one unit, None where units are not timed.
    """

    units: float
    seconds: float
    errors: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None


class Requests:
    """One run of wrk. As a context manager it is killed at the end if it is not over by then."""

    def __init__(self, command: Sequence[str], seconds: float, min_bytes: int) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._seconds = seconds
        self._min_bytes = min_bytes

    @property
    def over(self) -> bool:
        """Tell whether it has ended, well or not."""
        return self._process.poll() is not None

    def pause(self) -> None:
        """Ask for nothing more until L{resume}; its time runs on."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Go on."""
        self._process.send_signal(signal.SIGCONT)

    def work(self) -> Work:
        """
        Wait for the end; the program has ended then in any case.

        @raise LoadFailed: it failed, did not end, or got answers that are too short.
        """
        with self:
            try:
                told, complained = self._process.communicate(timeout=self._seconds + 30)
            except subprocess.TimeoutExpired:
                raise LoadFailed("wrk did not end") from None
        lines = [line for line in told.splitlines() if line.startswith("{")]
        if not lines:
            raise LoadFailed(f"wrk: {complained.strip() or told.strip()}")
        return parse_wrk(lines[-1], self._min_bytes)

    def __enter__(self) -> Requests:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            if not self.over:
                self._process.kill()


def requests(
    port: int,
    script: str,
    arguments: Sequence[str],
    seconds: float,
    min_bytes: int,
    *,
    scheme: str = "http",
) -> Requests:
    """
    Start wrk with one of our scripts on kept-alive connections.

    @param min_bytes: the least an answer must weigh, so that a fast error page is not taken for work.
    @raise LoadFailed: wrk is missing.
    """
    wrk = find("wrk")
    if wrk is None:
        raise LoadFailed("wrk is not installed: apt-get install wrk")
    command = [
        wrk,
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{max(1, round(seconds))}s",
        "--timeout",
        "10s",
        "--latency",
    ]
    command += [
        "-s",
        str(WRK_SCRIPTS / f"{script}.lua"),
        # A server name in TLS is never an address.
        f"{scheme}://{'localhost' if scheme == 'https' else '127.0.0.1'}:{port}/",
        "--",
        *arguments,
    ]
    return Requests(command, seconds, min_bytes)


def parse_wrk(line: str, min_bytes: int) -> Work:
    """Read the line that C{wrk/report.lua} prints."""
    told = json.loads(line)
    count = told["requests"]
    if not count:
        raise LoadFailed("wrk got no answer at all")
    if told["bytes"] < count * min_bytes:
        raise LoadFailed(f"{count} answers weigh only {told['bytes']} bytes")
    errors = sum(told[name] for name in ("connect", "read", "write", "status", "timeout"))
    return Work(count, told["seconds"], errors, told["p50_ms"], told["p99_ms"])


def open_tunnel(port: int, destination: int | None, timeout: float = 15) -> socket.socket:
    """
    Connect and, unless C{destination} is None, ask for a tunnel to that port and read the whole answer.

    @raise LoadFailed: the answer is not 200.
    """
    client = socket.create_connection(("127.0.0.1", port), timeout)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if destination is not None:
        send_connect(client, destination)
        read_connect_answer(client)
    return client


def bulk(port: int, destination: int | None, seconds: float, tunnels: int = BULK_TUNNELS) -> Work:
    """
    Pull bytes through a few tunnels as fast as they come.

    MSG_TRUNC lets the kernel throw them away uncopied, so that the client is not what limits the proxy.

    @return: units are MiB.
    """
    sockets = []
    try:
        for _ in range(tunnels):
            sockets.append(open_tunnel(port, destination))
        counts = [0] * tunnels
        for client in sockets:
            client.sendall(b"S")
        begun = time.monotonic()
        deadline = begun + seconds

        def pull(index: int) -> None:
            client, sink, total = sockets[index], bytearray(_DISCARD_BYTES), 0
            with contextlib.suppress(OSError):
                while time.monotonic() < deadline:
                    received = client.recv_into(sink, _DISCARD_BYTES, socket.MSG_TRUNC)
                    if not received:
                        break
                    total += received
            counts[index] = total

        threads = [threading.Thread(target=pull, args=(index,)) for index in range(tunnels)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return Work(sum(counts) / (1 << 20), time.monotonic() - begun, errors=counts.count(0))
    finally:
        for client in sockets:
            client.close()


def new_tunnels(port: int, destination: int | None, seconds: float) -> Work:
    """
    Open tunnels, send 64 bytes through each and back, close them; in batches, so that several are open at any time.

    A batch walks through its steps in step, which keeps this client simple and the proxy busy with one kind of thing at a time:
    good enough for processor time per tunnel, no measure of latency.
    """
    message = b"e" * 64
    done = errors = 0
    begun = time.monotonic()
    while done + errors < MAX_TUNNELS and time.monotonic() - begun < seconds:
        with contextlib.ExitStack() as stack:
            batch = []
            for _ in range(TUNNEL_BATCH):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", port), 15))
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                batch.append(client)
            if destination is not None:
                for client in batch:
                    send_connect(client, destination)
                batch = [client for client in batch if _connect_succeeds(client)]
            for client in batch:
                client.sendall(message)
            good = sum(_read_exactly(client, len(message)) == message for client in batch)
            done += good
            errors += TUNNEL_BATCH - good
    return Work(done, time.monotonic() - begun, errors)


@contextlib.contextmanager
def held(port: int, count: int, first_request: bytes | None) -> Iterator[list[socket.socket]]:
    """
    Hold many connections open and silent.

    @param first_request: sent on each and its answer read, before silence; None for none.
    """
    clients: list[socket.socket] = []
    try:
        while len(clients) < count:
            batch = []
            for _ in range(min(HELD_BATCH, count - len(clients))):
                client = socket.create_connection(("127.0.0.1", port), 15)
                clients.append(client)
                batch.append(client)
            if first_request is not None:
                for client in batch:
                    client.sendall(first_request)
                for client in batch:
                    read_answer(client)
        yield clients
    finally:
        for client in clients:
            client.close()


def read_answer(client: socket.socket) -> bytes:
    """
    Read one answer with a Content-Length and give all of it.

    @raise LoadFailed: it is not whole, or not a 200.
    """
    head, fields, content = _head(client)
    length = _expected(head, fields)
    rest = _read_exactly(client, length - len(content))
    if len(content) + len(rest) != length:
        raise LoadFailed("the answer's content is cut short")
    return b"%b\r\n\r\n%b%b" % (head, content, rest)


def read_head(client: socket.socket) -> tuple[dict[bytes, bytes], int, bytes]:
    """
    Read the head of one answer with a Content-Length: its fields (names in lower case), the length, and what of the content came along.

    @raise LoadFailed: it is not whole, or not a 200.
    """
    head, fields, content = _head(client)
    return fields, _expected(head, fields), content


def read_any_head(client: socket.socket) -> tuple[int, dict[bytes, bytes], int, bytes]:
    """
    Read the head of one answer of any status, which comes first; without a Content-Length the length is 0.

    @raise LoadFailed: it is not whole.
    """
    head, fields, content = _head(client)
    return int(head.split(b" ", 2)[1]), fields, int(fields.get(b"content-length", 0)), content


def discard(client: socket.socket, count: int) -> None:
    """
    Read so many bytes of content and throw them away.

    @raise LoadFailed: there are fewer.
    """
    sink = bytearray(min(max(count, 0), _DISCARD_BYTES))
    while count > 0:
        received = client.recv_into(sink, min(count, len(sink)), socket.MSG_TRUNC)
        if not received:
            raise LoadFailed("the answer's content is cut short")
        count -= received


def _expected(head: bytes, fields: dict[bytes, bytes]) -> int:
    if b"content-length" not in fields or head.split(b" ", 2)[1] != b"200":
        raise LoadFailed(f"unexpected answer {head[:200]!r}")
    return int(fields[b"content-length"])


def _head(client: socket.socket) -> tuple[bytes, dict[bytes, bytes], bytes]:
    received = b""
    while b"\r\n\r\n" not in received:
        data = client.recv(65536)
        if not data:
            raise LoadFailed(f"closed after {received[:200]!r}")
        received += data
    head, _, content = received.partition(b"\r\n\r\n")
    fields = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    return head, fields, content


def made(port: int, asked: bytes, *, settle: bool = False) -> bytes:
    """
    Ask once, and give the field X-Made with which the origin has marked its answer.

    @param settle: ask until two answers in a row have the same mark, for a cache may have something a little after its first answer.
    @raise LoadFailed: there is no mark, or the cache does not keep the answer.
    """
    seen = b""
    with socket.create_connection(("127.0.0.1", port), 15) as client:
        for _ in range(SETTLING_REQUESTS if settle else 1):
            client.sendall(asked)
            fields, length, content = read_head(client)
            discard(client, length - len(content))
            mark = fields.get(b"x-made")
            if mark is None:
                raise LoadFailed("the answer has no mark of the origin")
            if mark == seen or not settle:
                return mark
            seen = mark
            time.sleep(SETTLING_SECONDS)
    raise LoadFailed("the cache asks the origin again and again")


def reset(client: socket.socket) -> None:
    """Close with a reset instead of an orderly end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def send_connect(client: socket.socket, destination: int, host: str = "127.0.0.1") -> None:
    """Ask for a tunnel to a port of a host."""
    authority = f"{host}:{destination}"
    client.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())


def read_connect_answer(client: socket.socket) -> None:
    """
    Read the whole answer to that.

    @raise LoadFailed: it is not 200.
    """
    received = b""
    # Nothing follows the head before we have sent something, so reading past it cannot happen.
    while not received.endswith(b"\r\n\r\n"):
        data = client.recv(4096)
        if not data:
            break
        received += data
    if received[9:12] != b"200":
        raise LoadFailed(f"CONNECT was answered {received[:200]!r}")


def _connect_succeeds(client: socket.socket) -> bool:
    try:
        read_connect_answer(client)
    except (LoadFailed, ConnectionError):
        return False
    return True


def _read_exactly(client: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        data = client.recv(count - len(received))
        if not data:
            break
        received += data
    return received
