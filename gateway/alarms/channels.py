"""
The channels of one plugin object, and what a desk and a queue are to them.

They may be made at any time; none is open before its plugin starts, nor after it was stopped, so that a plugin that is not
started in the end has opened nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.alarms.attempt import Deliver
from gateway.api.alarms import Channel, ChannelRules, Notice

#: Characters of a receiver's name.
_LONGEST = 200
#: Receivers of one plugin; each costs some 7 us of each event that it is for.
MOST_RECEIVERS = 100

#: What a receiver is told of that says nothing of it.
_ALL = ChannelRules()


class Queued(Channel, Protocol):
    """A receiver's queue, while it is open."""

    def close(self) -> None:
        """Deliver nothing more by this one; what waits stays."""


class Queue(Protocol):
    """What brings notices to receivers: L{gateway.alarms.queue.NoticeQueue}."""

    def channel(
        self,
        key: str,
        deliver: Deliver,
        timeout_seconds: float,
        kept: Callable[[bytes], None] = ...,
    ) -> Queued:
        """
        Open a receiver.

        @param kept: is given what L{keep} wrote last, once.
        """

    def put(self, key: str, notice: Notice) -> None:
        """Deliver this, some time."""

    def keep(self, key: str, state: bytes) -> None:
        """Write down what a gate remembers."""

    def test(self, key: str, notice: Notice) -> Deferred[str]:
        """Deliver this now, once; gives why not, or an empty text."""

    def counts(self) -> Mapping[str, int]:
        """Give how many notices wait, by receiver."""

    def stop(self, grace_seconds: float = ...) -> Deferred[None]:
        """Send what can be sent at once, and then nothing more."""


class Desk(Protocol):
    """Where channels are opened: L{gateway.alarms.desk.AlarmDesk}."""

    def open(self, channel: PluginChannel) -> Queued:
        """Open a channel, or let it take over the one of the same name."""

    def close(self, channel: PluginChannel) -> None:
        """Close a channel."""


class PluginChannel:
    """One receiver of one plugin object; see L{Channel<gateway.api.alarms.Channel>}."""

    __slots__ = ("deliver", "key", "queue", "rules")

    def __init__(self, key: str, deliver: Deliver, rules: ChannelRules) -> None:
        self.key = key
        self.deliver = deliver
        self.rules = rules
        self.queue: Queued | None = None

    @property
    def queued(self) -> int:
        """How many notices wait."""
        return 0 if self.queue is None else self.queue.queued


class PluginAlarms:
    """The channels of one plugin object; see L{Alarms<gateway.api.alarms.Alarms>}."""

    def __init__(self, desk: Desk, plugin: str) -> None:
        self._desk = desk
        self._plugin = plugin
        self._made: dict[str, PluginChannel] = {}
        self._begun = False
        self._ended = False

    @property
    def receivers(self) -> tuple[str, ...]:
        """Who has a channel, in the order in which they were made."""
        return tuple(self._made)

    def channel(self, receiver: str, deliver: Deliver, rules: ChannelRules = _ALL) -> PluginChannel:
        """
        Make a channel.

        @raise ValueError: the plugin has it already, has L{MOST_RECEIVERS}, or nobody can be called so.
        """
        if not 0 < len(receiver) <= _LONGEST:
            raise ValueError(f"a receiver has 1 to {_LONGEST} characters, not {len(receiver)}")
        if receiver in self._made:
            raise ValueError(f"{self._plugin} has a channel to {receiver} already")
        if len(self._made) >= MOST_RECEIVERS:
            raise ValueError(
                f"{self._plugin} has channels to {MOST_RECEIVERS} receivers already; each takes its time of each event: "
                "let one receiver pass it on to the others"
            )
        made = PluginChannel(f"{self._plugin}/{receiver}", deliver, rules)
        self._made[receiver] = made
        if self._begun and not self._ended:
            made.queue = self._desk.open(made)
        return made

    def begin(self) -> None:
        """Open what was made so far; the plugin starts."""
        if self._begun or self._ended:
            return
        self._begun = True
        for channel in self._made.values():
            channel.queue = self._desk.open(channel)

    def end(self) -> None:
        """Close all; the plugin stops. Twice is no fault."""
        self._ended = True
        for channel in self._made.values():
            queue, channel.queue = channel.queue, None
            if queue is not None:
                self._desk.close(channel)
                queue.close()
