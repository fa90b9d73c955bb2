"""
The servers behind the proxies: nginx for HTTP, and a plain TCP server for what goes through tunnels.

The TCP server reads the first byte of a connection: C{S} (source) makes it send zeros until the peer goes away, anything else
it sends back. It runs as a program of its own, C{python -m benchmarks.origins PORT...}, so that it has an interpreter lock of its own.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import socket
import sys
import threading
from pathlib import Path

from benchmarks.peers import HERE as TEMPLATES
from benchmarks.peers import REPOSITORY, fill
from benchmarks.programs import Program, find

SMALL_BYTES = 1024
LARGE_BYTES = 100 * 1024
BULK_BYTES = 64 << 20
_ZEROS = memoryview(bytes(1 << 20))


def start_web_origin(
    port: int,
    cores: frozenset[int],
    state: Path,
    *,
    tls_port: int = 0,
    certificates: Path | None = None,
) -> Program:
    """
    Start nginx with a 1 KB and a 100 KB answer.

    @param certificates: the folder from L{benchmarks.certificates}: then there is TLS on C{tls_port}, with a large answer as well.
    @raise LookupError: nginx is not installed.
    """
    nginx = find("nginx")
    if nginx is None:
        raise LookupError("the origin is nginx: apt-get install nginx")
    state.mkdir(parents=True)
    state.chmod(0o755)
    (state / "100k.bin").write_bytes(b"0123456789abcdef" * (LARGE_BYTES // 16))
    words = {
        "DIR": str(state),
        "WEB_ORIGIN": str(port),
        "BODY_1K": "0123456789abcdef" * (SMALL_BYTES // 16),
        "TLS_ORIGIN": str(tls_port),
        "CERTIFICATES": str(certificates),
    }
    if certificates is not None:
        (state / "bulk.bin").write_bytes(_ZEROS)
        os.truncate(state / "bulk.bin", BULK_BYTES)
        (state / "tls-origin.conf").write_text(
            fill((TEMPLATES / "tls-origin.conf").read_text(), words)
        )
    (state / "nginx.conf").write_text(fill((TEMPLATES / "web-origin.conf").read_text(), words))
    command = [nginx, "-e", str(state / "error.log"), "-c", str(state / "nginx.conf")]
    program = Program.start("origin", command, cores=cores, output=state / "output.log")
    program.wait_ready(port, *([tls_port] if certificates else []))
    return program


def start_tunnel_origin(ports: list[int], cores: frozenset[int], state: Path) -> Program:
    """Start the TCP server on all these ports of 127.0.0.1."""
    state.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.origins", *map(str, ports)]
    program = Program.start(
        "tunnel origin", command, cores=cores, output=state / "tunnel-origin.log", folder=REPOSITORY
    )
    program.wait_ready(*ports)
    return program


def remove_tree(folder: Path) -> None:
    """Remove a state folder, whoever wrote in it."""
    shutil.rmtree(folder, ignore_errors=True)


def serve(ports: list[int]) -> None:
    """Serve until killed: an event loop for what is short, a thread for each source."""
    loop = selectors.DefaultSelector()
    for port in ports:
        listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        listener.setblocking(False)
        loop.register(listener, selectors.EVENT_READ, True)
    while True:
        for key, _ in loop.select():
            ready = key.fileobj
            assert isinstance(ready, socket.socket)
            if key.data:
                with contextlib.suppress(OSError):
                    accepted, _address = ready.accept()
                    accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    loop.register(accepted, selectors.EVENT_READ, False)
                continue
            try:
                received = ready.recv(65536)
                if received[:1] == b"S":
                    loop.unregister(ready)
                    ready.setblocking(True)
                    threading.Thread(target=_pour, args=(ready,), daemon=True).start()
                    continue
                if received:
                    ready.sendall(received)
                    continue
            except OSError:
                pass
            loop.unregister(ready)
            ready.close()


def _pour(sink: socket.socket) -> None:
    with sink, contextlib.suppress(OSError):
        while True:
            sink.sendall(_ZEROS)


if __name__ == "__main__":
    serve([int(argument) for argument in sys.argv[1:]])
