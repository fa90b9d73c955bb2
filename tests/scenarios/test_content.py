"""Content that plugins want whole is held, scanned and passed on or not; nothing passes unseen in silence (S12, S13)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import (
    NONE,
    Allow,
    Block,
    Clean,
    ContentSink,
    Infected,
    Need,
    Respond,
    Response,
    ScanJob,
    Side,
    Stored,
    Transaction,
    Unscannable,
    Whole,
    hookimpl,
)
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, chunked, request, response
from tests.scenarios.plugins import (
    Base,
    Doubled,
    OnLookUp,
    OnRequest,
    OnResponse,
    OnResponseContent,
    RefusesWord,
)
from tests.scenarios.support import URL, ScenarioTestCase

BAD = b"X5O!P%@AP"
FOUND = Infected("EICAR", "test")
CHUNKED = b"Transfer-Encoding: chunked"
MIB = 1 << 20


def verdict(job: ScanJob) -> Clean | Infected:
    """Find what is bad."""
    with job.open() as file:
        return FOUND if BAD in file.read() else Clean("test")


class Scanner(Base):
    """
    Wants everything whole, and says of it what the test says.

    @ivar asked: the jobs.
    @ivar sides: whose content it was asked about.
    @ivar max_bytes: what it wants at most.
    """

    def __init__(self, says: Callable[..., Any] = verdict, max_bytes: int = 8 * MIB) -> None:
        super().__init__(says)
        self.max_bytes = max_bytes
        self.sides: list[Side] = []

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want it, unless the test wants nothing."""
        self.sides.append(side)
        return Whole(self.max_bytes) if self.max_bytes else NONE

    @hookimpl()
    def scan_content(self, job: ScanJob) -> Any:
        """Ask the test."""
        self.asked.append(job)
        return self.says(job)


class Threaded(Scanner):
    """The same in a thread."""

    @hookimpl(thread="scan")
    def scan_content(self, job: ScanJob) -> Any:
        """Ask the test."""
        self.asked.append(job)
        return self.says(job)


class Copies(Base):
    """
    Stores responses.

    @ivar told: what its sink was told, in order.
    @ivar broken: the call in which it raises.
    """

    def __init__(self, broken: str = "") -> None:
        super().__init__()
        self.told: list[Any] = []
        self.broken = broken

    @hookimpl()
    def cache_store(self, txn: Transaction) -> ContentSink | None:
        """Take it."""
        self.asked.append(txn.request.url)
        return self

    def write(self, chunk: bytes) -> None:
        """Take a piece."""
        self._told(chunk, "write")

    def finish(self) -> None:
        """Take the end."""
        self._told("finish", "finish")

    def abort(self) -> None:
        """Take the failure."""
        self._told("abort", "abort")

    @property
    def content(self) -> bytes:
        """All that was written."""
        return b"".join(one for one in self.told if isinstance(one, bytes))

    @property
    def ends(self) -> list[str]:
        """How it was ended."""
        return [one for one in self.told if isinstance(one, str)]

    def _told(self, what: Any, call: str) -> None:
        self.told.append(what)
        if call == self.broken:
            raise ZeroDivisionError(call)


