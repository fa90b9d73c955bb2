"""What is remembered and kept of refused content, and what those are told who were refused (S15, S13)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from gateway.admin.scan_test import scan_test_order
from gateway.api import ScanJob, Unscannable, hookimpl
from gateway.pipeline.infected import UNSURE_SECONDS
from gateway.pipeline.quarantine_folder import Folder
from gateway.testing.harness import Harness
from gateway.testing.peers import chunked, request, response
from tests.scenarios.plugins import Base
from tests.scenarios.scanners import BAD, FOUND, ContentTestCase, Scanner, verdict
from tests.scenarios.support import URL

ETAG = b'ETag: "one"'
HOUR = 3600.0
JSON = b"Accept: application/json"


class InfectedUrlTests(ContentTestCase):
    """URLs that gave malware."""

    def refused(self, gateway: Harness, *fields: bytes, url: bytes = URL) -> Any:
        """Ask for a URL, which must be refused; gives the problem that is told."""
        client = gateway.client()
        client.send(request(url, JSON, *fields))
        gateway.settle()
        found = client.response()
        self.assertEqual(found.status, 403)
        return json.loads(found.content)

    def test_refused_at_once(self) -> None:
        """Who asks again is refused when the head is there: nothing is held and nothing scanned; the page says so."""
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        origin.reply = response(BAD, ETAG)
        client.send(request(URL))
        self.assertEqual(client.response().status, 403)
        # Of the second answer the content never comes.
        origin.reply = response(BAD, ETAG)[: -len(BAD)]
        other = gateway.client("192.0.2.8")
        other.send(request(URL))
        found = other.response()
        self.assertEqual(found.status, 403)
        self.assertIn(b"Malware was found here before", found.content)
        self.assertIn(b"EICAR", found.content)
        self.assertIn(b"Found at", found.content)
        self.assertEqual(len(scanner.asked), 1)
        first, second = gateway.log
        self.assertEqual(second["reason"], "scan_infected")
        self.assertEqual(second["notes"]["scan_response"], "infected:block")
        self.assertNotIn("quarantine", first["notes"])
        self.assertGivenBack(gateway)

    def test_problem(self) -> None:
        """A program is told what was found, by whom and when."""
        gateway, origin, client = self.started(Scanner())
        origin.reply = response(BAD, ETAG)
        fresh = self.refused(gateway)
        self.assertEqual(fresh["code"], "scan_infected")
        self.assertEqual(fresh["scan"]["found"], "EICAR")
        self.assertEqual(fresh["scan"]["engine"], "test")
        self.assertEqual(fresh["scan"]["reason"], "infected")
        self.assertNotIn("time", fresh["scan"])
        self.assertEqual(set(self.refused(gateway)["scan"]) - set(fresh["scan"]), {"time"})

    def test_changed(self) -> None:
        """What the origin says is something else now is scanned, and so is another URL."""
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        origin.reply = response(BAD, ETAG)
        self.refused(gateway)
        self.refused(gateway, url=URL + b"?other")
        self.assertEqual(len(scanner.asked), 2)
        origin.reply = response(b"good", b'ETag: "two"')
        client.send(request(URL))
        self.assertEqual(client.response().content, b"good")

    def test_rest_of_it(self) -> None:
        """Who was cut off does not get the rest as a part, in which there is nothing to be found."""
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        origin.reply = response(BAD + b"rest", ETAG)
        self.refused(gateway)
        total = len(BAD) + 4
        extent = b"Content-Range: bytes %d-%d/%d" % (len(BAD), total - 1, total)
        origin.reply = response(b"rest", ETAG, extent, status=b"206 Partial Content")
        told = self.refused(gateway, b"Range: bytes=%d-" % len(BAD))
        self.assertIn("time", told["scan"])
        self.assertEqual(len(scanner.asked), 1)

    def test_posts_and_errors(self) -> None:
        """Answers that depend on what was sent, and errors, say nothing of a URL."""
        gateway, origin, client = self.started(Scanner())
        origin.reply = response(BAD, ETAG)
        client.send(request(URL, b"Content-Length: 1", method=b"POST") + b"x")
        self.assertEqual(client.response().status, 403)
        origin.reply = response(BAD, ETAG, status=b"404 Not Found")
        self.refused(gateway)
        origin.reply = response(b"good", ETAG)
        client = gateway.client()
        client.send(request(URL))
        self.assertEqual(client.response().content, b"good")

    def test_without_validator(self) -> None:
        """Content that nothing is known by is remembered for minutes only."""
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        origin.reply = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(BAD) + chunked()
        )
        self.refused(gateway)
        self.refused(gateway)
        self.assertEqual(len(scanner.asked), 1)
        gateway.advance(UNSURE_SECONDS)
        self.refused(gateway)
        self.assertEqual(len(scanner.asked), 2)

    def test_reload(self) -> None:
        """The memory outlives a reload, and follows what is configured then."""
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        origin.reply = response(BAD, ETAG)
        self.refused(gateway)
        self.successResultOf(gateway.reload({"scan.infected_urls_ttl": "1h"}))
        self.refused(gateway)
        self.assertEqual(len(scanner.asked), 1)
        self.successResultOf(gateway.reload({"scan.on.infected": "warn"}))
        client.send(request(URL))
        self.assertEqual(client.response().content, BAD)
        self.successResultOf(gateway.reload({"scan.infected_urls": 0, "scan.on.infected": None}))
        asked = len(scanner.asked)
        self.refused(gateway)
        self.assertEqual(len(scanner.asked), asked + 1)

    def test_events(self) -> None:
        """Operators hear of it each time, with what was found, by whom and where, and without the query."""
        told: list[Any] = []

        class Hears(Base):
            @hookimpl()
            def event(self, event: Any) -> None:
                """Note it."""
                told.append((event.name, dict(event.values)))

        gateway, origin, client = self.started(Scanner(), {"hears": Hears()})
        origin.reply = response(BAD, ETAG)
        for _ in range(2):
            self.refused(gateway, url=URL + b"a?token=secret")
        for name, values in told:
            self.assertEqual(name, "malware_found")
            del values["id"]
            self.assertEqual(
                values,
                {
                    "reason": "infected",
                    "action": "block",
                    "side": "response",
                    "name": "EICAR",
                    "engine": "test",
                    "url": URL.decode() + "a",
                },
            )
        self.assertEqual(len(told), 2)

    def test_orders(self) -> None:
        """An operator sees what is remembered, and has it forgotten."""
        scanner = Scanner()
        gateway, origin, client = self.started(scanner)
        origin.reply = response(BAD, ETAG)
        self.refused(gateway)
        self.refused(gateway)
        order: Callable[..., Any] = gateway.service._control.orders["scan_urls"]  # type: ignore[attr-defined]
        listed = self.successResultOf(Deferred.fromCoroutine(order({})))
        (one,) = listed["urls"]
        self.assertEqual((one["url"], one["refused"], one["name"]), (URL.decode(), 1, "EICAR"))
        purged = self.successResultOf(Deferred.fromCoroutine(order({"purge": URL.decode()})))
        self.assertEqual(purged["purged"], 1)
        self.refused(gateway)
        self.assertEqual(len(scanner.asked), 2)


class QuarantineTests(ContentTestCase):
    """Content that is kept."""

    def kept(self, scanner: Scanner, *, reverse: bool = False) -> tuple[Any, Any, Any, Folder]:
        """Start a gateway whose disk answers at once, and let a reload switch the quarantine on."""
        gateway, origin, client = self.started(scanner, reverse=reverse)
        above = Path(self.mktemp())
        above.mkdir()
        path = above / "quarantine"
        gateway.service.quarantine._run = maybeDeferred  # type: ignore[attr-defined]
        self.successResultOf(gateway.reload({"scan.quarantine": str(path.absolute())}))
        return gateway, origin, client, Folder.of(gateway.config.scan.quarantine)

    def contents(self, folder: Folder) -> list[tuple[bytes, dict[str, Any]]]:
        """Take out what is kept."""
        found = []
        for item in folder.items():
            with folder.opened(item) as opened:
                found.append((b"".join(opened.pieces()), opened.head))
        return found

    def test_download(self) -> None:
        """A refused answer is kept, in a file as in memory, and the log says which it is."""
        for content in (BAD, bytes(3 << 20) + BAD):
            gateway, origin, client, folder = self.kept(Scanner())
            origin.reply = response(content)
            client.send(request(URL + b"a?token=secret"))
            gateway.settle()
            self.assertEqual(client.response().status, 403)
            ((kept, head),) = self.contents(folder)
            self.assertTrue(kept == content)
            self.assertEqual(head["url"], URL.decode() + "a")
            self.assertEqual((head["side"], head["name"]), ("response", "EICAR"))
            self.assertEqual(head["request"], gateway.line["id"])
            self.assertEqual(gateway.line["notes"]["quarantine"], head["id"])
            self.assertGivenBack(gateway)

    def test_upload(self) -> None:
        """A refused upload is kept too."""
        gateway, origin, client, folder = self.kept(Scanner(), reverse=True)
        length = b"Content-Length: %d" % len(BAD)
        client.send(request(b"/", length, method=b"POST") + BAD)
        self.assertEqual(client.response().status, 403)
        ((kept, head),) = self.contents(folder)
        self.assertEqual((kept, head["side"], head["method"]), (BAD, "request", "POST"))

    def test_what_is_not_kept(self) -> None:
        """What passes is not kept, nor what was refused without being here."""
        gateway, origin, client, folder = self.kept(Scanner(max_bytes=100))
        origin.reply = response(b"good")
        client.send(request(URL))
        self.assertEqual(client.response().status, 200)
        origin.reply = response(BAD + bytes(200))
        other = gateway.client()
        other.send(request(URL))
        self.assertEqual(other.response().status, 403)
        self.assertEqual(self.contents(folder), [])
        self.assertNotIn("quarantine", gateway.log[-1]["notes"])

    def test_broken_disk(self) -> None:
        """A quarantine that can't be written to changes nothing for clients."""
        gateway, origin, client, folder = self.kept(Scanner())
        folder.path.rmdir()
        folder.path.write_text("in the way")
        origin.reply = response(BAD, ETAG)
        client.send(request(URL))
        self.assertEqual(client.response().status, 403)
        origin.reply = response(b"good")
        client.send(request(URL))
        self.assertEqual(client.responses()[-1].content, b"good")
        self.assertGivenBack(gateway)


