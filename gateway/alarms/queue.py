"""
The queue of all that is on its way to receivers; it outlives plugin objects, and with a state folder the process.

For each receiver, named C{plugin/receiver}, there is one L{Delivery}, from the first time that a plugin opens it to the
end of the process: what waits for a receiver that a reload took away waits for it to come back, until it is too old.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from twisted.internet.defer import Deferred, ensureDeferred, gatherResults, succeed
from twisted.logger import Logger

from gateway.alarms.delivery import Delivery, QueuedChannel
from gateway.alarms.file import STATE, AlarmFile, Change, FileFailed, Loaded, clearing
from gateway.alarms.journal import Journal, Keeping, Nowhere, Run
from gateway.alarms.means import Means, QueueBounds
from gateway.api.alarms import Notice
from gateway.api.catalogue import CATALOGUE
from gateway.api.catalogue.service import STORE_DAMAGED, STORE_IN_MEMORY
from gateway.api.events import Event, EventType
from gateway.api.services import Clock

__all__ = ["ChannelUse", "NoticeQueue", "QueueBounds", "QueuedChannel", "Run"]

#: How long the end of the process waits for the file.
CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ChannelUse:
    """
    What became of the notices for one receiver since the process started.

    @ivar channel: C{plugin/receiver}.
    @ivar failed: attempts that failed.
    @ivar dropped: notices that nobody got: too many, too old, or refused for good.
    @ivar retried: attempts that were not the first of a notice.
    @ivar slow: calls of the plugin that kept the reactor longer than 5 ms.
    @ivar queued: notices that wait now.
    """

    channel: str
    sent: int
    failed: int
    dropped: int
    retried: int
    slow: int
    queued: int


def _forget(state: bytes) -> None:
    """Take what was kept, for who keeps nothing."""


class NoticeQueue:
    """
    Takes notices, keeps them, delivers them.

    Everything is called in the reactor's thread, and nothing waits for a disk or a receiver.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        folder: str = "",
        run: Run | None = None,
        tell: Callable[[Event], None] = lambda _: None,
        *,
        now: Callable[[], float] = time.time,
        bounds: QueueBounds | None = None,
        owner: tuple[int, int] | None = None,
        types: Callable[[str], EventType | None] = CATALOGUE.get,
        node: str = "",
        random: Callable[[], float] = random.random,
    ) -> None:
        """
        Prepare; nothing is opened.

        @param folder: for the file; empty: what waits is in memory alone.
        @param run: runs calls in a thread that does nothing else; C{None}: as without a folder.
        @param tell: where events go.
        @param now: wall-clock time, seconds.
        @param owner: user and group that the file is for, where the process is not that user yet.
        @param types: gives the type of events of this name.
        @param node: the name of the machine.
        @param random: from 0 to 1, for the pauses between attempts.
        """
        self._clock = clock
        self._bounds = bounds = QueueBounds() if bounds is None else bounds
        self._now = now
        self._journal: Journal | None = None
        keeping: Keeping = Nowhere()
        if folder and run is not None:
            file = AlarmFile(folder, now, owner)
            keeping = self._journal = Journal(
                clock,
                file,
                run,
                keep_seconds=bounds.keep_seconds,
                anew=self._begin_anew,
                tell=self._found,
            )
        self._told = tell
        self._means = Means(clock, keeping, now, self._tell, types, node, random)
        self._deliveries: dict[str, Delivery] = {}
        self._kept: dict[str, bytes] = {}
        self._is_said = False
        self._is_stopping = False

    # For the desk.

    def channel(
        self,
        key: str,
        deliver: Callable[[Notice], Awaitable[None] | None],
        timeout_seconds: float,
        kept: Callable[[bytes], None] = _forget,
    ) -> QueuedChannel:
        """
        Let a plugin object deliver to a receiver, from now on, in place of one that does already.

        To be called when the plugin starts, not when it is made: before that the process may still fork.

        @param kept: called once, with what L{keep} wrote last under this key, before anything is delivered; what a
            former process wrote comes some time after this call.
        """
        delivery = self._deliveries.get(key)
        if delivery is not None:
            kept(self._kept.get(key, b""))
            return delivery.open(deliver, timeout_seconds)
        if self._journal is None and not self._is_said:
            self._is_said = True
            self._log.info(
                "without a state folder alarms that wait are lost at the end of the process"
            )
        made = self._deliveries[key] = Delivery(key, self._means, self._bounds)
        channel = made.open(deliver, timeout_seconds)

        def came(loaded: Loaded) -> None:
            made.loaded(loaded)
            self._kept.setdefault(key, loaded.state)
            kept(loaded.state)

        loading = self._means.journal.load(key).addCallback(came)
        loading.addErrback(lambda failure: self._not_loaded(failure, kept))
        loading.addCallback(lambda _: made.begin())
        loading.addErrback(lambda failure: self._log.failure("alarms of {key}", failure, key=key))
        return channel

    def put(self, key: str, notice: Notice) -> None:
        """
        Deliver this, some time; its own number of an attempt means nothing.

        @raise KeyError: nobody has opened this receiver yet.
        """
        self._deliveries[key].put(notice)

    def keep(self, key: str, state: bytes) -> None:
        """
        Keep this for the next process, in place of what was kept before; empty: nothing.

        It is written together with all that is put and kept in the same turn of the reactor.

        @param key: of a receiver, or another one.
        """
        if self._kept.get(key) != state:
            self._kept[key] = state
            self._means.journal.add(self._state_change(key, state))

    def recall(self, key: str) -> Deferred[bytes]:
        """Give what was kept, by a former process too; nothing if that can't be read."""
        if key in self._kept:
            return succeed(self._kept[key])
        loading = self._means.journal.load(key)
        return loading.addCallbacks(
            lambda loaded: self._kept.setdefault(key, loaded.state), lambda _: b""
        )

    def test(self, key: str, notice: Notice) -> Deferred[str]:
        """
        Try once to deliver this, as the next one; it is not kept and not tried again.

        @return: fires with "" or with why it was not delivered; never fails.
        """
        delivery = self._deliveries.get(key)
        return succeed("there is no such channel") if delivery is None else delivery.test(notice)

    def follow(self, bounds: QueueBounds) -> None:
        """Keep within other bounds from now on."""
        self._bounds = bounds
        if self._journal is not None:
            self._journal.keep_seconds = bounds.keep_seconds
        for delivery in self._deliveries.values():
            delivery.follow(bounds)

    def stop(self, grace_seconds: float = 2.0) -> Deferred[None]:
        """
        Send what can be sent at once, break off what takes longer, and close the file; what waits stays in it.

        To be called before plugins are stopped. What is put after that is lost.

        @return: fires when the file is closed, or when the disk has had L{CLOSE_SECONDS} for that.
        """
        if self._is_stopping:
            return succeed(None)
        self._is_stopping = True
        return ensureDeferred(self._stop(grace_seconds))

    # For whoever wants to know.

    def counts(self) -> Mapping[str, int]:
        """Tell how many notices wait, by the receivers that are open."""
        return {key: one.queued for key, one in self._deliveries.items() if one.is_open}

    def uses(self) -> list[ChannelUse]:
        """Tell what became of notices, of the receivers that are open."""
        return [
            ChannelUse(
                channel=key,
                sent=one.counts.sent,
                failed=one.counts.failed,
                dropped=one.counts.dropped,
                retried=one.counts.retried,
                slow=one.counts.slow,
                queued=one.queued,
            )
            for key, one in self._deliveries.items()
            if one.is_open
        ]

    def families(self) -> Iterator[Metric]:
        """Give that for C{/metrics}."""
        sent = _counter("sent", "Notices that a receiver of alarms took.")
        failed = _counter("failed", "Attempts to deliver a notice that failed.")
        dropped = _counter("dropped", "Notices dropped: too many, too old, or refused for good.")
        retried = _counter("retried", "Attempts that were not the first of a notice.")
        slow = _counter("slow", "Calls to deliver that kept the reactor for more than 5 ms.")
        queued = GaugeMetricFamily(
            "gateway_alarm_queued", "Notices that wait for a receiver.", labels=("channel",)
        )
        for use in self.uses():
            key = (use.channel,)
            sent.add_metric(key, use.sent)
            failed.add_metric(key, use.failed)
            dropped.add_metric(key, use.dropped)
            retried.add_metric(key, use.retried)
            slow.add_metric(key, use.slow)
            queued.add_metric(key, use.queued)
        yield from (sent, failed, dropped, retried, slow, queued)

    # The file.

    def _not_loaded(self, failure: object, kept: Callable[[bytes], None]) -> None:
        """Go on without what a former process left; the journal has told of it, and tries again later."""
        kept(b"")

    def _tell(self, event: Event) -> None:
        try:
            self._told(event)
        except Exception:
            # Who hears of it must not keep alarms from being delivered.
            self._log.failure("telling of {name}", name=event.name)

    def _found(self, what: str, text: str) -> None:
        type = STORE_DAMAGED if what == "damaged" else STORE_IN_MEMORY
        self._tell(type(text, "alarms"))

    def _begin_anew(self) -> None:
        """Write everything to a file that failed before."""
        ensureDeferred(self._written_anew()).addErrback(
            lambda failure: self._log.failure("keeping alarms", failure)
        )

    async def _written_anew(self) -> None:
        journal = self._journal
        assert journal is not None
        for key, delivery in list(self._deliveries.items()):
            if not delivery.is_loaded:
                try:
                    delivery.loaded(await journal.load(key))
                except FileFailed:
                    # Tried again later.
                    return
        changes: list[Change] = []
        for key, delivery in self._deliveries.items():
            changes += clearing(key, delivery.changes())
        changes += [self._state_change(key, state) for key, state in self._kept.items()]
        journal.begin_anew(changes)
        for delivery in list(self._deliveries.values()):
            delivery.begin()

    def _state_change(self, key: str, state: bytes) -> Change:
        return STATE, (key, self._now(), state)

    # The end.

    async def _stop(self, grace_seconds: float) -> None:
        idle = gatherResults([one.stop() for one in self._deliveries.values()])
        await _within(self._clock, idle, grace_seconds)
        for delivery in self._deliveries.values():
            delivery.break_off()
        if self._journal is not None and self._journal.has_failed:
            # The disk may have room again, and this is the last chance.
            last = ensureDeferred(self._written_anew())
            await _within(self._clock, last, CLOSE_SECONDS)
        await _within(self._clock, self._means.journal.close(), CLOSE_SECONDS)


def _counter(name: str, help: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"gateway_alarm_{name}", help, labels=("channel",))


def _within(clock: Clock, waiting: Deferred[Any], seconds: float) -> Deferred[None]:
    """Fire when another one does, but no later than that; the other one is left alone."""
    done: Deferred[None] = Deferred()

    def end(_: object = None) -> None:
        if not done.called:
            if call.active():
                call.cancel()
            done.callback(None)

    call = clock.callLater(seconds, end)
    waiting.addBoth(end)
    return done
