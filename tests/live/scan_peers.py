"""
What live tests of scanning share: an origin that has certain files and keeps what it gets, clients of all sides, and the gateway.

Nothing here shares code with the gateway. Names of files decide nothing; what is malware is what the clamd of the tests finds.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import threading
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.api import REASONS as UNSCANNABLE
from tests.live.cache_peers import Crowd
from tests.live.clamd_daemon import MARKER, Clamd
from tests.live.peers import Answer, Closed, Server, Stream
from tests.live.processes import FORWARD, Gateway

CONFIG = (
    FORWARD
    + """
[[site]]
host = ["*"]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
[plugins]
enabled = [$enabled]
[plugins.clamd]
address = "$clamd"
$settings
[scan]
temp_dir = "$spool"
"""
)

#: Every reason for which something is not scanned, with the same action: what rules forbid has none.
REASONS = ("suspicious", *sorted(UNSCANNABLE - {"forbidden"}))


class Store(Server):
    """
    An origin that answers with what it has at a path, and keeps what is put there.

    @ivar files: contents by path.
    @ivar got: contents of whole requests by path.
    @ivar begun: how many requests with content there were, whole or not.
    """

    def __init__(self, test: SynchronousTestCase, files: Mapping[str, bytes] | None = None) -> None:
        self.files = dict(files or {})
        self.got: dict[str, bytes] = {}
        self.begun = 0
        super().__init__(test, self._requests)

    def _requests(self, stream: Stream) -> None:
        while True:
            head = stream.head()
            method, target, _ = head.first
            if method == "GET":
                content = self.files.get(target)
                status = b"404 Not Found" if content is None else b"200 OK"
                content = content or b""
                stream.send(
                    b"HTTP/1.1 %b\r\nContent-Type: application/octet-stream\r\n"
                    b"Content-Length: %d\r\n\r\n%b" % (status, len(content), content)
                )
            else:
                self.begun += 1
                self.got[target] = stream.content(head, to_end=False)
                stream.send(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")


class Ways:
    """
    The four ways in which content goes through a gateway.

    @ivar sent: how many requests were sent.
    """

    def __init__(self, test: SynchronousTestCase, gateway: Gateway, store: Store) -> None:
        self._test = test
        self.gateway = gateway
        self._store = store
        self.sent = 0

    def request(
        self, path: str, *, upload: bytes | None = None, forward: bool = False
    ) -> tuple[int, bytes]:
        """
        Give a port and what is sent to it.

        @param upload: content that is sent; C{None}: what is at the path is fetched.
        """
        authority = b"127.0.0.1:%d" % self._store.port
        target = path.encode()
        port = self.gateway.reverse
        if forward:
            port = self.gateway.forward
            target = b"http://%b%b" % (authority, target)
        head = b"%b %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n" % (
            b"GET" if upload is None else b"PUT",
            target,
            authority,
        )
        if upload is None:
            return port, head + b"\r\n"
        return port, head + b"Content-Length: %d\r\n\r\n%b" % (len(upload), upload)

    def all_at_once(
        self, asked: list[tuple[int, bytes]], seconds: float = 60.0
    ) -> list[Answer | None]:
        """Send all of these at the same time and give the answers; C{None} for one that broke off."""
        return self.crowd(asked).answers(seconds)

    def crowd(self, asked: list[tuple[int, bytes]]) -> Crowd:
        """Send all of these at the same time; whoever gets the crowd reads the answers."""
        self.sent += len(asked)
        return Crowd(self._test, asked)

    def asked(
        self, path: str, *, upload: bytes | None = None, forward: bool = False
    ) -> Answer | None:
        """Ask once and give the answer; C{None}: it broke off."""
        (answer,) = self.all_at_once([self.request(path, upload=upload, forward=forward)])
        return answer

    def each(
        self, files: Mapping[str, bytes], seconds: float = 60.0
    ) -> list[tuple[str, str, Answer | None]]:
        """
        Send each of these in each way, all at the same time.

        @return: the name of the way, the path, and the answer.
        @raise DidNotHappen: somebody waits for longer.
        """
        ways = [
            (kind, mode, path)
            for path in files
            for kind in ("download", "upload")
            for mode in ("reverse", "forward")
        ]
        asked = [
            self.request(
                path, upload=files[path] if kind == "upload" else None, forward=mode == "forward"
            )
            for kind, mode, path in ways
        ]
        answers = self.all_at_once(asked, seconds)
        return [
            (f"{kind} {mode}", path, answer)
            for (kind, mode, path), answer in zip(ways, answers, strict=True)
        ]

    def notes(self, after: int = 0) -> list[str]:
        """
        Wait for the log of all requests and give what each noted of its content: of what came up, else of what came down.

        @param after: without those of so many at the beginning.
        """
        found = []
        for line in self.gateway.lines(self.sent)[after:]:
            given = line["notes"]
            upload = given.get("scan_request")
            found.append(upload if line["method"] == "PUT" else given.get("scan_response", ""))
        return found


def scanning(
    test: SynchronousTestCase,
    store: Store,
    clamd: Clamd | str,
    *,
    enabled: tuple[str, ...] = ("archive", "clamd"),
    settings: str = "",
    scan: str = "",
    more: str = "",
    spool: Path | None = None,
    environment: dict[str, str] | None = None,
    instead_of: Gateway | None = None,
) -> Gateway:
    """
    Start a gateway that scans.

    @param clamd: the scanner, or its address.
    @param settings: further ones of the plugin C{clamd}.
    @param scan: further settings of C{[scan]}.
    @param more: further tables.
    @param spool: where content waits; that of the system unless it is said.
    """
    return Gateway(
        test,
        f"{CONFIG}{scan}\n{more}",
        origin=store.port,
        enabled=", ".join(f'"{name}"' for name in enabled),
        clamd=clamd if isinstance(clamd, str) else clamd.unix,
        settings=settings,
        spool="" if spool is None else spool,
        environment=environment,
        instead_of=instead_of,
    )


def actions(action: str) -> str:
    """Give the setting that whatever is not scanned has this action."""
    return "on = { " + ", ".join(f'{reason} = "{action}"' for reason in REASONS) + " }\n"


def clean(size: int, seed: int = 0) -> bytes:
    """Give harmless content that nobody has seen."""
    return b"clean %d\n" % seed + os.urandom(size)


def bad(size: int) -> bytes:
    """Give content with the marker in its middle, that nobody has seen."""
    return os.urandom(size // 2) + MARKER + os.urandom(size // 2)


def packed(files: Mapping[str, bytes]) -> bytes:
    """Make a ZIP."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as members:
        for name, content in files.items():
            members.writestr(name, content)
    return sink.getvalue()


