"""Asking name servers on loopback: UDP, TCP, silence, refusal, strays."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as the_reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.names import dns
from twisted.names.authority import FileAuthority
from twisted.names.server import DNSServerFactory
from twisted.trial.unittest import TestCase

from gateway.net.dns_answer import Addresses, read_answer
from gateway.net.faults import NameNotFound, NameServerFailure, NameTimeout
from gateway.net.hosts import Hosts
from gateway.net.nameservers import NameServers
from gateway.net.resolver import Resolver

#: What the server knows; the last name has more addresses than a datagram takes.
ZONE: dict[bytes, list[Any]] = {
    b"www.example.com": [
        dns.Record_A("192.0.2.1", 60),
        dns.Record_A("192.0.2.2", 60),
        dns.Record_AAAA("2001:db8::1", 60),
    ],
    b"alias.example.com": [dns.Record_CNAME(b"www.example.com", 60)],
    b"text.example.com": [dns.Record_TXT(b"no address", ttl=60)],
    b"many.example.com": [dns.Record_A(f"192.0.2.{n}", 60) for n in range(100)],
}

reactor: Any = the_reactor


class NameServerCase(TestCase):
    """Loopback name servers that are gone when the test ends."""

    timeout = 20

    def serve(self) -> tuple[str, int]:
        """Start a name server with a zone, on UDP and TCP."""
        soa = dns.Record_SOA(b"ns.example.com", b"admin.example.com", minimum=20, ttl=60)
        factory = DNSServerFactory(authorities=[_Zone(soa)])
        tcp = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(tcp.stopListening)
        # On UDP what does not fit is cut by the server, as RFC 1035 says; Twisted's sends it whole.
        udp = _Cutting(factory, reactor=reactor)
        port = tcp.getHost().port
        self.addCleanup(reactor.listenUDP(port, udp, interface="127.0.0.1").stopListening)
        return "127.0.0.1", port

    def scripted(self, respond: Callable[[bytes], list[bytes]]) -> tuple[str, int]:
        """Start a UDP server that sends what a function makes of a query."""
        port = reactor.listenUDP(0, _Scripted(respond), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return "127.0.0.1", port.getHost().port

    def closed(self) -> tuple[str, int]:
        """Give a port that nobody listens on."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            return "127.0.0.1", probe.getsockname()[1]

    def servers(
        self, *servers: tuple[str, int], rounds: tuple[float, ...] = (0.3, 0.3)
    ) -> NameServers:
        """Make the asking side, more impatient than in service."""
        return NameServers(reactor, servers, rounds=rounds)

    async def addresses(
        self, servers: NameServers, name: str = "www.example.com"
    ) -> tuple[str, ...]:
        """Ask for A records."""
        answer = read_answer(await servers.ask(name, dns.A), name, dns.A)
        assert isinstance(answer, Addresses), answer
        return tuple(sorted(answer.addresses))


