"""
First logins of many users against a real directory: how long each waits, and how long the gateway does nothing else meanwhile.

Each user makes one request through the forward proxy with his password, from an address of his own, and nobody is known
before: each is a search for the entry, a bind as the user and the reading of nested groups. They come at steady rates, and once
all at the same moment; then once more, when the gateway knows them, to see what of that is the logins' own.

For how long the reactor is blocked is seen from within and from without: a timer of the gateway that is due a hundred times a second
says how late it was at the worst, and another process asks for C{/healthz} all the while, over one connection. That one shares a core
with clients and directory and goes before them where it may.

Processor time is told apart: of the gateway, of the directory, and of the clients with the web origin. Divided by the number of logins
it says how soon all of them can be done at the earliest, whatever waits for whom: the clients and the directory have one core, the
gateway has the other one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from string import Template

from benchmarks import usage
from benchmarks.logins import Answers, log_in
from benchmarks.origins import start_web_origin
from benchmarks.peers import REPOSITORY, Ports
from benchmarks.programs import Cores, Program
from tests.live.directories import (
    ACCOUNT,
    ACCOUNT_PASSWORD,
    BASE,
    CA,
    command,
    prepare,
)

#: The limits, for logins at any rate and for all of them in the same moment alike.
LIMIT_P95_MS = 200.0
LIMIT_BLOCKED_MS = 50.0
_PATIENCE = 20.0

_LAG = '''
"""Measures how late a timer is."""

from collections.abc import Mapping

from gateway.api import Plugin, Services, hookimpl


class Lag(Plugin):
    """Has a timer."""

    name = "benchmark_lag"

    def __init__(self, settings: object, services: Services) -> None:
        super().__init__(settings, services)
        self._seconds = services.clock.seconds
        self._call_later = services.clock.callLater
        self._worst = 0.0

    async def start(self) -> None:
        """Begin."""
        self._wait()

    @hookimpl()
    def counters(self) -> Mapping[str, float]:
        """Give the worst since it was asked last."""
        worst, self._worst = self._worst, 0.0
        return {"benchmark_lag_seconds": worst}

    def _wait(self) -> None:
        self._due = self._seconds() + 0.01
        self._call_later(0.01, self._measure)

    def _measure(self) -> None:
        self._worst = max(self._worst, self._seconds() - self._due)
        self._wait()
'''

_CONFIG = """
[forward]
listen = ["127.0.0.1:$forward"]
allow_from = ["127.0.0.0/8"]
allow_destinations = ["127.0.0.0/8"]
[plugins]
enabled = ["auth", "benchmark_lag"]
[plugins.auth]
order = ["basic"]
ip_cache = 0
ldap = { uri = ["ldaps://localhost:$ldaps"], base = "$base", bind_dn = "$account", password = { file = "$folder/password" }, ca = "$ca" }
[threads.directory]
queue = 500
[log]
access = { path = "$folder/access.log", format = "json" }
[admin]
health = "127.0.0.1:$health"
"""


def auth(
    state: Path,
    cores: Cores,
    port_base: int,
    users: int,
    rates: Sequence[int],
    say: Callable[[str], None],
) -> int:
    """
    Log all users in, at each rate with a gateway that knows nobody; the exit code is 0 if the limits hold.

    @param rates: logins a second; 0: all at once.
    """
    ports = Ports.numbered(port_base, 0)
    plain, secure = port_base + 150, port_base + 151
    folder = state / "directory"
    folder.mkdir()
    folder.chmod(0o755)
    prepare(folder, users=users)
    origin = start_web_origin(ports.web_origin, cores.load, state / "web-origin")
    directory = Program.start(
        "slapd", command(folder, plain, secure), cores=cores.load, output=state / "slapd.txt"
    )
    packages = state / "packages"
    _install(packages)
    with origin, directory:
        directory.wait_ready(plain, secure)
        good = True
        for rate in rates:
            with _gateway(
                state / f"gateway-{rate}", cores, ports, secure, folder / CA, packages
            ) as gateway:
                gateway.wait_ready(ports.forward, ports.health)
                how = f"{rate} a second" if rate else "all at once"
                run = Run(gateway, directory, origin, ports, users, rate)
                good = _report(run.measured(), how, say) and good
                if not rate:
                    # What of it is no login: connections, requests, answers.
                    _report(run.measured(), "all at once again, known by now", say)
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def _gateway(
    folder: Path, cores: Cores, ports: Ports, ldaps: int, ca: Path, packages: Path
) -> Program:
    folder.mkdir()
    (folder / "password").write_text(ACCOUNT_PASSWORD)
    config = folder / "gateway.toml"
    config.write_text(
        Template(_CONFIG).substitute(
            forward=ports.forward,
            health=ports.health,
            ldaps=ldaps,
            base=BASE,
            account=ACCOUNT,
            folder=folder,
            ca=ca,
        )
    )
    twistd = Path(sys.executable).with_name("twistd")
    return Program.start(
        "gateway",
        [str(twistd), "-n", "--pidfile=", "gateway", "--config", str(config)],
        cores=cores.proxy,
        output=folder / "output",
        environment={"PYTHONPATH": f"{packages}:{REPOSITORY}:{REPOSITORY / 'plugins'}"},
    )


def _install(folder: Path) -> None:
    """Write the module of a plugin and what an installer would write beside it."""
    folder.mkdir()
    (folder / "gateway_benchmark_lag.py").write_text(_LAG.lstrip())
    described = folder / "gateway_benchmark_lag-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: gateway-benchmark-lag\nVersion: 1.0\n"
    )
    (described / "entry_points.txt").write_text(
        "[gateway.plugins]\nbenchmark_lag = gateway_benchmark_lag:Lag\n"
    )


@dataclass(frozen=True, slots=True)
class Logins:
    """
    What became of logins.

    @ivar answers: of the gateway.
    @ivar pings: seconds that each ping waited, sorted.
    @ivar lag: seconds that a timer of the gateway was late at the worst.
    @ivar gateway: seconds of processor time of the gateway; C{directory}, C{clients}: of the others, the origin with the clients.
    """

    answers: Answers
    pings: list[float]
    lag: float
    gateway: float
    directory: float
    clients: float


@dataclass(frozen=True, slots=True)
class Run:
    """
    Logs all users in.

    @ivar rate: a second; 0: all at once.
    """

    gateway: Program
    directory: Program
    origin: Program
    ports: Ports
    users: int
    rate: int

    def measured(self) -> Logins:
        """Do it once."""
        near, far = multiprocessing.Pipe()
        pinger = multiprocessing.get_context("spawn").Process(
            target=_ping, args=(self.ports.health, far), daemon=True
        )
        pinger.start()
        near.recv()
        _lag(self.ports.health)
        before = self._used()
        target = f"127.0.0.1:{self.ports.web_origin}"
        answers = log_in(self.ports.forward, target, self.users, self.rate, _PATIENCE)
        used = [now - then for now, then in zip(self._used(), before, strict=True)]
        near.send("end")
        pings = sorted(near.recv())
        pinger.join(_PATIENCE)
        return Logins(answers, pings, _lag(self.ports.health), *used)

    def _used(self) -> tuple[float, float, float]:
        return (
            usage.cpu_seconds([self.gateway.pid]),
            usage.cpu_seconds([self.directory.pid]),
            time.process_time() + usage.cpu_seconds(self.origin.tree),
        )


def _lag(health: int) -> float:
    """Ask how late the gateway's timer was at the worst, since this was asked last; in seconds."""
    with urllib.request.urlopen(f"http://127.0.0.1:{health}/metrics") as answer:
        for line in answer.read().decode().splitlines():
            if line.startswith("gateway_") and "benchmark_lag_seconds" in line.partition(" ")[0]:
                return float(line.rpartition(" ")[2])
    raise ValueError("the gateway does not say how late its timer was")


