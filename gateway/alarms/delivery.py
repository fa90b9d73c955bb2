"""
Delivery to one receiver: one notice at a time, in order, again and again until it is taken, too old or in the way.

Before an attempt its number is written down, so that after a crash the receiver is told that it may know the notice
already. An attempt ends with what the plugin gives, with its time-out or with its plugin object, whichever is first;
what comes later counts for nothing. How long a receiver is left alone after a failure is said by its
L{standing<gateway.alarms.standing.Standing>}. A notice that was tried often takes turns with others, as far as that turns no end of
a state before its beginning: strangers have a say in what is in it.

A plugin that is reloaded opens the same receiver with its new object while the old one still runs: the running attempt
is waited for, the next one is the new object's. Nothing here knows how anything is sent, nor when what changes is written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from gateway.alarms.attempt import Attempt, Deliver, Trial, reason
from gateway.alarms.backlog import TOLD_FIRST, Backlog, Row
from gateway.alarms.file import ATTEMPT, DOWN, GONE, PUT, Change, Loaded
from gateway.alarms.lost import Lost
from gateway.alarms.means import Counts, Means, QueueBounds
from gateway.alarms.standing import Standing
from gateway.alarms.stored import Unreadable, events, is_of_states, rank, to_bytes, to_notice
from gateway.api.alarms import DeliveryFailed, Notice

#: After so many attempts that a plugin broke on, a notice is dropped: it would keep back all others.
MOST_FAULTS = 5
#: What a plugin raises that is broken; what a network does is something else.
_FAULTS = (TypeError, ValueError, LookupError, AttributeError, AssertionError, ArithmeticError)

#: After so many attempts a notice takes turns with others: it may be this very one that is not taken, for what a stranger
#: put into it.
PATIENCE = 5
#: Among so many of those that wait the one that may be sent before it is looked for.
_MOST_PASSED = 100

#: Notices in one turn of the reactor, to a channel that needs no time.
_AT_ONCE = 20

#: Bytes of all notices that wait for one receiver.
MOST_BYTES = 32 << 20


class QueuedChannel:
    """
    A receiver, opened by one plugin object; a L{gateway.api.alarms.Channel}.

    @ivar key: C{plugin/receiver}.
    @ivar deliver: of the plugin object.
    """

    __slots__ = ("_delivery", "deliver", "key", "timeout_seconds")

    def __init__(self, delivery: Delivery, deliver: Deliver, timeout_seconds: float) -> None:
        self._delivery = delivery
        self.key = delivery.key
        self.deliver = deliver
        self.timeout_seconds = timeout_seconds

    @property
    def queued(self) -> int:
        """How many notices wait."""
        return self._delivery.queued

    def put(self, notice: Notice) -> None:
        """Deliver this, some time."""
        self._delivery.put(notice)

    def close(self) -> None:
        """Deliver nothing more by this plugin object; a running attempt is broken off. Twice is no fault."""
        self._delivery.close(self)


class Delivery:
    """
    Brings the backlog of one receiver to it.

    @ivar key: C{plugin/receiver}.
    @ivar counts: for the metrics.
    @ivar is_loaded: what a former process left is here.
    """

    _log = Logger()

    def __init__(self, key: str, means: Means, bounds: QueueBounds) -> None:
        self.key = key
        self.counts = Counts()
        self.is_loaded = False
        self._means = means
        self._bounds = bounds
        self._backlog = Backlog()
        self._lost = Lost(key, means.node, self._backlog)
        self._may_begin = False
        self._open: list[QueuedChannel] = []
        self._attempt: Attempt | None = None
        self._by: QueuedChannel | None = None
        self._tests: deque[Trial] = deque()
        self._standing = Standing(key, means, self._keep_down)
        self._failed_last: Row | None = None
        self._pause: Any = None
        self._breath: Any = None
        self._going = False
        self._is_stopping = False
        self._idle: list[Deferred[None]] = []

    # The backlog.

    @property
    def queued(self) -> int:
        """How many notices wait, the one on its way included."""
        return len(self._backlog)

    @property
    def is_open(self) -> bool:
        """Whether a plugin object delivers."""
        return bool(self._open)

    def put(self, notice: Notice) -> None:
        """Deliver this, some time."""
        try:
            row = self._row(notice)
        except Exception:
            # Whatever is wrong with it, it must not come back to who raised the event.
            self.counts.dropped += 1
            self._log.failure("a notice for {channel} can't be kept", channel=self.key)
            return
        self._backlog.add(row)
        self._keep(row)
        self._keep_within()
        self._go()

    def follow(self, bounds: QueueBounds) -> None:
        """Keep within other bounds."""
        self._bounds = bounds
        self._keep_within()
        self._drop_old()

    def loaded(self, loaded: Loaded) -> None:
        """Take what a former process left; it goes before what came since. What came is written down now."""
        if self.is_loaded:
            return
        self.is_loaded = True
        clock, now = self._means.clock.seconds(), self._means.now()
        self._backlog.before(
            Row(
                number=row.number,
                id=row.id,
                rank=min(max(row.rank, 0), TOLD_FIRST),
                born=clock - max(0.0, now - row.stored),
                stored=row.stored,
                events=row.events,
                body=row.body,
                attempt=row.attempt,
            )
            for row in loaded.rows
        )
        self._lost.read(self._means.types)
        self._standing.restore(loaded.down_since)
        known = {row.number for row in loaded.rows}
        for row in self._backlog:
            if row.number not in known:
                self._keep(row)
        self._keep_within()
        self._drop_old()

    def begin(self) -> None:
        """Deliver from now on: what was left is here, or can't be read."""
        self._may_begin = True
        self._go()

    def changes(self) -> Iterable[Change]:
        """Give the changes that write down all that is here."""
        for row in self._backlog:
            yield self._put_change(row)
        # Even where it works: the file may know otherwise.
        yield self._down_change()

    # Who delivers.

    def open(self, deliver: Deliver, timeout_seconds: float) -> QueuedChannel:
        """Let a plugin object deliver what comes next, in place of one that does already."""
        made = QueuedChannel(self, deliver, timeout_seconds)
        self._open.append(made)
        self._resume()
        return made

    def close(self, channel: QueuedChannel) -> None:
        """Let one go; who was open before it delivers again."""
        if channel not in self._open:
            return
        self._open.remove(channel)
        attempt = self._attempt
        if attempt is not None and self._by is channel:
            self._break_off(attempt, "the plugin was stopped")
        if self._open:
            self._resume()
        else:
            self._end_pause()
            while self._tests:
                self._tests.popleft().say("the plugin was stopped")
            if not self._is_stopping:
                self._standing.let_go(self.queued)
            self._tell_idle()

    def test(self, notice: Notice) -> Deferred[str]:
        """Try this once, next; see L{NoticeQueue.test<gateway.alarms.queue.NoticeQueue.test>}."""
        if not self._open:
            return succeed("the channel is not open")
        if self._is_stopping:
            return succeed("the gateway stops")
        test = Trial(notice, Deferred(self._forget_test))
        self._tests.append(test)
        self._go()
        return test.answer

    def _forget_test(self, answer: Deferred[str]) -> None:
        """Nobody waits for a test any more; one that runs goes on."""
        self._tests = deque(test for test in self._tests if test.answer is not answer)

    # The end.

    def stop(self) -> Deferred[None]:
        """Begin no pause any more; fires when nothing is left, or nothing can be sent now."""
        self._is_stopping = True
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        self._tell_idle()
        return idle

    def break_off(self) -> None:
        """Deliver no more."""
        for channel in list(self._open):
            self.close(channel)

    # Attempts.

    def _go(self) -> None:
        """Begin what can begin."""
        if self._going:
            return
        self._going = True
        try:
            for _ in range(_AT_ONCE):
                if not self._begin():
                    break
            else:
                if self._breath is None:
                    self._breath = self._means.clock.callLater(0, self._breathed)
        finally:
            self._going = False
        self._tell_idle()

    def _breathed(self) -> None:
        self._breath = None
        self._go()

    def _begin(self) -> bool:
        """Begin one attempt if there is one to begin."""
        if self._attempt is not None or self._breath is not None or not self._open:
            return False
        channel = self._open[-1]
        if self._tests:
            trial = self._tests.popleft()
            self._make(channel, trial=trial).begin(trial.notice)
            return True
        if not self._may_begin or self._pause is not None:
            return False
        self._drop_old()
        row = self._next()
        if row is None:
            return False
        try:
            notice = to_notice(row.body, row.attempt + 1, self._means.types)
        except Unreadable as error:
            self._log.error(
                "a notice for {channel} can't be read: {why}", channel=self.key, why=str(error)
            )
            self._remove(row)
            self.counts.dropped += 1
            return True
        row.attempt += 1
        self._backlog.held = row
        attempt = self._make(channel, number=row.attempt)
        if self.is_loaded:
            self._means.journal.add((ATTEMPT, (row.attempt, self.key, row.number)))
        self._means.journal.written().addCallback(lambda _: attempt.begin(notice))
        return True

    def _next(self) -> Row | None:
        """
        Give what is to be tried next: the first one, or after one that was tried often the first that may pass it.

        Of those two one at the least is of no state: a beginning never comes after its end.
        """
        head = self._backlog.head
        if head is None or head.attempt < PATIENCE or head is not self._failed_last:
            return head
        is_free = not self._is_of_states(head)
        for row in islice(self._backlog.behind(head), _MOST_PASSED):
            if is_free or not self._is_of_states(row):
                return row
        return head

    def _is_of_states(self, row: Row) -> bool:
        try:
            return is_of_states(to_notice(row.body, 1, self._means.types))
        except Unreadable:
            # It is dropped when it is its turn.
            return False

    def _make(
        self, channel: QueuedChannel, *, number: int = 1, trial: Trial | None = None
    ) -> Attempt:
        """Make the one attempt that there is at a time."""
        self._attempt = Attempt(
            self._means.clock,
            channel.deliver,
            channel.timeout_seconds,
            self._ended,
            self._slow,
            number=number,
            trial=trial,
        )
        self._by = channel
        return self._attempt

    def _slow(self, seconds: float) -> None:
        """Name a plugin that blocks."""
        self.counts.slow = times = self.counts.slow + 1
        # The first, second, fourth, ... time: a plugin that is always slow must not flood the log.
        if not times & (times - 1):
            self._log.warn(
                "{channel} kept the reactor for {milliseconds:.1f} ms in deliver, for the {times}. time",
                channel=self.key,
                milliseconds=seconds * 1000,
                times=times,
            )

    def _ended(self, attempt: Attempt, error: BaseException | None) -> None:
        self._attempt = None
        row, self._backlog.held = self._backlog.held, None
        if attempt.number > 1:
            self.counts.retried += 1
        if error is None:
            self.counts.sent += 1
            if row is not None:
                self._remove(row)
        else:
            self.counts.failed += 1
        if attempt.trial is not None:
            if error is None:
                self._end_pause()
            attempt.trial.say("" if error is None else reason(error))
        if error is None:
            self._works()
        elif row is not None:
            self._failed(row, error)
        self._go()

    def _works(self) -> None:
        notices, lost = self._standing.worked(self.queued)
        if notices:
            self._tell_lost(notices, lost)

    def _failed(self, row: Row, error: BaseException) -> None:
        self._standing.failures += 1
        self._failed_last = row
        why = reason(error)
        is_final = isinstance(error, DeliveryFailed) and error.is_final
        if isinstance(error, _FAULTS) and not isinstance(error, OSError):
            row.faults += 1
            is_final = row.faults >= MOST_FAULTS
        if is_final:
            self._log.error(
                "{channel} does not take the notice {id}, which is dropped: {why}",
                channel=self.key,
                id=row.id,
                why=why,
            )
            self._remove(row)
            self.counts.dropped += 1
            if row.rank != TOLD_FIRST:
                self._standing.refused(row.events)
        else:
            self._log.warn(
                "{channel} did not take the notice {id} (attempt {attempt}): {why}",
                channel=self.key,
                id=row.id,
                attempt=row.attempt,
                why=why,
            )
        if not is_final or self._standing.is_failing:
            self._end_pause()
            self._pause = self._means.clock.callLater(
                self._standing.pause_seconds(error), self._resume
            )
        self._standing.tell_down(why, self.queued)

    def _resume(self) -> None:
        if self._is_stopping:
            # Who failed before is not asked again now.
            return
        self._end_pause()
        self._go()

    def _end_pause(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None and pause.active():
            pause.cancel()

    def _break_off(self, attempt: Attempt, why: str) -> None:
        """End an attempt; it may have arrived, so it counts as one that was made."""
        self._attempt = None
        self._backlog.held = None
        attempt.cancel()
        if attempt.trial is not None:
            attempt.trial.say(why)

    def _tell_idle(self) -> None:
        if not self._idle or self._attempt is not None or self._tests or self._going:
            return
        if not self._may_begin:
            # What is here must be written down after what was left.
            return
        if not self._open or self._pause is not None or self._backlog.head is None:
            idle, self._idle = self._idle, []
            for one in idle:
                one.callback(None)

    # What is dropped.

    def _keep_within(self) -> None:
        while True:
            row = self._backlog.surplus(self._bounds.notices, MOST_BYTES)
            if row is None:
                return
            self._lose(row)

    def _drop_old(self) -> None:
        since = self._means.clock.seconds() - self._bounds.keep_seconds
        for row in self._backlog.older(since):
            self._lose(row)

    def _lose(self, row: Row) -> None:
        """Drop one, and have that told to the receiver."""
        self._remove(row)
        self.counts.dropped += 1
        self._tell_lost(1, row.events)

    def _tell_lost(self, notices: int, lost: int) -> None:
        means = self._means
        self._keep(self._lost.count(notices, lost, means.clock.seconds(), means.now()))

    # What is written down.

    def _row(self, notice: Notice) -> Row:
        return Row(
            number=0,
            id=notice.id,
            rank=rank(notice),
            born=self._means.clock.seconds(),
            stored=self._means.now(),
            events=events(notice),
            body=to_bytes(notice),
        )

    def _remove(self, row: Row) -> None:
        self._backlog.remove(row)
        if self.is_loaded:
            self._means.journal.add((GONE, (self.key, row.number)))

    def _keep(self, row: Row) -> None:
        # Before that its number is not known.
        if self.is_loaded:
            self._means.journal.add(self._put_change(row))

    def _keep_down(self) -> None:
        if self.is_loaded:
            self._means.journal.add(self._down_change())

    def _put_change(self, row: Row) -> Change:
        return PUT, (
            self.key,
            row.number,
            row.id,
            row.rank,
            row.stored,
            row.events,
            row.attempt,
            row.body,
        )

    def _down_change(self) -> Change:
        return DOWN, (self.key, self._means.now(), self._standing.down_since)
