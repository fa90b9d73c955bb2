"""
States of one kind, such as origins that are down: their edges are told, what lasts is told again, and the end once.

For each subject there is what the receiver knows and what is true; what differs is told as soon as it may be. So a state that
comes and goes within the limit is told at its end as what it then is, with the count of all that happened meanwhile.

What was down when a former process ended is raised anew by this one if it is so still. What is not for as long as until a
reminder is told as over: nobody else would ever say so, for whoever tells of an end has seen the beginning.

Of one type, and so of all subjects together, no more than one alarm is told within the limit. A beginning waits for other
beginnings alone, an end for both: else what flaps would be told twice in that time.
"""

from __future__ import annotations

from math import inf

from gateway.alarms.family import EARLY, FAST, SLOW, Passage, Spell
from gateway.alarms.kept import KeptEvent, KeptFamily, KeptTally
from gateway.alarms.reminders import Reminders
from gateway.alarms.state import State, down_alarm, last_end, over_alarm
from gateway.alarms.tally import Tally
from gateway.api.alarms import Alarm
from gateway.api.events import Event, EventType, Notify

#: How long what goes back to before a restart is waited for, where there are no reminders; seconds.
UNSEEN_SECONDS = 1800.0

_UNSEEN = (
    "not seen any more since the gateway was started anew; if it is so still it will be told again"
)


