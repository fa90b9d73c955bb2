"""
Where everything that raises events tells them: the process log, the channels and the plugins hear of them from here.

During the start events wait until there is somebody to tell; at the end, when we close what we use ourselves, that
something is down is no news any more. What becomes of an event after that is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from twisted.logger import Logger

from gateway.api.catalogue import CATALOGUE
from gateway.api.events import Event

#: Events that are kept until there is somebody to tell; a start raises some, and never so many.
MOST_HELD: Final = 1000
#: Those that tell of a state's beginning or end: while everything is closed they tell of ourselves.
_OF_STATES: Final = frozenset(
    name for one in CATALOGUE.values() if one.ends for name in (one.name, one.ends)
)
#: Those of which the access log has a line already; there may be thousands a minute.
_UNLOGGED: Final = frozenset(one.name for one in CATALOGUE.values() if not one.logged)


class Telling:
    """
    Tells events of one process.

    @ivar begun: the start is over, so nothing waits any more.
    @ivar closing: what is used is being closed by ourselves; to be set by whoever does that.
    """

    _log = Logger()

    def __init__(
        self,
        take: Callable[[Event], None],
        hook: Callable[[], Callable[[Event], None] | None],
    ) -> None:
        """
        Begin to keep what is told.

        @param take: brings an event to the channels.
        @param hook: gives what tells the plugins of now; C{None}: none of them wants to hear.
        """
        self.closing = False
        self._take = take
        self._hook = hook
        self._held: list[Event] | None = []
        self._deep = 0

    @property
    def begun(self) -> bool:
        """Tell whether the start is over."""
        return self._held is None

    def begin(self, first: Iterable[Event] = ()) -> None:
        """
        Tell what was kept; once, when everything has started.

        @param first: what happened before all that.
        """
        held, self._held = self._held or [], None
        for event in first:
            self.tell(event)
        for event in held:
            self._pass_on(event)

    def tell(self, event: Event) -> None:
        """Give an event to the log, to the channels and to the plugins; one that comes from telling an event goes to no plugin."""
        if self.closing and event.name in _OF_STATES:
            return
        if event.name not in _UNLOGGED:
            self._log.info(
                "event {name} {subject}: {text}",
                name=event.name,
                subject=event.subject,
                text=event.text,
            )
        if self._held is None:
            self._pass_on(event)
        elif len(self._held) < MOST_HELD:
            self._held.append(event)

    def _pass_on(self, event: Event) -> None:
        self._take(event)
        told = self._hook()
        if told is None or self._deep:
            return
        self._deep += 1
        try:
            told(event)
        finally:
            self._deep -= 1
