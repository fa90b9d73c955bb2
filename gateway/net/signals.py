"""
What the process does when it is signalled: stop, stop at once, reload, go on in new log files.

Twisted takes SIGTERM and SIGINT for itself when its reactor starts to run, ends the process by the same signal after
an orderly stop, and has no answer to a second one. So these handlers replace its own once it runs: the first signal
stops the reactor and leads to exit status 0, the next one says that nobody wants to wait any longer.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger

_STOP = (signal.SIGTERM, signal.SIGINT)
_REOPEN = (signal.SIGUSR1,)
_RELOAD = (signal.SIGHUP,)


class ProcessSignals:
    """
    The handlers of one process.

    Outside of the main thread there are none: signals are the business of who embeds the gateway there.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        *,
        hurry: Callable[[], None],
        reopen: Callable[[], None],
        reload: Callable[[], None],
    ) -> None:
        """
        Take what is to be called, always from the reactor.

        @param hurry: for the second signal to stop and every further one.
        @param reopen: for SIGUSR1.
        @param reload: for SIGHUP.
        """
        self._reactor = reactor
        self._hurry = hurry
        self._reopen = reopen
        self._reload = reload
        self._old: dict[int, Any] = {}

    def install(self) -> None:
        """Take the signals, those to stop as soon as the reactor runs."""
        self._take(_REOPEN, self._reopen)
        self._take(_RELOAD, self._reload)
        self._reactor.callWhenRunning(self._take, _STOP, self._stop)

    def restore(self) -> None:
        """Put back what was there before."""
        old, self._old = self._old, {}
        for number, before in old.items():
            signal.signal(number, before)

    def _take(self, numbers: tuple[signal.Signals, ...], then: Callable[[], None]) -> None:
        def told(number: int, frame: Any) -> None:
            self._reactor.callFromThread(then)

        for number in numbers:
            try:
                before = signal.signal(number, told)
            except ValueError:
                return
            # None: it was not set from Python and can't be put back from here.
            self._old[number] = signal.SIG_DFL if before is None else before

    def _stop(self) -> None:
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            self._log.info("told to stop once more: what still runs is broken off")
            self._hurry()
        else:
            self._log.info(
                "told to stop; what runs may end in its time, a second signal breaks it off"
            )
