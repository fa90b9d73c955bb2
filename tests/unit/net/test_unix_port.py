"""Tests of L{gateway.net.unix_port}, with sockets in a folder and a reactor that is turned by hand."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.reactor import SlimEPollReactor
from gateway.net.unix_port import adopt_unix, listen_unix


class UnixPortTests(SynchronousTestCase):
    """L{listen_unix} and L{adopt_unix}."""

    def setUp(self) -> None:
        # The path of a unix socket has 107 bytes at the most, and trial's own folders are deep.
        self.folder = Path(tempfile.mkdtemp(prefix="gateway-"))
        self.path = self.folder / "s"
        self.reactor = SlimEPollReactor()
        self.factory = Factory.forProtocol(Protocol)
        self.factory.noisy = False
        self.ports: list[Any] = []
        self.addCleanup(self.clean_up)

    def clean_up(self) -> None:
        """Close what is open, and remove the folder."""
        for port in self.ports:
            self.stop(port)
        self.reactor.removeAll()
        self.reactor._poller.close()
        shutil.rmtree(self.folder)

    def listen(self) -> Any:
        """Listen on the path."""
        port = listen_unix(self.reactor, str(self.path), self.factory, backlog=10, mode=0o660)
        self.ports.append(port)
        return port

    def stop(self, port: Any) -> None:
        """Close a port; it must say that it is closed."""
        stopped = port.stopListening()
        for _ in range(3):
            self.reactor.runUntilCurrent()
        if stopped is not None:
            self.successResultOf(stopped)
        if port in self.ports:
            self.ports.remove(port)

    def connect(self) -> None:
        """Connect to the path."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(self.path))

    def dead_socket(self) -> None:
        """Leave a socket behind, as a killed process does."""
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(self.path))

    def test_permissions(self) -> None:
        """The file has the permissions that were asked for, and goes with the port."""
        port = self.listen()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o660)
        self.connect()
        self.stop(port)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_left_over(self) -> None:
        """The socket of a process that is no more is replaced."""
        self.dead_socket()
        self.assertRaises(ConnectionRefusedError, self.connect)
        self.listen()
        self.connect()

    def test_in_use(self) -> None:
        """A socket that somebody listens on is left alone, its queue full or not."""
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(self.path))
            other.listen(0)
            self.assertRaises(CannotListenError, self.listen)
            self.assertRaises(CannotListenError, self.listen)
            self.assertTrue(self.path.exists())

    def test_no_socket(self) -> None:
        """Any other file is left alone."""
        self.path.write_text("precious")
        self.assertRaises(CannotListenError, self.listen)
        self.assertEqual(self.path.read_text(), "precious")
        (self.folder / "target").touch()
        self.path.unlink()
        self.path.symlink_to(self.folder / "target")
        self.assertRaises(CannotListenError, self.listen)
        self.assertTrue(self.path.is_symlink())

    def test_no_folder(self) -> None:
        """A path that can't be made is a fault of listening."""
        self.path = self.folder / "missing" / "s"
        self.assertRaises(CannotListenError, self.listen)

    def test_removed_by_another(self) -> None:
        """A file that is gone, or may not be removed, does not keep the port from ending."""
        port = self.listen()
        self.path.unlink()
        self.stop(port)
        port = self.listen()
        self.path.unlink()
        self.path.mkdir()
        self.stop(port)
        self.assertTrue(self.path.is_dir())

    def test_adopted(self) -> None:
        """A socket that was handed to us keeps its file and its permissions, and is still there when ours is closed."""
        with socket.socket(socket.AF_UNIX) as given:
            given.bind(str(self.path))
            os.chmod(self.path, 0o600)
            given.listen(7)
            given.setblocking(False)
            port = adopt_unix(self.reactor, given.fileno(), self.factory)
            self.ports.append(port)
            self.assertEqual(os.fsdecode(port.getHost().name), str(self.path))
            self.connect()
            self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
            self.stop(port)
            self.connect()

    def test_in_memory(self) -> None:
        """On a reactor in memory the port is that reactor's own, and no file is made."""
        reactor = MemoryReactor()
        listen_unix(reactor, str(self.path), self.factory, backlog=10, mode=0o660)
        self.assertEqual(len(reactor.unixServers), 1)
        self.assertFalse(self.path.exists())