def _ping(port: int, pipe: Connection) -> None:
    """In a process of its own: ask again and again, and give what each answer took."""
    with contextlib.suppress(PermissionError):
        os.nice(-15)
    request = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    waits: list[float] = []
    stream: socket.socket | None = None
    pipe.send("ready")
    while not pipe.poll():
        if stream is None:
            stream = socket.create_connection(("127.0.0.1", port), _PATIENCE)
        begun = time.monotonic()
        stream.sendall(request)
        answer = stream.recv(65536)
        waits.append(time.monotonic() - begun)
        if not answer or b"onnection: close" in answer:
            stream.close()
            stream = None
        time.sleep(0.002)
    pipe.send(waits)


def _report(logins: Logins, how: str, say: Callable[[str], None]) -> bool:
    took, refused, pings = logins.answers.took, logins.answers.refused, logins.pings
    users = len(took) + len(refused)
    if not took:
        say(f"{users} users, {how}: nobody was let in: {refused[:5]}")
        return False
    middle, late = took[len(took) // 2] * 1e3, took[len(took) * 95 // 100] * 1e3
    worst, usual, lag = pings[-1] * 1e3, pings[len(pings) // 2] * 1e3, logins.lag * 1e3
    blocked = max(worst, lag)
    holds = not refused and blocked <= LIMIT_BLOCKED_MS and late <= LIMIT_P95_MS
    each = [used / users * 1e3 for used in (logins.gateway, logins.directory, logins.clients)]
    say(
        f"{users} users, {how}: p50 {middle:.0f} ms, p95 {late:.0f} ms (limit {LIMIT_P95_MS:g}), longest {took[-1] * 1e3:.0f} ms,"
        f" {len(refused)} not let in; processor for each: gateway {each[0]:.2f} ms, directory {each[1]:.2f} ms, clients and origin"
        f" {each[2]:.2f} ms; a ping waited {usual:.1f} ms, the longest of {len(pings)} {worst:.0f} ms, a timer {lag:.0f} ms (limit"
        f" {LIMIT_BLOCKED_MS:g}): {'holds' if holds else 'DOES NOT HOLD'}"
    )
    return holds
