"""Time limits (S05) with short values, and source ports (S25), of the gateway as it runs."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Origin, Server, Stream, connected
from tests.live.processes import FORWARD, Gateway, until

SITE = """
[[site]]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
"""

SHORT = """
[timeouts]
client_idle = "1500ms"
request_head = "1s"
inactivity = "1s"
upstream_idle = "1s"
tunnel = "1s"
connect = "1s"
"""

GET = b"GET %s HTTP/1.1\r\nHost: www.example.com\r\n\r\n"

#: A limit is looked at every quarter of a second; the rest is for a busy machine.
LATE = 1.5


class TimerTests(SynchronousTestCase):
    """Each limit, from its beginning to its end."""

    def setUp(self) -> None:
        """Start both, with limits of about a second."""
        self.origin = Origin(self)
        self.gateway = Gateway(self, FORWARD + SITE + SHORT, origin=self.origin.port)

    def lasts(self, client: Stream, begun: float, seconds: float) -> bytes:
        """Read to the end, which must come so long after the beginning; give what came."""
        rest = client.rest()
        took = time.monotonic() - begun
        self.assertTrue(seconds - 0.3 <= took <= seconds + LATE, took)
        return rest

    def test_idle_client(self) -> None:
        """A connection without a request is closed in silence, new or used."""
        new, used = connected(self, self.gateway.reverse), connected(self, self.gateway.reverse)
        begun = time.monotonic()
        used.send(GET % b"/hello")
        self.assertEqual(used.answer().content, b"origin")
        self.assertEqual(self.lasts(new, begun, 1.5), b"")
        self.assertEqual(self.lasts(used, begun, 1.5), b"")
        self.assertEqual(len(self.gateway.lines(1)), 1)

    def test_slow_head(self) -> None:
        """A head that does not get ready in time is answered with 408, however steadily it trickles in."""
        client = connected(self, self.gateway.reverse)
        client.send(b"GET / HTTP/1.1\r\n")

        def trickle() -> None:
            try:
                for _ in range(30):
                    client.send(b"X: y\r\n")
                    time.sleep(0.1)
            except OSError:
                pass

        thread = threading.Thread(target=trickle)
        begun = time.monotonic()
        thread.start()
        self.assertEqual(client.answer().status, 408)
        self.assertLess(time.monotonic() - begun, 1 + LATE)
        client.close()
        thread.join()
        self.assertEqual(self.gateway.lines(1)[0]["status"], 408)

    def test_stalled_origin(self) -> None:
        """An origin that does not answer makes a 504, and the client's connection stays."""
        client = connected(self, self.gateway.reverse)
        begun = time.monotonic()
        client.send(GET % b"/stall")
        answer = client.answer()
        took = time.monotonic() - begun
        self.assertEqual(answer.status, 504)
        self.assertIn(b"<!doctype html>", answer.content.lower())
        self.assertTrue(0.7 <= took <= 1 + LATE, took)
        client.send(GET % b"/hello")
        self.assertEqual(client.answer().content, b"origin")

    def test_slow_origin(self) -> None:
        """An origin that is slow but goes on is not cut off."""
        client = connected(self, self.gateway.reverse)
        client.send(GET % b"/slow/20")
        self.assertEqual(client.answer().content, b"0123456789" * 20)

    def test_stalled_upload(self) -> None:
        """Content that does not arrive makes a 408, and the origin never sees a complete request."""
        client = connected(self, self.gateway.reverse)
        client.send(
            b"PUT /echo HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 100\r\n\r\nbegun"
        )
        self.assertEqual(client.answer().status, 408)
        self.assertEqual(self.gateway.lines(1)[0]["reason"], "request_timeout")
        self.assertEqual(self.origin.received, 0)

    def test_client_that_does_not_read(self) -> None:
        """A client that takes nothing more of an answer is cut off."""
        client = connected(self, self.gateway.reverse)
        client.send(GET % b"/bytes/100000000")
        line = self.gateway.lines(1)[0]
        self.assertEqual((line["outcome"], line["reason"]), ("aborted", "client"))
        self.assertRaises(ConnectionResetError, client.rest)

    def test_idle_upstream(self) -> None:
        """A kept connection to the origin is closed when it was not used for a while."""
        client = connected(self, self.gateway.reverse)
        client.send(GET % b"/hello")
        client.answer()
        self.assertEqual(
            self.gateway.metric("gateway_upstream_connections", pool="all", state="idle"), 1
        )
        begun = time.monotonic()
        until(lambda: not self.gateway.metric("gateway_upstream_connections", pool="all"), 5)
        self.assertGreater(time.monotonic() - begun, 0.5)

    def test_idle_tunnel(self) -> None:
        """A tunnel in which nothing moves is ended; one with a byte now and then is not."""
        held = Server(self, lambda stream: stream.send(stream.rest()))
        quiet, busy = (connected(self, self.gateway.forward) for _ in range(2))
        for client in (quiet, busy):
            client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % held.port)
            self.assertEqual(client.answer("CONNECT").status, 200)
        for _ in range(20):
            busy.send(b"x")
            time.sleep(0.1)
        self.assertRaises(ConnectionResetError, quiet.rest)
        busy.socket.shutdown(socket.SHUT_WR)
        self.assertEqual(busy.rest(), b"x" * 20)
        busy.close()
        self.assertEqual(
            [line["notes"] for line in self.gateway.lines(2)][0], {"tunnel": "inactivity"}
        )

    def test_connect(self) -> None:
        """A destination that does not answer a connection attempt makes a 504."""
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        port = full.getsockname()[1]
        # What is over the backlog gets no answer at all.
        for _ in range(2):
            filling = socket.socket()
            filling.setblocking(False)
            filling.connect_ex(("127.0.0.1", port))
            self.addCleanup(filling.close)
        client = connected(self, self.gateway.forward)
        begun = time.monotonic()
        client.send(b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % port)
        self.assertEqual(client.answer().status, 504)
        took = time.monotonic() - begun
        self.assertTrue(0.7 <= took <= 1 + LATE, took)


class SourcePortTests(SynchronousTestCase):
    """Ports that connections to upstreams come from (S25)."""

    def ask(self, extra: str, count: int) -> list[int]:
        """Make so many connections to an origin; give the ports they came from."""
        origin = Origin(self)
        gateway = Gateway(self, FORWARD + extra)
        client = connected(self, gateway.forward)
        request = b"GET http://127.0.0.1:%d/close HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % origin.port
        for begun in range(0, count, 50):
            client.send(request * min(50, count - begun))
            for _ in range(min(50, count - begun)):
                self.assertEqual(client.answer().status, 200)
        return [port for _, port in origin.peers]

    def test_excluded(self) -> None:
        """Of all connections none comes from an excluded port."""
        first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
        left = {*range(first + 200, first + 500), last}
        excluded = f'["{first}-{first + 199}", "{first + 500}-{last - 1}"]'
        ports = self.ask(f"[network]\nexclude_ports = {excluded}\n", 200)
        self.assertEqual(len(ports), 200)
        self.assertEqual(set(ports) - left, set())

    def test_range_of_our_own(self) -> None:
        """A range outside of the system's own is kept to, a thousand times, with its holes."""
        ports = self.ask(
            '[network]\nsource_ports = "20000-23000"\nexclude_ports = ["20100-20199", 20500]\n',
            1000,
        )
        self.assertEqual(len(ports), 1000)
        allowed = set(range(20000, 23001)) - set(range(20100, 20200)) - {20500}
        self.assertEqual(set(ports) - allowed, set())
