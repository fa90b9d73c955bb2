"""
What one channel is told, and when: a gate that counts what it does not let through yet.

Each event goes to the family of its type, or of its state, which knows what was told and what is counted. A gate has one call
of the clock for all of them, and none while nothing waits. What it lets out goes to C{give}, at once or, where there is no
limit and the channel takes many alarms together, with what else comes within L{TOGETHER_SECONDS}. What it has to remember over
a restart goes to C{keep}: together with what it lets out, so that nothing is told twice, and else once a second at the most.

No I/O happens here, and nothing of queues and channels is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Any, Final, TypeAlias

from twisted.logger import Logger

from gateway.alarms.family import EARLY, Family, Times
from gateway.alarms.hush import Hush
from gateway.alarms.kept import KeptFamily, read, written
from gateway.alarms.single import Singles
from gateway.alarms.states import States
from gateway.alarms.types import KnownTypes
from gateway.api.alarms import Alarm, ChannelRules
from gateway.api.events import Event, EventType, Notify, Severity
from gateway.api.services import Clock
from gateway.config.sections.notify import Notify as Settings

Give: TypeAlias = Callable[[tuple[Alarm, ...], bool], None]

#: The shortest digest, and the shortest time between two reminders.
LEAST_SECONDS = 1.0
#: States that are remembered for one channel.
MOST_STATES = 10_000
#: Names of events that are told apart; they come from code, so this is only a bound.
MOST_NAMES = 1_000
#: Seconds in which alarms without a limit share a notice.
TOGETHER_SECONDS = 0.25
#: Seconds between two times that what is remembered is written down; more if writing it takes long.
KEEP_SECONDS = 1.0
#: So much of the time may be spent on that.
_KEEP_SHARE = 0.02
#: How long what was remembered before is waited for, in seconds, and how many events are held meanwhile.
_RESTORE_SECONDS = 10.0
_MOST_EARLY = 1_000

_NOT_LOOKED: Final[Any] = object()


def _forget(kept: bytes) -> None:
    """Take what is remembered, for who keeps nothing."""


class Gate:
    """
    One channel's.

    @ivar key: the channel's name.
    @ivar below: severities that are not for it.
    @ivar times: how long limits, digests and repeats last.
    @ivar wants: tells whether an event is for it.
    @ivar types: what is known of events.
    """

    _log = Logger()

    def __init__(
        self,
        key: str,
        rules: ChannelRules,
        settings: Settings,
        clock: Clock,
        give: Give,
        *,
        types: KnownTypes | None = None,
        hush: Hush | None = None,
        keep: Callable[[bytes], None] = _forget,
        now: Callable[[], float] = time.time,
        prefix: str = "",
    ) -> None:
        """
        Begin; nothing is told before L{restore}.

        @param give: takes the alarms of one notice, and whether they are a digest.
        @param hush: knows when maintenance explains what happens.
        @param keep: takes what has to be remembered.
        @param now: wall-clock time, seconds since 1970.
        @param prefix: of the names of alarms; another one for each start of the gateway.
        """
        self.key = key
        self.types = KnownTypes() if types is None else types
        self._clock = clock
        self._give = give
        self._hush = Hush((), clock, now=now) if hush is None else hush
        self._keep = keep
        self._now = now
        self._prefix = prefix
        self._families: dict[str, Family] = {}
        self._routes: dict[str, Family | None] = {}
        self._early: list[tuple[Event, EventType | None, float, int]] | None = []
        self._lasting: list[tuple[Event, EventType | None, float, int]] = []
        self._timer: Any = None
        self._timer_at = inf
        self._digest_at = inf
        self._out: list[Alarm] = []
        self._out_at = -inf
        self._is_working = False
        self._is_changed = False
        self._keep_timer: Any = None
        self._keep_seconds = KEEP_SECONDS
        self._forgotten = 0
        self._is_closed = False
        self._rules = rules
        self._settings = settings
        self._read_rules()
        self._waiting: Any = clock.callLater(_RESTORE_SECONDS, self.restore, b"")

    # Events.

    def take(self, event: Event, kind: EventType | None, at: float, number: int) -> None:
        """
        Take an event.

        @param kind: its type; C{None}: nobody has described it.
        @param at: wall-clock time.
        @param number: of the event; another one for each.
        """
        if self._early is not None:
            self._take_early(event, kind, at, number)
            return
        family = self._routes.get(event.name, _NOT_LOOKED)
        if family is _NOT_LOOKED:
            family = self._route(event.name, kind)
        if family is not None:
            family.take(event, kind, at, number)

    def lasts(self, event: Event, kind: EventType | None, at: float, number: int) -> None:
        """
        Take the event of a state that began before this channel came; one that it remembers is not counted again.

        @param at: when it began, wall-clock time.
        """
        if self._early is not None:
            self._lasting.append((event, kind, at, number))
            return
        family = self._families.get(event.name)
        if isinstance(family, States):
            family.lasts(event, at, number)
        else:
            self.take(event, kind, at, number)

    def _take_early(self, event: Event, kind: EventType | None, at: float, number: int) -> None:
        assert self._early is not None
        self._early.append((event, kind, at, number))
        if len(self._early) >= _MOST_EARLY:
            self.restore(b"")

    def _route(self, name: str, kind: EventType | None) -> Family | None:
        """Find the family of events of a name, or that they are not for this channel however they look."""
        if len(self._routes) >= MOST_NAMES:
            return self._family("", is_state=False)
        state = self.types.state_of(name)
        found: Family | None = None
        # Whoever heard of a beginning hears of its end, though it would hear of no other beginning any more.
        if (state and state != name) or self.way(name, kind) is not Notify.NEVER:
            found = self._family(state or name, is_state=bool(state))
        self._routes[name] = found
        return found

    def _family(self, name: str, *, is_state: bool) -> Family:
        family = self._families.get(name)
        if family is None:
            kind = self.types.get(name)
            family = States(self, name, kind) if is_state else Singles(self, name, kind)
            self._families[name] = family
        return family

    # What others decide.

    def follow(self, rules: ChannelRules, settings: Settings) -> None:
        """Do as other rules and settings say; what is counted stays."""
        if rules == self._rules and settings == self._settings:
            return
        self._rules = rules
        self._settings = settings
        self._read_rules()
        for family in self._families.values():
            family.follow()
        self._work()

    def learn(self) -> None:
        """Look anew at what is known of events."""
        self._routes.clear()
        for name, family in list(self._families.items()):
            family.kind = self.types.get(name)
            if isinstance(family, Singles) and self.types.state_of(name):
                # Nobody had described it yet: what is counted is told as what it was taken for.
                del self._families[name]
                for alarm in family.empty():
                    self.out(alarm)
            else:
                family.follow()
        self._work()

    def unhush(self) -> None:
        """Maintenance is over."""
        for family in self._families.values():
            family.unhush()
        self.changed()
        self._work()

    def set_back(self) -> None:
        """The clock of limits was set back, as that of a stock reactor may be: let nothing wait longer for that."""
        now = self._clock.seconds()
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, inf
        if self._keep_timer is not None:
            self._keep_timer.cancel()
            self._keep_timer, self._is_changed = None, False
            self.changed()
        if self._digest_at < inf:
            self._digest_at = min(self._digest_at, now + self.times.digest)
        for family in self._families.values():
            family.set_back(now)
        self._work()

    def _read_rules(self) -> None:
        rules, settings = self._rules, self._settings
        self.below = tuple(one for one in Severity if one.rank < rules.least.rank)
        self.wants = rules.wants
        limit = settings.limit if rules.limit_seconds is None else rules.limit_seconds
        digest = settings.digest if rules.digest_seconds is None else rules.digest_seconds
        # What waits may wait for another time, so these are never no time at all.
        repeat = max(settings.repeat, LEAST_SECONDS) if settings.repeat else 0.0
        self.times = Times(limit, max(digest, limit, LEAST_SECONDS), repeat)
        self._is_shared = not limit and rules.most_together > 1
        self._routes.clear()

    # For families.

    def seconds(self) -> float:
        """Give the time by which limits are measured."""
        return self._clock.seconds()

    def wall(self) -> float:
        """Give the wall-clock time."""
        return self._now()

    def id(self, number: int) -> str:
        """Make the name of an alarm of the number of its first event."""
        return f"{self._prefix}-{number:x}"

    def said(self, name: str) -> Notify | None:
        """Say how events are told, if the settings name them."""
        found = self._rules.notify.get(name)
        if found is None and name in self._settings.events:
            found = Notify(self._settings.events[name])
        return found

    def way(self, name: str, kind: EventType | None) -> Notify:
        """Say how events are told."""
        rules = self._rules
        found = rules.notify.get(name)
        if found is not None:
            return found
        found = self.said(name) or (Notify.DIGEST if kind is None else kind.notify)
        return found if rules.default is None or found is Notify.NEVER else rules.default

    def is_hushed(self, kind: EventType | None) -> bool:
        """Tell whether an event of a type is kept back now."""
        return self._hush.is_set and self._hush.holds(kind)

    def count_hushed(self, count: int) -> None:
        """Take note of events that nobody is told of, for they were kept back."""
        self._hush.kept_back += count

    def changed(self) -> None:
        """Take note that there is something new to be remembered."""
        if self._is_changed:
            return
        self._is_changed = True
        if self._keep_timer is None and not self._is_closed:
            self._keep_timer = self._clock.callLater(self._keep_seconds, self._keep_now)

    def arm(self, at: float) -> None:
        """Look after what waits at a time, or before."""
        if at == inf or self._is_closed:
            return
        now = self._clock.seconds()
        if self._timer is None or at < self._timer_at - EARLY:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = self._clock.callLater(max(0.0, at - now), self._due)

    def gather(self) -> None:
        """Have what is in the slow lane told at the end of the period under way, which begins now if none is."""
        now = self._clock.seconds()
        if self._digest_at == inf:
            self._digest_at = now + self.times.digest
        self.arm(self._digest_at)

    def out(self, alarm: Alarm) -> None:
        """Tell this."""
        if not self._is_shared:
            self._is_changed = True
            self._give((alarm,), False)
            return
        self._out.append(alarm)
        if len(self._out) >= self._rules.most_together:
            self._send_out()

    def finish(self) -> None:
        """Something was let out in answer to an event: what is remembered is written down with it."""
        if self._out:
            now = self._clock.seconds()
            due = self._out_at + TOGETHER_SECONDS
            if not now < due <= now + TOGETHER_SECONDS:
                self._send_out()
            else:
                self.arm(due)
                self.changed()
        if self._is_changed and not self._is_working and not self._out:
            if self._keep_seconds > KEEP_SECONDS:
                # So much that to write it each time would take all of the time.
                self._is_changed = False
                self.changed()
            else:
                self._keep_now()

    def has_room(self) -> bool:
        """Tell whether one more state can be remembered."""
        return sum(map(len, self._states())) < MOST_STATES

    def make_room(self) -> None:
        """Forget one of the states, an old one of the most frequent kind."""
        self._forgotten += 1
        if self._forgotten & (self._forgotten - 1) == 0:
            self._log.warn(
                "{key}: more than {most} states last at a time: {count} old ones were forgotten so far",
                key=self.key,
                most=MOST_STATES,
                count=self._forgotten,
            )
        max(self._states(), key=len).drop_oldest()

    def _states(self) -> list[States]:
        return [family for family in self._families.values() if isinstance(family, States)]

    # Time goes by.

    def _due(self) -> None:
        self._timer = None
        self._timer_at = inf
        self._work()

    def _work(self) -> None:
        """Let out all that may be, and look when there will be more."""
        if self._early is not None or self._is_closed:
            return
        now = self._clock.seconds()
        self._is_working = True
        try:
            if self._digest_at <= now + EARLY:
                self._digest(now)
            due = min((family.flush(now) for family in list(self._families.values())), default=inf)
        finally:
            self._is_working = False
        self.finish()
        self.arm(min(due, self._digest_at))

    def _digest(self, now: float) -> None:
        found: list[Alarm] = []
        self._digest_at = inf
        is_more = False
        for family in list(self._families.values()):
            alarms, waits = family.digest(now)
            found += alarms
            is_more = is_more or waits
        if is_more:
            self._digest_at = now + self.times.digest
        if found:
            self._is_changed = True
            self._give(tuple(sorted(found, key=lambda alarm: alarm.first)), True)

    def _send_out(self) -> None:
        alarms, self._out = self._out, []
        self._out_at = self._clock.seconds()
        self._is_changed = True
        self._give(tuple(alarms), False)

    # What is remembered.

    def restore(self, kept: bytes) -> None:
        """
        Go on with what was remembered, and begin to tell; more than once is harmless.

        @param kept: what was given to C{keep} last; empty: nothing.
        """
        early, self._early = self._early, None
        if early is None:
            if kept:
                self._log.warn("{key}: what was remembered of it comes too late", key=self.key)
            return
        if self._waiting.active():
            self._waiting.cancel()
        try:
            self._restore(kept)
        except Exception as error:
            # Of whatever kind: it is a file that was written by something else.
            self._families.clear()
            self._log.warn(
                "{key}: what was remembered of it can't be read: {why}", key=self.key, why=error
            )
        if not self._hush.is_quiet():
            # Maintenance may have ended while nobody was there to see it.
            for family in self._families.values():
                family.unhush()
        lasting, self._lasting = self._lasting, []
        for event in lasting:
            self.lasts(*event)
        for event in early:
            self.take(*event)
        self._work()

    def _restore(self, kept: bytes) -> None:
        found = read(kept)
        if found is None:
            return
        now = self._clock.seconds()
        # A clock that was set back, or far ahead, makes things wait no longer than they would have.
        ago = max(0.0, self._now() - found.written)
        for one in found.families:
            if one.is_state == bool(self.types.state_of(one.name)):
                self._family(one.name, is_state=one.is_state).restore(one, now, ago)
        if found.digest_in >= 0:
            left = max(0.0, min(found.digest_in - ago, self.times.digest))
            self._digest_at = now + left
            self.arm(self._digest_at)
        if found.quiet_until:
            self._hush.restore(found.quiet_until)

    def kept(self) -> bytes:
        """Give what has to be remembered."""
        now = self._clock.seconds()
        families: list[KeptFamily] = []
        for family in self._families.values():
            one = family.kept(now)
            if one is not None:
                families.append(one)
        return written(
            families,
            at=self._now(),
            digest_in=-1.0 if self._digest_at == inf else max(0.0, self._digest_at - now),
            quiet_until=self._hush.ordered_until or 0.0,
        )

    def _keep_now(self) -> None:
        if self._keep_timer is not None and self._keep_timer.active():
            self._keep_timer.cancel()
        self._keep_timer = None
        self._is_changed = False
        begun = time.perf_counter()
        try:
            kept = self.kept()
        except Exception:
            # What can't be written is told all the same, and keeps nothing else from being told.
            self._log.failure("{key}: what is counted can't be kept", key=self.key)
            return
        self._keep_seconds = max(KEEP_SECONDS, (time.perf_counter() - begun) / _KEEP_SHARE)
        self._keep(kept)

    # The end.

    def close(self, *, empty: bool = False) -> None:
        """
        End; what is counted is kept.

        @param empty: nothing outlives the process: tell all now, as one digest.
        """
        if self._is_closed:
            return
        # What was kept was not given back yet and must stay as it is: so what came meanwhile is told.
        is_unread = self._early is not None
        if is_unread:
            self._keep = _forget
        self.restore(b"")
        if self._out:
            self._send_out()
        if empty or is_unread:
            found = [alarm for family in self._families.values() for alarm in family.empty()]
            if found:
                self._give(tuple(sorted(found, key=lambda alarm: alarm.first)), True)
        self._is_closed = True
        for timer in (self._timer, self._keep_timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._keep_timer = None
        self._keep_now()
