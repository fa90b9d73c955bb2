"""
An HTTP origin that can misbehave on purpose, for the long checks.

It runs as a program of its own: C{python -m benchmarks.odd_origin PORT}. The first part of the path says what it does, the rest is ignored,
so a path can carry an id::

    /small/...      100 bytes           /zeros/N/...    N bytes of zeros, Content-Length
    /chunked/N/...  N bytes in chunks   /upload/...     reads all content (100 Continue if asked), answers with its length
    /cut/...        promises more than it sends, then resets the connection
    /drop/...       closes without an answer
    /deaf/...       never reads the content

Threads and blocking sockets: it is simple and it is not what is measured.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
from pathlib import Path

from benchmarks.peers import REPOSITORY
from benchmarks.programs import Program

IDLE_SECONDS = 120
_BLOCK = memoryview(bytes(1 << 18))


def start_odd_origin(port: int, cores: frozenset[int], state: Path) -> Program:
    """Start it and wait until it listens."""
    command = [sys.executable, "-m", "benchmarks.odd_origin", str(port)]
    output = state / "odd-origin.log"
    program = Program.start("odd origin", command, cores=cores, output=output, folder=REPOSITORY)
    program.wait_ready(port)
    return program


class Gone(Exception):
    """The peer went away."""


class Connection:
    """One connection from a proxy: requests in turn until it ends."""

    def __init__(self, peer: socket.socket) -> None:
        self._peer = peer
        self._unread = b""

    def serve(self) -> None:
        """Answer requests until the peer goes away or one of them ends the connection."""
        with self._peer, contextlib.suppress(Gone, OSError):
            self._peer.settimeout(IDLE_SECONDS)
            while self._answer():
                pass

    def _answer(self) -> bool:
        line, *lines = self._read_until(b"\r\n\r\n").split(b"\r\n")
        fields = {}
        for each in lines:
            name, _, value = each.partition(b":")
            fields[name.lower()] = value.strip()
        path = line.split(b" ")[1]
        action, _, rest = path.lstrip(b"/").partition(b"/")
        if action == b"upload":
            return self._take_upload(fields)
        if action == b"deaf":
            time.sleep(IDLE_SECONDS)
            return False
        if action == b"drop":
            return False
        if action == b"cut":
            self._peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(20000))
            # Long enough for the beginning to be on its way to the client.
            time.sleep(0.05)
            self._peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        if action in (b"zeros", b"chunked"):
            self._send_zeros(int(rest.partition(b"/")[0]), chunked=action == b"chunked")
            return True
        self._peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + bytes(100))
        return True

    def _send_zeros(self, count: int, *, chunked: bool) -> None:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % count
        self._peer.sendall(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        while count:
            size = min(count, len(_BLOCK))
            if chunked:
                self._peer.sendall(b"%x\r\n" % size)
            self._peer.sendall(_BLOCK[:size])
            if chunked:
                self._peer.sendall(b"\r\n")
            count -= size
        if chunked:
            self._peer.sendall(b"0\r\n\r\n")

    def _take_upload(self, fields: dict[bytes, bytes]) -> bool:
        if fields.get(b"expect", b"").lower() == b"100-continue":
            self._peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
            total = 0
            while size := int(self._read_until(b"\r\n").partition(b";")[0], 16):
                self._discard(size + 2)
                total += size
            while self._read_until(b"\r\n"):
                pass
        else:
            total = int(fields.get(b"content-length", b"0"))
            self._discard(total)
        text = b"%d" % total
        self._peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        return True

    def _read_until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            self._unread += self._receive(65536)
        before, _, self._unread = self._unread.partition(mark)
        return before

    def _discard(self, count: int) -> None:
        taken = min(count, len(self._unread))
        self._unread = self._unread[taken:]
        count -= taken
        while count:
            count -= len(self._receive(min(count, 1 << 18)))

    def _receive(self, count: int) -> bytes:
        received = self._peer.recv(count)
        if not received:
            raise Gone
        return received


def serve(port: int) -> None:
    """Serve until killed, a thread for each connection."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=Connection(peer).serve, daemon=True).start()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
