"""Dialling on real sockets: faults, races, source ports, and what is left behind."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, TestCase

from gateway.config.networks import NetworkSet
from gateway.config.ports import PortSet
from gateway.net.dial import Dialer, Trace
from gateway.net.faults import (
    ConnectionRefused,
    ConnectTimeout,
    DestinationForbidden,
    SourcePortsExhausted,
    Unreachable,
)
from gateway.net.guard import Guard
from gateway.net.source_ports import BoundPorts, KernelPorts, source_ports, system_range
from gateway.net.transport import Outgoing

reactor: Any = the_reactor


class Names:
    """A resolver with a table."""

    def __init__(self, **names: tuple[str, ...]) -> None:
        self.names = names

    def resolve(self, name: str) -> tuple[str, ...]:
        return self.names.get(name, (name,))


def sockets() -> int:
    """Count this process's sockets."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        # The one that lists the folder is gone again.
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    return count


class Greeting(Protocol):
    """A server that says hello and notes from which port it was called."""

    factory: Any

    def connectionMade(self) -> None:
        transport: Any = self.transport
        self.factory.peers.append(transport.getPeer().port)
        transport.write(b"hello")


class DialCase(TestCase):
    """A greeting server on loopback."""

    timeout = 60

    def setUp(self) -> None:
        factory: Any = Factory.forProtocol(Greeting)
        self.factory = factory
        self.factory.noisy = False
        self.factory.peers = []
        self.listening = reactor.listenTCP(0, self.factory, interface="127.0.0.1", backlog=1024)
        self.addCleanup(self.listening.stopListening)
        host: Any = self.listening.getHost()
        self.port: int = host.port
        self.trace = Trace()

    def dialer(self, **names: tuple[str, ...]) -> Dialer:
        """Make a dialler without guard."""
        return Dialer(reactor, Names(**names))

    def dial(self, dialer: Dialer, host: str, port: int = 0, timeout: float = 10) -> Deferred[Any]:
        """Dial the server, or another port."""
        return dialer.dial(host, port or self.port, Client, timeout=timeout, trace=self.trace)

    def silent(self) -> tuple[str, int]:
        """Give an address that takes no connection and refuses none: a listener whose queue is full."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.bind(("127.0.0.2", self.port))
        listener.listen(0)
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.2", self.port))
            self.addCleanup(filler.close)
        return "127.0.0.2", self.port


class Client(Protocol):
    """Fires when the greeting is there, and when the connection is lost."""

    def __init__(self) -> None:
        self.greeted: Deferred[bytes] = Deferred()
        self.lost: Deferred[None] = Deferred()
        self._read = b""

    def dataReceived(self, data: bytes) -> None:
        self._read += data
        if len(self._read) == 5:
            self.greeted.callback(self._read)

    def connectionLost(self, reason: object = None) -> None:
        self.lost.callback(None)

    def close(self) -> Deferred[None]:
        """Reset the connection, so that nothing waits in TIME_WAIT."""
        self.transport.abortConnection()  # type: ignore[union-attr]
        return self.lost


class FaultTests(DialCase):
    async def test_connects(self) -> None:
        """A connection runs on our own transport, without delay for small writes, and tells its times."""
        client = await self.dial(self.dialer(), "127.0.0.1")
        self.assertEqual(await client.greeted, b"hello")
        self.assertIsInstance(client.transport, Outgoing)
        self.assertTrue(client.transport.getTcpNoDelay())
        self.assertEqual(client.transport.getPeer().port, self.port)
        assert self.trace.resolved_at is not None and self.trace.connected_at is not None
        self.assertLess(self.trace.connected_at - self.trace.resolved_at, 1)
        await client.close()

    async def test_refused(self) -> None:
        """A closed port is told as refused."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            await self.assertFailure(
                self.dial(self.dialer(), "127.0.0.1", probe.getsockname()[1]), ConnectionRefused
            )

    async def test_not_to_itself(self) -> None:
        """A connection to a closed port that gets this port as its source has met nobody but itself."""
        for ports in (KernelPorts(PortSet.of(40404)), BoundPorts(PortSet.of(24244))):
            port = 40404 if isinstance(ports, KernelPorts) else 24244
            dialer = self.dialer()
            dialer.source_ports = ports
            await self.assertFailure(self.dial(dialer, "127.0.0.1", port), ConnectionRefused)

    async def test_unreachable(self) -> None:
        """An address without a route is told as unreachable, at once."""
        # Without its zone no link-local address can be reached.
        await self.assertFailure(self.dial(self.dialer(), "fe80::1", timeout=3), Unreachable)

    async def test_timeout(self) -> None:
        """A server that does not answer ends at the time limit."""
        address, port = self.silent()
        before = time.monotonic()
        await self.assertFailure(
            self.dial(self.dialer(), address, port, timeout=0.5), ConnectTimeout
        )
        self.assertTrue(0.4 < time.monotonic() - before < 1.5)

    async def test_second_address(self) -> None:
        """A refused first address costs no time."""
        before = time.monotonic()
        client = await self.dial(self.dialer(host=("::1", "127.0.0.3", "127.0.0.1")), "host")
        self.assertLess(time.monotonic() - before, 0.2)
        self.assertEqual((self.trace.address, self.trace.attempts), ("127.0.0.1", 3))
        await client.close()

    async def test_silent_first_address(self) -> None:
        """A silent first address costs a quarter of a second, and its socket is closed."""
        address, port = self.silent()
        descriptors = sockets()
        before = time.monotonic()
        client = await self.dial(self.dialer(host=(address, "127.0.0.1")), "host", port)
        self.assertTrue(0.2 < time.monotonic() - before < 0.6)
        self.assertEqual(self.trace.address, "127.0.0.1")
        await client.greeted
        # One for the connection, one for the server's side of it.
        self.assertEqual(sockets(), descriptors + 2)
        await client.close()

    async def test_cancelled(self) -> None:
        """A cancelled dial closes its socket."""
        address, port = self.silent()
        descriptors = sockets()
        dialling = self.dial(self.dialer(), address, port)
        self.assertEqual(sockets(), descriptors + 1)
        dialling.cancel()
        await self.assertFailure(dialling, CancelledError)
        self.assertEqual(sockets(), descriptors)

    async def test_guard(self) -> None:
        """What the guard refuses is never connected to."""
        dialer = self.dialer(host=("127.0.0.1", "::1"))
        dialer.guard = Guard(own=lambda: {("127.0.0.1", self.port)})
        await self.assertFailure(self.dial(dialer, "host"), DestinationForbidden)
        dialer.guard = Guard(NetworkSet.of("127.0.0.0/8"))
        client = await self.dial(dialer, "host")
        await client.close()
        self.assertEqual(len(self.factory.peers), 1)