class ContentTestCase(ScenarioTestCase):
    """Tests with a scanner."""

    def started(
        self,
        plugin: Base,
        more: dict[str, Base] | None = None,
        *,
        reverse: bool = False,
        settings: Mapping[str, object] | None = None,
    ) -> tuple[Harness, ScriptedOrigin, ScriptedClient]:
        """Start a gateway with a scanner, an origin and a client."""
        plugins: dict[str, object] = {"test": plugin}
        for name, other in (more or {}).items():
            other.name = name  # type: ignore[misc]
            plugins[name] = other
        gateway = (
            self.reverse(settings=settings, plugins=plugins)
            if reverse
            else self.forward(settings, plugins=plugins)
        )
        return gateway, gateway.origin(), gateway.client()

    def assertGivenBack(self, gateway: Harness) -> None:
        """No room is in use any more."""
        budget = gateway.service.pipeline.scanning.budget  # type: ignore[attr-defined]
        self.assertEqual((budget.used, budget.waiting), (0, 0))


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
                    line["notes"], {"scan_response": "infected:block", "scan_found": "EICAR"}
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
        self.assertEqual(job.notes, {"method": "GET", "status": "200"})
        waiting.callback(Clean("test"))
        gateway.settle()
        self.assertEqual(client.response().content, b"hello")
        self.assertEqual(gateway.line["notes"], {"scan_response": "clean"})
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
        waiting.callback(Clean("test"))
        gateway.settle()
        self.assertEqual(origin.request.content, b"hello")
        self.assertEqual(origin.request.get("content-length"), b"5")
        origin.send(response(b""))
        self.assertEqual(client.response().status, 200)
        self.assertLine(gateway, outcome="delivered", bytes_in=5)
        self.assertEqual(
            gateway.line["notes"], {"scan_request": "clean", "scan_response": "no_content"}
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


class ResultTests(ContentTestCase):
    """What follows from which result."""

    def outcome(
        self, scanner: Base, settings: Mapping[str, object] | None = None
    ) -> tuple[int, str, Harness]:
        """Fetch something; gives the status, the note and the gateway."""
        gateway, origin, client = self.started(scanner, settings=settings)
        origin.reply = response(b"content")
        client.send(request(URL))
        gateway.settle()
        return client.response().status, gateway.line["notes"]["scan_response"], gateway

    def test_defaults(self) -> None:
        """Every result has an action; ours to mend are 503, those about the content 403."""
        for result, status, note in (
            (Infected("a", "b"), 403, "infected:block"),
            (Infected("a", "b", certain=False), 200, "suspicious:monitor"),
            (Unscannable("encrypted"), 200, "encrypted:warn"),
            (Unscannable("malformed"), 403, "malformed:block"),
            (Unscannable("limit"), 403, "limit:block"),
            (Unscannable("too_large"), 403, "too_large:block"),
            (Unscannable("engine_error"), 503, "engine_error:block"),
            (Unscannable("capacity"), 503, "capacity:block"),
            (Unscannable("made_up"), 403, "made_up:block"),
            (None, 200, "not_judged"),
        ):
            found = self.outcome(Scanner(lambda job, result=result: result))
            self.assertEqual(found[:2], (status, note))

    def test_configured(self) -> None:
        """The configuration says what follows."""
        for reason, action, status in (
            ("infected", "pass", 200),
            ("encrypted", "block", 403),
            ("engine_error", "warn", 200),
        ):
            result = FOUND if reason == "infected" else Unscannable(reason)
            found = self.outcome(
                Scanner(lambda job, result=result: result), settings={f"scan.on.{reason}": action}
            )
            self.assertEqual(found[:2], (status, f"{reason}:{action}"))

    def test_strictest_action_wins(self) -> None:
        """Of two results the one with the stricter action counts, not the one that sounds worse."""
        gateway, origin, client = self.started(
            Scanner(lambda job: Infected("maybe", "one", certain=False)),
            {"other": Scanner(lambda job: Unscannable("malformed"))},
        )
        origin.reply = response(b"content")
        client.send(request(URL))
        self.assertEqual(client.response().status, 403)
        self.assertEqual(gateway.line["notes"]["scan_response"], "malformed:block")

    def test_retry_after(self) -> None:
        """Where the gateway is at fault the client is told to try again, and the page says what is short."""
        gateway, origin, client = self.started(Scanner(lambda job: Unscannable("capacity")))
        origin.reply = response(b"content")
        client.send(request(URL))
        found = client.response()
        self.assertIsNotNone(found.get("retry-after"))
        self.assertIn(b"scan capacity", found.content)

    def test_events(self) -> None:
        """Operators hear of malware and of what passed with a warning."""
        told: list[Any] = []

        class Hears(Base):
            @hookimpl()
            def event(self, event: Any) -> None:
                """Note it."""
                told.append((event.name, event.values["action"]))

        for result in (FOUND, Unscannable("encrypted"), Clean("test")):
            gateway, origin, client = self.started(
                Scanner(lambda job, result=result: result), {"hears": Hears()}
            )
            origin.reply = response(b"content")
            client.send(request(URL))
            gateway.settle()
        self.assertEqual(told, [("malware_found", "block"), ("content_not_scanned", "warn")])

    def test_scanner_that_fails(self) -> None:
        """A scanner that raises, at once or later, lets nothing through either way."""
        for later in (False, True):
            for method in (b"GET", b"POST"):

                def says(job: ScanJob, later: bool = later) -> Any:
                    if later:
                        failed: Deferred[Any] = Deferred()
                        failed.errback(ZeroDivisionError())
                        return failed
                    raise ZeroDivisionError

                gateway, origin, client = self.started(Scanner(says))
                origin.reply = response(b"secret")
                client.send(
                    request(URL, method=method, content=b"sent" if method == b"POST" else None)
                )
                gateway.settle()
                self.assertEqual(client.response().status, 503)
                self.assertNotIn(b"secret", client.received)
                self.assertEqual(len(origin.connections), 0 if method == b"POST" else 1)
                side = "scan_request" if method == b"POST" else "scan_response"
                self.assertEqual(gateway.line["notes"], {side: "failed:block"})
                self.assertGivenBack(gateway)
                self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_need_that_fails(self) -> None:
        """So it is with one that raises when it is asked what it needs."""

        class Fails(Scanner):
            @hookimpl()
            def content_need(self, txn: Transaction, side: Side) -> Need:
                """Fail."""
                raise ZeroDivisionError

        for method in (b"GET", b"POST"):
            gateway, origin, client = self.started(Fails())
            origin.reply = response(b"secret")
            client.send(request(URL, method=method, content=b"sent" if method == b"POST" else None))
            self.assertEqual(client.response().status, 503)
            self.assertEqual(len(origin.connections), 0 if method == b"POST" else 1)
            self.assertGreater(len(self.flushLoggedErrors()), 0)

    def test_timeout(self) -> None:
        """Scanning takes C{scan.timeout} at the most, whatever C{timeouts.inactivity} is."""
        cancelled: list[object] = []
        gateway, origin, client = self.started(
            Scanner(lambda job: Deferred(cancelled.append)),
            settings={"scan.timeout": "30s", "timeouts.inactivity": "5s"},
        )
        client.send(request(URL))
        origin.send(response(b"content"))
        gateway.advance(29.0)
        self.assertEqual(client.received, b"")
        gateway.advance(2.0)
        self.assertEqual((client.response().status, len(cancelled)), (503, 1))
        self.assertLine(gateway, reason="scan_engine_error")
        self.flushLoggedErrors()


class RoomTests(ContentTestCase):
    """Content that is too large, or for which there is no room."""

    def test_too_large(self) -> None:
        """Content over the largest max_bytes is refused, and the rest of it not read."""
        pieces = chunked(*[bytes(65536)] * 64)
        for method, said in (
            (b"GET", response(bytes(4 * MIB))),
            (b"GET", b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n" + pieces),
            (b"POST", request(URL, method=b"POST", content=bytes(4 * MIB))),
            (b"POST", request(URL, CHUNKED, method=b"POST") + pieces),
        ):
            scanner = Scanner(max_bytes=MIB)
            gateway, origin, client = self.started(scanner)
            if method == b"POST":
                client.send(said)
                self.assertEqual(origin.connections, [])
            else:
                client.send(request(URL))
                origin.send(said)
                self.assertEqual(origin.connection.closed, "reset")
            self.assertEqual(client.response().status, 403)
            self.assertEqual(scanner.asked, [])
            self.assertLine(gateway, reason="scan_too_large")
            self.assertGivenBack(gateway)

    def test_exactly_large_enough(self) -> None:
        """Content of exactly max_bytes is not too large."""
        scanner = Scanner(max_bytes=1000)
        gateway, origin, client = self.started(scanner)
        client.send(request(URL))
        origin.send(response(bytes(1000)))
        self.assertEqual(client.response().status, 200)

    def test_too_large_passes(self) -> None:
        """Where the configuration lets it pass, it does: what was held first, in order and at the peer's pace."""
        content = bytes(range(256)) * 24576
        pieces = chunked(*[content[at : at + 65536] for at in range(0, len(content), 65536)])
        for method, said in (
            (b"GET", response(content)),
            (b"GET", b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n" + pieces),
            (b"POST", request(URL, method=b"POST", content=content)),
            (b"POST", request(URL, CHUNKED, method=b"POST") + pieces),
        ):
            gateway, origin, client = self.started(
                Scanner(max_bytes=2 * MIB), settings={"scan.on.too_large": "warn"}
            )
            if method == b"POST":
                client.send(said)
                gateway.settle()
                self.assertEqual(origin.request.content, content)
                origin.send(response(b""))
                note = "scan_request"
            else:
                client.stop_reading()
                client.send(request(URL))
                origin.send(said)
                self.assertGreater(origin.connection.unsent, 2 * MIB)
                client.read_on()
                self.assertEqual(client.response().content, content)
                note = "scan_response"
            self.assertLine(gateway, outcome="delivered")
            self.assertEqual(gateway.line["notes"][note], "too_large:warn")
            self.assertGivenBack(gateway)

    def test_too_large_breaks_off(self) -> None:
        """Such content that breaks off behind what was held does not look complete."""
        gateway, origin, client = self.started(
            Scanner(max_bytes=1000), settings={"scan.on.too_large": "pass"}
        )
        client.send(request(URL))
        origin.send(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n" + chunked(bytes(5000))[:-1])
        origin.connection.reset()
        found = client.response()
        self.assertEqual((found.complete, len(found.content)), (False, 5000))
        self.assertLine(gateway, outcome="aborted", reason="upstream")
        self.assertGivenBack(gateway)

    def test_too_large_by_its_head(self) -> None:
        """What is declared too large is refused at once: a client that waits for 100 sends nothing of it."""
        gateway, origin, client = self.started(Scanner(max_bytes=4))
        client.send(request(URL, b"Expect: 100-continue", b"Content-Length: 5", method=b"PUT"))
        self.assertEqual([found.status for found in client.responses()], [403])
        self.assertLine(gateway, reason="scan_too_large", bytes_in=0)

    def test_stored_too_large(self) -> None:
        """What is stored is bounded alike."""
        gateway, origin, client = self.started(
            Scanner(max_bytes=3),
            {"store": OnLookUp(lambda txn: Stored(Response(200, content=b"hello")))},
        )
        client.send(request(URL))
        self.assertEqual(client.response().status, 403)

    def fill(self, gateway: Harness, origin: ScriptedOrigin, count: int) -> list[ScriptedClient]:
        """Let so many downloads of 1 MiB, all but a byte, be held."""
        clients = []
        for _ in range(count):
            client = gateway.client()
            client.send(request(URL))
            origin.send(response(bytes(MIB))[:-1])
            clients.append(client)
        return clients

    def test_waits_for_room(self) -> None:
        """Content that finds no room is held back, and goes on when there is some again."""
        scanner = Scanner()
        gateway, origin, _ = self.started(scanner, settings={"scan.temp_limit": "4MiB"})
        clients = self.fill(gateway, origin, 4)
        late = gateway.client()
        late.send(request(URL))
        origin.send(response(bytes(MIB // 2)))
        gateway.advance(5.0)
        self.assertEqual(late.received, b"")
        clients[0].reset()
        gateway.settle()
        self.assertEqual(late.response().status, 200)
        for client in clients[1:]:
            client.reset()
        self.assertGivenBack(gateway)

    def test_no_room(self) -> None:
        """After 10 s without room it is refused as a want of capacity, never as malware; nothing else is harmed."""
        scanner = Scanner()
        gateway, origin, _ = self.started(scanner, settings={"scan.temp_limit": "4MiB"})
        clients = self.fill(gateway, origin, 4)
        first = list(origin.connections)
        for method in (b"GET", b"POST"):
            late = gateway.client()
            late.send(
                request(URL, method=method, content=bytes(MIB) if method == b"POST" else None)
            )
            if method == b"GET":
                origin.send(response(bytes(MIB)))
            gateway.advance(9.0)
            self.assertEqual(late.received, b"")
            gateway.advance(2.0)
            found = late.response()
            self.assertEqual(found.status, 503)
            self.assertIn(b"scan capacity", found.content)
            self.assertEqual(gateway.log[-1]["reason"], "scan_capacity")
        # The usual time without a byte is shorter than the wait for room, and counts from its end.
        for connection in first:
            connection.send(b".")
        gateway.settle()
        self.assertEqual([client.response().status for client in clients], [200] * 4)
        self.assertGivenBack(gateway)

    def test_twenty_at_once(self) -> None:
        """Twenty uploads at once in 8 MiB all end, in a delivery or a refusal for capacity, and no disk runs full (S12)."""
        scanner = Scanner()
        gateway, origin, _ = self.started(scanner, settings={"scan.temp_limit": "8MiB"})
        origin.reply = response(b"ok")
        clients = [gateway.client() for _ in range(20)]
        content = bytes(2 * MIB)
        for client in clients:
            client.send(request(URL, method=b"POST", content=content)[:-1])
        for client in clients:
            client.send(b".")
        gateway.advance(60.0)
        found = [client.response().status for client in clients]
        self.assertEqual(set(found), {200, 503})
        self.assertEqual(len(origin.requests), found.count(200))
        self.assertGivenBack(gateway)

    def test_folder_that_is_not_there(self) -> None:
        """A folder that can't be used is a want of capacity; what fits into memory needs none."""
        gateway, origin, client = self.started(
            Scanner(), settings={"scan.temp_dir": self.mktemp() + "/missing"}
        )
        origin.reply = lambda asked: response(bytes(MIB * (2 if b"large" in asked.start else 1)))
        client.send(request(URL))
        self.assertEqual(client.response().status, 200)
        client = gateway.client()
        client.send(request(URL + b"large"))
        self.assertEqual(client.response().status, 503)
        self.assertEqual(gateway.log[-1]["reason"], "scan_capacity")
        self.assertGivenBack(gateway)


class StoreTests(ContentTestCase):
    """Copies of responses."""

    def test_copy(self) -> None:
        """A sink gets what the client gets, after all filters, and its end once, however the answer comes."""
        for doubled in (False, True):
            for pieces in (
                [response(b"abcd")],
                [response(b"abcd")[:-2], b"cd"],
                [
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    chunked(b"ab", b"cd", trailers=[b"X-A: 1"]),
                ],
                [response(b"")],
            ):
                store = Copies()
                more: dict[str, Base] = (
                    {"doubles": OnResponseContent(lambda txn: Doubled())} if doubled else {}
                )
                gateway, origin, client = self.started(store, more)
                client.send(request(URL))
                for piece in pieces:
                    origin.send(piece)
                self.assertEqual(store.content, client.response().content)
                self.assertEqual(store.ends, ["finish"])

    def test_behind_a_hold(self) -> None:
        """Held content is stored when it was found clean, and not at all if it was not."""
        for content, ends in ((bytes(3 * MIB), ["finish"]), (BAD, [])):
            store = Copies()
            gateway, origin, client = self.started(store, {"scanner": Scanner()})
            client.send(request(URL))
            origin.send(response(content))
            gateway.settle()
            self.assertEqual(store.ends, ends)
            self.assertEqual(store.content, content if ends else b"")

    def test_broken_off(self) -> None:
        """A copy is aborted, once, when the origin or the client goes away in the middle."""
        for who in ("origin", "client"):
            store = Copies()
            gateway, origin, client = self.started(store)
            client.send(request(URL))
            origin.send(response(b"abcd")[:-1])
            (origin.connection if who == "origin" else client).reset()
            gateway.settle()
            self.assertEqual(store.told, [b"abc", "abort"])

    def test_filter_that_refuses(self) -> None:
        """A copy is aborted when a filter cuts the answer off."""
        store = Copies()
        gateway, origin, client = self.started(
            store, {"refuses": OnResponseContent(lambda txn: RefusesWord(b"bad"))}
        )
        client.send(request(URL))
        origin.send(response(b"good or bad")[:-3])
        origin.send(b"bad")
        self.assertEqual((store.content, store.ends), (b"good or ", ["abort"]))

    def test_sink_that_fails(self) -> None:
        """A sink that raises is dropped; the client does not notice."""
        for broken, told in (
            ("write", [b"ab", "abort"]),
            ("finish", [b"ab", b"cd", "finish", "abort"]),
        ):
            store = Copies(broken)
            gateway, origin, client = self.started(store)
            client.send(request(URL))
            origin.send(response(b"abcd")[:-2])
            origin.send(b"cd")
            self.assertEqual(client.response().content, b"abcd")
            self.assertEqual(store.told, told)
            self.assertLine(gateway, outcome="delivered")
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_not_asked(self) -> None:
        """Nobody is asked to store what is no content of its own, what is stored, and our own words."""
        for method, answer in (
            (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            (b"GET", b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        ):
            store = Copies()
            gateway, origin, client = self.started(store)
            client.send(request(URL, method=method))
            origin.send(answer)
            self.assertEqual((store.asked, gateway.line["outcome"]), ([], "delivered"))
        for other in (
            OnLookUp(lambda txn: Stored(Response(200, content=b"a"))),
            OnRequest(lambda txn: Block("no")),
        ):
            store = Copies()
            gateway, origin, client = self.started(store, {"other": other})
            client.send(request(URL))
            self.assertEqual((store.asked, len(client.responses())), ([], 1))

    def test_slow_client(self) -> None:
        """A copy goes at the client's pace: it does not fill memory for a client that does not read."""
        store = Copies()
        gateway, origin, client = self.started(store)
        client.stop_reading()
        client.send(request(URL))
        origin.send(response(bytes(6 * MIB)))
        self.assertGreater(origin.connection.unsent, 4 * MIB)
        client.read_on()
        self.assertEqual((len(store.content), store.ends), (6 * MIB, ["finish"]))