def nested(content: bytes, depth: int) -> bytes:
    """Pack content into a ZIP, that into another, and so on."""
    for level in range(depth):
        content = packed({f"{level}.zip" if level else "first.com": content})
    return content


def resident(pid: int) -> int:
    """Give the resident memory of a process, without what it shares with files; bytes. 0: it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status, re.M)
    return 0 if found is None else int(found[1]) * 1024


def children(pid: int) -> list[int]:
    """Give all living descendants of a process."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                some = [int(one) for one in (task / "children").read_text().split()]
                found += some
                waiting += some
        except OSError:
            continue
    return found


def in_memory(pids: Iterable[int]) -> int:
    """Give what files that exist in memory only take, of those that processes have open; bytes."""
    found: dict[int, int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(link).startswith("/memfd:"):
                        status = link.stat()
                        found[status.st_ino] = status.st_blocks * 512
    return sum(found.values())


class Watch:
    """
    Looks at the memory of a gateway, and of the processes it has started, until it is told to stop.

    @ivar own: the most that the gateway itself had, bytes.
    @ivar helpers: the most that any one of its processes had.
    @ivar files: the most that files in memory had, all that these processes had open together.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._pid = gateway.pid
        self._end = threading.Event()
        self.before = self.own = resident(self._pid)
        self.helpers = self.files = 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        gateway.test.addCleanup(self.stop)

    def stop(self) -> None:
        """Look no more."""
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.05):
            self.own = max(self.own, resident(self._pid))
            helpers = children(self._pid)
            self.helpers = max(self.helpers, *map(resident, helpers), 0)
            self.files = max(self.files, in_memory([self._pid, *helpers]))


def drained(stream: Stream) -> bytes:
    """Read what is left, also of a connection that breaks."""
    try:
        return stream.rest()
    except (Closed, OSError):
        return b""
