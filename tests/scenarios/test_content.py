"""Content that plugins want whole is held, scanned and passed on or not; nothing passes unseen in silence (S12, S13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import (
    Infected,
    Need,
    Response,
    ScanJob,
    Side,
    Stored,
    Transaction,
    Unscannable,
    hookimpl,
)
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient, ScriptedOrigin, chunked, request, response
from tests.scenarios.plugins import Base, OnLookUp
from tests.scenarios.scanners import CHUNKED, FOUND, MIB, ContentTestCase, Scanner
from tests.scenarios.support import URL


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

        for result in (FOUND, Unscannable("encrypted"), None):
            gateway, origin, client = self.started(
                Scanner(lambda job, result=result: result), {"hears": Hears()}
            )
            origin.reply = response(b"content")
            client.send(request(URL))
            gateway.settle()
        self.assertEqual(told, [("malware_found", "block"), ("content_passed_unscanned", "warn")])

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
            settings={
                "scan.timeout": "30s",
                "scan.large_file": {"mode": "hold"},
                "timeouts.inactivity": "5s",
            },
        )
        client.send(request(URL))
        origin.send(response(b"content"))
        gateway.advance(29.0)
        self.assertEqual(client.received, b"")
        gateway.advance(2.0)
        self.assertEqual((client.response().status, len(cancelled)), (503, 1))
        self.assertLine(gateway, reason="scan_engine_timeout")
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
        content = bytes(range(256)) * 16384
        pieces = chunked(*[content[at : at + 65536] for at in range(0, len(content), 65536)])
        for method, said in (
            (b"GET", response(content)),
            (b"GET", b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n\r\n" + pieces),
            (b"POST", request(URL, method=b"POST", content=content)),
            (b"POST", request(URL, CHUNKED, method=b"POST") + pieces),
        ):
            gateway, origin, client = self.started(
                Scanner(max_bytes=5 * MIB // 4), settings={"scan.on.too_large": "warn"}
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
        """Twenty uploads at once in room for four are all scanned and delivered, one after the other (S12)."""
        scanner = Scanner()
        gateway, origin, _ = self.started(scanner, settings={"scan.temp_limit": "5MiB"})
        origin.reply = response(b"ok")
        clients = [gateway.client() for _ in range(20)]
        content = bytes(5 * MIB // 4)
        for client in clients:
            client.send(request(URL, method=b"POST", content=content)[:-1])
        for client in clients:
            client.send(b".")
        gateway.advance(60.0)
        found = [client.response().status for client in clients]
        self.assertEqual(found, [200] * 20)
        self.assertEqual(len(origin.requests), 20)
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
