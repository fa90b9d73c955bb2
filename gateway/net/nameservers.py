"""
Asking name servers: a question goes out by UDP, again to the next server while none answers, and by TCP where the
answer did not fit (RFC 1035 section 4.2, RFC 7766).

Every question has its own connected socket, so that the kernel drops what comes from elsewhere, the source port is
random for each (RFC 5452) and a server without a listener is known at once. Twisted's codec reads and writes the
messages; search lists are not used, since a proxy's clients write full names.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from typing import Any, Protocol, cast

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorFDSet, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.names import dns
from twisted.protocols.basic import Int16StringReceiver
from twisted.python.failure import Failure

from gateway.net.attempt import Attempt
from gateway.net.dns_answer import answers_question
from gateway.net.faults import NameServerFailure, NameTimeout
from gateway.net.host_names import literal

#: Seconds between looks at resolv.conf(5).
_LOOK_EVERY = 5.0

#: Without EDNS a server sends 512 bytes at most (RFC 1035 section 2.3.4); a larger datagram is read whole all the same.
_DATAGRAM = 4096


class Asks(Protocol):
    """What the resolver needs: somebody to ask."""

    def ask(self, name: str, kind: int) -> Deferred[dns.Message]:
        """
        Ask for the records of a name.

        @param name: in its canonical form.
        @param kind: C{dns.A} or C{dns.AAAA}.
        @return: fires with a complete message whose code is C{OK} or C{ENAME}, or fails with L{NameTimeout} or
            L{NameServerFailure}; may be cancelled.
        """


class NameServers:
    """
    The name servers of this machine.

    @ivar servers: address and port of each, the one to ask first in front.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        servers: Sequence[tuple[str, int]] = (),
        *,
        resolv_conf: str = "/etc/resolv.conf",
        rounds: Sequence[float] = (1.0, 2.0),
    ) -> None:
        """
        Nothing is sent before L{ask}.

        @param reactor: one that drives descriptors and tells the time.
        @param servers: when empty, those of C{resolv_conf}, which is read again when it changes.
        @param rounds: seconds that each server has to answer, for every time that the list is gone through.
        """
        self._reactor = reactor
        self._rounds = tuple(rounds)
        self._file = "" if servers else resolv_conf
        self._mark: tuple[int, int] | None = None
        self._next_look = float("-inf")
        self.servers: list[tuple[str, int]] = list(servers)

    def ask(self, name: str, kind: int) -> Deferred[dns.Message]:
        """Ask one server after the other (L{Asks.ask})."""
        return Deferred.fromCoroutine(self._ask(name, kind))

    async def _ask(self, name: str, kind: int) -> dns.Message:
        self._look()
        left = list(self.servers)
        failed = ""
        for seconds in self._rounds:
            for server in tuple(left):
                try:
                    message = await self._exchange(server, name, kind, seconds)
                except TimeoutError:
                    self._step_back(server)
                    continue
                except OSError as error:
                    failed = f"name server {server[0]}: {error.strerror or 'lost'}"
                    self._log.warn(
                        "name server {server}: {error}", server=server[0], error=error.strerror
                    )
                else:
                    if message.rCode in (dns.OK, dns.ENAME):
                        return message
                    failed = f"name server {server[0]} answered with code {message.rCode}"
                left.remove(server)
                self._step_back(server)
            if not left:
                break
        if failed or not self.servers:
            raise NameServerFailure(f"{name}: {failed or 'there is no name server'}")
        raise NameTimeout(f"{name}: no name server answered")

    async def _exchange(
        self, server: tuple[str, int], name: str, kind: int, seconds: float
    ) -> dns.Message:
        query = dns.Message(id=secrets.randbits(16), recDes=1)
        query.addQuery(name.encode("ascii"), kind, dns.IN)
        by_udp = _UdpExchange(self._reactor, server, query)
        by_udp.start()
        message = await by_udp.answer.addTimeout(seconds, self._reactor)
        if message.trunc:
            by_tcp = _TcpExchange(self._reactor, server, query)
            by_tcp.start()
            message = await by_tcp.answer.addTimeout(seconds, self._reactor)
        return message

    def _step_back(self, server: tuple[str, int]) -> None:
        # The next question begins with another server; two that are in flight together count once.
        if self.servers[0] == server:
            self.servers.append(self.servers.pop(0))

    def _look(self) -> None:
        now = self._reactor.seconds()
        if not self._file or now < self._next_look:
            return
        self._next_look = now + _LOOK_EVERY
        try:
            state = os.stat(self._file)
            mark = (state.st_mtime_ns, state.st_ino)
            if mark == self._mark:
                return
            with open(self._file, encoding="utf-8", errors="replace") as file:
                self.servers = parse_resolv_conf(file.read())
            self._mark = mark
        except OSError as error:
            if not self.servers:
                self._log.warn("{path} can't be read: {error}", path=self._file, error=error)
                self.servers = parse_resolv_conf("")


