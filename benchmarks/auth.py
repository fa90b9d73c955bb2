"""
First logins of many users against a real directory: how long each waits, and how long the gateway does nothing else meanwhile.

Each user makes one request through the forward proxy with his password, from an address of his own, and nobody is known
before: each is a search for the entry, a bind as the user and the reading of nested groups. They come at a steady rate, and once
all at the same moment; then once more, when the gateway knows them, to see what of that is the logins' own. Another process asks
for C{/healthz} all the while, over one connection: what it waits longest is no less than the longest time for which the reactor was
blocked. It is served by the same processor, so that of the gateway is told where pings are few.
"""

from __future__ import annotations

import base64
import multiprocessing
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from string import Template

from benchmarks import usage
from benchmarks.origins import start_web_origin
from benchmarks.peers import Ports
from benchmarks.programs import Cores, Program
from tests.live.directories import (
    ACCOUNT,
    ACCOUNT_PASSWORD,
    BASE,
    CA,
    command,
    prepare,
)

#: The limits, for logins at a steady rate and for all of them in the same moment alike.
LIMIT_P95_MS = 200.0
LIMIT_BLOCKED_MS = 50.0
#: Logins a second in the steady part.
RATE = 50
_PATIENCE = 20.0

_CONFIG = """
[forward]
listen = ["127.0.0.1:$forward"]
allow_from = ["127.0.0.0/8"]
allow_destinations = ["127.0.0.0/8"]
[plugins]
enabled = ["auth"]
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


def auth(state: Path, cores: Cores, port_base: int, users: int, say: Callable[[str], None]) -> int:
    """Log all users in, twice with a gateway that knows nobody; the exit code is 0 if the limits hold."""
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
    with origin, directory:
        directory.wait_ready(plain, secure)
        target = f"127.0.0.1:{ports.web_origin}"
        good = True
        for rate in (RATE, 0):
            with _gateway(state / f"gateway-{rate}", cores, ports, secure, folder / CA) as gateway:
                gateway.wait_ready(ports.forward, ports.health)
                how = f"{rate} a second" if rate else "all at once"
                good = (
                    _report(_logins(gateway, ports, target, users, rate), rate, how, say) and good
                )
                if not rate:
                    # What of it is no login: connections, requests, answers, and the clients that share a core with the directory.
                    again = _logins(gateway, ports, target, users, rate)
                    _report(again, rate, "all at once again, known by now", say)
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def _gateway(folder: Path, cores: Cores, ports: Ports, ldaps: int, ca: Path) -> Program:
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
    )


@dataclass(frozen=True, slots=True)
class Logins:
    """
    What became of logins.

    @ivar took: seconds of each that was let in; C{refused}: the statuses of the others.
    @ivar pings: seconds that each ping waited.
    @ivar processor: seconds of processor time of the gateway.
    """

    took: list[float]
    refused: list[int]
    pings: list[float]
    processor: float


def _logins(gateway: Program, ports: Ports, target: str, users: int, rate: int) -> Logins:
    """Log all users in; C{rate}: a second, 0: all at once."""
    near, far = multiprocessing.Pipe()
    pinger = multiprocessing.get_context("spawn").Process(
        target=_ping, args=(ports.health, far), daemon=True
    )
    pinger.start()
    near.recv()
    took: list[float] = []
    refused: list[int] = []
    begin = time.monotonic() + 0.2

    def login(number: int) -> None:
        name = f"user{number}"
        secret = base64.b64encode(f"{name}:{name}pw".encode()).decode()
        request = (
            f"GET http://{target}/1k HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n"
            f"Proxy-Authorization: Basic {secret}\r\n\r\n"
        ).encode()
        source = f"127.1.{number >> 8}.{number & 255}"
        time.sleep(max(0.0, begin + (number / rate if rate else 0.0) - time.monotonic()))
        begun = time.monotonic()
        with socket.create_connection(
            ("127.0.0.1", ports.forward), _PATIENCE, (source, 0)
        ) as stream:
            stream.sendall(request)
            status = int(stream.makefile("rb").readline().split()[1])
        if status == 200:
            took.append(time.monotonic() - begun)
        else:
            refused.append(status)

    used = usage.cpu_seconds([gateway.pid])
    threads = [threading.Thread(target=login, args=(number,)) for number in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    near.send("end")
    pings = near.recv()
    pinger.join(_PATIENCE)
    used = usage.cpu_seconds([gateway.pid]) - used
    return Logins(sorted(took), refused, sorted(pings), used)


def _ping(port: int, pipe: Connection) -> None:
    """In a process of its own: ask again and again, and give what each answer took."""
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


def _report(logins: Logins, rate: int, how: str, say: Callable[[str], None]) -> bool:
    took, pings, refused = logins.took, logins.pings, logins.refused
    users = len(took) + len(refused)
    if not took:
        say(f"{users} users, {how}: nobody was let in: {refused[:5]}")
        return False
    middle, late = took[len(took) // 2] * 1e3, took[len(took) * 95 // 100] * 1e3
    worst, usual = pings[-1] * 1e3, pings[len(pings) // 2] * 1e3
    used = "" if rate else f"{logins.processor / users * 1e3:.2f} ms of processor for each; "
    holds = not refused and worst <= LIMIT_BLOCKED_MS and late <= LIMIT_P95_MS
    say(
        f"{users} users, {how}: p50 {middle:.0f} ms, p95 {late:.0f} ms (limit {LIMIT_P95_MS:g}), longest {took[-1] * 1e3:.0f} ms,"
        f" {len(refused)} not let in; {used}a ping waited {usual:.1f} ms, the longest of {len(pings)} {worst:.0f} ms"
        f" (limit {LIMIT_BLOCKED_MS:g}): {'holds' if holds else 'DOES NOT HOLD'}"
    )
    return holds
