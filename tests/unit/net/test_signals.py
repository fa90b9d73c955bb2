"""Tests of L{gateway.net.signals}, with real signals to this process and a reactor that never runs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.signals import ProcessSignals

_ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)


class Reactor:
    """The part of a reactor that signals have to do with."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.begun: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self.stopped = False

    def callWhenRunning(self, call: Callable[..., None], *arguments: Any) -> None:
        """Keep it."""
        self.begun.append((call, arguments))

    def run(self) -> None:
        """Do as the real one: take the signal for itself, then call what waited."""
        signal.signal(signal.SIGTERM, lambda number, frame: self.log.append("the reactor's own"))
        for call, arguments in self.begun:
            call(*arguments)

    def callFromThread(self, call: Callable[[], None]) -> None:
        """Call at once."""
        call()

    def stop(self) -> None:
        """Stop once."""
        if self.stopped:
            raise ReactorNotRunning("again")
        self.stopped = True
        self.log.append("stop")


class ProcessSignalsTests(SynchronousTestCase):
    """L{ProcessSignals}."""

    def setUp(self) -> None:
        self.log: list[str] = []
        for number in _ALL:
            self.addCleanup(signal.signal, number, signal.getsignal(number))
        self.reactor = Reactor(self.log)
        self.signals = ProcessSignals(
            self.reactor,
            hurry=lambda: self.log.append("hurry"),
            reopen=lambda: self.log.append("reopen"),
            reload=lambda: self.log.append("reload"),
        )

    def send(self, *numbers: int) -> None:
        """Signal ourselves."""
        for number in numbers:
            os.kill(os.getpid(), number)

    def test_stop(self) -> None:
        """The first signal to stop stops the reactor; every further one, of either kind, is for who waits no longer."""
        self.signals.install()
        self.reactor.run()
        self.send(signal.SIGTERM)
        self.assertEqual(self.log, ["stop"])
        self.send(signal.SIGINT, signal.SIGTERM)
        self.assertEqual(self.log, ["stop", "hurry", "hurry"])

    def test_reopen(self) -> None:
        """SIGUSR1 is for new log files and SIGHUP for a new configuration, before the reactor runs and after."""
        self.signals.install()
        self.send(signal.SIGUSR1)
        self.reactor.run()
        self.send(signal.SIGHUP)
        self.assertEqual(self.log, ["reopen", "reload"])

    def test_restored(self) -> None:
        """What was there before is put back."""
        told: list[int] = []
        for number in _ALL:
            signal.signal(number, lambda number, frame: told.append(number))
        before = [signal.getsignal(number) for number in _ALL if number != signal.SIGTERM]
        self.signals.install()
        self.reactor.run()
        self.signals.restore()
        self.assertEqual(
            [signal.getsignal(number) for number in _ALL if number != signal.SIGTERM], before
        )
        self.send(signal.SIGTERM)
        self.assertEqual((self.log, told), (["the reactor's own"], []))
        self.signals.restore()

    def test_never_installed(self) -> None:
        """Restoring without having installed changes nothing."""
        before = [signal.getsignal(number) for number in _ALL]
        self.signals.restore()
        self.assertEqual([signal.getsignal(number) for number in _ALL], before)

    def test_other_thread(self) -> None:
        """Outside of the main thread signals are left alone."""
        before = [signal.getsignal(number) for number in _ALL]
        thread = threading.Thread(target=self.signals.install)
        thread.start()
        thread.join()
        self.assertEqual([signal.getsignal(number) for number in _ALL], before)