class States:
    """The states of one kind; see L{Family<gateway.alarms.family.Family>}."""

    __slots__ = (
        "_fast",
        "_gate",
        "_limit",
        "_over_limit",
        "_reminders",
        "_rest",
        "_slow",
        "_states",
        "_unseen_at",
        "_way",
        "kind",
        "name",
    )

    def __init__(self, gate: Passage, name: str, kind: EventType | None) -> None:
        """
        Begin with none.

        @param name: of the beginning.
        """
        self.name = name
        self.kind = kind
        self._gate = gate
        self._way = gate.way(name, kind)
        self._states: dict[str, State] = {}
        self._fast: dict[str, State] = {}
        self._slow: dict[str, State] = {}
        self._reminders = Reminders(gate.times.repeat)
        self._limit = Spell()
        self._over_limit = Spell()
        # When those that are unsure are over.
        self._unseen_at = inf
        # What was counted of states that are not remembered any more.
        self._rest: Tally | None = None

    def __len__(self) -> int:
        """Count the states that are remembered."""
        return len(self._states)

    # Events.

    def take(self, event: Event, kind: EventType | None, at: float, number: int) -> None:
        """Take a beginning or an end."""
        if event.subject == self._gate.key:
            # That a channel is down is nothing to be told by that channel.
            return
        if event.name == self.name:
            self._begins(event, at, number)
        else:
            self._ends(event, kind, at, number)

    def lasts(self, event: Event, at: float, number: int) -> None:
        """Take what began before this channel came, or came back: a beginning, if it knows nothing of it."""
        state = self._states.get(event.subject)
        if state is None or not state.is_down:
            self.take(event, self.kind, at, number)
        else:
            self._confirm(state)
            self._gate.changed()

    def _begins(self, event: Event, at: float, number: int) -> None:
        gate = self._gate
        if event.severity in gate.below or not gate.wants(event):
            return
        is_hushed = gate.is_hushed(self.kind)
        state = self._states.get(event.subject)
        if state is None:
            if not gate.has_room():
                gate.make_room()
            state = State(event.subject, event, at, gate.id(number))
            self._states[event.subject] = state
        state.add(at, gate.id(number), is_hushed=is_hushed)
        is_news = not state.is_down or event.severity.rank > state.rank or not gate.times.limit
        if not state.is_down and not state.is_told:
            state.since = at
        state.is_down = True
        state.event = event
        state.rank = max(state.rank, event.severity.rank)
        self._confirm(state)
        gate.changed()
        if is_news and not is_hushed:
            self._put(state)

    def _confirm(self, state: State) -> None:
        """It lasts: what goes back to before a restart is told again in its time."""
        state.is_unsure = False
        if state.is_told and state.repeat_at == inf:
            gate = self._gate
            self._reminders.begin(state, gate.seconds())
            gate.arm(state.repeat_at)

    def _ends(self, event: Event, kind: EventType | None, at: float, number: int) -> None:
        gate = self._gate
        state = self._states.get(event.subject)
        if state is None or not state.is_down:
            # Who has not heard of the beginning does not hear of the end.
            return
        state.is_down = False
        if not gate.wants(event) or gate.said(event.name) is Notify.NEVER:
            self._forget(state)
            return
        is_hushed = gate.is_hushed(self.kind)
        state.add(at, gate.id(number), is_hushed=is_hushed)
        state.over = event
        gate.changed()
        if not is_hushed:
            self._put(state)

    def _put(self, state: State) -> None:
        """Have it told, in the lane that it belongs into."""
        gate = self._gate
        now = gate.seconds()
        self._into_lane(state, now)
        if state.lane is SLOW:
            gate.gather()
            return
        due = self._due_of(now, is_down=state.is_down)
        if due <= now:
            due = self.flush(now)
            gate.finish()
        gate.arm(due)

    def _into_lane(self, state: State, now: float) -> None:
        if state.lane is not None:
            return
        is_recent = state.is_told and now - state.told_at < self._gate.times.digest - EARLY
        if self._way is Notify.DIGEST or (self._way is Notify.FIRST and is_recent):
            state.lane = SLOW
            self._slow[state.subject] = state
        else:
            state.lane = FAST
            self._fast[state.subject] = state

    # Telling.

    def flush(self, now: float) -> float:
        """Tell what can be told in the fast lane; give the time at which there will be more."""
        gate = self._gate
        if gate.is_hushed(self.kind):
            return inf
        self._remind(now)
        self._end_unseen(now)
        if (self._fast or self._rest is not None) and self._limit.is_over(now):
            for alarm in self._told(*self._taken(self._fast, now), now):
                gate.out(alarm)
        return min(self._due(now), self._reminders.first, self._unseen_at)

    def digest(self, now: float) -> tuple[list[Alarm], bool]:
        """Give what was gathered."""
        gate = self._gate
        if not self._slow:
            return [], False
        if gate.is_hushed(self.kind) or not self._limit.is_over(now):
            return [], True
        return self._told(*self._taken(self._slow, now), now), bool(self._slow)

    def _taken(self, lane: dict[str, State], now: float) -> tuple[list[State], list[State]]:
        """Take out of a lane what began, and what is over if that may be told."""
        down = [state for state in lane.values() if state.is_down]
        over: list[State] = []
        if self._over_limit.is_over(now):
            over = [state for state in lane.values() if not state.is_down]
        for state in (*down, *over):
            del lane[state.subject]
        return down, over

    def empty(self) -> list[Alarm]:
        """Give all that is not told yet."""
        waiting = [state for state in self._states.values() if state.lane or state.count]
        self._fast.clear()
        self._slow.clear()
        now = self._gate.seconds()
        return self._told(
            [state for state in waiting if state.is_down],
            [state for state in waiting if not state.is_down],
            now,
        )

    def _due(self, now: float) -> float:
        """Say when there is something to be told in the fast lane."""
        if self._rest is not None or any(state.is_down for state in self._fast.values()):
            return self._due_of(now, is_down=True)
        return self._due_of(now, is_down=False) if self._fast else inf

    def _due_of(self, now: float, *, is_down: bool) -> float:
        """Say when a beginning, or an end, can be told."""
        due = self._limit.end(now)
        return due if is_down else max(due, self._over_limit.end(now))

    def _remind(self, now: float) -> None:
        """Find states that have lasted for so long that they are told again."""
        for state in self._reminders.due(now):
            state.is_due = True
            self._into_lane(state, now)
            if state.lane is SLOW:
                self._gate.gather()

    def _end_unseen(self, now: float) -> None:
        """Let be over what was not raised again since the restart."""
        if self._unseen_at > now + EARLY:
            return
        self._unseen_at = inf
        gate = self._gate
        kind = gate.types.end_of(self.name)
        for state in list(self._states.values()):
            if not (state.is_unsure and state.is_down) or kind is None:
                continue
            state.is_unsure = state.is_down = False
            over = kind(_UNSEEN, state.subject)
            if not gate.wants(over) or gate.said(over.name) is Notify.NEVER:
                self._forget(state)
                continue
            state.add(gate.wall(), f"{state.begun}-end", is_hushed=False)
            state.over = over
            gate.changed()
            self._into_lane(state, now)
        if self._slow:
            gate.gather()

    def _told(self, down: list[State], over: list[State], now: float) -> list[Alarm]:
        """Say what is true of these, and take note that the receiver knows."""
        limit = self._gate.times.limit
        alarms = []
        if down or self._rest is not None:
            alarms.append(down_alarm(down, self._rest, self.kind))
            self._rest = None
            self._limit.begin(now, limit)
            for state in down:
                self._know(state, now)
        if over:
            end = last_end(over)
            alarms.append(over_alarm(over, self._gate.types.get(end.name), end))
            self._over_limit.begin(now, limit)
            for state in over:
                state.lane = None
                state.repeat_at = inf
                del self._states[state.subject]
        return alarms

    def _know(self, state: State, now: float) -> None:
        """The receiver knows that it is down."""
        if not state.is_told:
            state.is_told = True
            state.begun = state.id
            state.repeats = 0
            self._reminders.begin(state, now)
            self._reminders.sweep(2 * len(self._states) + 64)
        elif state.is_due:
            self._reminders.go_on(state, now)
        state.lane = None
        state.told_at = now
        state.is_due = False
        state.count = 0

    # Forgetting.

    def drop_oldest(self) -> None:
        """Forget the state that began to be remembered first; what was counted of it is not lost."""
        self._forget(next(iter(self._states.values())))

    def _forget(self, state: State) -> None:
        del self._states[state.subject]
        self._fast.pop(state.subject, None)
        self._slow.pop(state.subject, None)
        state.repeat_at = inf
        self._gate.changed()
        if not state.count:
            return
        if self._rest is None:
            self._rest = Tally(state.id, state.event, state.first)
            self._rest.count = 0
        rest = self._rest
        rest.count += state.count
        rest.first, rest.last = min(rest.first, state.first), max(rest.last, state.last)
        state.count = 0
        self._gate.arm(self._due(self._gate.seconds()))

    # The configuration, maintenance, and another start.

    def follow(self) -> None:
        """Look anew how it is told; what waits is told in the lane where it would wait now."""
        gate = self._gate
        self._way = gate.way(self.name, self.kind)
        now = gate.seconds()
        waiting = [*self._fast.values(), *self._slow.values()]
        self._fast.clear()
        self._slow.clear()
        for state in waiting:
            state.lane = None
            self._into_lane(state, now)
        if self._slow:
            gate.gather()
        if gate.times.repeat != self._reminders.every:
            self._reminders.every = gate.times.repeat
            self._reminders.begin_anew(self._states.values(), now)

    def set_back(self, now: float) -> None:
        """Take what was told after this time as told now, and let nothing last longer for that."""
        self._limit.set_back(now)
        self._over_limit.set_back(now)
        if self._unseen_at < inf:
            self._unseen_at = min(self._unseen_at, now + self._patience)
        for state in self._states.values():
            state.told_at = min(state.told_at, now)
        self._reminders.begin_anew(self._states.values(), now)

    def unhush(self) -> None:
        """Find what is true now and not known to the receiver."""
        gate = self._gate
        now = gate.seconds()
        for state in list(self._states.values()):
            if not state.hushed:
                continue
            hushed, state.hushed = state.hushed, 0
            is_unseen = state.is_unsure and self._unseen_at <= now + EARLY
            if not ((state.is_down and not is_unseen) or state.is_told or state.count):
                # It came and went.
                gate.count_hushed(hushed)
                self._forget(state)
                continue
            state.count += hushed
            if state.is_down != state.is_told or not state.is_down:
                self._into_lane(state, now)
        if self._slow:
            gate.gather()

    def kept(self, now: float) -> KeptFamily | None:
        """Give what has to be remembered."""
        limit_in = self._limit.left(now)
        over_in = self._over_limit.left(now)
        if not self._states and not limit_in and not over_in and self._rest is None:
            return None
        rest = self._rest
        return KeptFamily(
            self.name,
            is_state=True,
            limit_in=limit_in,
            over_in=over_in,
            tally=None
            if rest is None
            else KeptTally(rest.id, KeptEvent.of(rest.event), rest.count, rest.first, rest.last),
            states=[state.kept() for state in self._states.values()],
        )

    def restore(self, kept: KeptFamily, now: float, ago: float) -> None:
        """
        Go on with what was remembered.

        Whether a state still lasts is not known before it is raised anew: until then it is not told again, but its end is.
        """
        gate = self._gate
        limit = gate.times.limit
        self._limit.begin(now, min(kept.limit_in - ago, limit))
        self._over_limit.begin(now, min(kept.over_in - ago, limit))
        if kept.tally is not None:
            rest = Tally(kept.tally.id, kept.tally.event.event(), kept.tally.first)
            rest.count, rest.last = kept.tally.count, kept.tally.last
            self._rest = rest
        for one in kept.states:
            state = State.restored(one)
            self._states[state.subject] = state
            if one.lane and (one.count or not one.is_told):
                state.lane = SLOW if one.lane == SLOW and self._way is not Notify.ALWAYS else FAST
                (self._slow if state.lane is SLOW else self._fast)[state.subject] = state
        if any(state.is_unsure for state in self._states.values()):
            self._unseen_at = now + self._patience
        if self._slow:
            gate.gather()
        gate.arm(min(self._due(now), self._unseen_at))

    @property
    def _patience(self) -> float:
        return self._reminders.every or UNSEEN_SECONDS