def parse_resolv_conf(text: str) -> list[tuple[str, int]]:
    """Read the name servers of resolv.conf(5); without any, the one on this machine."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver" and literal(words[1].partition("%")[0]):
            found.append((words[1], 53))
    return found or [("127.0.0.1", 53)]


class _UdpExchange:
    """
    One datagram out and the response in.

    @ivar answer: fires once with the response, fails with C{OSError}; cancelling it closes the socket.
    """

    def __init__(self, reactor: IReactorFDSet, server: tuple[str, int], query: dns.Message) -> None:
        self._reactor = reactor
        self._server = server
        self._query = query
        self._socket: socket.socket | None = None
        self.answer: Deferred[dns.Message] = Deferred(lambda _: self._close())

    def start(self) -> None:
        family = socket.AF_INET6 if ":" in self._server[0] else socket.AF_INET
        try:
            self._socket = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket.connect(self._server)
            self._socket.send(self._query.toStr())
        except OSError as error:
            self._end(error)
        else:
            self._reactor.addReader(self)  # type: ignore[arg-type]

    def doRead(self) -> None:
        assert self._socket is not None
        try:
            datagram = self._socket.recv(_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        message = _decode(datagram, self._query)
        # A stray or forged response must not end the wait for the true one (RFC 5452 section 3).
        if message is not None:
            self._end(message)

    def connectionLost(self, reason: Failure) -> None:
        """Learn of an error that the reactor saw first: the ICMP message that nobody listens there."""
        if self._socket is not None:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._end(OSError(code, os.strerror(code)))

    def fileno(self) -> int:
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        return "name server"

    def _end(self, result: dns.Message | OSError) -> None:
        self._close()
        _fire(self.answer, result)

    def _close(self) -> None:
        if self._socket is not None:
            self._reactor.removeReader(self)  # type: ignore[arg-type]
            self._socket.close()
            self._socket = None


class _TcpExchange(Int16StringReceiver):
    """
    One question and its response over a TCP connection of its own.

    @ivar answer: fires once with the response, fails with C{OSError}; cancelling it closes the connection.
    """

    def __init__(self, reactor: IReactorFDSet, server: tuple[str, int], query: dns.Message) -> None:
        self._query = query
        self._attempt = Attempt(reactor, *server, connected=self._connected, failed=self._failed)
        self.answer: Deferred[dns.Message] = Deferred(lambda _: self._close())

    def start(self) -> None:
        self._attempt.start()

    def connectionMade(self) -> None:
        self.sendString(self._query.toStr())  # type: ignore[no-untyped-call]

    def stringReceived(self, string: bytes) -> None:
        message = _decode(string, self._query)
        if message is None or message.trunc:
            self._end(OSError(0, "no valid answer by TCP"))
        else:
            self._end(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(OSError(0, "connection closed without an answer"))

    def _connected(self, attempt: Attempt) -> None:
        attempt.transport(self)

    def _failed(self, attempt: Attempt, error: OSError) -> None:
        self._end(error)

    def _end(self, result: dns.Message | OSError) -> None:
        if not self.answer.called:
            self._close()
            _fire(self.answer, result)

    def _close(self) -> None:
        self._attempt.cancel()
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()


def _decode(octets: bytes, query: dns.Message) -> dns.Message | None:
    message = dns.Message()
    try:
        message.fromStr(octets)
    except Exception:
        # The codec meets hostile bytes with whatever its parts raise; none of it is an answer.
        return None
    return message if answers_question(message, query) else None


def _fire(answer: Deferred[dns.Message], result: dns.Message | OSError) -> None:
    if isinstance(result, OSError):
        answer.errback(cast("Exception", result))
    else:
        answer.callback(result)
