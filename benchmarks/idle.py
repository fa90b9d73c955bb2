"""
Many idle client connections, and how long one more client waits meanwhile.
"""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks import load, usage
from benchmarks.compare import first_request
from benchmarks.odd_origin import start_odd_origin
from benchmarks.peers import Ports, Role
from benchmarks.programs import Cores
from benchmarks.subject import ports_from, start_gateway

FURTHER_CLIENTS = 50
LIMIT_MS = 100.0
LIMIT_KIB = 4.0
REQUEST_PATH = b"/small/idle"


def idle(
    state: Path, cores: Cores, port_base: int, connections: int, say: Callable[[str], None]
) -> int:
    """Hold idle connections of both kinds in turn; the exit code is 0 if both limits hold for both."""
    _allow_files(connections + 200)
    ports = ports_from(port_base)
    good = True
    with start_odd_origin(ports.web_origin, cores.load, state):
        for kind, role, asked in (
            ("nothing sent yet", Role.FORWARD, None),
            (
                "kept alive after one request",
                Role.REVERSE,
                b"GET /small/idle HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
            ),
        ):
            folder = state / kind.partition(" ")[0]
            with start_gateway(ports, cores, folder, client_idle="300s") as gateway:
                entrance = ports.forward if role is Role.FORWARD else ports.reverse
                with load.held(entrance, 100, asked):
                    _further_client(ports)
                time.sleep(1)
                before = usage.memory(gateway.tree)
                begun = time.monotonic()
                with load.held(entrance, connections, asked) as clients:
                    opened = time.monotonic() - begun
                    times = [_further_client(ports) for _ in range(FURTHER_CLIENTS)]
                    time.sleep(1)
                    after = usage.memory(gateway.tree)
                    alive = sum(_still_open(client) for client in clients)
            kib = (after.pss - before.pss) / connections / 1024
            say(
                f"{connections} idle connections, {kind}: opened in {opened:.1f} s, {alive} still open;"
                f" a further client: median {median(times):.1f} ms, longest {max(times):.1f} ms of {len(times)}"
                f" (limit {LIMIT_MS:g}); {kib:.2f} KiB a connection (limit {LIMIT_KIB:g});"
                f" RSS {before.rss / 2**20:.1f} -> {after.rss / 2**20:.1f} MiB"
            )
            good = good and alive == connections and max(times) <= LIMIT_MS and kib <= LIMIT_KIB
    say("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


def _further_client(ports: Ports) -> float:
    """Give the milliseconds from connecting to the end of the answer, through the forward proxy."""
    request = first_request(Role.FORWARD, ports.web_origin).replace(b"/1k", REQUEST_PATH)
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", ports.forward), 10) as client:
        client.sendall(request)
        load.read_answer(client)
    return (time.monotonic() - begun) * 1e3


def _still_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(count, soft)), hard))
