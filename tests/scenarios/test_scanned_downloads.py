"""Responses that plugins want whole are held, scanned and passed on or not (S12, S13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import Allow, Respond, Response, ScanJob, Side, Stored
from gateway.testing.peers import chunked, request, response
from tests.scenarios.plugins import (
    Doubled,
    OnLookUp,
    OnRequest,
    OnResponse,
    OnResponseContent,
    RefusesWord,
)
from tests.scenarios.scanners import (
    BAD,
    MIB,
    ContentTestCase,
    Scanner,
    Threaded,
    clean,
    verdict,
)
from tests.scenarios.support import URL


class DownloadTests(ContentTestCase):
    """Responses."""

    def test_infected(self) -> None:
        """Infected content never reaches the client, in both modes and however it comes; the page says so."""
        answers = {
            "whole": [response(b"a" + BAD)],
            "in pieces": [response(b"a" + BAD)[:-4], response(b"a" + BAD)[-4:]],
            "chunked": [
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                chunked(b"a" + BAD[:3], BAD[3:]),
            ],
            "a part": [
                response(BAD, b"Content-Range: bytes 0-8/100", status=b"206 Partial Content")
            ],
        }
        for reverse in (False, True):
            for name, pieces in answers.items():
                scanner = Scanner()
                gateway, origin, client = self.started(scanner, reverse=reverse)
                client.send(request(b"/" if reverse else URL))
                for piece in pieces:
                    self.assertEqual(client.received, b"")
                    origin.send(piece)
                gateway.settle()
                found = client.response()
                self.assertEqual(found.status, 403, name)
                self.assertIn(b"EICAR", found.content)
                self.assertNotIn(BAD[:3], client.received)
                line = self.assertLine(
                    gateway, status=403, outcome="refused", reason="scan_infected"
                )
                self.assertEqual(
                    line["notes"],
                    {
                        "scan_response": "infected:block",
                        "scan_found": "EICAR",
                        "scan_engine": "test",
                    },
                )
                self.assertGivenBack(gateway)

    def test_until_close(self) -> None:
        """So it is with content that ends with the connection."""
        gateway, origin, client = self.started(Scanner())
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\n\r\n" + BAD)
        self.assertEqual(client.received, b"")
        origin.connection.close()
        self.assertEqual(client.response().status, 403)
        self.assertNotIn(BAD, client.received)

    def test_clean(self) -> None:
        """Clean content arrives as it was, and the connections go on; nothing of it comes before the scan."""
        waiting: Deferred[Any] = Deferred()
        scanner = Scanner(lambda job: waiting)
        gateway, origin, client = self.started(scanner)
        origin.reply = response(b"hello", b"Content-Type: Text/Plain; charset=utf-8")
        client.send(request(URL))
        self.assertEqual(client.received, b"")
        (job,) = scanner.asked
        self.assertEqual((job.content, job.size, job.path), (b"hello", 5, None))
        self.assertEqual(
            (job.media_type, job.url, job.side), ("text/plain", URL.decode(), Side.RESPONSE)
        )
        self.assertEqual(job.sha256, ScanJob.of(b"hello").sha256)
        self.assertEqual(
            job.notes,
            {
                "method": "GET",
                "status": "200",
                "content_type": "Text/Plain; charset=utf-8",
            },
        )
        waiting.callback(clean(job))
        gateway.settle()
        self.assertEqual(client.response().content, b"hello")
        self.assertEqual(gateway.line["notes"], {"scan_response": "clean", "scan_engine": "test 1"})
        scanner.says = verdict
        client.send(request(URL))
        self.assertEqual(len(client.responses()), 2)
        self.assertEqual(len(origin.connections), 1)
        self.assertGivenBack(gateway)

    def test_large(self) -> None:
        """Content over 1 MiB waits in a file, is hashed as it comes and arrives whole."""
        content = bytes(range(256)) * 16384
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        client.send(request(URL))
        origin.send(response(content))
        gateway.settle()
        self.assertEqual(client.response().content, content)
        (job,) = scanner.asked
        self.assertEqual((job.content, job.size), (b"", len(content)))
        self.assertEqual(job.sha256, ScanJob.of(content).sha256)
        # The job still has it, although the transaction is over.
        with job.open() as file:
            self.assertEqual(file.read(), content)
        self.assertGivenBack(gateway)

    def test_client_that_does_not_read(self) -> None:
        """What was held goes no faster than the client reads."""
        content = bytes(6 * MIB)
        gateway, origin, client = self.started(Scanner())
        client.stop_reading()
        client.send(request(URL))
        origin.send(response(content))
        gateway.settle()
        transport = next(iter(gateway.service.listenings[0].connections)).transport
        self.assertLess(transport.queued, MIB)
        self.assertEqual(gateway.log, [])
        client.read(3 * MIB)
        client.read_on()
        self.assertEqual(client.response().content, content)
        self.assertGivenBack(gateway)

    def test_client_that_leaves_while_it_reads(self) -> None:
        """The room is given back when the client leaves in the middle of what was held."""
        gateway, origin, client = self.started(Scanner())
        client.stop_reading()
        client.send(request(URL))
        origin.send(response(bytes(6 * MIB)))
        client.read(MIB)
        client.reset()
        self.assertLine(gateway, outcome="aborted", reason="client")
        self.assertGivenBack(gateway)

    def test_client_that_leaves_during_the_hold(self) -> None:
        """The upstream is let go and the room given back when the client leaves before the end."""
        gateway, origin, client = self.started(Scanner())
        client.send(request(URL))
        origin.send(response(bytes(6 * MIB))[:-1])
        client.reset()
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, outcome="aborted", reason="client")
        self.assertGivenBack(gateway)

    def test_client_that_leaves_during_the_scan(self) -> None:
        """The scan is cancelled when the client leaves."""
        cancelled: list[object] = []
        gateway, origin, client = self.started(Scanner(lambda job: Deferred(cancelled.append)))
        client.send(request(URL))
        origin.send(response(b"hello"))
        client.reset()
        self.assertEqual(len(cancelled), 1)
        self.assertLine(gateway, outcome="aborted", reason="client")
        self.assertGivenBack(gateway)

    def test_upstream_that_breaks_off(self) -> None:
        """A response that is cut off while it is held becomes a 502: nothing of it was sent."""
        gateway, origin, client = self.started(Scanner())
        client.send(request(URL))
        origin.send(response(b"hello")[:-1])
        origin.connection.reset()
        self.assertEqual(client.response().status, 502)
        self.assertLine(gateway, outcome="failed", reason="upstream_closed")
        self.assertGivenBack(gateway)

    def test_no_content(self) -> None:
        """Nobody is asked where there is no content, and the log says so."""
        for method, answer in (
            (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
            (b"GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n'),
            (b"GET", response(b"")),
        ):
            scanner = Scanner()
            gateway, origin, client = self.started(scanner)
            client.send(request(URL, method=method))
            origin.send(answer)
            self.assertEqual((scanner.sides, scanner.asked), ([], []))
            line = self.assertLine(gateway, outcome="delivered")
            self.assertEqual(line["notes"], {"scan_response": "no_content"})

    def test_no_content_in_chunks(self) -> None:
        """Chunked content that turns out empty is not scanned."""
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        origin.send(chunked())
        self.assertEqual(client.response().content, b"")
        self.assertEqual((scanner.sides, scanner.asked), ([Side.RESPONSE], []))
        self.assertEqual(gateway.line["notes"], {"scan_response": "no_content"})

    def test_not_needed(self) -> None:
        """Content that nobody wants whole streams, and the log says so."""
        scanner = Scanner(max_bytes=0)
        gateway, origin, client = self.started(scanner)
        client.send(request(URL))
        origin.send(response(b"hello")[:-1])
        self.assertIn(b"hell", client.received)
        origin.send(b"o")
        self.assertEqual(gateway.line["notes"], {"scan_response": "not_needed"})

    def test_filters_come_first(self) -> None:
        """What is scanned is what the client gets: what the filters made of it."""
        scanner = Scanner()
        gateway, origin, client = self.started(
            scanner, {"doubles": OnResponseContent(lambda txn: Doubled())}
        )
        for pieces in ([response(b"ab")], [response(b"ab")[:-1], b"b"]):
            client.send(request(URL))
            for piece in pieces:
                origin.send(piece)
        first, second = client.responses()
        self.assertEqual((first.content, second.content), (b"abab!", b"aabb!"))
        self.assertEqual([job.content for job in scanner.asked], [b"abab!", b"aabb!"])

    def test_filter_that_refuses(self) -> None:
        """A filter that refuses held content gets its page sent, for nothing was."""
        gateway, origin, client = self.started(
            Scanner(), {"refuses": OnResponseContent(lambda txn: RefusesWord(b"bad"))}
        )
        for answer in ([response(b"a bad word")], [response(b"a bad word")[:-1], b"d"]):
            client = gateway.client()
            client.send(request(URL))
            for piece in answer:
                origin.send(piece)
            self.assertEqual(client.response().status, 403)
        self.assertGivenBack(gateway)

    def test_trailers(self) -> None:
        """Trailers come behind held content."""
        gateway, origin, client = self.started(Scanner())
        client.send(request(URL))
        origin.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + chunked(b"hello", trailers=[b"X-Sum: 1"])
        )
        self.assertEqual(client.response().content, b"hello")
        self.assertIn(b"X-Sum: 1", client.received)

    def test_stored(self) -> None:
        """What a plugin had stored is scanned like any other content."""
        for content, status in ((BAD, 403), (b"hello", 200)):
            scanner = Scanner()
            gateway, origin, client = self.started(
                scanner,
                {
                    "store": OnLookUp(
                        lambda txn, content=content: Stored(Response(200, content=content))
                    )
                },
            )
            client.send(request(URL))
            self.assertEqual(client.response().status, status)
            self.assertEqual([job.content for job in scanner.asked], [content])
            self.assertEqual(origin.connections, [])

    def test_made_here(self) -> None:
        """A plugin's own answer is not scanned, and the log says so."""
        answer = Respond(Response(200, content=BAD))
        for kind in (OnRequest, OnResponse):
            scanner = Scanner()
            gateway, origin, client = self.started(scanner, {"says": kind(lambda txn: answer)})
            origin.reply = response(b"hello")
            client.send(request(URL))
            self.assertEqual(client.response().content, BAD)
            self.assertEqual(scanner.asked, [])
            self.assertEqual(gateway.line["notes"], {"scan_response": "made_here"})

    def test_allowed(self) -> None:
        """An Allow ends the asking about heads; content is scanned all the same."""
        scanner = Scanner()
        gateway, origin, client = self.started(
            scanner, {"says": OnResponse(lambda txn: Allow("listed"))}
        )
        origin.reply = response(BAD)
        client.send(request(URL))
        self.assertEqual(client.response().status, 403)

    def test_tunnel(self) -> None:
        """Nobody sees what passes in a tunnel, and the log says so."""
        scanner = Scanner()
        gateway, _, client = self.started(scanner)
        gateway.origin(port=443)
        client.send(request(b"origin.example.com:443", method=b"CONNECT"))
        client.end()
        gateway.service.listenings[0].abort()
        gateway.settle()
        self.assertEqual(scanner.sides, [])
        notes = gateway.line["notes"]
        self.assertEqual((notes["scan_request"], notes["scan_response"]), ("tunnel", "tunnel"))

    def test_upgrade(self) -> None:
        """So it is with an upgraded connection."""
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        client.send(request(URL, b"Connection: Upgrade", b"Upgrade: websocket"))
        origin.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        )
        client.reset()
        self.assertEqual(scanner.sides, [])
        self.assertEqual(gateway.line["notes"]["scan_response"], "tunnel")

    def test_in_a_thread(self) -> None:
        """A scanner may run in a thread; the answer waits for it."""
        started: list[Callable[[], None]] = []
        scanner = Threaded()
        gateway, origin, client = self.started(scanner)
        pool = gateway.service.threads.pools["scan"]  # type: ignore[attr-defined]
        pool._spawn = lambda name, run: started.append(run)
        client.send(request(URL))
        origin.send(response(BAD))
        self.assertEqual((client.received, len(started)), (b"", 1))
        pool.stop()
        started[0]()
        gateway.settle()
        self.assertEqual(client.response().status, 403)
