"""The end of the gateway, in order and out of order: drain, its time limit, a new log file, a power cut."""

from __future__ import annotations

import signal
import socket
import threading
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, Stream, connected
from tests.live.processes import FORWARD, Gateway, short_folder, until

SITE = """
[[site]]
listen = ["127.0.0.1:$reverse", "unix:$socket"]
origins = ["http://127.0.0.1:$origin"]
[timeouts]
drain = "$drain"
"""

GET = b"GET %s HTTP/1.1\r\nHost: www.example.com\r\n\r\n"


class StoppingCase(SynchronousTestCase):
    """A gateway that serves one origin."""

    def start(self, drain: str = "20s") -> None:
        """Start both."""
        self.origin = Origin(self)
        self.gateway = Gateway(
            self,
            FORWARD + SITE.replace(', "unix:$socket"', ""),
            origin=self.origin.port,
            drain=drain,
        )

    def asking(self, path: bytes) -> Stream:
        """Ask for something that lasts; give the connection when the origin has the request."""
        before = len(self.origin.seen)
        client = connected(self, self.gateway.reverse)
        client.send(GET % path)
        until(lambda: len(self.origin.seen) > before, what="the request at the origin")
        return client

    def tunnel(self) -> Stream:
        """Open a tunnel to the origin."""
        client = connected(self, self.gateway.forward)
        client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % self.origin.port)
        self.assertEqual(client.answer("CONNECT").status, 200)
        return client

    def refused(self, port: int) -> bool:
        """Tell whether a connection is refused."""
        try:
            socket.create_connection(("127.0.0.1", port), 2).close()
        except ConnectionRefusedError:
            return True
        return False


class DrainTests(StoppingCase):
    """SIGTERM."""

    def test_drain(self) -> None:
        """It is not ready at once and refuses new connections, but what runs is completed; then it ends with status 0."""
        self.start()
        download = self.asking(b"/slow/20")
        late = self.asking(b"/late/10")
        idle = connected(self, self.gateway.reverse)
        idle.send(GET % b"/hello")
        self.assertEqual(idle.answer().content, b"origin")
        tunnel = self.tunnel()
        self.gateway.signal(signal.SIGTERM)
        begun = time.monotonic()
        status, text = until(lambda: self.not_ready(), 1, "the end of readiness")
        self.assertEqual(status, 503)
        self.assertIn("failed draining", text)
        self.assertEqual(self.gateway.asked("/healthz")[0], 200)
        for port in (self.gateway.reverse, self.gateway.forward):
            self.assertTrue(self.refused(port))
        self.assertEqual(idle.rest(), b"")
        answer = late.answer()
        self.assertEqual((answer.content, answer.head.get("connection")), (b"origin", "close"))
        self.assertEqual(download.answer().content, b"0123456789" * 20)
        self.assertEqual(download.rest(), b"")
        tunnel.send(GET % b"/hello")
        self.assertEqual(tunnel.answer().content, b"origin")
        tunnel.close()
        self.assertEqual(self.gateway.ended(), 0)
        self.assertLess(time.monotonic() - begun, 6)
        self.assertTrue(self.refused(self.gateway.health))
        self.assertEqual(len(self.gateway.lines(4)), 4)

    def not_ready(self) -> tuple[int, str] | None:
        """Give what the readiness page says once it does not say ready."""
        answer = self.gateway.asked("/readyz")
        return None if answer[0] == 200 else answer

    def test_time_limit(self) -> None:
        """What is not ready in time is cut off, visibly, and has its line in the log; the status is 0 all the same."""
        self.start("1s")
        download, stalled, tunnel = self.asking(b"/slow/100"), self.asking(b"/stall"), self.tunnel()
        self.gateway.signal(signal.SIGTERM)
        begun = time.monotonic()
        self.assertEqual(self.gateway.ended(), 0)
        self.assertTrue(1 <= time.monotonic() - begun < 4)
        for client in (download, stalled, tunnel):
            self.assertRaises(ConnectionResetError, client.rest)
        lines = self.gateway.lines(3)
        self.assertEqual(
            {line["outcome"] for line in lines if line["method"] == "GET"}, {"aborted"}
        )
        self.assertEqual(
            [line["notes"] for line in lines if line["method"] == "CONNECT"],
            [{"tunnel": "gateway"}],
        )

    def test_told_twice(self) -> None:
        """A second signal ends the wait, as who presses Ctrl-C twice means it."""
        self.start("60s")
        download = self.asking(b"/slow/200")
        self.gateway.signal(signal.SIGINT)
        self.gateway.says("told to stop")
        until(lambda: self.refused(self.gateway.reverse))
        self.gateway.signal(signal.SIGINT)
        self.assertEqual(self.gateway.ended(5), 0)
        self.assertRaises(ConnectionResetError, download.rest)

    def test_idle(self) -> None:
        """With nothing under way it ends at once, however many connections are open."""
        self.start()
        clients = [connected(self, self.gateway.reverse) for _ in range(50)]
        until(lambda: self.gateway.metric("gateway_client_connections_open") == 50)
        self.gateway.signal(signal.SIGTERM)
        begun = time.monotonic()
        self.assertEqual(self.gateway.ended(), 0)
        self.assertLess(time.monotonic() - begun, 2)
        self.assertEqual({client.rest() for client in clients}, {b""})

    def test_upload(self) -> None:
        """An upload that runs is completed too."""
        self.start()
        client = connected(self, self.gateway.reverse)
        client.send(
            b"PUT /echo HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 100\r\n\r\n"
            + b"a" * 50
        )
        until(lambda: self.origin.seen)
        self.gateway.signal(signal.SIGTERM)
        until(lambda: self.refused(self.gateway.reverse))
        client.send(b"b" * 50)
        self.assertEqual(client.answer().content, b"a" * 50 + b"b" * 50)
        self.assertEqual(self.gateway.ended(), 0)


