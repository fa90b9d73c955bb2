"""
What live tests of the cache share: an origin whose every byte can be told from its URL, a crowd of clients, and the gateway.

Nothing here shares code with the plugin. An answer says which generation of a thing it is; so whoever has an answer can tell
whether it is whole, right, and not older than it may be.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import re
import selectors
import socket
import stat
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Answer, Closed, Head, Server, Stream
from tests.live.processes import FORWARD, PATIENCE, DidNotHappen, Gateway

HOST = "www.example.com"

CONFIG = (
    FORWARD
    + """
[[site]]
host = ["*"]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
[plugins]
enabled = ["upload_limit", "cache"]
[plugins.cache]
path = "$cache"
size = "$size"
memory = "$memory"
max_object = "$largest"
"""
)

#: Answers of different kinds; the sizes are around those at which the cache does it another way.
SIZES = (1_000, 10_000, 65_536, 65_537, 100_000, 300_000)


@lru_cache(1000)
def content_of(path: str, generation: int = 0) -> bytes:
    """Give what the origin has at a path; C{/300000/a}: so many bytes."""
    size = int(path.split("/")[1])
    seed = hashlib.sha256(f"{path} {generation}".encode()).digest()
    return random.Random(seed).randbytes(size)


def request(path: str, method: str = "GET", *lines: str, close: bool = True) -> bytes:
    """Write a request."""
    more = [*lines, "Connection: close"] if close else lines
    if method == "POST":
        more = [*more, "Content-Length: 0"]
    return "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {HOST}", *more, "", "")).encode()


class Origin(Server):
    """
    Answers every GET with what is at its path, or one range of it; a POST begins the next generation of it.

    The number of the generation is in C{X-Generation} and, quoted, the C{ETag}.

    @ivar seen: how many requests there were for each path.
    @ivar generations: of each path; 0 if it is not there.
    @ivar contents: gives what is there, by path and generation.
    @ivar lines: further fields of each answer.
    @ivar answering: how an answer to a GET is sent: given the connection, the path, head and content. Unless something else
        is put there, in one piece.
    """

    def __init__(self, test: SynchronousTestCase) -> None:
        self.seen: Counter[str] = Counter()
        self.generations: Counter[str] = Counter()
        self.contents: Callable[[str, int], bytes] = content_of
        self.lines: list[str] = ["Cache-Control: max-age=3600", "Server: the-origin/1.0"]
        self.answering: Callable[[Stream, str, bytes, bytes], bool] = self.at_once
        self.released = threading.Event()
        self._lock = threading.Lock()
        super().__init__(test, self._requests)

    def stop(self) -> None:
        """Stop, and let go whoever waits."""
        self.released.set()
        super().stop()

    def changed(self, path: str) -> int:
        """Begin the next generation of a thing, and give its number."""
        with self._lock:
            self.generations[path] += 1
            return self.generations[path]

    def at_once(self, stream: Stream, path: str, head: bytes, content: bytes) -> bool:
        """Send an answer in one piece; tell whether the connection goes on."""
        stream.send(head + content)
        return True

    def _requests(self, stream: Stream) -> None:
        goes_on = True
        while goes_on:
            head = stream.head()
            method, path, _ = head.first
            stream.content(head, to_end=False)
            if method == "POST":
                generation = self.changed(path)
                stream.send(
                    f"HTTP/1.1 204 Done\r\nX-Generation: {generation}\r\n\r\n".encode("ascii")
                )
                continue
            with self._lock:
                self.seen[path] += 1
                generation = self.generations[path]
            goes_on = self._get(stream, path, head, generation)

    def _get(self, stream: Stream, path: str, asked: Head, generation: int) -> bool:
        content = self.contents(path, generation)
        size = len(content)
        etag = f'"{generation}"'
        lines = [*self.lines, f"X-Generation: {generation}", f"ETag: {etag}"]
        status = "200 OK"
        part = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.get("range"))
        if part is not None and asked.get("if-range") in ("", etag):
            first = int(part[1]) if part[1] else max(0, size - int(part[2]))
            last = min(int(part[2]), size - 1) if part[1] and part[2] else size - 1
            if first < size:
                lines.append(f"Content-Range: bytes {first}-{last}/{size}")
                content, status = content[first : last + 1], "206 Partial Content"
            else:
                lines.append(f"Content-Range: bytes */{size}")
                content, status = b"", "416 Range Not Satisfiable"
        lines = [f"HTTP/1.1 {status}", *lines, "Accept-Ranges: bytes"]
        lines.append(f"Content-Length: {len(content)}")
        head = "\r\n".join((*lines, "", "")).encode()
        return self.answering(stream, path, head, content)


class Received(Stream):
    """What a client has received to the end of its connection."""

    def __init__(self, data: bytes) -> None:
        self.unread = data

    def _more(self) -> None:
        raise Closed

    def rest(self) -> bytes:
        """Refuse: an answer that ends with its connection may have lost its end, so none is meant to."""
        raise Closed


def answer_in(data: bytes) -> Answer | None:
    """Read the one answer that somebody received; C{None}: none that is whole, as anybody can see."""
    received = Received(data)
    try:
        answer = received.answer()
    except Closed:
        return None
    assert not received.unread, "there is more than one answer"
    return answer


class Crowd:
    """
    Many clients at once, each with one request on a connection of its own.

    @ivar streams: one for each that has not left.
    """

    def __init__(self, test: SynchronousTestCase, asked: Iterable[tuple[int, bytes]]) -> None:
        """
        Connect all of them, then let all of them ask.

        @param asked: ports and requests.
        """
        self.streams: list[socket.socket] = []
        test.addCleanup(self.leave)
        asked = list(asked)
        for port, _ in asked:
            self.streams.append(socket.create_connection(("127.0.0.1", port), PATIENCE))
        for stream, (_, data) in zip(self.streams, asked, strict=True):
            # Who is refused before all is sent may have been closed; the answer can still be there.
            with contextlib.suppress(ConnectionError):
                stream.sendall(data)

    def answers(self, seconds: float = 60.0) -> list[Answer | None]:
        """
        Read all answers to the end of their connections.

        @raise DidNotHappen: somebody waits for longer.
        """
        received = [bytearray() for _ in self.streams]
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            for number, stream in enumerate(self.streams):
                selector.register(stream, selectors.EVENT_READ, number)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    raise DidNotHappen(f"{len(selector.get_map())} got no answer to the end")
                for key, _ in ready:
                    data = b""
                    with contextlib.suppress(OSError):
                        data = key.fileobj.recv(1 << 18)  # type: ignore[union-attr]
                    received[key.data] += data
                    if not data:
                        selector.unregister(key.fileobj)
        self.leave()
        return [answer_in(bytes(data)) for data in received]

    def leave(self) -> None:
        """Close all connections."""
        for stream in self.streams:
            stream.close()


def fetched(port: int, path: str, *lines: str, method: str = "GET") -> Answer:
    """
    Ask once.

    @raise Closed: the answer is not whole.
    @raise OSError: the connection broke.
    """
    stream = Stream(socket.create_connection(("127.0.0.1", port), PATIENCE))
    try:
        stream.send(request(path, method, *lines))
        return stream.answer(method)
    finally:
        stream.close()


def is_right(answer: Answer, path: str) -> bool:
    """Tell whether an answer is whole and byte for byte what the origin has, or had."""
    if answer.status != 200:
        return False
    return answer.content == content_of(path, int(answer.head.get("x-generation")))


def is_hit(answer: Answer) -> bool:
    """Tell whether the cache had it."""
    return "; hit" in answer.head.get("cache-status")


def caching(
    test: SynchronousTestCase,
    origin: Server,
    folder: Path,
    *,
    size: str = "64MiB",
    memory: str = "16MiB",
    largest: str = "1MiB",
    more: str = "",
    instead_of: Gateway | None = None,
) -> Gateway:
    """
    Start a gateway that stores what comes by its site and by its forward proxy.

    @param folder: of what is stored.
    @param largest: object that is stored.
    @param more: further settings of the plugin.
    """
    return Gateway(
        test,
        CONFIG + more,
        origin=origin.port,
        cache=folder,
        size=size,
        memory=memory,
        largest=largest,
        instead_of=instead_of,
    )


def number(gateway: Gateway, name: str) -> float:
    """Give one of the numbers of the plugin."""
    return gateway.metric(f"gateway_plugin_{name}", plugin="cache")


def taken(folder: Path) -> int:
    """Give how much room a file takes on the disk, or all below a folder; bytes."""
    # By their own numbers: one that gets another name meanwhile is counted once.
    found: dict[int, int] = {}
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[status.st_ino] = status.st_blocks * 512
    return sum(found.values())


def mounted(test: SynchronousTestCase, folder: Path, options: Sequence[str]) -> None:
    """Put a file system in memory at a folder until the test ends; needs root."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)], check=True
    )
    # Gateways have it open until they end, which is before: they are started later.
    test.addCleanup(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
