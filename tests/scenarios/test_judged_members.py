"""What is packed in content is scanned piece by piece; nobody can call the whole clean who did not see all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api import (
    Clean,
    Coverage,
    Infected,
    NotPacked,
    Overloaded,
    PluginError,
    ScanJob,
    Unscannable,
)
from gateway.testing.harness import Harness
from gateway.testing.peers import request, response
from tests.scenarios.scanners import BAD, ContentTestCase
from tests.scenarios.support import URL
from tests.scenarios.unpackers import Batches, Shallow, Unpacker, member, shallow, zipped

EMPTY: Mapping[str, str] = {}
HOLD = {"mode": "hold"}
CONTENT = b"<what is packed>"


class MembersTestCase(ContentTestCase):
    """Tests with a scanner that looks at content as it stands, and somebody who unpacks."""

    def asked(
        self,
        unpacker: Unpacker,
        scanner: Shallow | None = None,
        *,
        upload: bool = False,
        on: Mapping[str, str] = EMPTY,
    ) -> Harness:
        """Send some content one way, whole."""
        settings: dict[str, object] = {f"scan.on.{name}": action for name, action in on.items()}
        settings |= {"scan.large_file": HOLD, "scan.timeout": "30s"}
        gateway, origin, client = self.started(
            scanner or Shallow(), {"unpacker": unpacker}, settings=settings
        )
        self.client, self.origin = client, origin
        origin.reply = response(b"" if upload else CONTENT)
        if upload:
            client.send(request(URL, method=b"POST", content=CONTENT))
        else:
            client.send(request(URL))
        gateway.settle()
        return gateway

    def assertBlocked(self, gateway: Harness, note: str, status: int, **notes: str) -> None:
        """Nothing passed, and the log says why."""
        found = self.client.response()
        self.assertEqual(found.status, status, note)
        self.assertNotIn(CONTENT, self.client.received)
        outcome = "failed" if note == "failed:block" else "refused"
        line = self.assertLine(gateway, status=status, outcome=outcome)
        self.assertEqual(line["notes"]["scan_response"], note)
        self.assertEqual({name: line["notes"].get(name) for name in notes}, notes)
        if status == 503:
            self.assertIsNotNone(found.get("retry-after"))
        self.assertGivenBack(gateway)


class MembersTests(MembersTestCase):
    """Answers."""

    def test_clean(self) -> None:
        """Content whose every member is clean passes as it was, both ways."""
        for upload in (False, True):
            members, packed = zipped([member("a")], [member("a/b"), member("c", b"")])
            scanner = Shallow()
            gateway = self.asked(Unpacker(packed), scanner, upload=upload)
            self.assertEqual([job.member for job in scanner.asked], ["", "a", "a/b"])
            self.assertEqual(members.log, ["more", "more", "more", "close"])
            line = self.assertLine(gateway, outcome="delivered")
            side = "scan_request" if upload else "scan_response"
            self.assertEqual(line["notes"][side], "clean")
            self.assertEqual(line["notes"]["scan_engine"], "test 1")
            if upload:
                self.assertEqual(self.origin.request.content, CONTENT)
            else:
                self.assertEqual(self.client.response().content, CONTENT)
            self.assertGivenBack(gateway)

    def test_infected_member(self) -> None:
        """A member that is infected blocks the whole, which is asked for no more members."""
        members, packed = zipped([member("a"), member("b/c.exe", BAD)], [member("d")])
        gateway = self.asked(Unpacker(packed))
        self.assertBlocked(
            gateway,
            "infected:block",
            403,
            scan_found="EICAR",
            scan_engine="test",
            scan_member="b/c.exe",
        )
        self.assertIn(b"EICAR", self.client.received)
        self.assertEqual(members.log, ["more", "close"])

    def test_infected_upload(self) -> None:
        """No byte of an upload with an infected member reaches the origin."""
        _, packed = zipped([member("b.exe", BAD)])
        gateway = self.asked(Unpacker(packed), upload=True)
        self.assertEqual(self.client.response().status, 403)
        self.assertEqual(self.origin.connections, [])
        self.assertEqual(gateway.line["notes"]["scan_request"], "infected:block")

    def test_infected_as_it_stands(self) -> None:
        """What is found in the content itself counts, whatever is in it."""
        _, packed = zipped([member("a")])
        gateway = self.asked(Unpacker(packed), Shallow(lambda job: Infected("x", "test")))
        self.assertBlocked(gateway, "infected:block", 403, scan_found="x")

    def test_reasons(self) -> None:
        """What is said of a member or of unpacking counts as what is said of the content, each with its own page."""
        for reason, note, status, page in (
            ("encrypted", "encrypted:warn", 200, CONTENT),
            ("malformed", "malformed:block", 403, b"not scanned"),
            ("limit:depth", "limit:depth:block", 403, b"not scanned"),
            ("extract_failed", "extract_failed:block", 503, b"not scanned"),
            ("extract_failed:capacity", "extract_failed:capacity:block", 503, b"scan capacity"),
            ("unscanned:coding", "unscanned:coding:block", 403, b"not scanned"),
            ("engine_timeout", "engine_timeout:block", 503, b"not scanned"),
            ("capacity", "capacity:block", 503, b"scan capacity"),
            ("made up", "unscanned:other:block", 403, b"not scanned"),
            ("clean", "unscanned:other:block", 403, b"not scanned"),
        ):
            for says in (Unscannable(reason), zipped([member("a"), Unscannable(reason)])[1]):
                gateway = self.asked(Unpacker(says))
                line = self.assertLine(gateway, status=status)
                self.assertEqual(line["notes"]["scan_response"], note)
                found = self.client.response()
                self.assertEqual(found.status, status)
                if status == 503:
                    self.assertIsNotNone(found.get("retry-after"), reason)
                if page == CONTENT:
                    self.assertEqual(found.content, page)
                else:
                    self.assertNotIn(CONTENT, self.client.received)

    def test_actions(self) -> None:
        """Each reason has an action of its own."""
        for reason in ("extract_failed", "engine_timeout", "unscanned", "limit"):
            gateway = self.asked(Unpacker(Unscannable(f"{reason}:x")), on={reason: "pass"})
            self.assertEqual(self.client.response().content, CONTENT)
            self.assertEqual(gateway.line["notes"]["scan_response"], f"{reason}:x:pass")


class UnpackersTests(MembersTestCase):
    """Unpackers that fail, hang or lie."""

    def test_fails(self) -> None:
        """One that fails, at once, later or in the middle, lets nothing through."""
        later: Deferred[Any] = Deferred()
        later.errback(ZeroDivisionError())
        for says, note, status in (
            (lambda job: 1 / 0, "failed:block", 503),
            (lambda job: later, "failed:block", 503),
            (lambda job: "unpacked", "failed:block", 503),
            (zipped([member("a")], ZeroDivisionError())[1], "extract_failed:block", 503),
            (zipped([member("a")], Overloaded("scan", "full"))[1], "capacity:block", 503),
            (zipped(["a"])[1], "extract_failed:block", 503),
            (zipped([ScanJob.of(b"the content itself")])[1], "extract_failed:block", 503),
        ):
            gateway = self.asked(Unpacker(says))
            self.assertBlocked(gateway, note, status)
            self.flushLoggedErrors()

    def test_scanner_that_fails_on_a_member(self) -> None:
        """A scanner that fails closed on a member fails the whole; the members are closed, once."""

        def says(job: ScanJob) -> Clean | Infected:
            if job.member:
                raise ZeroDivisionError
            return shallow(job)

        members, packed = zipped([member("a"), member("b")], [member("c")])
        gateway = self.asked(Unpacker(packed), Shallow(says))
        self.assertBlocked(gateway, "failed:block", 503)
        self.assertEqual(members.log, ["more", "close"])
        self.flushLoggedErrors(ZeroDivisionError, PluginError)

    def test_hangs(self) -> None:
        """One that hangs is cancelled when C{scan.timeout} is over, whatever C{timeouts.inactivity} is, and closed."""
        for at_once in (False, True):
            cancelled: list[object] = []
            waiting: Deferred[Any] = Deferred(cancelled.append)
            members = Batches([member("a")], waiting)
            packed = zipped()[1].__class__("zip", members)
            never = Unpacker(lambda job, waiting=waiting: waiting)
            gateway = self.asked(never if at_once else Unpacker(packed))
            gateway.advance(29.0)
            self.assertEqual((self.client.received, len(cancelled)), (b"", 0))
            gateway.advance(2.0)
            self.assertEqual(len(cancelled), 1)
            self.assertBlocked(gateway, "engine_timeout:block", 503)
            self.assertEqual(members.log, [] if at_once else ["more", "more", "close"])

    def test_hangs_and_passes(self) -> None:
        """Where that is let pass, it is never called clean."""
        members = Batches(Deferred())
        gateway = self.asked(
            Unpacker(zipped()[1].__class__("zip", members)), on={"engine_timeout": "pass"}
        )
        gateway.advance(31.0)
        self.assertEqual(self.client.response().content, CONTENT)
        self.assertEqual(gateway.line["notes"]["scan_response"], "engine_timeout:pass")

    def test_found_before_the_time_was_up(self) -> None:
        """What was found until then counts."""
        members = Batches([member("a", BAD)], Deferred())
        packed = zipped()[1].__class__("zip", members)
        gateway = self.asked(Unpacker(packed), on={"infected": "warn", "engine_timeout": "pass"})
        gateway.advance(31.0)
        self.assertEqual(gateway.line["notes"]["scan_response"], "infected:warn")

    def test_client_that_leaves(self) -> None:
        """When the client leaves members are cancelled and closed, once."""
        cancelled: list[object] = []
        members = Batches(Deferred(cancelled.append))
        gateway = self.asked(Unpacker(zipped()[1].__class__("zip", members)))
        self.client.reset()
        self.assertEqual((len(cancelled), members.log), (1, ["more", "close"]))
        self.assertLine(gateway, outcome="aborted", reason="client")
        self.assertGivenBack(gateway)

    def test_lies_about_coverage(self) -> None:
        """One that says to have decoded all, and gives out nothing or fails, has the content scanned as it stands."""
        for batches in ([], [[member("a")], ZeroDivisionError()], [[Unscannable("malformed")]]):
            scanner = Shallow(lambda job: Infected("raw", "test") if not job.member else None)
            gateway = self.asked(Unpacker(zipped(*batches, covers=True)[1]), scanner)
            self.assertBlocked(gateway, "infected:block", 403, scan_found="raw")
            self.flushLoggedErrors()

    def test_nobody_unpacks(self) -> None:
        """What nobody unpacked is clean only for an engine that looks inside."""
        gateway = self.asked(Unpacker(None))
        self.assertBlocked(gateway, "unscanned:nested:block", 403)
        gateway = self.asked(Unpacker(NotPacked("html")))
        self.assertEqual(gateway.line["notes"]["scan_response"], "clean")

    def test_engine_that_saw_a_part(self) -> None:
        """An engine that says clean of a part, of the content or of a member, says nothing of the whole."""

        def part(job: ScanJob) -> Clean:
            missing = int(job.member == "b")
            return Clean("test", "1", Coverage(job.size - missing, True))

        _, packed = zipped([member("a"), member("b")])
        gateway = self.asked(Unpacker(packed), Shallow(part))
        self.assertBlocked(gateway, "unscanned:partial:block", 403, scan_member="b")
        gateway = self.asked(
            Unpacker(NotPacked()), Shallow(lambda job: Clean("test", "1", Coverage(1, True)))
        )
        self.assertBlocked(gateway, "unscanned:partial:block", 403)

    def test_engine_that_has_no_opinion(self) -> None:
        """A member that nobody looked at is not clean; content that is nobody's business is noted as such."""
        _, packed = zipped([member("a")])
        looks = Shallow()
        says = looks.says
        gateway = self.asked(
            Unpacker(packed), Shallow(lambda job: None if job.member else says(job))
        )
        self.assertBlocked(gateway, "unscanned:no_engine:block", 403, scan_member="a")
        gateway = self.asked(Unpacker(zipped([member("a")])[1]), Shallow(lambda job: None))
        self.assertEqual(gateway.line["notes"]["scan_response"], "not_judged")

    def test_member_that_may_hold_more(self) -> None:
        """A member into which nobody could look is clean only for an engine that does."""
        for nested in (False, True):
            pdf = member("a.pdf")
            pdf.notes["nested"] = "unknown"  # type: ignore[index]
            _, packed = zipped([pdf])

            def says(job: ScanJob, nested: bool = nested) -> Clean:
                return Clean("test", "1", Coverage(job.size, nested and bool(job.member)))

            gateway = self.asked(Unpacker(packed), Shallow(says))
            note = "clean" if nested else "unscanned:nested:block"
            self.assertEqual(gateway.line["notes"]["scan_response"], note)

    def test_full_pool(self) -> None:
        """A scanner without room is a matter of capacity, and says so."""

        def full(job: ScanJob) -> None:
            raise Overloaded("scan", "68 calls run or wait already")

        for later in (False, True):

            async def wait(job: ScanJob) -> None:
                full(job)

            gateway = self.asked(Unpacker(NotPacked()), Shallow(wait if later else full))
            self.assertBlocked(gateway, "capacity:block", 503, scan_engine="test")
            self.assertIn(b"scan capacity", self.client.received)
            self.flushLoggedErrors(Overloaded)