class SourcePortTests(DialCase):
    async def call(self, dialer: Dialer, calls: int) -> None:
        """Connect many times, fifty at once, and close each."""

        async def one() -> None:
            client = await self.dial(dialer, "127.0.0.1")
            await client.greeted
            await client.close()

        for _ in range(calls // 50):
            results: list[Any] = await DeferredList(
                [Deferred.fromCoroutine(one()) for _ in range(50)]
            )
            for succeeded, result in results:
                if not succeeded:
                    result.raiseException()
        # The server may hear of the last ones a turn later.
        await deferLater(reactor, 0.05)

    async def test_bound(self) -> None:
        """5000 connections: none from an excluded port, none from outside of the range."""
        dialer = self.dialer()
        dialer.source_ports = source_ports(PortSet.of("20000-29999"), PortSet.of("20100-29000"))
        self.assertIsInstance(dialer.source_ports, BoundPorts)
        await self.call(dialer, 5000)
        self.assertEqual(len(self.factory.peers), 5000)
        allowed = PortSet.of("20000-20099", "29001-29999")
        self.assertEqual([port for port in self.factory.peers if port not in allowed], [])

    async def test_kernel(self) -> None:
        """5000 connections on ports of the kernel's choice: none from an excluded port."""
        first, last = system_range()
        excluded = PortSet.of(f"{first + 100}-{last - 1000}")
        dialer = self.dialer()
        dialer.source_ports = source_ports(PortSet(), excluded)
        if not isinstance(dialer.source_ports, KernelPorts):
            raise SkipTest("IP_LOCAL_PORT_RANGE needs Linux 6.3")
        await self.call(dialer, 5000)
        self.assertEqual(len(self.factory.peers), 5000)
        self.assertEqual([port for port in self.factory.peers if port in excluded], [])

    async def test_exhausted(self) -> None:
        """With every port in use for a destination the shortage is told as ours, and others still work."""
        first, _ = system_range()
        for wanted in (PortSet.of("24240-24243"), PortSet.of(f"{first}-{first + 3}")):
            dialer = self.dialer()
            dialer.source_ports = source_ports(wanted, PortSet())
            clients = []
            with self.subTest(str(wanted)):
                while True:
                    try:
                        clients.append(await self.dial(dialer, "127.0.0.1"))
                    except SourcePortsExhausted as fault:
                        self.assertEqual(fault.status, 503)
                        break
                self.assertTrue(1 <= len(clients) <= 4)
                other = socket.create_server(("127.0.0.4", 0))
                self.addCleanup(other.close)
                elsewhere = await self.dial(dialer, "127.0.0.4", other.getsockname()[1])
                await elsewhere.close()
            for client in clients:
                await client.close()

    async def test_no_descriptor(self) -> None:
        """Without a descriptor left the shortage is told as ours."""

        def none_left(unconnected: socket.socket, family: int) -> None:
            raise OSError(errno.EMFILE, "too many open files")

        class Nothing:
            retries = 3
            prepare = staticmethod(none_left)

        dialer = self.dialer()
        dialer.source_ports = Nothing()
        try:
            await self.dial(dialer, "127.0.0.1")
        except Exception as fault:
            self.assertEqual(getattr(fault, "token", ""), "no_descriptor")
        else:
            self.fail("connected without a descriptor")
