"""
Abuse of handshakes, written once for everything that shakes hands with clients: L{tests.live.test_tls_abuse} says with what.

Whatever somebody does, a visitor who comes all the while is served, the abused connections end by an alert or when their
time is up, and the gateway stays small.
"""

from __future__ import annotations

import contextlib
import random
import struct
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.live.peers import Closed, Stream
from tests.live.processes import Gateway, until
from tests.live.tls_peers import HOST, HeldHandshake, Visitor, trusting

#: Short enough to be waited for, long enough that it does not run out under an honest client on a slow machine.
TIMEOUTS = """
[timeouts]
request_head = "4s"
client_idle = "4s"
upstream_idle = "2s"
"""

MEBIBYTE = 1 << 20
_HANDSHAKE = 22


def record(content: bytes, kind: int = _HANDSHAKE) -> bytes:
    """Make a record of TLS."""
    return struct.pack("!BHH", kind, 0x0301, len(content)) + content


def fragments(data: bytes, size: int) -> list[bytes]:
    """Cut the handshake messages in records into records of so many bytes each; other records stay as they are."""
    pieces = []
    while data:
        kind, version, length = struct.unpack("!BHH", data[:5])
        content, data = data[5 : 5 + length], data[5 + length :]
        step = size if kind == _HANDSHAKE else max(length, 1)
        pieces += [
            struct.pack("!BHH", kind, version, len(part)) + part
            for part in (content[at : at + step] for at in range(0, length, step))
        ]
    return pieces


def single_bytes(data: bytes) -> Iterable[bytes]:
    """Cut into single bytes."""
    return (data[at : at + 1] for at in range(len(data)))


