"""
Alarms: events on their way to people, and what a plugin needs to be a channel to them: traps, mail, messages.

The gateway counts, limits, digests, repeats what lasts, keeps back what maintenance explains, queues, stores over a
restart and tries again; a channel only delivers::

    def __init__(self, settings, services):
        for receiver in settings.to:
            services.alarms.channel(receiver.address, partial(self.send, receiver), ChannelRules())

    async def send(self, receiver, notice):
        for alarm in notice.alarms: ...

Since 1.0.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gateway.api.events import Event, EventType, Notify, Severity


class AlarmState(enum.Enum):
    """
    What an alarm says of a state.

    SINGLE: it is of no state, something happened. BEGUN, and OVER at its end. GOES_ON: it has lasted for another
    C{notify.repeat}.
    """

    SINGLE = "single"
    BEGUN = "begun"
    GOES_ON = "goes_on"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Alarm:
    """
    What a channel tells of: one event, or so many of the same type that it was told of together.

    @ivar id: names it: the same at each attempt, for each receiver of one node and after a restart, so that receivers can
        tell a duplicate.
    @ivar event: the last one, of the highest severity that there was.
    @ivar type: of the event; C{None}: nobody has described it.
    @ivar state: what it says of a state.
    @ivar count: how many events it stands for; of all alarms of a channel together it is exact. 0: a state goes on, and
        nothing happened since it was told last.
    @ivar first: when the first of them was, in seconds since 1970; of a state that goes on or is over: when it began.
    @ivar last: when the last was; the clock may have been set meanwhile.
    @ivar subjects: how many of them were about what; the 20 most frequent ones at the time.
    @ivar is_test: an operator asked for it to try the channel.
    """

    id: str
    event: Event
    type: EventType | None
    state: AlarmState
    count: int
    first: float
    last: float
    subjects: Mapping[str, int] = field(default_factory=dict)
    is_test: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """
    What is delivered to one receiver at once.

    @ivar id: names it: the same at each attempt and after a restart.
    @ivar alarms: one, or those of a digest, in the order of their first events.
    @ivar is_digest: gathered over a period, as short as that may be.
    @ivar attempt: 1, and more where it was tried before. Whether that arrived is not known in every case.
    @ivar node: the name of the machine.
    @ivar since: since when a digest was gathered, in seconds since 1970; else when the first alarm was.
    @ivar until: when it was closed.
    """

    id: str
    alarms: tuple[Alarm, ...]
    is_digest: bool
    attempt: int
    node: str
    since: float
    until: float


class DeliveryFailed(Exception):
    """
    A notice was not delivered; without it, whatever a channel raises is logged and tried again too.

    @ivar is_final: another attempt would end the same way: the notice is dropped, counted and logged.
    @ivar after_seconds: the receiver asks for no attempt before that; an hour at most. C{None}: it did not say.
    """

    def __init__(
        self, why: str, *, is_final: bool = False, after_seconds: float | None = None
    ) -> None:
        """
        Say why, without secrets: it is logged and shown.
        """
        super().__init__(why)
        self.is_final = is_final
        self.after_seconds = after_seconds


def _every(event: Event) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelRules:
    """
    What one receiver is told of, and how.

    @ivar least: events of less severity are not for it.
    @ivar wants: tells whether an event is for it, as L{EventSet.matches<gateway.api.settings.EventSet>}.
    @ivar notify: how, by the name of the event; over C{default}.
    @ivar default: how, whatever the event; C{None}: as C{[notify.events]} and the event's own type say. Where those say
        never, it is never.
    @ivar digest_seconds: period of digests; C{None}: C{notify.digest}.
    @ivar limit_seconds: alarms of one type are told of no more often than once in so many seconds, the others are
        counted; 0: each one; C{None}: C{notify.limit}.
    @ivar most_together: alarms of a notice; with 1 each alarm of a digest is a notice by itself.
    @ivar timeout_seconds: for one attempt.
    """

    least: Severity = Severity.INFO
    wants: Callable[[Event], bool] = _every
    notify: Mapping[str, Notify] = field(default_factory=dict)
    default: Notify | None = None
    digest_seconds: float | None = None
    limit_seconds: float | None = None
    most_together: int = 1
    timeout_seconds: float = 60.0


class Channel(Protocol):
    """One receiver's queue; it ends with the plugin, what is in it stays for the next one of the same name."""

    @property
    def queued(self) -> int:
        """How many notices wait."""


class Alarms(Protocol):
    """Makes channels."""

    @property
    def receivers(self) -> tuple[str, ...]:
        """Who has a channel already."""

    def channel(
        self,
        receiver: str,
        deliver: Callable[[Notice], Awaitable[None] | None],
        rules: ChannelRules = ChannelRules(),
    ) -> Channel:
        """
        Be told of alarms for one receiver, from the plugin's start to its end.

        Notices of one receiver are delivered one after the other; those of another do not wait for them.

        @param receiver: who gets them, such as an address, without secrets: what is queued is kept under that name,
            and metrics have it. It is unique in the plugin.
        @param deliver: delivers one notice; called in the reactor's thread, and cancelled after C{timeout_seconds}.
        @raise ValueError: the plugin has that receiver already, has 100 of them, or one of 1 to 200 characters it is not.
        """