class OtherSignalTests(StoppingCase):
    """SIGUSR1 and SIGKILL."""

    def test_new_log(self) -> None:
        """After SIGUSR1 lines go to a new file, while requests run, and each is in exactly one of the two."""
        self.start()
        old = self.gateway.log.with_suffix(".1")
        done = threading.Event()
        counted = [0]

        def load() -> None:
            client = connected(self, self.gateway.reverse)
            while not done.is_set():
                client.send(GET % b"/hello")
                client.answer()
                counted[0] += 1

        thread = threading.Thread(target=load)
        thread.start()
        try:
            until(lambda: counted[0] > 50)
            self.gateway.log.rename(old)
            self.gateway.signal(signal.SIGUSR1)
            until(self.gateway.log.exists)
            at = counted[0]
            until(lambda: counted[0] > at + 50)
        finally:
            done.set()
            thread.join()
        self.gateway.signal(signal.SIGTERM)
        self.assertEqual(self.gateway.ended(), 0)
        lines = old.read_text().splitlines() + self.gateway.log.read_text().splitlines()
        self.assertEqual(len(lines), counted[0])

    def test_power_cut(self) -> None:
        """After a kill it starts again on the same ports and socket, whatever was under way."""
        self.origin = Origin(self)
        folder = short_folder(self)
        path = folder / "s"
        first = Gateway(self, SITE, origin=self.origin.port, drain="1s", socket=path)
        self.gateway = first
        self.asking(b"/slow/100")
        first.kill()
        self.assertTrue(path.exists())
        second = Gateway(
            self, SITE, origin=self.origin.port, drain="1s", socket=path, instead_of=first
        )
        client = connected(self, second.reverse)
        client.send(GET % b"/hello")
        self.assertEqual(client.answer().content, b"origin")
        unix = Stream(socket.socket(socket.AF_UNIX))
        self.addCleanup(unix.close)
        unix.socket.connect(str(path))
        unix.send(GET % b"/hello")
        self.assertEqual(unix.answer().content, b"origin")
        second.signal(signal.SIGTERM)
        self.assertEqual(second.ended(), 0)
        self.assertEqual(list(folder.iterdir()), [])