class AbuseCase(SynchronousTestCase):
    """
    What is abused; a subclass says what that is.

    @ivar gateway: with L{TIMEOUTS}.
    @ivar root: what an honest client trusts.
    """

    gateway: Gateway
    root: Path

    def start(self) -> None:
        """Start the gateway."""
        raise NotImplementedError

    def reach(self) -> Stream:
        """Connect, up to where the gateway waits for a ClientHello."""
        raise NotImplementedError

    def setUp(self) -> None:
        """Start all, and let a visitor come."""
        self.start()
        self.context = trusting(self.root)
        self.visitor = Visitor(self, self.reach, self.context, pause=0.05)
        self.visitor.visits(5)

    def reached(self) -> Stream:
        """Connect; closed when the test ends."""
        stream = self.reach()
        self.addCleanup(stream.close)
        return stream

    def served(self) -> None:
        """See that the visitor was served all the time, and still is."""
        self.visitor.visits(5)
        self.assertEqual((self.visitor.faults, self.visitor.retried), ([], 0))

    def ended(self, stream: Stream) -> bytes:
        """Wait until the gateway ends a connection; gives what it still said."""
        said = b""
        with contextlib.suppress(ConnectionError):
            while data := stream.socket.recv(65536):
                said += data
        return said

    def pushed(self, stream: Stream, pieces: Iterable[bytes]) -> int:
        """Send until the gateway takes no more; gives how many bytes went."""
        sent = 0
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                stream.send(piece)
                sent += len(piece)
        return sent

    def test_large_hello(self) -> None:
        """A ClientHello of nearly 64 KiB, over several records, is as good as any other."""
        context = trusting(self.root)
        names = [f"{number:04d}".ljust(250, "x") for number in range(240)]
        context.set_alpn_protocols([*names, "http/1.1"])
        size = len(HeldHandshake(context).hello())
        self.assertTrue(60_000 < size < 65_536, size)
        self.assertIn(b"origin", HeldHandshake(context).fetched(self.reached()))
        self.served()

    def test_too_large_hello(self) -> None:
        """One that claims to be larger than any is ends the connection, with little of it taken."""
        before = self.gateway.rss
        for claimed in (140_000, (1 << 24) - 1):
            for _ in range(10):
                stream = self.reached()
                message = b"\x01" + claimed.to_bytes(3, "big") + b"\x03\x03" + bytes(12_000)
                first = record(message)
                more = (record(bytes(16_000)) for _ in range(2000))
                self.assertLess(self.pushed(stream, (first, *more)), 20 * MEBIBYTE)
                self.assertNotIn(b"\r\n\r\norigin", self.ended(stream))
        self.served()
        self.assertLess(self.gateway.rss - before, 16 * MEBIBYTE)

    def test_single_bytes(self) -> None:
        """A client whose bytes come one at a time is served."""
        answer = HeldHandshake(self.context, single_bytes).fetched(self.reached())
        self.assertIn(b"origin", answer)
        self.served()

    def test_fragments(self) -> None:
        """So is one whose handshake messages come in records of a few bytes, or of one."""
        for size in (1, 2, 5, 100):
            client = HeldHandshake(self.context, partial(fragments, size=size))
            self.assertIn(b"origin", client.fetched(self.reached()), size)
        self.served()

    def test_slow_hello(self) -> None:
        """Clients that never come to the end of their ClientHello are let go when their time is up, bytes or not."""
        hello = HeldHandshake(self.context).hello()
        slow = [self.reached() for _ in range(50)]
        live = set(slow)

        def all_ended() -> bool:
            nonlocal hello
            piece, hello = hello[:1], hello[1:]
            for stream in list(live):
                try:
                    stream.send(piece)
                    stream.socket.settimeout(0.001)
                    if not stream.socket.recv(100):
                        live.discard(stream)
                except TimeoutError:
                    continue
                except OSError:
                    live.discard(stream)
            return not live

        self.assertGreater(len(hello), 300)
        until(all_ended, what="the end of slow clients")
        self.served()

    def test_empty_records(self) -> None:
        """Records without content are not taken without end."""
        stream = self.reached()
        self.pushed(stream, (record(b"") * 100 for _ in range(1000)))
        self.ended(stream)
        self.served()

    def test_garbage(self) -> None:
        """What is no handshake ends the connection, and reaches no origin."""
        chance = random.Random(4)
        hello = HeldHandshake(self.context).hello()
        garbage = [
            b"GET /hello HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
            bytes(2000),
            b"\xff" * 2000,
            chance.randbytes(2000),
            record(chance.randbytes(2000)),
            record(b"\x01\x00\x07\xd0" + chance.randbytes(2000)),
            record(b"\x02\x00\x00\x26" + bytes(38)),
            record(bytes(16_384), kind=23),
            record(b"\x02\x28", kind=21),
            record(b"\x01\x00", kind=21) * 100,
            record(b"\x01", kind=20) * 100,
            b"\x16\x03\x01\xff\xff" + bytes(70_000),
            b"\x80\x2e\x01\x00\x02" + bytes(43),
            hello[:-1] + b"\xff" + hello,
            # Two ClientHellos, one after the other and in one record.
            hello + hello,
            record(hello[5:] + hello[5:]),
            *(self.damaged(hello, chance) for _ in range(30)),
        ]
        streams = []
        for data in garbage:
            streams.append(self.reached())
            self.pushed(streams[-1], [data])
        for stream in streams:
            self.assertNotIn(b"\r\n\r\norigin", self.ended(stream))
        self.served()

    def damaged(self, hello: bytes, chance: random.Random) -> bytes:
        """Change a byte behind the random values, and leave lengths as they are."""
        at = chance.randrange(44, len(hello))
        return hello[:at] + bytes([hello[at] ^ 1 << chance.randrange(8)]) + hello[at + 1 :]

    def test_renegotiation(self) -> None:
        """With TLS 1.2 nobody can begin a second handshake in a connection, however often it is asked for."""
        for _ in range(20):
            stream = self.reached()
            context = SSL.Context(SSL.TLSv1_2_METHOD)
            client = SSL.Connection(context, None)
            client.set_tlsext_host_name(HOST.encode())
            client.set_connect_state()
            self.exchanged(client, stream, client.do_handshake)
            self.assertTrue(client.renegotiate())
            refusal = self.assertRaises(
                SSL.Error, self.exchanged, client, stream, client.do_handshake
            )
            self.assertIn("no renegotiation", str(refusal))
        self.served()

    def exchanged(self, client: SSL.Connection, stream: Stream, step: object) -> None:
        """Do a step of the handshake until it is done."""
        while True:
            waits = False
            try:
                step()  # type: ignore[operator]
            except SSL.WantReadError:
                waits = True
            with contextlib.suppress(SSL.WantReadError):
                stream.send(client.bio_read(65536))
            if not waits:
                return
            data = stream.socket.recv(65536)
            if not data:
                raise Closed
            client.bio_write(data)

    def test_broken_off(self) -> None:
        """Clients that break off at any moment of the handshake leave nothing behind."""
        before = self.gateway.descriptors
        hello = HeldHandshake(self.context).hello()
        for number in range(300):
            stream = self.reach()
            stream.send(hello[: (0, 5, 100, len(hello))[number % 4]])
            if number % 3 == 0:
                stream.socket.recv(1 if number % 4 == 3 else 0)
            if number % 2:
                stream.reset()
            else:
                stream.close()
        self.served()
        until(lambda: self.gateway.descriptors <= before + 10, what="the end of what was broken")

    def test_half_open(self) -> None:
        """A thousand handshakes that stop on their way cost little, disturb nobody, and end when their time is up."""
        before, small = self.gateway.descriptors, self.gateway.rss
        hello = HeldHandshake(self.context).hello()
        silent = []
        for number in range(1000):
            stream = self.reached()
            # Not a byte, a part of it, or all of it and then nothing of what has to follow.
            stream.send(hello[: (0, 5, 200, len(hello))[number % 4]])
            silent.append(stream)
        self.assertLess(self.gateway.rss - small, 100 * MEBIBYTE)
        self.served()
        for stream in silent:
            self.ended(stream)
        until(lambda: self.gateway.descriptors <= before + 10, what="the end of the half-open")
        self.served()
