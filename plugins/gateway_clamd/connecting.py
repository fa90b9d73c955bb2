"""
The way to a clamd: connections, and orders that are given on one of their own.

Only this module touches a reactor, and it takes the one that the plugin's clock is. In a gateway in memory there is none, and no
clamd answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.interfaces import IReactorTCP, IReactorUNIX
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from gateway_clamd.session import Lost
from gateway_clamd.settings import Address
from gateway_clamd.wire import AnswerReader, BadAnswer, order

#: Connects a protocol to a clamd: fires when it is connected, fails if it can't be.
Connect: TypeAlias = Callable[[Address, Protocol], Deferred[Any]]


def connects(clock: Any, seconds: float) -> Connect:
    """
    Give what connects.

    @param clock: the plugin's; a reactor, or nobody can be reached.
    @param seconds: time for a connection.
    """

    def connect(address: Address, protocol: Protocol) -> Deferred[Any]:
        endpoint: Any
        if address.path:
            if not IReactorUNIX.providedBy(clock):
                return fail(Lost("there is no network here"))
            endpoint = UNIXClientEndpoint(clock, address.path, seconds)
        else:
            if not IReactorTCP.providedBy(clock):
                return fail(Lost("there is no network here"))
            endpoint = HostnameEndpoint(clock, address.host, address.port, seconds)
        return endpoint.connect(Factory.forProtocol(lambda: protocol))  # type: ignore[no-any-return]

    return connect


class Question(Protocol):
    """
    One order outside of a session, and its answer; clamd closes after it.

    @ivar answer: fires with it, with nothing if clamd closes without one; fails with L{Lost} if it is none.
    """

    def __init__(self, data: bytes, *, half_closed: bool = False) -> None:
        """
        Ask.

        @param data: what is sent.
        @param half_closed: nothing more will be sent, and clamd shall see that.
        """
        self.answer: Deferred[str] = Deferred(self._dropped)
        self._data = data
        self._half_closed = half_closed
        self._reader = AnswerReader()
        self._is_over = False

    @classmethod
    def of(cls, name: str) -> Question:
        """Ask by the name of an order."""
        return cls(order(name))

    @property
    def _transport(self) -> Any:
        return self.transport

    def connectionMade(self) -> None:
        """Ask."""
        if self._is_over:
            self._transport.abortConnection()
            return
        self._transport.write(self._data)
        if self._half_closed:
            self._transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        """Take the answer."""
        try:
            found = self._reader.read(data)
        except BadAnswer as error:
            self._end(Failure(Lost(str(error))))
            return
        if found:
            self._end(found[0])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """There is no answer."""
        self._end("")

    def _end(self, result: str | Failure) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._transport.abortConnection()
        self.answer.callback(result)

    def _dropped(self, answer: Deferred[str]) -> None:
        self._is_over = True
        if self.transport is not None:
            self._transport.abortConnection()
