"""Connections to directory servers in memory: a transport that takes as much as it is told to, and a server's side of TLS."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.testing import Clock
from gateway_auth.ldap_connection import LdapWire
from gateway_auth.ldap_messages import Entry
from gateway_auth.ldap_wire import Deadline, ServerFailed


class Written:
    """
    A transport that has C{write} alone.

    @ivar sent: what has left it, in order.
    @ivar waits: what was to be written and waits for room.
    @ivar is_full: whatever is written waits.
    @ivar is_leaving: it is to be closed when all is sent.
    @ivar is_aborted: it is to be closed at once.
    """

    def __init__(self) -> None:
        self.sent = b""
        self.waits = b""
        self.is_full = False
        self.is_leaving = False
        self.is_aborted = False
        self.has_no_delay = False

    def write(self, data: bytes) -> None:
        """Send, when there is room."""
        if self.is_full:
            self.waits += data
        else:
            self.sent += data

    def flush(self) -> None:
        """Have room again."""
        self.is_full = False
        self.sent, self.waits = self.sent + self.waits, b""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Let small pieces leave at once."""
        self.has_no_delay = enabled

    def loseConnection(self) -> None:
        """Close when all is sent."""
        self.is_leaving = True

    def abortConnection(self) -> None:
        """Close at once."""
        self.is_aborted = True

    def taken(self) -> bytes:
        """Give what has left it since this was asked last."""
        sent, self.sent = self.sent, b""
        return sent


class Line(Written):
    """
    A transport that can send at once.

    @ivar room: so much is sent at once; C{None}: all. An error: that is what comes of trying.
    """

    def __init__(self) -> None:
        super().__init__()
        self.room: int | Exception | None = None

    def writeSomeData(self, data: bytes) -> int | Exception:
        """Send what can be sent at once."""
        assert not self.waits, "sent past what waits"
        if isinstance(self.room, Exception):
            return self.room
        size = len(data) if self.room is None else min(self.room, len(data))
        self.sent += data[:size]
        return size


class WireCase(SynchronousTestCase):
    """
    Has a connection.

    @ivar line: what it is on.
    """

    makes: Callable[[], Written] = Line

    def setUp(self) -> None:
        """Connect it."""
        self.clock = Clock()
        self.connect()

    def connect(self) -> None:
        """Make another one."""
        self.wire = LdapWire(self.clock, Deadline(self.clock, 5.0))
        self.line: Any = type(self).makes()
        self.wire.makeConnection(self.line)

    def said(self, *messages: bytes, size: int = 0) -> None:
        """Let the server say this, in pieces of so many bytes."""
        data = b"".join(messages)
        size = size or len(data) or 1
        for at in range(0, len(data), size):
            self.wire.dataReceived(data[at : at + size])

    def leave(self) -> None:
        """Let the server close it."""
        self.wire.connectionLost(Failure(ConnectionDone()))

    def asked(self) -> bytes:
        """Give what it was asked since this was asked last."""
        return cast(bytes, self.line.taken())

    def begin(self, limit: int = 2, attributes: Sequence[str] = ("uid",)) -> Deferred[list[Entry]]:
        """Begin a search."""
        return Deferred.fromCoroutine(self.wire.search("dc=x", "(a=b)", attributes, limit=limit))

    def search(self, *answer: bytes, limit: int = 2, size: int = 0) -> list[Entry]:
        """Search, and have this for an answer."""
        searching = self.begin(limit)
        self.said(*answer, size=size)
        return self.successResultOf(searching)

    def failed(self, *answer: bytes) -> str:
        """Give why a search fails with this for an answer."""
        searching = self.begin()
        self.said(*answer)
        return self.why(searching)

    def why(self, waiting: Deferred[Any]) -> str:
        """Give why something has failed; then the connection is given up."""
        error = self.failureResultOf(waiting, ServerFailed).value
        return str(error)


class TlsServer:
    """
    A server's side of TLS.

    @ivar heard: what was said to it.
    @ivar failed: why the handshake, or what came later, has failed.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.is_shaken = False
        self.heard = b""
        self.failed: ssl.SSLError | None = None

    def take(self, data: bytes) -> bytes:
        """Take what came; gives what is to be sent."""
        self._in.write(data)
        try:
            if not self.is_shaken:
                self._tls.do_handshake()
                self.is_shaken = True
            while piece := self._tls.read(65536):
                self.heard += piece
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        except ssl.SSLError as error:
            self.failed = error
        return self._out.read()

    def say(self, data: bytes) -> bytes:
        """Give the records for something to be said."""
        self._tls.write(data)
        return self._out.read()

    def leave(self) -> bytes:
        """Give what says that nothing more is said."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._out.read()


def tls_server(pem: bytes, folder: str) -> ssl.SSLContext:
    """Make what a server shows a certificate with, which the library takes from a file alone."""
    path = Path(folder)
    path.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
