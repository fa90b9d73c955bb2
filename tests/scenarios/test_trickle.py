"""Large downloads go to their clients a little at a time while they are held and scanned (C{scan.large_file}, S17)."""

from __future__ import annotations

import gc
import hashlib
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import NONE, Infected, Need, ScanJob, Side, Transaction, Whole, hookimpl
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, chunked, request, response
from tests.effort import is_full
from tests.scenarios.interception import GET, InterceptionTestCase
from tests.scenarios.plugins import Base, Doubled, OnLookUp, OnResponseContent, Watcher
from tests.scenarios.scanners import (
    BAD,
    FOUND,
    MIB,
    ContentTestCase,
    Copies,
    Scanner,
    clean,
    verdict,
)
from tests.scenarios.support import URL
from tests.scenarios.test_stored_answers import Files

#: How much is never sent before the verdict.
END = 65536
#: From nothing to a few MiB, around every bound there is.
SIZES = (
    1,
    2,
    100,
    4096,
    16384,
    65535,
    65536,
    65537,
    65600,
    81920,
    100_000,
    131_072,
    200_000,
    400_000,
    655_360,
    700_000,
    MIB,
    MIB + 1,
    3_000_000,
    6 * MIB,
)


def content_of(size: int) -> bytes:
    """Give content of which every piece is another one."""
    return hashlib.shake_128(b"content").digest(size)


