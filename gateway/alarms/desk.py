"""
The desk that events come to: each goes to the gate of every channel, and what a gate lets out goes into that channel's queue.

A channel is named C{plugin/receiver}. Its gate outlives the plugin's object: in a reload the object that follows finds
what was gathered for the one before it, and one that did not start gives it back. What gates remember is kept by the
queue, so that a restart loses no count.

Everything here happens in the reactor's thread and is short; without a channel no timer runs and no file is opened, and an
event that is of no state costs two comparisons. It delivers nothing itself.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from twisted.internet.defer import Deferred, TimeoutError, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.alarms.channels import PluginAlarms, PluginChannel, Queue, Queued
from gateway.alarms.fitted import fitted
from gateway.alarms.gate import Gate
from gateway.alarms.hush import Hush
from gateway.alarms.lasting import OpenState, OpenStates
from gateway.alarms.types import KnownTypes
from gateway.api.alarms import Alarm, AlarmState, Notice
from gateway.api.events import Event, EventType
from gateway.api.services import Clock
from gateway.config.sections.notify import Notify

#: How long a test of channels may take, in seconds.
TEST_SECONDS = 30.0
#: How long the end waits for what is sent at the last moment, in seconds.
_GRACE_SECONDS = 2.0


class AlarmDesk:
    """
    Where all events come by.

    @ivar node: the name of this machine.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        settings: Notify,
        *,
        node: str,
        queue: Queue,
        now: Callable[[], float] = time.time,
        survives: bool = False,
    ) -> None:
        """
        Begin without channels.

        @param now: wall-clock time, seconds since 1970.
        @param survives: whether what the queue keeps outlives the process; if not, what is gathered is sent at the end.
        """
        self.node = node
        self._clock = clock
        self._settings = settings
        self._queue = queue
        self._now = now
        self._survives = survives
        self._types = KnownTypes()
        self._edges = self._types.begins
        self._states = OpenStates(self._edges, now)
        self._hush = Hush(settings.maintenance, clock, now=now, ended=self._unhush)
        self._prefix = secrets.token_hex(4)
        self._count = 0
        self._open: dict[str, _Opened] = {}
        # What C{take} goes through; a tuple, so that a gate may be opened or closed meanwhile.
        self._gates: tuple[Gate, ...] = ()
        self._is_stopped = False
        self._seconds = 0.0

    # Events.

    def take(self, event: Event) -> None:
        """Give an event to all channels that it is for."""
        gates = self._gates
        is_edge = event.name in self._edges
        if not gates and not is_edge:
            return
        event = fitted(event)
        if is_edge:
            self._states.take(event)
        if not gates:
            return
        # What is told may be answered by another event before the next gate is asked.
        number = self._count = self._count + 1
        seconds = self._clock.seconds()
        if seconds < self._seconds:
            for gate in gates:
                try:
                    gate.set_back()
                except Exception:
                    self._log.failure("{key}: the clock was set back", key=gate.key)
        self._seconds = seconds
        at = self._now()
        kind = self._types.get(event.name)
        for gate in gates:
            try:
                gate.take(event, kind, at, number)
            except Exception:
                # What a plugin says of its channel is asked in there, and one channel's fault keeps no other from hearing.
                self._log.failure("{key}: {name} was not taken", key=gate.key, name=event.name)

    def know(self, types: Iterable[EventType]) -> None:
        """Learn of types of events of third parties."""
        if self._types.learn(types):
            for gate in self._gates:
                gate.learn()

    def kind(self, name: str) -> EventType | None:
        """Give what is known of events of a name."""
        return self._types.get(name)

    def states(self) -> list[OpenState]:
        """Give the states that last, the oldest first, whoever is told of them."""
        return self._states.all()

    # Maintenance.

    def quiet(self, seconds: float | None) -> None:
        """
        Tell of nothing but security for so long from now on; C{None}: no longer, but for the windows of the configuration.
        """
        self._hush.order(seconds)
        for gate in self._gates:
            gate.changed()

    @property
    def quiet_until(self) -> float | None:
        """Until when it is quiet, in seconds since 1970; C{None}: it is not."""
        return self._hush.until

    def _unhush(self) -> None:
        for gate in self._gates:
            gate.unhush()

    # Channels.

    def of(self, plugin: str) -> PluginAlarms:
        """Make the service of one plugin object; nothing of it is open before L{PluginAlarms.begin}."""
        return PluginAlarms(self, plugin)

    def channels(self) -> Mapping[str, int]:
        """Give the channels that are open, with how many notices wait in each."""
        counts = self._queue.counts()
        return {key: counts.get(key, 0) for key in self._open}

    def follow(self, settings: Notify) -> None:
        """Do as another configuration says; what was gathered stays."""
        self._settings = settings
        self._hush.follow(settings.maintenance)
        for opened in self._open.values():
            opened.gate.follow(opened.owners[-1].rules, settings)

    def test(self, event: Event, plugins: Collection[str] = ()) -> Deferred[dict[str, str]]:
        """
        Deliver one alarm past all rules, to try the channels.

        @param plugins: whose channels; none named: all of them.
        @return: fires with why it did not arrive, or an empty text, for each channel; after L{TEST_SECONDS} at the latest.
        """
        keys = [key for key in self._open if not plugins or key.partition("/")[0] in plugins]
        at = self._now()
        alarm = Alarm(
            f"{self._prefix}-test-{secrets.token_hex(4)}",
            event,
            self._types.get(event.name),
            AlarmState.SINGLE,
            1,
            at,
            at,
            {event.subject: 1} if event.subject else {},
            is_test=True,
        )
        notice = Notice(alarm.id, (alarm,), False, 1, self.node, at, at)
        done: Deferred[list[str]] = gatherResults([self._tried(key, notice) for key in keys])
        return done.addCallback(lambda answers: dict(zip(keys, answers, strict=True)))

    def _tried(self, key: str, notice: Notice) -> Deferred[str]:
        def failed(failure: Failure) -> str:
            if failure.check(TimeoutError):
                return f"no answer within {TEST_SECONDS:g} s"
            self._log.failure("{key} was not tried", failure, key=key)
            return "it could not be tried; the log says why"

        trying = self._queue.test(key, notice)
        return trying.addTimeout(TEST_SECONDS, self._clock).addErrback(failed)  # type: ignore[arg-type]

    def stop(self) -> Deferred[None]:
        """
        End: what is gathered is kept for the next start, and nothing more is sent after a short while.

        To be called before the plugins are stopped. What is taken later is told to nobody.
        """
        self._is_stopped = True
        self._hush.stop()
        gates, self._gates = self._gates, ()
        for gate in gates:
            gate.close(empty=not self._survives)
        return self._queue.stop(_GRACE_SECONDS)

    # For PluginAlarms.

    def open(self, channel: PluginChannel) -> Queued:
        """Open a channel, or let it take over the one of the same name."""
        key = channel.key
        opened = self._open.get(key)
        if opened is not None:
            # First, so that what other rules let out goes to who made them.
            queued = self._queue.channel(key, channel.deliver, channel.rules.timeout_seconds)
            opened.owners.append(channel)
            opened.gate.follow(channel.rules, self._settings)
            return queued

        def give(alarms: tuple[Alarm, ...], is_digest: bool) -> None:
            self._give(key, alarms, is_digest)

        gate = Gate(
            key,
            channel.rules,
            self._settings,
            self._clock,
            give,
            types=self._types,
            hush=self._hush,
            keep=lambda state: self._queue.keep(key, state),
            now=self._now,
            prefix=self._prefix,
        )
        opened = self._open[key] = _Opened(gate)
        opened.owners.append(channel)
        if not self._is_stopped:
            self._gates = (*self._gates, gate)
            self._tell_open(gate)
        return self._queue.channel(
            key, channel.deliver, channel.rules.timeout_seconds, kept=gate.restore
        )

    def _tell_open(self, gate: Gate) -> None:
        """Tell a channel that comes while the gateway runs of what lasts."""
        for state in self._states.all():
            number = self._count = self._count + 1
            gate.lasts(state.event, self._types.get(state.name), state.since, number)

    def close(self, channel: PluginChannel) -> None:
        """Close a channel; the one that it took over, if that is still there, goes on."""
        opened = self._open[channel.key]
        opened.owners.remove(channel)
        if opened.owners:
            opened.gate.follow(opened.owners[-1].rules, self._settings)
            return
        # What it may give at its end is given in its name.
        opened.owners.append(channel)
        opened.gate.close()
        del self._open[channel.key]
        self._gates = tuple(gate for gate in self._gates if gate is not opened.gate)
        if not self._gates:
            self._hush.stop()

    def _give(self, key: str, alarms: tuple[Alarm, ...], is_digest: bool) -> None:
        most = max(1, self._open[key].owners[-1].rules.most_together)
        until = self._now()
        for begin in range(0, len(alarms), most):
            some = alarms[begin : begin + most]
            since = min(alarm.first for alarm in some)
            self._queue.put(
                key,
                Notice(some[0].id, some, is_digest, 1, self.node, min(since, until), until),
            )


class _Opened:
    """A channel that is open: its gate, and the plugin objects that own it, the last one being the one in use."""

    __slots__ = ("gate", "owners")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.owners: list[PluginChannel] = []
