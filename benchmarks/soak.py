"""
Mixed load for minutes: keep-alive, new connections, uploads, tunnels, and aborts on both sides.

Afterwards two things must hold: resident memory has not grown, and every request stands in the access log exactly once. Each request carries an id in
its path; tunnels have no path and are counted.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import load, usage
from benchmarks.load import LoadFailed
from benchmarks.odd_origin import start_odd_origin
from benchmarks.origins import start_tunnel_origin
from benchmarks.peers import Ports
from benchmarks.programs import Cores, Program
from benchmarks.results import write
from benchmarks.subject import ports_from, start_gateway

WORKERS = 8
PAUSE_SECONDS = 0.02
LIMIT_MIB = 1.0
TIMEOUT = 20
_ID = re.compile(r"id-\d+-\d+-")


@dataclass(slots=True)
class Ledger:
    """
    What one worker did.

    @ivar once: ids the gateway has surely read, so they must be logged once.
    @ivar perhaps: ids it may not have read before we hung up: logged once or not at all.
    """

    once: list[str] = field(default_factory=list)
    perhaps: list[str] = field(default_factory=list)
    tunnels: int = 0
    heads_cut: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Worker:
    """One client that does one thing after the other, chosen at random from a fixed seed."""

    def __init__(self, number: int, ports: Ports) -> None:
        self.ledger = Ledger()
        self._number = number
        self._ports = ports
        self._count = 0
        self._random = random.Random(number)

    def run(self, deadline: float) -> None:
        """Work until the deadline; what goes wrong is noted, not raised."""
        actions: list[tuple[Callable[[], None], int]] = [
            (self._keep_alive, 6),
            (self._fresh, 6),
            (self._upload, 3),
            (self._abort_download, 2),
            (self._abort_upload, 2),
            (self._abort_at_once, 2),
            (self._abort_in_head, 1),
            (self._origin_aborts, 2),
            (self._tunnel, 4),
            (self._bulk_tunnel, 1),
        ]
        chosen, weights = zip(*actions, strict=True)
        while time.monotonic() < deadline:
            action = self._random.choices(chosen, weights)[0]
            self.ledger.actions[action.__name__.lstrip("_")] += 1
            try:
                action()
            except (OSError, LoadFailed, http.client.HTTPException) as error:
                self.ledger.faults.append(f"{action.__name__}: {type(error).__name__}: {error}")
            time.sleep(PAUSE_SECONDS)

    def _keep_alive(self) -> None:
        with contextlib.closing(self._connect()) as client:
            for _ in range(10):
                size = self._random.choice((100, 5000, 100_000))
                kind = self._random.choice(("zeros", "chunked"))
                self._ask(client, "GET", f"{kind}/{size}", expected=size)

    def _fresh(self) -> None:
        with contextlib.closing(self._connect()) as client:
            self._ask(client, "GET", "small", fields={"Connection": "close"}, expected=100)

    def _upload(self) -> None:
        with contextlib.closing(self._connect()) as client:
            content = bytes(self._random.randrange(200_000))
            self._ask(client, "POST", "upload", content=content)
            self._ask(client, "POST", "upload", content=iter([content, b"x" * 999]))

    def _abort_download(self) -> None:
        with self._raw() as client:
            client.sendall(self._head("GET", "zeros/20000000", self.ledger.once))
            self._read_at_least(client, 100_000)
            self._leave(client)

    def _abort_upload(self) -> None:
        with self._raw() as client:
            fields = b"Content-Length: 500000\r\nExpect: 100-continue\r\n"
            client.sendall(self._head("PUT", "upload", self.ledger.once, fields))
            # Only after the 100 do we know that the head was read.
            self._read_at_least(client, 20)
            client.sendall(bytes(100_000))
            self._leave(client)

    def _abort_at_once(self) -> None:
        with self._raw() as client:
            client.sendall(self._head("GET", "small", self.ledger.perhaps))
            load.reset(client)

    def _abort_in_head(self) -> None:
        self.ledger.heads_cut += 1
        with self._raw() as client:
            client.sendall(b"GET http://127.0.0.1/unfinished HTTP/1.1\r\nHost: 127")
            self._leave(client)

    def _origin_aborts(self) -> None:
        with self._raw() as client:
            action = self._random.choice(("cut", "drop"))
            client.sendall(self._head("GET", action, self.ledger.once))
            received = self._read_to_end(client)
        whole = received.startswith(b"HTTP/1.1 200") and len(received) > 100_000
        if not received or whole:
            self.ledger.faults.append(f"origin_aborts: {action} gave {received[:60]!r}")

    def _tunnel(self) -> None:
        self.ledger.tunnels += 1
        with load.open_tunnel(self._ports.forward, self._ports.tunnel_origin, TIMEOUT) as client:
            for _ in range(self._random.randrange(1, 20)):
                message = b"e" * 1000
                client.sendall(message)
                received = b""
                while len(received) < len(message):
                    data = client.recv(4096)
                    if not data:
                        raise LoadFailed("the tunnel ended early")
                    received += data
            self._leave(client)

    def _bulk_tunnel(self) -> None:
        self.ledger.tunnels += 1
        with load.open_tunnel(self._ports.forward, self._ports.tunnel_origin, TIMEOUT) as client:
            client.sendall(b"S")
            self._read_at_least(client, 4 << 20)
            self._leave(client)

    def _ask(
        self,
        client: http.client.HTTPConnection,
        method: str,
        action: str,
        *,
        content: object = None,
        fields: dict[str, str] | None = None,
        expected: int | None = None,
    ) -> None:
        # The id is entered first: if what follows fails, the gateway may not have read it, which shows as a fault as well.
        path = f"/{action}/{self._new_id(self.ledger.once)}"
        if client.port == self._ports.forward:
            path = f"http://127.0.0.1:{self._ports.web_origin}{path}"
        client.request(method, path, content, fields or {})  # type: ignore[arg-type]
        answer = client.getresponse()
        received = answer.read()
        if answer.status != 200 or (expected is not None and len(received) != expected):
            raise LoadFailed(f"{method} {path}: {answer.status}, {len(received)} bytes")

    def _connect(self) -> http.client.HTTPConnection:
        port = self._random.choice((self._ports.forward, self._ports.reverse))
        return http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)

    def _raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._ports.forward), TIMEOUT)

    def _head(self, method: str, action: str, list_: list[str], fields: bytes = b"") -> bytes:
        origin = f"127.0.0.1:{self._ports.web_origin}"
        line = f"{method} http://{origin}/{action}/{self._new_id(list_)} HTTP/1.1\r\nHost: {origin}\r\n"
        return line.encode() + fields + b"\r\n"

    def _new_id(self, list_: list[str]) -> str:
        self._count += 1
        name = f"id-{self._number}-{self._count}-"
        list_.append(name)
        return name

    def _leave(self, client: socket.socket) -> None:
        if self._random.random() < 0.5:
            load.reset(client)

    @staticmethod
    def _read_at_least(client: socket.socket, count: int) -> None:
        while count > 0:
            received = client.recv(65536)
            if not received:
                raise LoadFailed("the answer ended early")
            count -= len(received)

    @staticmethod
    def _read_to_end(client: socket.socket) -> bytes:
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := client.recv(65536):
                received += data
                # A page in the answer's place is enough: its connection may stay open. It comes also where the origin
                # did begin to answer, if its reset overtook what it had sent.
                if b"\r\n\r\n" in received and not received.startswith(b"HTTP/1.1 200"):
                    break
        return received


def soak(
    state: Path, cores: Cores, port_base: int, seconds: float, out: Path, say: Callable[[str], None]
) -> int:
    """Run the load, print what held and what did not; the exit code is 0 if all did."""
    ports = ports_from(port_base)
    with contextlib.ExitStack() as stack:
        stack.enter_context(start_odd_origin(ports.web_origin, cores.load, state))
        stack.enter_context(start_tunnel_origin([ports.tunnel_origin], cores.load, state))
        gateway = start_gateway(ports, cores, state / "gateway")
        stack.callback(gateway.kill)
        workers = [Worker(number, ports) for number in range(WORKERS)]
        samples, files = _run(gateway, workers, seconds, say)
        stopped = gateway.stop(15)
    log = (state / "gateway" / "access.log").read_text("utf-8", "replace").splitlines()
    verdict = _judge(samples, [worker.ledger for worker in workers], log, ports, say)
    say(f"open files: {files[0]} before, {files[1]} after; ended {stopped:.1f} s after SIGTERM")
    say(f"written: {write(out, 'soak', {'rss': samples, **verdict})}")
    return 0 if verdict["holds"] else 1


def _run(
    gateway: Program, workers: Sequence[Worker], seconds: float, say: Callable[[str], None]
) -> tuple[list[tuple[float, int]], tuple[int, int]]:
    """Run the workers; give (seconds, RSS) samples and the counts of open files before and after."""
    files_before = _open_files(gateway)
    begun = time.monotonic()
    threads = [threading.Thread(target=worker.run, args=(begun + seconds,)) for worker in workers]
    for thread in threads:
        thread.start()
    samples: list[tuple[float, int]] = []
    next_word = 60.0
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        elapsed = time.monotonic() - begun
        if not gateway.running:
            say(f"the gateway ended: {gateway.last_words()}")
            break
        samples.append((elapsed, usage.rss_bytes(gateway.tree)))
        if elapsed >= next_word:
            done = sum(len(worker.ledger.once) for worker in workers)
            say(f"{elapsed:6.0f} s  {done} requests  RSS {samples[-1][1] / 2**20:.2f} MiB")
            next_word += 60
    for thread in threads:
        thread.join()
    # Aborted tunnels and uploads end on the gateway's side a moment later.
    time.sleep(3)
    return samples, (files_before, _open_files(gateway))


def _judge(
    samples: Sequence[tuple[float, int]],
    ledgers: Sequence[Ledger],
    log: Sequence[str],
    ports: Ports,
    say: Callable[[str], None],
) -> dict[str, object]:
    warm = min(120.0, samples[-1][0] * 0.2) if samples else 0.0
    steady = [(at, float(rss)) for at, rss in samples if at >= warm]
    slope = fit_slope(steady) * 600 / 2**20
    say(
        f"RSS after {warm:.0f} s of warm-up: {steady[0][1] / 2**20:.2f} -> {steady[-1][1] / 2**20:.2f} MiB,"
        f" slope {slope:+.3f} MiB per 10 minutes (limit {LIMIT_MIB:g})"
    )
    counts = Counter(match for line in log for match in _ID.findall(line)[:1])
    once = [name for ledger in ledgers for name in ledger.once]
    perhaps = [name for ledger in ledgers for name in ledger.perhaps]
    missing = [name for name in once if not counts[name]]
    repeated = [name for name, count in counts.items() if count > 1]
    tunnels = sum(ledger.tunnels for ledger in ledgers)
    tunnel_lines = sum("CONNECT" in line and f":{ports.tunnel_origin}" in line for line in log)
    faults = [fault for ledger in ledgers for fault in ledger.faults]
    heads_cut = sum(ledger.heads_cut for ledger in ledgers)
    others = len(log) - sum(counts.values()) - tunnel_lines
    say(
        f"requests {len(once)} (and {len(perhaps)} abandoned at once, {sum(counts[name] for name in perhaps)} of them read):"
        f" {len(missing)} missing in the log, {len(repeated)} more than once"
    )
    say(
        f"tunnels {tunnels}, in the log {tunnel_lines}; {heads_cut} heads left unfinished, {others} other lines"
    )
    say(f"faults seen by clients: {len(faults)}")
    for text, count in Counter(faults).most_common(5):
        say(f"  {count} x {text}")
    for name in missing[:5]:
        say(f"  missing: {name}")
    for name in repeated[:5]:
        say(f"  repeated: {[line for line in log if name in line]}")
    holds = (
        slope < LIMIT_MIB
        and not missing
        and not repeated
        and tunnels == tunnel_lines
        and not faults
    )
    say("holds" if holds else "DOES NOT HOLD")
    return {
        "holds": holds,
        "slope_mib_per_10_minutes": slope,
        "requests": len(once),
        "missing": len(missing),
        "repeated": len(repeated),
        "tunnels": tunnels,
        "tunnel_lines": tunnel_lines,
        "faults": len(faults),
        "actions": dict(sum((ledger.actions for ledger in ledgers), Counter())),
    }


def fit_slope(points: Sequence[tuple[float, float]]) -> float:
    """Give the slope of the least-squares line through the points, 0 if they do not make one."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def _open_files(program: Program) -> int:
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in program.tree) if program.running else 0
