"""How fast content flows over long lines (S04), and how little of it the gateway holds when somebody does not read."""

from __future__ import annotations

import resource
import socket
import threading
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Link, Origin, Stream, connected
from tests.live.processes import FORWARD, Gateway, until

SITE = """
[[site]]
listen = ["127.0.0.1:$reverse"]
origins = ["http://127.0.0.1:$origin"]
"""

MEGABYTE = 1_000_000
KIB = 1024

GET = b"GET %s HTTP/1.1\r\nHost: www.example.com\r\n\r\n"


class LongLineTests(SynchronousTestCase):
    """50 MB over a line of 320 Mbit/s with 100 ms there and back."""

    SIZE = 50 * MEGABYTE
    DELAY = 0.05
    RATE = 40 * MEGABYTE

    def line(self, to: int) -> Link:
        """Lay a line to a port."""
        return Link(self, to, delay=self.DELAY, rate=self.RATE)

    def download(self, port: int, target: bytes = b"") -> float:
        """Fetch the content and give the seconds that took."""
        client = connected(self, port)
        begun = time.monotonic()
        client.send(GET % (target + b"/bytes/%d" % self.SIZE))
        head = client.head()
        self.assertEqual(head.first[1], "200")
        self.assertEqual(client.drop(self.SIZE), self.SIZE)
        return time.monotonic() - begun

    def upload(self, port: int) -> float:
        """Send as much and give the seconds until the answer is there."""
        client = connected(self, port)
        begun = time.monotonic()
        client.send(
            b"PUT /sink HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: %d\r\n\r\n" % self.SIZE
        )
        client.send(bytes(self.SIZE))
        self.assertEqual(client.answer().content, b"%d" % self.SIZE)
        return time.monotonic() - begun

    def test_downloads(self) -> None:
        """With the line on either side of the gateway a download is at least 80 % as fast as without the gateway."""
        origin = Origin(self)
        line = self.line(origin.port)
        directly = self.download(line.port)
        behind = Gateway(self, FORWARD + SITE, origin=line.port)
        self.assertLess(self.download(behind.reverse), directly / 0.8)
        self.assertLess(
            self.download(behind.forward, b"http://127.0.0.1:%d" % line.port), directly / 0.8
        )
        before = Gateway(self, SITE, origin=origin.port)
        self.assertLess(self.download(self.line(before.reverse).port), directly / 0.8)

    def test_uploads(self) -> None:
        """So is an upload."""
        origin = Origin(self)
        line = self.line(origin.port)
        directly = self.upload(line.port)
        behind = Gateway(self, SITE, origin=line.port)
        self.assertLess(self.upload(behind.reverse), directly / 0.8)
        before = Gateway(self, SITE, origin=origin.port)
        self.assertLess(self.upload(self.line(before.reverse).port), directly / 0.8)

    def test_tunnel(self) -> None:
        """So is a tunnel."""
        origin = Origin(self)
        line = self.line(origin.port)
        directly = self.download(line.port)
        gateway = Gateway(self, FORWARD)
        client = connected(self, gateway.forward)
        client.send(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % line.port)
        self.assertEqual(client.answer("CONNECT").status, 200)
        begun = time.monotonic()
        client.send(GET % b"/bytes/%d" % self.SIZE)
        client.head()
        self.assertEqual(client.drop(self.SIZE), self.SIZE)
        self.assertLess(time.monotonic() - begun, directly / 0.8)


