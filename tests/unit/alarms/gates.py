"""A gate under test: what it is told of, what it lets out, and its restarts."""

from __future__ import annotations

from dataclasses import dataclass, field

from twisted.internet.task import Clock

from gateway.alarms.gate import Gate
from gateway.alarms.hush import Hush
from gateway.alarms.types import KnownTypes
from gateway.api.alarms import Alarm, AlarmState, ChannelRules
from gateway.api.events import Event, EventGroup, EventType, Notify, Severity
from gateway.config.sections.notify import Notify as Settings
from gateway.config.windows import window

BEGIN = 1e9


def kind(
    name: str,
    notify: Notify = Notify.ALWAYS,
    *,
    ends: str = "",
    group: EventGroup = EventGroup.SERVICE,
    severity: Severity = Severity.WARNING,
) -> EventType:
    """Make a type."""
    return EventType(
        name=name,
        severity=severity,
        group=group,
        title=name,
        when="Now.",
        act="Nothing.",
        ends=ends,
        notify=notify,
    )


VIRUS = kind("virus", Notify.FIRST, group=EventGroup.SECURITY, severity=Severity.ERROR)
PING = kind("ping")
PONG = kind("pong", Notify.DIGEST)
DOWN = kind("down")
UP = kind("up", ends="down", severity=Severity.INFO)
GONE = kind("gone", Notify.FIRST)
BACK = kind("back", Notify.FIRST, ends="gone", severity=Severity.INFO)
LOST = kind("lost", Notify.DIGEST)
FOUND = kind("found", Notify.DIGEST, ends="lost", severity=Severity.INFO)
TYPES = (VIRUS, PING, PONG, DOWN, UP, GONE, BACK, LOST, FOUND)


@dataclass
class Told:
    """
    One alarm as it was let out.

    @ivar at: by the clock.
    """

    at: float
    alarm: Alarm
    is_digest: bool

    @property
    def text(self) -> str:
        """Say it in short: C{down begun 3 a,b}."""
        state = self.alarm.state
        shown = "" if state is AlarmState.SINGLE else f" {state.value}"
        about = ",".join(sorted(self.alarm.subjects))
        return f"{self.alarm.event.name}{shown} {self.alarm.count} {about}".rstrip()


@dataclass
class Bench:
    """
    A gate, its clock, and what came out.

    @ivar told: each alarm.
    @ivar notices: how many alarms came out at a time.
    @ivar kept: what it remembers.
    """

    rules: ChannelRules = field(default_factory=ChannelRules)
    settings: Settings = field(default_factory=Settings)
    key: str = "mail/ops"

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.told: list[Told] = []
        self.notices: list[int] = []
        self.kept = b""
        self.offset = BEGIN
        self.number = 0
        self.kept_back_before = 0
        self.starts = 0
        self.types = KnownTypes(TYPES)
        self.begin()

    def now(self) -> float:
        """What the clock on the wall shows."""
        return self.offset + self.clock.seconds()

    def begin(self) -> None:
        """Start."""
        self.starts += 1
        self.hush = Hush(
            self.settings.maintenance,
            self.clock,
            now=self.now,
            ended=lambda: self.gate.unhush(),
        )
        self.gate = Gate(
            self.key,
            self.rules,
            self.settings,
            self.clock,
            self.give,
            types=self.types,
            hush=self.hush,
            keep=self.keep,
            now=self.now,
            prefix=f"{self.starts}",
        )
        self.gate.restore(self.kept)

    def bare(self) -> Gate:
        """Make another gate that does not know yet what was remembered."""
        return Gate(
            self.key,
            self.rules,
            self.settings,
            self.clock,
            self.give,
            types=self.types,
            keep=self.keep,
            now=self.now,
        )

    def give(self, alarms: tuple[Alarm, ...], is_digest: bool) -> None:
        """Take what comes out."""
        self.notices.append(len(alarms))
        self.told += [Told(self.clock.seconds(), alarm, is_digest) for alarm in alarms]

    def keep(self, kept: bytes) -> None:
        """Take what is remembered."""
        self.kept = kept

    def take(self, type: EventType, subject: str = "", severity: Severity | None = None) -> Event:
        """Let an event happen."""
        event = type(f"{type.name} of {subject}", subject, severity)
        self.number += 1
        self.gate.take(event, self.types.get(event.name), self.now(), self.number)
        return event

    def advance(self, seconds: float) -> None:
        """Let time go by, each call at its own moment."""
        until = self.clock.seconds() + seconds
        at, calls = -1.0, 0
        while self.clock.calls and self.clock.calls[0].getTime() <= until:
            at, calls = self.clock.seconds(), calls + 1 if at == self.clock.seconds() else 0
            if calls > 100:
                raise AssertionError(f"time stands still at {at}")
            call = self.clock.calls.pop(0)
            self.clock.rightNow = max(self.clock.rightNow, call.getTime())
            call.called = 1
            call.func(*call.args, **call.kw)
        self.clock.rightNow = max(until, self.clock.rightNow)

    def stop(self, *, empty: bool = False) -> None:
        """Stop."""
        self.kept_back_before = self.kept_back
        self.hush.stop()
        self.hush.kept_back = 0
        self.gate.close(empty=empty)

    def restart(self) -> None:
        """Stop, and start again."""
        self.stop()
        self.begin()

    def crash(self) -> None:
        """Start again after an end that nobody saw coming."""
        self.kept_back_before = self.kept_back
        for call in list(self.clock.calls):
            call.cancel()
        self.begin()

    @property
    def kept_back(self) -> int:
        """How many events nobody will be told of, for there was maintenance."""
        return self.kept_back_before + self.hush.kept_back

    @property
    def texts(self) -> list[str]:
        """What was told so far, in short."""
        return [told.text for told in self.told]

    @property
    def lines(self) -> list[str]:
        """The same with the time: C{60 down begun 3 a,b}, C{900 digest: ...}."""
        return [
            f"{told.at:g} {'digest: ' if told.is_digest else ''}{told.text}" for told in self.told
        ]


def quiet_on(text: str) -> Settings:
    """Make settings with a time of maintenance."""
    return Settings(maintenance=(window(text),))
