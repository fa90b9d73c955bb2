"""Notices, receivers and processes for tests of the queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock

from gateway.alarms.queue import NoticeQueue, QueueBounds, QueuedChannel
from gateway.api.alarms import Alarm, AlarmState, DeliveryFailed, Notice
from gateway.api.events import Event, Severity

KEY = "test/receiver"


def notice(
    id: str,
    severity: Severity = Severity.WARNING,
    count: int = 1,
    text: str = "",
    state: AlarmState = AlarmState.SINGLE,
) -> Notice:
    """Make a notice of one alarm."""
    event = Event("something", severity, text or f"something {id}", "subject", {"number": id})
    alarm = Alarm(
        id=f"a{id}",
        event=event,
        type=None,
        state=state,
        count=count,
        first=1.0,
        last=2.0,
        subjects={"subject": count},
    )
    return Notice(
        id=id, alarms=(alarm,), is_digest=False, attempt=1, node="a", since=1.0, until=2.0
    )


class Receiver:
    """
    Takes notices as it is told to.

    @ivar got: each call, by id and attempt, whatever became of it.
    @ivar notices: likewise, whole.
    @ivar error: what to raise; C{None}: it takes them.
    @ivar dislikes: ids of those for which that is raised; empty: for all.
    @ivar held: attempts that are not answered yet, where C{is_slow}.
    @ivar cancelled: how many of those were.
    """

    def __init__(self) -> None:
        self.got: list[tuple[str, int]] = []
        self.notices: list[Notice] = []
        self.error: Exception | None = None
        self.dislikes: set[str] = set()
        self.is_slow = False
        self.held: list[Deferred[None]] = []
        self.cancelled = 0

    def deliver(self, notice: Notice) -> Deferred[None] | None:
        """Take one, or not."""
        self.got.append((notice.id, notice.attempt))
        self.notices.append(notice)
        if self.error is not None and (not self.dislikes or notice.id in self.dislikes):
            raise self.error
        if self.is_slow:
            answer: Deferred[None] = Deferred(self._cancel)
            self.held.append(answer)
            return answer
        return None

    def _cancel(self, answer: Deferred[None]) -> None:
        self.cancelled += 1

    @property
    def ids(self) -> list[str]:
        """The ids of what came."""
        return [id for id, _ in self.got]

    def breaks(self, why: str = "refused", **said: Any) -> None:
        """Fail from now on."""
        self.error = DeliveryFailed(why, **said)

    def works(self) -> None:
        """Take everything from now on."""
        self.error = None


class Process:
    """
    A process with a queue.

    @ivar events: what was told.
    """

    def __init__(
        self,
        folder: str = "",
        *,
        bounds: QueueBounds | None = None,
        wall: float = 1e9,
        run: Callable[..., Deferred[Any]] = execute,
        random: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.clock = Clock()
        self._wall = wall
        self.events: list[Event] = []
        self.queue = NoticeQueue(
            self.clock,
            folder,
            run,
            self.events.append,
            now=self.now,
            bounds=bounds,
            node="gateway.example.com",
            random=random,
        )

    def now(self) -> float:
        """Give the wall-clock time."""
        return self._wall + self.clock.seconds()

    def open(
        self,
        receiver: Receiver,
        key: str = KEY,
        kept: Callable[[bytes], None] = lambda _: None,
    ) -> QueuedChannel:
        """Open a receiver."""
        opened = self.queue.channel(key, receiver.deliver, 60.0, kept)
        self.settle()
        return opened

    def put(self, *ids: str, severity: Severity = Severity.WARNING, key: str = KEY) -> None:
        """Put notices."""
        for id in ids:
            self.queue.put(key, notice(id, severity))
        self.settle()

    def settle(self) -> None:
        """Let happen what happens at once."""
        for _ in range(50):
            self.clock.advance(0)

    def kill(self) -> None:
        """End as by kill -9: nothing more is written; the file's lock goes with the process."""
        journal = self.queue._journal
        if journal is not None:
            journal._file.close()

    @property
    def use(self) -> dict[str, int]:
        """The counts of the one receiver that is open."""
        (use,) = self.queue.uses()
        return {
            name: getattr(use, name) for name in ("sent", "failed", "dropped", "retried", "queued")
        }