class AskTests(NameServerCase):
    async def test_answer(self) -> None:
        """A server's records come back."""
        self.assertEqual(
            await self.addresses(self.servers(self.serve())), ("192.0.2.1", "192.0.2.2")
        )

    async def test_truncated(self) -> None:
        """What does not fit into a datagram is asked for by TCP."""
        self.assertEqual(
            len(await self.addresses(self.servers(self.serve()), "many.example.com")), 100
        )

    async def test_truncated_without_tcp(self) -> None:
        """A server that cuts its answer and has no TCP has failed."""

        def cut(query: bytes) -> list[bytes]:
            message = _response(query)
            message.trunc = 1
            return [message.toStr()]

        servers = self.servers(self.scripted(cut))
        await self.assertFailure(servers.ask("www.example.com", dns.A), NameServerFailure)

    async def test_next_server(self) -> None:
        """A closed port, a failing and a silent server are passed over, and come last for the next question."""
        good = self.serve()
        servers = self.servers(
            self.closed(), self.scripted(_servfail), self.scripted(lambda _: []), good
        )
        await self.addresses(servers)
        self.assertEqual(servers.servers[0], good)
        before = time.monotonic()
        await self.addresses(servers)
        self.assertLess(time.monotonic() - before, 0.25)

    async def test_all_fail(self) -> None:
        """When every server fails it is known at once, and told apart from silence."""
        servers = self.servers(self.closed(), self.scripted(_servfail), rounds=(5,))
        before = time.monotonic()
        error = await _fault(servers.ask("www.example.com", dns.A))
        self.assertIsInstance(error, NameServerFailure)
        self.assertIn("code 2", error.detail)
        self.assertLess(time.monotonic() - before, 2)

    async def test_silence(self) -> None:
        """A silent server is asked once more, then the question has timed out."""
        queries: list[bytes] = []

        def listen(query: bytes) -> list[bytes]:
            queries.append(query)
            return []

        servers = self.servers(self.scripted(listen))
        self.assertIsInstance(await _fault(servers.ask("www.example.com", dns.A)), NameTimeout)
        self.assertEqual(len(queries), 2)
        self.assertNotEqual(queries[0][:2], queries[1][:2])

    async def test_lost_datagram(self) -> None:
        """A question that got lost is answered the second time."""
        lost: list[bytes] = []

        def lose_first(query: bytes) -> list[bytes]:
            lost.append(query)
            return [] if len(lost) == 1 else [_address(query, "192.0.2.5")]

        self.assertEqual(
            await self.addresses(self.servers(self.scripted(lose_first))), ("192.0.2.5",)
        )

    async def test_forged(self) -> None:
        """Junk, another id and another question are passed over until the response comes."""

        def forge(query: bytes) -> list[bytes]:
            other_id = bytes([query[0] ^ 1]) + _address(query, "192.0.2.66")[1:]
            other = dns.Message()
            other.fromStr(_address(query, "192.0.2.66"))
            other.queries = [dns.Query(b"bank.example", dns.A, dns.IN)]
            return [b"", b"junk", query, other_id, other.toStr(), _address(query, "192.0.2.5")]

        self.assertEqual(await self.addresses(self.servers(self.scripted(forge))), ("192.0.2.5",))

    async def test_other_sender(self) -> None:
        """A datagram from another address than the server's never arrives."""
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(stranger.close)
        protocol = _Scripted(lambda _: [])

        def meddle(query: bytes) -> list[bytes]:
            stranger.sendto(_address(query, "192.0.2.66"), protocol.peer)
            return [_address(query, "192.0.2.5")]

        protocol.respond = meddle
        port = reactor.listenUDP(0, protocol, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        servers = self.servers(("127.0.0.1", port.getHost().port))
        self.assertEqual(await self.addresses(servers), ("192.0.2.5",))

    async def test_cancelled(self) -> None:
        """A cancelled question closes its socket; trial would complain of one left."""
        waiting = self.servers(self.scripted(lambda _: [])).ask("www.example.com", dns.A)
        waiting.cancel()
        await self.assertFailure(waiting, CancelledError)

    async def test_resolv_conf(self) -> None:
        """The file is read when it is first needed, and again when it has changed."""
        path = self.mktemp()
        _write(path, "nameserver 192.0.2.53\n")
        servers = NameServers(reactor, resolv_conf=path, rounds=(0.01,))
        await _fault(servers.ask("www.example.com", dns.A))
        self.assertEqual(servers.servers, [("192.0.2.53", 53)])
        _write(path, "nameserver 192.0.2.54\n")
        servers._next_look = 0
        await _fault(servers.ask("www.example.com", dns.A))
        self.assertEqual(servers.servers, [("192.0.2.54", 53)])


class ResolverTests(NameServerCase):
    async def resolve(self, name: str) -> tuple[str, ...]:
        """Resolve a name by the server with the zone."""
        resolver = Resolver(reactor, self.servers(self.serve()), Hosts([], reactor))
        found = resolver.resolve(name)
        return found if isinstance(found, tuple) else await found

    async def test_both_families(self) -> None:
        """A name has the addresses of both families, IPv6 first."""
        addresses = await self.resolve("www.example.com")
        self.assertEqual(addresses[0], "2001:db8::1")
        self.assertEqual(set(addresses[1:]), {"192.0.2.1", "192.0.2.2"})

    async def test_alias(self) -> None:
        """An alias has the addresses of what it stands for."""
        self.assertIn("192.0.2.1", await self.resolve("alias.example.com"))

    async def test_no_such_name(self) -> None:
        """A name that the zone doesn't have is told apart from one without addresses."""
        for name, token in (
            ("nosuch.example.com", "dns_nxdomain"),
            ("text.example.com", "dns_nodata"),
        ):
            fault = await _fault(Deferred.fromCoroutine(self.resolve(name)))
            self.assertIsInstance(fault, NameNotFound)
            self.assertEqual(fault.token, token)


class _Zone(FileAuthority):
    """The zone, as an authority that needs no file."""

    def __init__(self, soa: dns.Record_SOA) -> None:
        self.zone: Any = (b"example.com", soa)
        super().__init__("")

    def loadFile(self, filename: str) -> None:
        self.soa = self.zone
        self.records: Any = {b"example.com": [self.zone[1]], **ZONE}


class _Cutting(dns.DNSDatagramProtocol):
    """A server's side of UDP that keeps to 512 bytes."""

    def writeMessage(self, message: dns.Message, address: tuple[str, int]) -> None:
        if len(message.toStr()) > 512:
            message.answers, message.authority, message.additional = [], [], []
            message.trunc = 1
        super().writeMessage(message, address)


class _Scripted(DatagramProtocol):
    """Sends what a function makes of each query."""

    noisy = False
    peer: tuple[str, int]

    def __init__(self, respond: Callable[[bytes], list[bytes]]) -> None:
        self.respond = respond

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.peer = addr
        transport: Any = self.transport
        for response in self.respond(datagram):
            transport.write(response, addr)


def _response(query: bytes) -> dns.Message:
    message = dns.Message()
    message.fromStr(query)
    message.answer = 1
    return message


def _address(query: bytes, address: str) -> bytes:
    message = _response(query)
    name = message.queries[0].name.name
    message.answers = [dns.RRHeader(name, dns.A, dns.IN, 60, dns.Record_A(address, 60))]
    return message.toStr()


def _servfail(query: bytes) -> list[bytes]:
    message = _response(query)
    message.rCode = dns.ESERVER
    return [message.toStr()]


def _write(path: str, text: str) -> None:
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.replace(path + ".new", path)


async def _fault(waiting: Deferred[Any]) -> Any:
    try:
        return await waiting
    except Exception as error:
        return error
