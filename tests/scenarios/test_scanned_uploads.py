"""Requests whose content plugins want whole are held, scanned and passed on or not (S12, S13)."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import Block, Response, ScanJob, Side, Stored
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, chunked, request, response
from tests.scenarios.plugins import OnLookUp, OnRequest
from tests.scenarios.scanners import BAD, MIB, ContentTestCase, Scanner, clean, verdict
from tests.scenarios.support import URL


class UploadTests(ContentTestCase):
    """Requests."""

    def stop_reading_at_once(self, origin: ScriptedOrigin) -> None:
        """Let the origin read nothing of its next connection before it is told to."""
        accept = origin.accept

        def taken(socket: Any) -> None:
            accept(socket)
            origin.connection.stop_reading()

        origin.accept = taken  # type: ignore[method-assign]

    def test_infected(self) -> None:
        """Infected content never reaches the origin, in both modes and however it comes."""
        for reverse in (False, True):
            url = b"/" if reverse else URL
            whole = request(url, method=b"POST", content=b"a" + BAD)
            for pieces in (
                [whole],
                [whole[:-4], whole[-4:]],
                [
                    request(url, b"Transfer-Encoding: chunked", method=b"PUT"),
                    chunked(BAD[:4], BAD[4:]),
                ],
            ):
                gateway, origin, client = self.started(Scanner(), reverse=reverse)
                for piece in pieces:
                    client.send(piece)
                self.assertEqual(client.response().status, 403)
                self.assertEqual(origin.connections, [])
                line = self.assertLine(gateway, outcome="refused", reason="scan_infected")
                self.assertEqual(line["notes"]["scan_request"], "infected:block")
                self.assertEqual(line["bytes_in"], len(BAD) + (b"chunked" not in pieces[0]))
                self.assertGivenBack(gateway)

    def test_clean(self) -> None:
        """Clean content goes to the origin after the scan, as it was framed, and the connection goes on."""
        waiting: Deferred[Any] = Deferred()
        scanner = Scanner(lambda job: waiting)
        gateway, origin, client = self.started(scanner)
        client.send(request(URL, method=b"POST", content=b"hello"))
        self.assertEqual(origin.connections, [])
        (job,) = scanner.asked
        self.assertEqual(
            (job.content, job.side, job.notes), (b"hello", Side.REQUEST, {"method": "POST"})
        )
        waiting.callback(clean(job))
        gateway.settle()
        self.assertEqual(origin.request.content, b"hello")
        self.assertEqual(origin.request.get("content-length"), b"5")
        origin.send(response(b""))
        self.assertEqual(client.response().status, 200)
        self.assertLine(gateway, outcome="delivered", bytes_in=5)
        self.assertEqual(
            gateway.line["notes"],
            {"scan_request": "clean", "scan_engine": "test 1", "scan_response": "no_content"},
        )
        scanner.says = verdict
        client.send(
            request(URL, b"Transfer-Encoding: chunked", method=b"POST") + chunked(b"he", b"llo")
        )
        self.assertEqual(origin.requests[1].content, b"hello")
        self.assertEqual(len(origin.connections), 1)
        origin.send(response(b""))
        self.assertGivenBack(gateway)

    def test_large(self) -> None:
        """A large upload goes no faster than the origin reads, and arrives whole."""
        content = bytes(range(256)) * 24576
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        self.stop_reading_at_once(origin)
        client.send(request(URL, method=b"POST", content=content))
        self.assertGreater(gateway.service.pipeline.scanning.budget.used, 5 * MIB)  # type: ignore[attr-defined]
        (kept,) = gateway.service.upstreams.pool._all
        self.assertLess(kept.transport.queued, MIB)
        origin.connection.read_on()
        self.assertEqual(origin.request.content, content)
        self.assertEqual(scanner.asked[0].sha256, ScanJob.of(content).sha256)
        origin.send(response(b""))
        self.assertLine(gateway, outcome="delivered", bytes_in=len(content))
        self.assertGivenBack(gateway)

    def test_early_answer(self) -> None:
        """An origin that answers before it has all of a held upload is heard; the rest is dropped."""
        gateway, origin, client = self.started(Scanner())
        self.stop_reading_at_once(origin)
        client.send(request(URL, method=b"POST", content=bytes(6 * MIB)))
        origin.send(response(b"no", status=b"403 Forbidden"))
        self.assertEqual(client.response().status, 403)
        self.assertEqual(origin.connection.closed, "reset")
        self.assertLine(gateway, outcome="delivered", status=403)
        self.assertGivenBack(gateway)

    def test_continue(self) -> None:
        """A client that waits for 100 gets it from us, and the origin is asked for none."""
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        client.send(request(URL, b"Expect: 100-continue", b"Content-Length: 5", method=b"PUT"))
        self.assertEqual(client.received, b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(origin.connections, [])
        client.send(b"hello")
        self.assertEqual(origin.request.content, b"hello")
        self.assertIsNone(origin.request.get("expect"))
        origin.send(response(b"ok"))
        self.assertEqual([found.status for found in client.responses()], [100, 200])

    def test_no_continue(self) -> None:
        """It gets none if the request is refused by its head, or if its content is here already."""
        gateway, origin, client = self.started(
            Scanner(), {"says": OnRequest(lambda txn: Block("no"))}
        )
        client.send(request(URL, b"Expect: 100-continue", b"Content-Length: 5", method=b"PUT"))
        self.assertEqual([found.status for found in client.responses()], [403])
        gateway, origin, client = self.started(Scanner())
        client.send(request(URL, b"Expect: 100-continue", method=b"PUT", content=b"hello"))
        origin.send(response(b"ok"))
        self.assertEqual([found.status for found in client.responses()], [200])

    def test_client_that_leaves(self) -> None:
        """An upload that is cut off never reaches the origin."""
        for leave in (ScriptedClient.reset, ScriptedClient.end):
            gateway, origin, client = self.started(Scanner())
            client.send(request(URL, method=b"POST", content=bytes(2 * MIB))[:-1])
            leave(client)
            self.assertEqual(origin.connections, [])
            self.assertLine(gateway, outcome="aborted", reason="client")
            self.assertGivenBack(gateway)

    def test_client_that_is_silent(self) -> None:
        """A client that stops in the middle gets 408 after C{timeouts.inactivity}."""
        gateway, origin, client = self.started(Scanner(), settings={"timeouts.inactivity": "20s"})
        client.send(request(URL, method=b"POST", content=b"hello")[:-1])
        gateway.advance(25.0)
        self.assertEqual(client.response().status, 408)
        self.assertEqual(origin.connections, [])
        self.assertGivenBack(gateway)

    def test_bad_chunks(self) -> None:
        """Broken framing in a held upload gets 400."""
        gateway, origin, client = self.started(Scanner())
        client.send(request(URL, b"Transfer-Encoding: chunked", method=b"POST") + b"5\r\nhello\r\n")
        client.send(b"zz\r\n")
        self.assertEqual(client.response().status, 400)
        self.assertEqual(origin.connections, [])
        self.assertGivenBack(gateway)

    def test_stored_answer(self) -> None:
        """An upload is scanned before a store is asked for an answer."""
        gateway, origin, client = self.started(
            Scanner(), {"store": OnLookUp(lambda txn: Stored(Response(200, content=b"hello")))}
        )
        for content, status in ((BAD, 403), (b"good", 200)):
            client.send(request(URL, method=b"POST", content=content))
            self.assertEqual(client.responses()[-1].status, status)
        self.assertGivenBack(gateway)
