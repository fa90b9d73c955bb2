"""Which downloads trickle while they are scanned, and which are held whole."""

from __future__ import annotations

import gc

from gateway.api import Infected
from gateway.testing.peers import request, response
from tests.scenarios.interception import GET, InterceptionTestCase
from tests.scenarios.plugins import Watcher
from tests.scenarios.scanners import (
    BAD,
    FOUND,
    MIB,
)
from tests.scenarios.support import URL
from tests.scenarios.trickle import Slow, TrickleTestCase, content_of


class ChoiceTests(TrickleTestCase):
    """When it is done."""

    def test_hold(self) -> None:
        """With C{hold} nothing goes out before the verdict, and then the file or the page."""
        scanner = Slow()
        gateway, origin, client = self.trickling(scanner, mode="hold")
        client.send(request(URL))
        origin.send(response(content_of(MIB)))
        gateway.advance(50)
        self.assertEqual(client.received, b"")
        scanner.answer.callback(FOUND)
        gateway.settle()
        self.assertEqual(client.response().status, 403)

    def test_quick(self) -> None:
        """A verdict that comes quickly comes first: what is bad gets its page, however large it is."""
        scanner = Slow()
        gateway, origin, client = self.trickling(scanner)
        client.send(request(URL))
        origin.send(response(content_of(3 * MIB)))
        gateway.advance(0.4)
        scanner.answer.callback(FOUND)
        gateway.settle()
        self.assertEqual(client.response().status, 403)
        gateway.advance(5)
        self.assertEqual(len(client.responses()), 1)

    def test_small(self) -> None:
        """What is not large waits for C{after}, at once or in pieces."""
        for pieces in ([response(b"abc")], [response(b"abc")[:-1], b"c"]):
            scanner = Slow()
            gateway, origin, client = self.trickling(scanner, over="1MiB", after="4s")
            client.send(request(URL))
            for piece in pieces:
                origin.send(piece)
            gateway.advance(3.9)
            self.assertEqual(client.received, b"")
            gateway.advance(0.2)
            self.assertEqual(self.content(client), b"")
            scanner.passes()
            gateway.settle()
            self.assertEqual(client.response().content, b"abc")
            self.assertGivenBack(gateway)

    def test_declared(self) -> None:
        """What is declared large is so before it has come, and what becomes large when it has."""
        for head, first in (
            (b"Content-Length: 3000000", 0.6),
            (b"Content-Length: 900000", 4.1),
            # Nobody knows how large that becomes.
            (b"Transfer-Encoding: chunked", 0.6),
        ):
            gateway, origin, client = self.trickling(Slow(), over="1MiB", after="4s")
            client.send(request(URL))
            origin.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
            gateway.advance(first - 0.2)
            self.assertEqual(client.received, b"", head)
            gateway.advance(0.2)
            self.assertIn(b"200 OK", client.received, head)

    def test_no_room(self) -> None:
        """What waits for room is not begun: if there is none the client is told so."""
        scanner = Slow()
        gateway, origin, first = self.started(
            scanner,
            settings={
                "scan.temp_limit": "4MiB",
                "scan.large_file": {"over": 0, "mode": "trickle"},
            },
        )
        clients = [gateway.client() for _ in range(5)]
        for client in clients:
            client.send(request(URL))
            origin.send(response(content_of(900_000)))
        gateway.advance(9)
        self.assertEqual([bool(client.received) for client in clients], [True] * 4 + [False])
        gateway.advance(2)
        self.assertEqual(clients[-1].response().status, 503)
        for client in clients:
            client.reset()

    def test_parts(self) -> None:
        """Parts of things, other methods and errors are trickled like everything else."""
        for method, status in (
            (b"GET", b"206 Partial Content"),
            (b"POST", b"200 OK"),
            (b"GET", b"404 No"),
        ):
            scanner = Slow()
            gateway, origin, client = self.trickling(scanner)
            content = b"x" if method == b"POST" else None
            client.send(request(URL, method=method, content=content))
            origin.send(response(content_of(100_000), status=status))
            gateway.advance(1)
            self.assertIn(status, client.received)
            scanner.passes()
            gateway.settle()
            self.assertEqual(client.response(method).content, content_of(100_000))

    def test_reverse(self) -> None:
        """So it is in front of sites."""
        scanner = Slow()
        gateway, origin, client = self.started(
            scanner, reverse=True, settings={"scan.large_file": {"over": 0, "mode": "trickle"}}
        )
        client.send(request(b"/"))
        origin.send(response(content_of(MIB)))
        gateway.advance(3)
        self.assertGreater(len(self.content(client)), 0)
        scanner.answer.callback(Infected("X", "test"))
        gateway.settle()
        self.assertEqual(client.closed, "reset")

    def test_stop(self) -> None:
        """The gateway stops in the midst of it, in order."""
        gateway, origin, client = self.started(
            Slow(),
            settings={
                "scan.large_file": {"over": 0, "mode": "trickle"},
                "timeouts.drain": "10s",
            },
        )
        client.send(request(URL))
        origin.send(response(content_of(MIB)))
        gateway.advance(3)
        gateway.begin_stop()
        gateway.advance(20)
        self.assertEqual(client.closed, "reset")
        self.assertLine(gateway, outcome="aborted")

    def test_nothing_is_left(self) -> None:
        """However it ends, nothing of the transaction is left without waiting for the collector of garbage."""
        gc.disable()
        self.addCleanup(gc.enable)
        for end in ("delivered", "refused", "origin"):
            watcher, scanner = Watcher(), Slow()
            gateway, origin, client = self.trickling(scanner, {"watcher": watcher})
            client.send(request(URL))
            answer = response(content_of(MIB))
            origin.send(answer[:-1] if end == "origin" else answer)
            gateway.advance(3)
            if end == "delivered":
                scanner.passes()
            elif end == "refused":
                scanner.answer.callback(FOUND)
            else:
                origin.connection.reset()
            gateway.settle()
            self.assertEqual((len(watcher.seen), watcher.alive), (1, 0), end)


class DecryptedTests(InterceptionTestCase):
    """Within TLS."""

    def test_infected(self) -> None:
        """Within TLS a bad file ends in a reset too, and not in TLS's own end of the connection."""
        scanner = Slow()
        gateway = self.intercepting(
            {"scan.large_file": {"over": 0, "mode": "trickle"}}, plugins={"test": scanner}
        )
        self.tls_origin(gateway, response(content_of(MIB)))
        client = self.client(gateway)
        client.send(GET)
        gateway.advance(3)
        (found,) = client.responses()
        self.assertGreater(len(found.content), 0)
        scanner.answer.callback(FOUND)
        gateway.settle()
        self.assertEqual((client.raw.closed, client.veil.ended), ("reset", False))
        self.assertNotIn(BAD, client.veil.plain)
