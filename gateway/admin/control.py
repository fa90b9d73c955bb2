"""
Orders to the running process from a command on the same machine: one line of JSON in, one out.

The socket is an abstract one (unix(7)): it has no file that could be left over or be in the wrong folder, and it goes
with the process. Who may use it is asked of the kernel (SO_PEERCRED): root, and the user the process runs as.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorUNIX
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

#: What an order gives: names and values that JSON can write.
Answer: TypeAlias = dict[str, Any]
#: Carries out one order; what it raises is told to whoever gave it.
Order: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Answer]]

#: What the names of all such sockets begin with, behind the zero byte.
PREFIX = "gateway-control-"
#: Bytes of an order at the most.
MOST_BYTES = 65536
#: A connection that says nothing for so long is closed, in seconds.
SILENCE_SECONDS = 10.0

_CREDENTIALS = struct.Struct("3i")


def address(config: object, port: object = None, origin: object = None) -> str:
    """
    Give the address of the gateway that was started with these options: a command finds it by saying the same ones.

    @param config: path of the file; C{None} without one.
    """
    path = "" if config is None else os.path.realpath(str(config))
    said = json.dumps([path, port and str(port), origin and str(origin)])
    return f"\0{PREFIX}{hashlib.sha256(said.encode()).hexdigest()[:24]}"


def peer_user(connected: socket.socket) -> int:
    """Give the user id of the process at the other end of a unix socket."""
    raw = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(raw)[1]
    return uid


class Control(Factory):
    """
    The listening side.

    @ivar orders: what can be asked for, by name.
    """

    _log = Logger()
    noisy = False

    def __init__(
        self,
        reactor: Any,
        orders: Mapping[str, Order],
        allowed: Callable[[int], bool] | None = None,
    ) -> None:
        """
        Prepare; nothing is open yet.

        @param allowed: tells by a user id who may give orders; C{None}: root and the user that the process has then.
        """
        self.orders = dict(orders)
        self.reactor = reactor
        self.allowed = allowed or _own
        self._port: Any = None

    def open(self, name: str) -> None:
        """Listen; a name that another process has is said in the log, and the gateway runs without."""
        if not IReactorUNIX.providedBy(self.reactor):
            return
        try:
            self._port = self.reactor.listenUNIX(name, self, backlog=8)
        except Exception as error:
            self._log.warn(
                "commands such as 'gateway reload' can't reach this gateway: {error}", error=error
            )

    def close(self) -> Deferred[Any] | None:
        """Stop listening."""
        port, self._port = self._port, None
        stopping: Deferred[Any] | None = None if port is None else port.stopListening()
        return stopping

    def buildProtocol(self, addr: object) -> _Orders:
        """Make the protocol of one connection."""
        return _Orders(self)


class _Orders(LineOnlyReceiver):
    """One connection: one order, one answer."""

    delimiter = b"\n"
    MAX_LENGTH = MOST_BYTES

    def __init__(self, control: Control) -> None:
        self._control = control
        self._waiting: Deferred[Any] | None = None
        self._silence: Any = None
        self._gone = False

    def connectionMade(self) -> None:
        """Look who it is."""
        try:
            user = peer_user(self.transport.socket)  # type: ignore[union-attr]
        except (AttributeError, OSError):
            user = -1
        if not self._control.allowed(user):
            self._control._log.warn("an order by the user {user} was refused", user=user)
            self._answer({"ok": False, "why": "only root and the gateway's own user may do that"})
            return
        self._silence = self._control.reactor.callLater(
            SILENCE_SECONDS,
            self.transport.abortConnection,  # type: ignore[union-attr]
        )

    def lineReceived(self, line: bytes) -> None:
        """Carry the order out."""
        self._speaks()
        if self._waiting is not None or self._gone:
            return
        try:
            said = json.loads(line)
            order = self._control.orders[said["order"]]
        except (ValueError, KeyError, TypeError):
            self._answer({"ok": False, "why": "this gateway does not know that order"})
            return
        self._waiting = Deferred.fromCoroutine(_carry_out(order, said))
        self._waiting.addCallbacks(self._answer, self._failed)

    def lineLengthExceeded(self, line: bytes) -> None:
        """Nobody has so much to say."""
        self._answer({"ok": False, "why": "the order is too long"})

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Whoever asked is gone; what was begun goes on."""
        self._gone = True
        self._speaks()

    def _speaks(self) -> None:
        if self._silence is not None and self._silence.active():
            self._silence.cancel()

    def _failed(self, failure: Failure) -> None:
        self._control._log.failure("an order failed", failure)
        self._answer({"ok": False, "why": "the order failed; the gateway's log says why"})

    def _answer(self, answer: Answer) -> None:
        if not self._gone:
            self._gone = True
            self.sendLine(json.dumps(answer).encode())
            self.transport.loseConnection()  # type: ignore[union-attr]


def _own(user: int) -> bool:
    return user in (0, os.geteuid())


async def _carry_out(order: Order, said: Mapping[str, Any]) -> Answer:
    return await order(said)