class BackPressureTests(SynchronousTestCase):
    """What the gateway holds for a peer that does not read."""

    SIZE = 200 * MEGABYTE
    MOST = 4 * KIB * KIB

    def setUp(self) -> None:
        """Start both, and use every path once so that what is needed for it is there."""
        self.origin = Origin(self)
        self.gateway = Gateway(self, FORWARD + SITE, origin=self.origin.port)
        client = connected(self, self.gateway.reverse)
        for _ in range(3):
            client.send(GET % b"/bytes/3000000")
            client.answer()
            client.send(
                b"PUT /sink HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: 3000000\r\n\r\n"
                + bytes(3000000)
            )
            client.answer()
        client.close()
        self.before = self.gateway.rss

    def grown(self) -> int:
        """Wait until nothing moves any more, and give by how much the gateway has grown."""
        most = 0
        for _ in range(30):
            most = max(most, self.gateway.rss - self.before)
            time.sleep(0.05)
        return most

    def test_client_that_does_not_read(self) -> None:
        """A client that never reads its 200 MB keeps the origin waiting, and the gateway small."""
        client = connected(self, self.gateway.reverse)
        client.send(GET % b"/bytes/%d" % self.SIZE)
        self.assertLess(self.grown(), self.MOST)
        # It gets all of it as soon as it reads.
        self.assertEqual(client.head().first[1], "200")
        self.assertEqual(client.drop(self.SIZE), self.SIZE)
        self.assertLess(self.gateway.rss - self.before, self.MOST)

    def test_origin_that_does_not_read(self) -> None:
        """An origin that never reads an upload keeps the client waiting, and the gateway small."""
        client = connected(self, self.gateway.reverse)
        client.send(
            b"PUT /deaf HTTP/1.1\r\nHost: www.example.com\r\nContent-Length: %d\r\n\r\n" % self.SIZE
        )
        taken = self.fill(client)
        self.assertLess(self.grown(), self.MOST)
        self.assertLess(taken, self.SIZE // 2)

    def test_slow_client(self) -> None:
        """A client that reads slowly is served at its own pace."""
        client = connected(self, self.gateway.reverse)
        client.send(GET % b"/bytes/%d" % (30 * MEGABYTE))
        client.head()
        reading = threading.Thread(
            target=client.drop, args=(30 * MEGABYTE,), kwargs={"pause": 0.005}
        )
        reading.start()
        self.assertLess(self.grown(), self.MOST)
        reading.join()

    def test_tunnels(self) -> None:
        """In a tunnel neither side's silence makes it grow."""
        clients = []
        for what in (b"GET /bytes/%d" % self.SIZE, b"PUT /deaf"):
            client = connected(self, self.gateway.forward)
            client.send(
                b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % self.origin.port
            )
            self.assertEqual(client.answer("CONNECT").status, 200)
            client.send(
                what
                + b" HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
                % (self.SIZE if b"PUT" in what else 0)
            )
            clients.append(client)
        self.fill(clients[1])
        self.assertLess(self.grown(), self.MOST)
        self.assertEqual(clients[0].head().first[1], "200")
        self.assertEqual(clients[0].drop(self.SIZE), self.SIZE)

    def test_pipelined_requests(self) -> None:
        """A client that sends requests and reads no answers is not served without end."""
        client = connected(self, self.gateway.reverse)
        self.fill(client, GET % b"/bytes/10000" * 1000)
        self.assertLess(self.grown(), self.MOST)
        served = len(self.origin.seen)
        time.sleep(0.3)
        self.assertEqual(len(self.origin.seen), served)

    def fill(self, client: Stream, data: bytes = bytes(1 << 16)) -> int:
        """Send until nobody takes more; give how much was taken."""
        taken = 0
        client.socket.settimeout(0.5)
        try:
            while taken < self.SIZE:
                taken += client.socket.send(data)
        except TimeoutError:
            pass
        client.socket.settimeout(20)
        return taken


class ManyClientsTests(SynchronousTestCase):
    """Connections that only wait."""

    COUNT = 2000

    def test_idle_connections(self) -> None:
        """Two thousand idle clients cost little, and another one is served as fast as ever meanwhile."""
        origin = Origin(self)
        gateway = Gateway(self, SITE, origin=origin.port)
        busy = connected(self, gateway.reverse)
        busy.send(GET % b"/hello")
        busy.answer()
        before = gateway.rss
        clients = [connected(self, gateway.reverse) for _ in range(self.COUNT)]
        until(lambda: gateway.metric("gateway_client_connections_open") == self.COUNT + 1)
        slowest = 0.0
        for _ in range(50):
            begun = time.monotonic()
            busy.send(GET % b"/hello")
            self.assertEqual(busy.answer().content, b"origin")
            slowest = max(slowest, time.monotonic() - begun)
        self.assertLess(slowest, 0.1)
        self.assertLess((gateway.rss - before) / self.COUNT, 4 * KIB)
        # All of them still work.
        for client in clients[::200]:
            client.send(GET % b"/hello")
            self.assertEqual(client.answer().content, b"origin")
        for client in clients:
            client.close()
        until(lambda: gateway.metric("gateway_client_connections_open") == 1)

    def test_limits(self) -> None:
        """Connections over the limit of a listener are closed at once, and those under it are served."""
        origin = Origin(self)
        site = SITE.replace(
            '"127.0.0.1:$reverse"', '{ address = "127.0.0.1:$reverse", max_connections = 5 }'
        )
        gateway = Gateway(self, site, origin=origin.port)
        let_in = [connected(self, gateway.reverse) for _ in range(5)]
        until(lambda: gateway.metric("gateway_client_connections_open") == 5)
        for _ in range(3):
            self.assertEqual(connected(self, gateway.reverse).rest(), b"")
        for client in let_in:
            client.send(GET % b"/hello")
            self.assertEqual(client.answer().content, b"origin")
        let_in[0].close()
        until(lambda: gateway.metric("gateway_client_connections_open") == 4)
        again = connected(self, gateway.reverse)
        again.send(GET % b"/hello")
        self.assertEqual(again.answer().content, b"origin")

    def test_out_of_descriptors(self) -> None:
        """
        With no descriptor left, new connections are turned away and those that are there go on; it ends with the need.

        Even the upstream connection for a request may find none; that is an answer and no end.
        """
        origin = Origin(self)

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))

        gateway = Gateway(self, SITE, origin=origin.port, prepare=limit)
        early = connected(self, gateway.reverse)
        early.send(GET % b"/hello")
        self.assertEqual(early.answer().content, b"origin")
        crowd = [connected(self, gateway.reverse) for _ in range(80)]
        until(lambda: self.ended(crowd) >= 80 - 60, what="turning some away")
        early.send(GET % b"/hello")
        self.assertEqual(early.answer().content, b"origin")
        # On kept connections there is room for one at a time only; the others are told.
        standing = [client for client in crowd if not self.has_ended(client)]
        for client in standing[:5]:
            client.send(GET % b"/late/3")
        found = {client.answer().status for client in standing[:5]}
        self.assertLessEqual(found, {200, 502, 503}, found)
        self.assertIn(200, found)
        for client in crowd:
            client.close()
        until(lambda: self.open_clients(gateway) == 1)
        late = connected(self, gateway.reverse)
        late.send(GET % b"/hello")
        self.assertEqual(late.answer().content, b"origin")
        self.assertLess(gateway.text.count("\n"), 200)

    def open_clients(self, gateway: Gateway) -> float:
        """Ask how many clients are connected; as long as there is no descriptor for the asking it is many."""
        try:
            return gateway.metric("gateway_client_connections_open")
        except OSError:
            return float("inf")

    def ended(self, clients: list[Stream]) -> int:
        """Count those whose connection is at its end."""
        return sum(map(self.has_ended, clients))

    def has_ended(self, client: Stream) -> bool:
        """Tell whether a connection is at its end."""
        client.socket.setblocking(False)
        try:
            return client.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            client.socket.settimeout(20)