class ExaminedTests(ContentTestCase):
    """A file that an operator has judged."""

    def examined(self, says: Callable[[ScanJob], Any], content: bytes = BAD) -> dict[str, Any]:
        """Have a file judged."""
        gateway, origin, client = self.started(Scanner(says))
        path = Path(self.mktemp()).absolute()
        path.write_bytes(content)
        return self.order(gateway, file=str(path))

    def order(self, gateway: Harness, **said: Any) -> dict[str, Any]:
        """Give the order; the disk answers at once."""
        service: Any = gateway.service
        order: Any = scan_test_order(lambda: service.pipeline, maybeDeferred)
        answer = self.successResultOf(Deferred.fromCoroutine(order(said)))
        found: dict[str, Any] = json.loads(json.dumps(answer))
        return found

    def test_infected(self) -> None:
        """It is told what was found, by whom, and what would follow; nothing is remembered of it."""
        answer = self.examined(verdict)
        self.assertEqual(
            (answer["result"], answer["action"], answer["name"], answer["engine"]),
            ("infected", "block", "EICAR", "test"),
        )
        self.assertEqual(
            answer["pieces"], [{"member": "", "size": 9, "said": ["test: infected, EICAR"]}]
        )

    def test_clean(self) -> None:
        """A file larger than memory is read from where it is."""
        answer = self.examined(verdict, bytes(3 << 20))
        self.assertEqual(
            (answer["result"], answer["action"], answer["patterns"]), ("clean", "pass", "1")
        )
        self.assertEqual(answer["size"], 3 << 20)

    def test_waits(self) -> None:
        """A scanner may take its time, but not more than it has."""
        waiting: Deferred[Any] = Deferred()
        gateway, origin, client = self.started(Scanner(lambda job: waiting))
        path = Path(self.mktemp()).absolute()
        path.write_bytes(b"content")
        service: Any = gateway.service
        order: Any = scan_test_order(lambda: service.pipeline, maybeDeferred)
        asked: Deferred[Any] = Deferred.fromCoroutine(order({"file": str(path)}))
        self.assertNoResult(asked)
        gateway.advance(61)
        answer = self.successResultOf(asked)
        self.assertEqual((answer["result"], answer["action"]), ("engine_timeout", "block"))

    def test_not_judged(self) -> None:
        """What can't be read, is too large or named wrongly is said."""
        gateway, origin, client = self.started(Scanner(), settings={"scan.temp_limit": "4MiB"})
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        for wrong in (str(folder), str(folder / "missing"), "relative", 5, None):
            self.assertFalse(self.order(gateway, file=wrong)["ok"])
        large = folder / "large"
        with large.open("wb") as file:
            file.truncate(2 << 20)
        self.assertEqual(self.order(gateway, file=str(large))["result"], "too_large")
        gateway = self.forward()
        self.assertIn("no plugin", self.order(gateway, file=str(large))["why"])


