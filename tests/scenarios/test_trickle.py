"""Large downloads go to their clients a little at a time while they are held and scanned (C{scan.large_file}, S17)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import ScanJob
from gateway.testing.peers import chunked, request, response
from tests.effort import is_full
from tests.scenarios.scanners import (
    FOUND,
    MIB,
    Scanner,
)
from tests.scenarios.support import URL
from tests.scenarios.trickle import END, SIZES, Slow, TrickleTestCase, content_of


class BoundsTests(TrickleTestCase):
    """What goes out before the verdict, and what never does."""

    def test_sizes(self) -> None:
        """
        Whatever the size and the framing: the head within a second, never more than nine tenths nor the last 64 KiB
        before the verdict; a bad file is never whole, and its end looks like none.
        """
        kinds = ("length", "chunked", "length 1.0", "until close 1.0")
        for number, size in enumerate(SIZES):
            for kind in kinds if is_full() else (kinds[number % 4],):
                self.bad(size, kind)

    def bad(self, size: int, kind: str) -> None:
        """Fetch a file that turns out bad after most of a minute."""
        what = f"{size} {kind}"
        scanner = Slow()
        gateway, origin, client = self.started(
            scanner,
            settings={"scan.large_file": {"over": 0, "mode": "trickle"}},
        )
        content = content_of(size)
        asked = request(URL)
        client.send(asked.replace(b"HTTP/1.1", b"HTTP/1.0") if "1.0" in kind else asked)
        if kind.startswith("length"):
            origin.send(response(content))
        else:
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            half = size // 2
            origin.send(head + chunked(*filter(None, (content[:half], content[half:]))))
        gateway.settle()
        self.assertEqual(client.received, b"", what)
        gateway.advance(0.6)
        head, end, _ = client.received.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 200 OK") and end, what)
        allowed = max(0, min(size * 9 // 10, size - END))
        first = len(self.content(client))
        self.assertEqual(first > 0, allowed > 0, what)
        self.assertLess(first, 17_000)
        for _ in range(4):
            before = len(self.content(client))
            gateway.advance(13)
            sent = self.content(client)
            self.assertEqual(sent, content[: len(sent)])
            self.assertLessEqual(len(sent), allowed, what)
            self.assertTrue(len(sent) > before or before == allowed or allowed - before < 0, what)
        scanner.answer.callback(FOUND)
        gateway.settle()
        (found,) = client.responses()
        self.assertFalse(found.complete, what)
        self.assertLessEqual(len(found.content), allowed, what)
        self.assertNotIn(b"\r\n0\r\n", client.received[-20:])
        self.assertEqual(client.closed, "reset", what)
        line = self.assertLine(gateway, status=200, outcome="refused", reason="scan_infected")
        notes = line["notes"]
        self.assertEqual(
            (notes["scan_response"], notes["scan_delivery"]), ("infected:block", "trickle")
        )
        self.assertGivenBack(gateway)

    def test_while_it_comes(self) -> None:
        """So it is while the content is still coming, and nobody knows how much of it there will be."""
        content = content_of(MIB)
        for head in (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIB,
        ):
            gateway, origin, client = self.trickling(Scanner())
            client.send(request(URL))
            origin.send(head)
            gateway.advance(0.6)
            self.assertIn(b"200 OK", client.received)
            for number in range(16):
                piece = content[number * END : (number + 1) * END]
                is_chunked = b"chunked" in head
                origin.send(b"%x\r\n%b\r\n" % (END, piece) if is_chunked else piece)
                if number < 15:
                    gateway.advance(10)
                    sent = self.content(client)
                    self.assertEqual(sent, content[: len(sent)])
                    self.assertLessEqual(
                        len(sent), max(0, min(number * END, (number + 1) * END * 9 // 10))
                    )
                    self.assertEqual(len(sent) > 0, number > 0)
            if b"chunked" in head:
                origin.send(b"0\r\n\r\n")
            gateway.settle()
            self.assertEqual(client.response().content, content)
            self.assertTrue(client.response().complete)
            self.assertGivenBack(gateway)

    def test_slow_rate(self) -> None:
        """Only a little goes out each second, however much there is."""
        gateway, origin, client = self.trickling(Slow())
        client.send(request(URL))
        origin.send(response(content_of(6 * MIB)))
        gateway.advance(0.6)
        for second in range(10):
            self.assertLessEqual(len(self.content(client)), (second + 1) * 16384)
            gateway.advance(1)
        self.assertGreater(len(self.content(client)), 100_000)
        client.reset()

    def test_other_verdicts(self) -> None:
        """Whatever must not pass is broken off: what could not be scanned, and what failed."""

        def fails(job: ScanJob) -> Deferred[Any]:
            waiting: Deferred[Any] = Deferred()
            self.waiting.append(waiting)
            return waiting

        self.waiting: list[Deferred[Any]] = []
        for outcome in ("error", "late"):
            gateway, origin, client = self.trickling(Scanner(fails))
            client.send(request(URL))
            origin.send(response(content_of(MIB)))
            gateway.advance(2)
            self.assertIn(b"200 OK", client.received)
            if outcome == "error":
                self.waiting[-1].errback(ZeroDivisionError())
            else:
                gateway.advance(61)
            gateway.settle()
            self.flushLoggedErrors()
            self.assertEqual(client.closed, "reset")
            self.assertFalse(client.response().complete)
            self.assertGivenBack(gateway)


class ClientTests(TrickleTestCase):
    """Clients that do not read, or leave."""

    def test_client_that_does_not_read(self) -> None:
        """Nothing is piled up for a client that does not read, and it gets everything when it does."""
        content = content_of(3_000_000)
        scanner = Slow()
        gateway, origin, client = self.trickling(scanner)
        client.stop_reading()
        client.send(request(URL))
        origin.send(response(content))
        gateway.advance(50)
        transport: Any = next(iter(gateway.service.listenings[0].connections)).transport
        self.assertLess(transport.queued, 100_000)
        queued = transport.queued
        scanner.passes()
        gateway.settle()
        self.assertLess(transport.queued, queued + 2 * END)
        client.read_on()
        gateway.settle()
        self.assertEqual(client.response().content, content)
        self.assertGivenBack(gateway)

    def test_client_that_reads_slowly(self) -> None:
        """A client that is being trickled to is alive, however long that takes."""
        scanner = Slow()
        gateway, origin, client = self.started(
            scanner,
            settings={
                "scan.large_file": {"over": 0, "mode": "trickle"},
                "timeouts.inactivity": "20s",
            },
        )
        content = content_of(MIB)
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MIB)
        for number in range(16):
            origin.send(content[number * END : (number + 1) * END])
            gateway.advance(15)
        gateway.advance(40)
        scanner.passes()
        gateway.settle()
        self.assertEqual(client.response().content, content)

    def test_silent_origin(self) -> None:
        """An origin that stays silent is given up on, trickling or not."""
        gateway, origin, client = self.trickling(Slow())
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7999999\r\n\r\n" + bytes(70_000))
        # What may be sent of that takes its time, and only then nothing moves any more.
        gateway.advance(4000)
        self.assertEqual(client.closed, "reset")
        self.assertLine(gateway, outcome="failed", reason="upstream_timeout")
        self.assertGivenBack(gateway)

    def test_client_that_leaves(self) -> None:
        """The scan is cancelled and the room given back when the client leaves in the midst."""
        cancelled: list[object] = []
        gateway, origin, client = self.trickling(Scanner(lambda job: Deferred(cancelled.append)))
        client.send(request(URL))
        origin.send(response(content_of(MIB)))
        gateway.advance(3)
        client.reset()
        gateway.advance(3)
        self.assertEqual(len(cancelled), 1)
        self.assertLine(gateway, outcome="aborted", reason="client")
        self.assertGivenBack(gateway)

    def test_origin_that_breaks_off(self) -> None:
        """A response that is cut off while it is being trickled never looks complete."""
        for lines in (b"Content-Length: 1000000", b"Transfer-Encoding: chunked", b"X-Until: close"):
            gateway, origin, client = self.trickling(Scanner())
            client.send(request(URL).replace(b"HTTP/1.1", b"HTTP/1.0"))
            origin.send(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n")
            data = content_of(200_000)
            origin.send(b"%x\r\n%b\r\n" % (len(data), data) if b"chunked" in lines else data)
            gateway.advance(3)
            self.assertGreater(len(self.content(client)), 0)
            origin.connection.reset()
            self.assertEqual(client.closed, "reset")
            self.assertLine(gateway, outcome="failed")
            self.assertGivenBack(gateway)
