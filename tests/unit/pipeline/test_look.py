"""One look at content: unpacked first, its members a few at a time, and whoever gave them out is told once of the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.content import (
    Clean,
    Coverage,
    Infected,
    NotPacked,
    ScanJob,
    ScanResult,
    Unpacked,
    Unscannable,
)
from gateway.api.errors import PluginError
from gateway.api.services import Overloaded
from gateway.pipeline.findings import Findings
from gateway.pipeline.look import AT_ONCE, Look

WHOLE = ScanJob.of(b"whole")
FULL = PluginError("one", "unpack_content", Overloaded("scan", "all its threads are stuck"))
FAILED = PluginError("one", "unpack_content", ZeroDivisionError())


def member(name: str, content: bytes = b"member") -> ScanJob:
    """Make a member."""
    return replace(ScanJob.of(content), member=name, depth=1)


class Gives:
    """
    Members, in the batches that a test gives.

    @ivar asked: how often for more.
    @ivar closed: how often.
    """

    def __init__(self, *batches: Any) -> None:
        self.batches = list(batches)
        self.asked = 0
        self.closed = 0

    def more(self) -> Awaitable[Sequence[ScanJob | Unscannable]]:
        """
        Give the next.

        @raise Exception: that is what is next.
        """
        self.asked += 1
        batch = self.batches.pop(0) if self.batches else []
        if isinstance(batch, BaseException):
            raise batch
        return batch if isinstance(batch, Deferred) else succeed(batch)

    def close(self) -> None:
        """Note it."""
        self.closed += 1


class LookTestCase(SynchronousTestCase):
    """
    A look, with what is scanned written down.

    @ivar scanned: names of what was scanned.
    """

    def setUp(self) -> None:
        """Begin."""
        self.scanned: list[str] = []
        self.findings = Findings({})
        self.nested = False

    def clean(self, job: ScanJob) -> list[ScanResult]:
        """Scan at once."""
        self.scanned.append(job.member or "whole")
        if b"bad" in job.content:
            return [Infected("x", "e")]
        return [Clean("e", "1", Coverage(job.size, self.nested))]

    def look(self, unpack: Callable[[ScanJob], Any] | None, scan: Any = None) -> Look:
        """Prepare one."""
        return Look(WHOLE, self.findings, scan or self.clean, unpack)

    def run_look(self, look: Look) -> Deferred[PluginError | None]:
        """Begin it."""
        return Deferred.fromCoroutine(look.run())

    def token(self, packed: Any, scan: Any = None) -> str:
        """Look to the end, and give the answer's token."""
        look = self.look(lambda job: packed, scan)
        self.successResultOf(self.run_look(look))
        look.close()
        answer = self.findings.answer()
        assert answer is not None
        return answer.token


