"""
Listening on unix sockets: files of our own, and sockets that a service manager made.

Twisted's port is meant for a file that it made and will remove. Whether a left-over file may be removed it asks a lock
file with a process's id in it, which may be another's by then; here the socket itself is asked. It also removes files and
changes their permissions where that is not its business (a service manager's socket), and where it may not any more (the
process has given up root since), and then the port never gets to its end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.error import CannotListenError
from twisted.internet.posixbase import PosixReactorBase


class UnixPort(unix.Port):
    """
    A listening unix socket.

    @ivar adopted: it was listening already when we got it, and so its file is not ours.
    """

    adopted = False
    # A shutdown(2) would end the listening of every process that has this socket, its maker too.
    _shouldShutdown = False

    def startListening(self) -> None:
        """
        Listen.

        @raise CannotListenError: somebody listens there, or the file can't be made.
        """
        if self.adopted:
            self._serve()
            return
        try:
            remove_left_over(self._bindPath)
        except OSError as error:
            raise CannotListenError(None, self._bindPath, error) from error
        super().startListening()  # type: ignore[no-untyped-call]

    def connectionLost(self, reason: Any) -> None:
        """Close, and remove the file if it is ours and still may be removed."""
        if not self.adopted:
            with contextlib.suppress(OSError):
                os.unlink(self._bindPath)
        tcp.Port.connectionLost(self, reason)

    def _serve(self) -> None:
        """As stock, but for the file's permissions and the backlog, which whoever made the socket has set."""
        port: Any = self
        port.factory.doStart()
        port.socket, port._preexistingSocket = port._preexistingSocket, None
        port.fileno = port.socket.fileno
        port.connected = True
        port.numberAccepts = 100
        port.startReading()


def listen_unix(reactor: Any, path: str, factory: Any, *, backlog: int, mode: int) -> Any:
    """
    Listen on a path; on a reactor in memory by its own means.

    @param mode: the file's permissions: whoever may write to it may connect.
    @raise CannotListenError: somebody listens there, or the file can't be made.
    """
    if not isinstance(reactor, PosixReactorBase):
        return reactor.listenUNIX(path, factory, backlog=backlog, mode=mode)
    port = UnixPort(os.fsencode(path), factory, backlog, mode, reactor)
    port.startListening()
    return port


def adopt_unix(reactor: Any, descriptor: int, factory: Any) -> UnixPort:
    """Serve a socket that listens already; the descriptor is duplicated, not consumed."""
    made: Any = UnixPort
    port: UnixPort = made._fromListeningDescriptor(reactor, descriptor, factory)
    port.adopted = True
    port.startListening()
    return port


def remove_left_over(path: bytes) -> None:
    """
    Remove the socket of a process that is no more; leave anything else alone.

    @raise OSError: it can't be removed.
    """
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            # Busy, or not a stream socket: somebody's all the same, and the bind will say so.
            return