class PageTests(ContentTestCase):
    """What people are told."""

    def told(self, says: Callable[[ScanJob], Any]) -> tuple[int, str]:
        """Let a scanner say something of an answer; gives status and page."""
        settings = {"scan.on.encrypted": "block"}
        gateway, origin, client = self.started(Scanner(says), settings=settings)
        client.send(request(URL))
        origin.send(response(b"content"))
        gateway.settle()
        found = client.response()
        text = found.content.decode()
        self.assertIn(gateway.line["id"], text)
        return found.status, text

    def test_infected(self) -> None:
        """The page says what was found by whom, and not only that."""
        status, text = self.told(lambda job: FOUND)
        self.assertEqual(status, 403)
        for shown in ("Malware was found", "EICAR", "<dt>Found by</dt><dd>test", "infected"):
            self.assertIn(shown, text)

    def test_reasons(self) -> None:
        """Each reason is named, and what can be done about it; what is ours to mend is 503 and says nothing of us."""
        for reason, status, shown in (
            ("encrypted", 403, "without a password"),
            ("malformed", 403, "damaged on its way"),
            ("limit:depth", 403, "fewer layers"),
            ("too_large", 403, "smaller parts"),
            ("unscanned:range", 403, "ask for the whole"),
            ("forbidden:type", 403, "not allowed"),
            ("engine_error", 503, "few minutes"),
            ("engine_timeout", 503, "few minutes"),
            ("capacity", 503, "scan capacity"),
        ):
            found, text = self.told(
                lambda job, reason=reason: Unscannable(reason, "unix:/run/clamd.ctl", "test")  # type: ignore[misc]
            )
            with self.subTest(reason=reason):
                self.assertEqual(found, status)
                self.assertIn(f"<dd>{reason}</dd>", text)
                self.assertIn(shown, text)
                self.assertEqual("clamd.ctl" in text, status == 403)
