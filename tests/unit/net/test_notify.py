"""Tests of L{gateway.net.notify}."""

from __future__ import annotations

import os
import secrets
import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.net.notify import Notifier, passed_descriptors


class NotifierTests(SynchronousTestCase):
    """L{Notifier}."""

    def manager(self, address: str) -> socket.socket:
        """Be the service manager at an address."""
        made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(made.close)
        made.bind(address)
        made.setblocking(False)
        return made

    def test_path(self) -> None:
        """States go out as one datagram, a line for each."""
        folder = Path(self.mktemp())
        folder.mkdir()
        # A path of a unix socket is short, so from within the folder.
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(folder)
        manager = self.manager("n")
        Notifier({"NOTIFY_SOCKET": "n"}).tell("READY=1", "STATUS=serves")
        self.assertEqual(manager.recv(100), b"READY=1\nSTATUS=serves")

    def test_abstract(self) -> None:
        """An address that begins with @ is an abstract one."""
        name = f"gateway-test-{secrets.token_hex(8)}"
        manager = self.manager(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).tell("STOPPING=1")
        self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_nobody(self) -> None:
        """Without a manager, or with one that is gone, nothing happens and nothing is raised."""
        Notifier({}).tell("READY=1")
        Notifier({"NOTIFY_SOCKET": "/nonexistent/socket"}).tell("READY=1")
        Notifier({"NOTIFY_SOCKET": "/" + "x" * 200}).tell("READY=1")

    def test_manager_that_does_not_read(self) -> None:
        """A manager whose queue is full is not waited for."""
        name = f"gateway-test-{secrets.token_hex(8)}"
        self.manager(f"\0{name}")
        notifier = Notifier({"NOTIFY_SOCKET": f"@{name}"})
        for _ in range(2000):
            notifier.tell("WATCHDOG=1")

    def test_watchdog(self) -> None:
        """The interval is half of what is asked, and none unless it is asked of this process."""
        asked = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "10000000"}
        self.assertEqual(Notifier(asked).watchdog_seconds, 5.0)
        self.assertEqual(Notifier({**asked, "WATCHDOG_PID": "7"}, pid=7).watchdog_seconds, 5.0)
        self.assertEqual(Notifier({**asked, "WATCHDOG_PID": "8"}, pid=7).watchdog_seconds, 0.0)
        self.assertEqual(Notifier({**asked, "WATCHDOG_USEC": "soon"}).watchdog_seconds, 0.0)
        self.assertEqual(Notifier({"WATCHDOG_USEC": "10000000"}).watchdog_seconds, 0.0)
        self.assertEqual(Notifier({"NOTIFY_SOCKET": "@x"}).watchdog_seconds, 0.0)


class PassedTests(SynchronousTestCase):
    """L{passed_descriptors}."""

    def passed(self, pid: str | None, count: str | None) -> list[int]:
        """Ask as the process 7."""
        environ = {"LISTEN_PID": pid, "LISTEN_FDS": count}
        return list(
            passed_descriptors(
                {name: value for name, value in environ.items() if value is not None}, pid=7
            )
        )

    def test_meant_for_us(self) -> None:
        """Descriptors begin with 3."""
        self.assertEqual(self.passed("7", "2"), [3, 4])
        self.assertEqual(self.passed("7", "0"), [])

    def test_not_meant_for_us(self) -> None:
        """Those of another process, without a process or without a number are nobody's."""
        for pid, count in (
            ("8", "2"),
            (None, "2"),
            ("7", None),
            ("7", "-1"),
            ("7", "two"),
            ("", "1"),
        ):
            self.assertEqual(self.passed(pid, count), [], (pid, count))