class Slow(Scanner):
    """
    A scanner that says what it says when the test says.

    @ivar answer: of the scan under way.
    """

    def __init__(self) -> None:
        super().__init__(self._scan)
        self.answer: Deferred[Any] = Deferred()
        self.job: ScanJob | None = None

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want what clients get."""
        return Whole(self.max_bytes) if side is Side.RESPONSE else NONE

    def _scan(self, job: ScanJob) -> Deferred[Any]:
        self.job = job
        self.answer = Deferred()
        return self.answer

    def passes(self) -> None:
        """Say that nothing was found."""
        assert self.job is not None
        self.answer.callback(clean(self.job))


class TrickleTestCase(ContentTestCase):
    """Gateways that trickle."""

    def trickling(
        self, scanner: Base, more: dict[str, Any] | None = None, **settings: object
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        """Start one for which everything is large."""
        said = {"over": 0, "after": "5s", "mode": "trickle", **settings}
        return self.started(scanner, more, settings={"scan.large_file": said})

    def content(self, client: ScriptedClient) -> bytes:
        """Give the content that came so far."""
        (found,) = client.responses()
        return found.content


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


class RestTests(TrickleTestCase):
    """What may pass arrives as it was."""

    def test_clean(self) -> None:
        """All of it arrives, by every framing, and the connection goes on where it can."""
        for size in (1, 65_536, 100_000, 3_000_000):
            content = content_of(size)
            for kind in ("length", "chunked", "1.0"):
                scanner = Slow()
                gateway, origin, client = self.trickling(scanner)
                asked = request(URL)
                client.send(asked.replace(b"HTTP/1.1", b"HTTP/1.0") if kind == "1.0" else asked)
                if kind == "length":
                    origin.send(response(content))
                else:
                    origin.send(
                        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(content)
                    )
                gateway.advance(20)
                scanner.passes()
                gateway.settle()
                found = client.response()
                self.assertEqual(found.content, content)
                self.assertTrue(found.complete)
                line = self.assertLine(gateway, status=200, outcome="delivered")
                self.assertEqual(line["notes"]["scan_response"], "clean")
                if kind == "1.0":
                    self.assertEqual(client.closed, "fin")
                else:
                    scanner.says = verdict
                    client.send(request(URL))
                    origin.send(response(b"next"))
                    self.assertEqual(client.responses()[1].content, b"next")
                    self.assertEqual(len(origin.connections), 1)
                self.assertGivenBack(gateway)

    def test_pipelined(self) -> None:
        """A request behind waits until the response before it is complete; behind one that is broken off nothing comes."""
        for bad in (False, True):
            scanner = Slow()
            gateway, origin, client = self.trickling(scanner)
            client.send(request(URL) + request(URL + b"second"))
            origin.send(response(content_of(MIB)))
            gateway.advance(3)
            self.assertEqual(len(origin.requests), 1)
            if bad:
                scanner.answer.callback(FOUND)
            else:
                scanner.passes()
            gateway.settle()
            scanner.says = verdict
            if bad:
                self.assertEqual((client.closed, len(origin.requests)), ("reset", 1))
                continue
            origin.send(response(b"next"))
            self.assertEqual([one.content for one in client.responses()][1], b"next")

    def test_trailers(self) -> None:
        """Trailers come behind."""
        scanner = Slow()
        gateway, origin, client = self.trickling(scanner)
        client.send(request(URL))
        origin.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked(content_of(100_000), trailers=[b"X-Sum: 1"])
        )
        gateway.advance(3)
        scanner.passes()
        gateway.settle()
        self.assertTrue(client.received.endswith(b"0\r\nX-Sum: 1\r\n\r\n"))

    def test_filters(self) -> None:
        """What goes out is what the filters made of it, without the length that it had."""
        scanner = Slow()
        gateway, origin, client = self.trickling(
            scanner, {"doubles": OnResponseContent(lambda txn: Doubled())}
        )
        client.send(request(URL))
        origin.send(response(content_of(200_000)))
        gateway.advance(3)
        self.assertNotIn(b"Content-Length", client.received)
        scanner.passes()
        gateway.settle()
        self.assertEqual(len(client.response().content), 400_001)

    def test_stored_in_a_file(self) -> None:
        """What a plugin had stored in a file is trickled like what comes from an origin."""
        content = content_of(MIB)
        for bad in (False, True):
            files, scanner = Files(), Slow()
            gateway, origin, client = self.trickling(
                scanner, {"store": OnLookUp(lambda txn, files=files: files.stored(content))}
            )
            client.send(request(URL))
            gateway.advance(3)
            self.assertIn(b"Content-Length: 1048576", client.received)
            self.assertGreater(len(self.content(client)), 0)
            if bad:
                scanner.answer.callback(FOUND)
            else:
                scanner.passes()
            gateway.settle()
            self.assertEqual(client.closed, "reset" if bad else "")
            self.assertEqual(client.response().content == content, not bad)
            self.assertEqual(len(files.released), 1)
            self.assertGivenBack(gateway)

    def test_upload_under_way(self) -> None:
        """An answer that comes before the end of its request's content is trickled, and the connection used on or not."""
        for rest in (b"x" * 10, b""):
            scanner = Slow()
            gateway, origin, client = self.trickling(scanner)
            client.send(request(URL, method=b"POST", content=b"x" * 20)[:-10])
            origin.send(response(content_of(200_000)))
            gateway.advance(3)
            self.assertGreater(len(self.content(client)), 0)
            scanner.passes()
            gateway.settle()
            self.assertEqual(client.response(b"POST").content, content_of(200_000))
            client.send(rest)
            if not rest:
                gateway.advance(200)
                self.assertNotEqual(client.closed, "")
                continue
            scanner.says = verdict
            client.send(request(URL))
            origin.send(response(b"next"))
            gateway.settle()
            self.assertEqual(client.responses(b"POST")[-1].content, b"next")

    def test_stored(self) -> None:
        """Whoever stores responses gets all of it, and nothing of what is bad."""
        content = content_of(MIB)
        for bad in (False, True):
            store, scanner = Copies(), Slow()
            gateway, origin, client = self.trickling(scanner, {"store": store})
            client.send(request(URL))
            origin.send(response(content))
            gateway.advance(3)
            self.assertEqual(store.told, [])
            if bad:
                scanner.answer.callback(FOUND)
            else:
                scanner.passes()
            gateway.settle()
            self.assertEqual(store.ends, [] if bad else ["finish"])
            self.assertEqual(store.content, b"" if bad else content)

    def test_not_blocked(self) -> None:
        """What passes although it was not scanned, for want of a scanner that takes it, arrives whole."""
        scanner = Scanner(max_bytes=200_000)
        gateway, origin, client = self.started(
            scanner,
            settings={
                "scan.large_file": {"over": 0, "mode": "trickle"},
                "scan.on": {"too_large": "warn"},
            },
        )
        content = content_of(MIB)
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        origin.send(b"%x\r\n%b\r\n" % (150_000, content[:150_000]))
        gateway.advance(3)
        self.assertGreater(len(self.content(client)), 0)
        origin.send(chunked(content[150_000:]))
        gateway.settle()
        self.assertEqual(client.response().content, content)
        self.assertEqual(gateway.line["notes"]["scan_response"], "too_large:warn")


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
