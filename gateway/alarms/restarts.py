"""
What is told of the beginning and the end of this process, and of the end of the one before it (S29).

An end that nobody planned is noticed by the next start and told before anything else. A planned one, and the start
after it, is news only for those who asked for it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from twisted.logger import Logger

from gateway.alarms.ending import Endings, Left, Likely
from gateway.api.catalogue.machine import (
    ABNORMAL_RESTART,
    PLANNED_START,
    PLANNED_STOP,
    STOP_CUT_SHORT,
)
from gateway.api.events import Event

_SUBJECT = "gateway"

_MEANS: dict[Likely, str] = {
    "reboot": "the machine has started anew since then: it crashed or lost power",
    "memory": "the kernel has killed a process for lack of memory since then, perhaps this one",
    "killed": "it was killed or crashed",
}


class Restarts:
    """
    The marker of this process, and the events that follow from those of others.

    Without a folder for state nothing is known, so nothing is told of other processes.
    """

    _log = Logger()

    def __init__(self, folder: str, endings: Endings | None = None) -> None:
        """
        Prepare; nothing is looked at.

        @param folder: for state; empty: there is none.
        """
        self._folder = folder
        self._endings = Endings(folder) if endings is None else endings
        self._begun = False

    def begin(self, *, tells: bool) -> list[Event]:
        """
        Note that this process serves, and give what is to be told of it and of those before it, in that order.

        @param tells: whether a planned start is told.
        """
        self._begun = True
        left: list[Left] = []
        if self._folder:
            try:
                left = self._endings.begin()
            except OSError as error:
                self._log.warn(
                    "no marker can be kept in {folder}, so an abnormal end of this process will not be noticed: {why}",
                    folder=self._folder,
                    why=error.strerror or type(error).__name__,
                )
        told = [_of(one) for one in left]
        told.sort(key=lambda event: event.name != ABNORMAL_RESTART.name)
        if tells and not any(not one.was_stopping for one in left):
            told.append(PLANNED_START("the gateway serves", _SUBJECT, pid=str(os.getpid())))
        return told

    def stopping(self, tell: Callable[[Event], None], *, tells: bool) -> None:
        """
        Note that a stop was asked for.

        @param tells: whether that is told.
        """
        if not self._begun:
            return
        self._endings.stopping()
        if tells:
            tell(PLANNED_STOP("the gateway was told to stop", _SUBJECT, pid=str(os.getpid())))

    def end(self) -> None:
        """Note that all of it is over."""
        self._endings.end()


def _of(left: Left) -> Event:
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(left.started))
    values = {"started": started}
    if left.pid:
        values["pid"] = str(left.pid)
    process = f"process {left.pid}" if left.pid else "a process"
    if left.was_stopping:
        text = (
            f"{process}, which served since {started}, was killed while it drained: "
            "give it more time than timeouts.drain to stop, or make that shorter"
        )
        return STOP_CUT_SHORT(text, _SUBJECT, **values)
    text = f"{process}, which served since {started}, had ended without being stopped: {_MEANS[left.likely]}"
    return ABNORMAL_RESTART(text, _SUBJECT, likely=left.likely, **values)