class LookTests(LookTestCase):
    """What is looked at."""

    def test_order(self) -> None:
        """The content is unpacked first, then scanned as it stands, then its members."""
        members = Gives([member("a"), member("b")], [member("a/c")])

        def unpack(job: ScanJob) -> Unpacked:
            self.scanned.append("unpack")
            return Unpacked("zip", members)

        look = self.look(unpack)
        self.successResultOf(self.run_look(look))
        look.close()
        look.close()
        self.assertEqual(self.scanned, ["unpack", "whole", "a", "b", "a/c"])
        self.assertEqual((members.asked, members.closed, self.findings.members), (3, 1, 3))
        answer = self.findings.answer()
        assert answer is not None
        self.assertEqual(answer.token, "clean")

    def test_nobody_unpacks(self) -> None:
        """Without anybody who unpacks, an engine that does not look inside can't call it clean."""
        self.assertEqual(self.token(None), "unscanned:nested")

    def test_not_packed(self) -> None:
        """Where there is nothing to unpack it can."""
        self.assertEqual(self.token(NotPacked("html")), "clean")

    def test_can_not_be_unpacked(self) -> None:
        """What can't be unpacked is scanned all the same, and the reason counts."""
        self.assertEqual(self.token(Unscannable("encrypted")), "encrypted")
        self.assertEqual(self.scanned, ["whole"])

    def test_nobody_scans(self) -> None:
        """Without anybody who scans nothing is clean."""
        look = Look(WHOLE, self.findings, None, None)
        self.successResultOf(self.run_look(look))
        answer = self.findings.answer()
        assert answer is not None
        self.assertEqual(answer.token, "unscanned:no_engine")

    def test_coding(self) -> None:
        """What is a mere coding is scanned decoded, and not as it stands."""
        self.assertEqual(self.token(Unpacked("gzip", Gives([member("a")]), covers=True)), "clean")
        self.assertEqual(self.scanned, ["a"])

    def test_coding_that_is_none(self) -> None:
        """Who says to have decoded every byte, and gives nothing out, or not all, is not believed."""
        for batches, token in (
            ((), "unscanned:nested"),
            (([Unscannable("limit:ratio")],), "limit:ratio"),
            (([member("a"), Unscannable("malformed")],), "malformed"),
            (([member("a")], ZeroDivisionError()), "extract_failed"),
            (([member("a", b"")],), "unscanned:nested"),
        ):
            self.setUp()
            found = self.token(Unpacked("gzip", Gives(*batches), covers=True))
            self.flushLoggedErrors(ZeroDivisionError)
            self.assertEqual("whole" in self.scanned, True, batches)
            # It was given out to its end, so there is nothing within.
            self.assertEqual(found, "clean" if token == "unscanned:nested" else token)

    def test_infected_member(self) -> None:
        """Malware that is blocked ends it: nobody asks for more."""
        members = Gives([member("a")], [member("b", b"bad")], [member("c")])
        self.assertEqual(self.token(Unpacked("zip", members)), "infected")
        self.assertEqual(self.scanned, ["whole", "a", "b"])
        self.assertEqual((members.asked, members.closed), (2, 1))

    def test_infected_as_it_stands(self) -> None:
        """So does malware in the content itself."""
        members = Gives([member("a")])
        found = self.token(Unpacked("zip", members), lambda job: [Infected("x", "e")])
        self.assertEqual((found, members.asked, members.closed), ("infected", 0, 1))

    def test_more_that_fails(self) -> None:
        """Who can't unpack to the end has not unpacked."""
        for failure, token in (
            (ZeroDivisionError(), "extract_failed"),
            (Overloaded("scan", "full"), "capacity"),
            ([object()], "extract_failed"),
            ([ScanJob.of(b"no member")], "extract_failed"),
            ([replace(member("a"), size=7)], "extract_failed"),
            (None, "extract_failed"),
        ):
            self.setUp()
            members = Gives([member("a")], failure)
            self.assertEqual(self.token(Unpacked("zip", members)), token, failure)
            self.assertEqual(members.closed, 1)
            self.flushLoggedErrors()

    def test_full_pool(self) -> None:
        """Where the one who unpacks has no room, the content is scanned and the reason counts."""

        def unpack(job: ScanJob) -> None:
            raise FULL

        look = self.look(unpack)
        self.successResultOf(self.run_look(look))
        answer = self.findings.answer()
        assert answer is not None
        self.assertEqual((answer.token, self.scanned), ("capacity", ["whole"]))

    def test_unpacking_that_fails(self) -> None:
        """A plugin that fails closed fails the transaction."""

        def unpack(job: ScanJob) -> None:
            raise FAILED

        self.assertIs(self.successResultOf(self.run_look(self.look(unpack))), FAILED)
        self.assertIsNone(FAILED.__traceback__)

    def test_closing_that_fails(self) -> None:
        """Who can't close is logged, and nothing else happens."""
        members = Gives([member("a")])
        members.close = lambda: 1 / 0  # type: ignore[assignment,method-assign]
        self.assertEqual(self.token(Unpacked("zip", members)), "clean")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class WaitingTests(LookTestCase):
    """Looks that take time."""

    def setUp(self) -> None:
        """Scan when the test says so."""
        super().setUp()
        self.waiting: dict[str, Deferred[list[ScanResult]]] = {}
        self.cancelled: list[str] = []

    def later(self, job: ScanJob) -> Any:
        """Scan when the test says so; the content itself at once."""
        if not job.member:
            return self.clean(job)
        self.scanned.append(job.member)
        answer: Deferred[list[ScanResult]] = Deferred(lambda _: self.cancelled.append(job.member))
        self.waiting[job.member] = answer

        async def wait() -> list[ScanResult]:
            return await answer

        return wait()

    def answers(self, name: str) -> None:
        """Let a scan end."""
        self.waiting.pop(name).callback([Clean("e", "1", Coverage(6, nested=False))])

    def test_at_once(self) -> None:
        """The members of a batch are scanned at the same time, so many of them; the next come after these."""
        names = [str(number) for number in range(AT_ONCE + 2)]
        members = Gives([member(name) for name in names], [member("last")])
        look = self.look(lambda job: Unpacked("zip", members), self.later)
        running = self.run_look(look)
        self.assertEqual(self.scanned, ["whole", *names[:AT_ONCE]])
        for name in reversed(names[1:AT_ONCE]):
            self.answers(name)
        self.assertEqual(len(self.waiting), 1)
        self.answers("0")
        self.assertEqual(self.scanned[1:], names)
        self.assertEqual(members.asked, 1)
        for name in names[AT_ONCE:]:
            self.answers(name)
        self.assertEqual((members.asked, self.scanned[-1]), (2, "last"))
        self.answers("last")
        self.successResultOf(running)
        answer = self.findings.answer()
        assert answer is not None
        self.assertEqual(answer.token, "clean")

    def test_within(self) -> None:
        """When its time is up it is closed, what waits is cancelled, and what was found until then counts."""
        clock = Clock()
        members = Gives([member("a"), member("b")])
        look = self.look(lambda job: Unpacked("zip", members), self.later)
        running = Deferred.fromCoroutine(look.within(5.0, clock))
        clock.advance(4.9)
        self.assertNoResult(running)
        clock.advance(0.1)
        self.assertIsNone(self.successResultOf(running))
        answer = self.findings.answer()
        assert answer is not None
        self.assertEqual(answer.token, "engine_timeout")
        self.assertEqual((sorted(self.cancelled), members.closed), (["a", "b"], 1))
        self.assertEqual(clock.calls, [])

    def test_cancelled_while_scanned(self) -> None:
        """When nobody waits any more all scans are cancelled."""
        members = Gives([member("a"), member("b")])
        look = self.look(lambda job: Unpacked("zip", members), self.later)
        running = self.run_look(look)
        running.cancel()
        look.close()
        self.failureResultOf(running, CancelledError)
        self.assertEqual((sorted(self.cancelled), members.closed), (["a", "b"], 1))

    def test_infected_ends_the_others(self) -> None:
        """Malware in one member ends the scans of those beside it."""
        look = self.look(lambda job: Unpacked("zip", Gives([member("a"), member("b")])), self.later)
        running = self.run_look(look)
        self.waiting.pop("a").callback([Infected("x", "e")])
        self.successResultOf(running)
        self.assertEqual(self.cancelled, ["b"])

    def test_cancelled_while_unpacked(self) -> None:
        """So is the wait for members."""
        cancelled: list[object] = []
        members = Gives(Deferred(cancelled.append))
        look = self.look(lambda job: Unpacked("zip", members))
        running = self.run_look(look)
        running.cancel()
        look.close()
        self.failureResultOf(running, CancelledError)
        self.assertEqual((len(cancelled), members.closed), (1, 1))

    def test_closed_while_unpacked(self) -> None:
        """Members that come after the end are not looked at, and no more are asked for."""
        waiting: Deferred[Any] = Deferred()
        members = Gives(waiting)
        look = self.look(lambda job: Unpacked("zip", members))
        running = self.run_look(look)
        look.close()
        waiting.callback([member("a")])
        self.successResultOf(running)
        self.assertEqual((self.scanned, members.asked, members.closed), (["whole"], 1, 1))

    def test_unpacked_after_the_end(self) -> None:
        """Who answers to being cancelled is closed at once."""
        members = Gives([member("a")])
        answer: Deferred[Any] = Deferred(lambda waiting: waiting.callback(Unpacked("zip", members)))

        async def unpack() -> Any:
            return await answer

        look = self.look(lambda job: unpack())
        running = self.run_look(look)
        look.close()
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.assertEqual((self.scanned, members.asked, members.closed), ([], 0, 1))
