"""Tests of L{gateway.net.tls_records}: both kinds do the same."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.net import tls_quick_records
from gateway.net.tls_quick_records import QuickRecords
from gateway.net.tls_records import PIECE_BYTES, RECORD_BYTES, CarefulRecords, Records, records
from tests.unit.net.certificates import client_context, server_context


class KindTests(SynchronousTestCase):
    """Which one is taken."""

    def test_quick(self) -> None:
        """With the pyOpenSSL that is installed it is the quick one; if not, a version has changed beneath us."""
        self.assertIs(type(records(SSL.Connection(server_context(), None))), QuickRecords)


class RecordsTests(SynchronousTestCase):
    """L{Records}, of each kind on both ends."""

    def ends(
        self, kind: Any, *, shaken: bool = True, version: int = 0
    ) -> tuple[Records, Records, SSL.Connection]:
        """Make a client's end and a server's, and the server's connection; C{version}: of TLS at the most, 0 for any."""
        context = client_context()
        context.set_max_proto_version(version)
        mine = SSL.Connection(context, None)
        mine.set_connect_state()
        theirs = SSL.Connection(server_context(), None)
        theirs.set_accept_state()
        client, server = kind(mine), kind(theirs)
        if shaken:
            done = [False, False]
            for _ in range(4):
                done[0] = done[0] or client.shake()
                server.feed(client.sendable())
                done[1] = done[1] or server.shake()
                client.feed(server.sendable())
            self.assertEqual(done, [True, True])
            self.assertEqual(client.content(), b"")
        return client, server, theirs

    def each(self) -> list[Any]:
        """Give both kinds."""
        return [QuickRecords, CarefulRecords]

    def all_of(self, one: Records) -> bytes:
        """Take content until there is no more."""
        found = b""
        while data := one.content():
            self.assertLessEqual(len(data), PIECE_BYTES)
            found += data
        return found

    def test_content(self) -> None:
        """What one end encrypts the other decrypts, whatever the size."""
        for kind in self.each():
            client, server, _ = self.ends(kind)
            for size in (1, 1000, RECORD_BYTES, RECORD_BYTES + 1, PIECE_BYTES, 5 * PIECE_BYTES + 7):
                data = bytes(range(256)) * (size // 256 + 1)
                client.encrypt(data[:size])
                server.feed(client.sendable())
                self.assertEqual(self.all_of(server), data[:size], size)
                self.assertEqual(client.sendable(), b"")

    def test_cut_anywhere(self) -> None:
        """A record that comes in pieces is content when it is whole."""
        for kind in self.each():
            client, server, _ = self.ends(kind)
            client.encrypt(b"first")
            client.encrypt(b"second")
            stream = client.sendable()
            found = [b""]
            for at in range(len(stream)):
                server.feed(stream[at : at + 1])
                found.append(server.content())
            self.assertEqual([one for one in found if one], [b"first", b"second"])

    def test_several_at_once(self) -> None:
        """Records that came together are all given."""
        for kind in self.each():
            client, server, _ = self.ends(kind)
            for one in (b"a", b"b", b"c"):
                client.encrypt(one)
            server.feed(client.sendable())
            self.assertEqual(self.all_of(server), b"abc")

    def test_received(self) -> None:
        """What comes is given at once or said to be there still, wherever it is cut; no record waits for the next one."""
        for kind in self.each():
            for size, cut in (
                (1, 3),
                (1000, 3),
                (1000, 700),
                (1000, 1 << 20),
                (RECORD_BYTES + 1, 700),
                (RECORD_BYTES + 1, 20_000),
                (5 * PIECE_BYTES + 7, 20_000),
                (5 * PIECE_BYTES + 7, 1 << 20),
            ):
                client, server, _ = self.ends(kind)
                data = (bytes(range(256)) * (size // 256 + 1))[:size]
                stream = b"".join(client.encrypted(data) for _ in range(3))
                found = b""
                for at in range(0, len(stream), cut):
                    found += server.received(stream[at : at + cut])
                    if server.more:
                        found += self.all_of(server)
                    self.assertEqual(server.content(), b"")
                self.assertEqual(found, data * 3, (size, cut))

    def test_received_alone(self) -> None:
        """After a message of one record there is nothing to ask for, and neither while a part of one is missing."""
        client, server, _ = self.ends(QuickRecords)
        for _ in range(3):
            self.assertEqual(server.received(client.encrypted(b"message")), b"message")
            self.assertFalse(server.more)
        stream = client.encrypted(b"one") + client.encrypted(b"another")
        self.assertEqual(server.received(stream[:30]), b"one")
        self.assertFalse(server.more)
        self.assertEqual(server.received(stream[30:]), b"another")
        self.assertFalse(server.more)

    def test_received_as_long_as_one(self) -> None:
        """The end of a record with all of the next one is not taken for a record, though it is as long as the first was."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            client, server, theirs = self.ends(QuickRecords, version=version)
            self.assertEqual(theirs.get_protocol_version(), version)
            for _ in range(2):
                self.assertEqual(server.received(client.encrypted(b"before")), b"before")
            first, second = client.encrypted(b"x" * 100), client.encrypted(b"next")
            cut = len(second)
            self.assertEqual(server.received(first[:cut]), b"")
            found = server.received(first[cut:] + second)
            self.assertEqual(found + self.all_of(server), b"x" * 100 + b"next")
            # From a whole one on they are known again.
            self.assertEqual(server.received(client.encrypted(b"after")), b"after")
            self.assertFalse(server.more)

    def test_received_asks_no_more(self) -> None:
        """A message of one record is written, read and nothing else, whatever version it is of."""
        asked: list[object] = []
        waiting = tls_quick_records._bio_waiting

        def ask(bio: object, where: object) -> object:
            asked.append(bio)
            return waiting(bio, where)

        self.patch(tls_quick_records, "_bio_waiting", ask)
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            client, server, _ = self.ends(QuickRecords, version=version)
            self.assertEqual(server.received(client.encrypted(b"first")), b"first")
            asked.clear()
            for one in (b"a", b"b" * 1000, b"c" * RECORD_BYTES):
                self.assertEqual(server.received(client.encrypted(one)), one)
                self.assertFalse(server.more)
            self.assertEqual(asked, [])
            # Of two records the length tells nothing.
            both = client.encrypted(b"a") + client.encrypted(b"b")
            self.assertEqual(server.received(both) + self.all_of(server), b"ab")

    def test_received_before_the_end(self) -> None:
        """What is wrong behind content is raised when it is asked for more, and so is the peer's end."""
        for kind in self.each():
            for end in ("closed", "broken"):
                client, server, theirs = self.ends(kind)
                stream = server.encrypted(b"last words")
                if end == "closed":
                    theirs.shutdown()
                    stream += server.sendable()
                else:
                    stream += b"\x17\x03\x03\x00\x20" + bytes(32)
                found = client.received(stream)
                self.assertTrue(client.more)
                self.assertEqual(found or client.content(), b"last words")
                error = SSL.ZeroReturnError if end == "closed" else SSL.Error
                self.assertRaises(error, client.content)

    def test_end_keeps_nothing(self) -> None:
        """An error that was raised keeps no connection in memory; the collector has nothing to find."""
        self.addCleanup(gc.enable)
        gc.disable()
        for kind in self.each():
            for end in ("closed", "broken"):
                client, server, theirs = self.ends(kind)
                if end == "closed":
                    theirs.shutdown()
                    stream = server.sendable()
                else:
                    stream = b"\x17\x03\x03\x00\x20" + bytes(32)
                self.assertEqual(client.received(stream), b"")
                with contextlib.suppress(SSL.Error):
                    client.content()
                left = weakref.ref(client._connection)  # type: ignore[attr-defined]
                del client
                self.assertIsNone(left(), (kind, end))

    def test_received_only_the_end(self) -> None:
        """An end alone is no content, and raised when it is asked for."""
        for kind in self.each():
            client, server, theirs = self.ends(kind)
            theirs.shutdown()
            self.assertEqual(client.received(server.sendable()), b"")
            self.assertTrue(client.more)
            self.assertRaises(SSL.ZeroReturnError, client.content)

    def test_something_to_send(self) -> None:
        """What is to be sent is told of, though all content was given."""
        for kind in self.each():
            client, server, _ = self.ends(kind)
            server.encrypt(b"made meanwhile")
            found = server.received(client.encrypted(b"message"))
            self.assertTrue(server.more)
            self.assertEqual(found or server.content(), b"message")
            self.assertEqual(
                client.received(server.sendable()) or client.content(), b"made meanwhile"
            )

    def test_nothing(self) -> None:
        """To encrypt nothing sends nothing."""
        for kind in self.each():
            client, _, _ = self.ends(kind)
            client.encrypt(b"x")
            client.sendable()
            self.assertEqual(client.sendable(), b"")

    def test_end(self) -> None:
        """The peer's end is told once all before it was given."""
        for kind in self.each():
            client, server, theirs = self.ends(kind)
            server.encrypt(b"last words")
            theirs.shutdown()
            client.feed(server.sendable())
            self.assertEqual(client.content(), b"last words")
            self.assertRaises(SSL.ZeroReturnError, client.content)

    def test_broken(self) -> None:
        """What is no TLS is an error, once content before it was given, and leaves an alert to be sent."""
        for kind in self.each():
            client, server, _ = self.ends(kind)
            server.encrypt(b"good")
            good = server.sendable()
            client.feed(good + b"\x17\x03\x03\x00\x20" + bytes(32))
            self.assertEqual(client.content(), b"good")
            self.assertRaises(SSL.Error, client.content)
            self.assertNotEqual(client.sendable(), b"")
            # And nobody else's: the queue of errors is the process's.
            other, another, _ = self.ends(kind)
            other.encrypt(b"well")
            another.feed(other.sendable())
            self.assertEqual(another.content(), b"well")

    def test_handshake_fails(self) -> None:
        """A handshake that fails is an error, with an alert to be sent."""
        for kind in self.each():
            _, server, _ = self.ends(kind, shaken=False)
            server.feed(b"GET / HTTP/1.1\r\n\r\n")
            self.assertRaises(SSL.Error, server.shake)

    def test_error_in_a_callback(self) -> None:
        """What a callback raises comes out of the handshake."""
        for kind in self.each():

            def choose(connection: SSL.Connection, offered: list[bytes]) -> bytes:
                raise ZeroDivisionError

            context = server_context()
            context.set_alpn_select_callback(choose)
            mine = SSL.Connection(client_context(), None)
            mine.set_alpn_protos([b"http/1.1"])
            mine.set_connect_state()
            theirs = SSL.Connection(context, None)
            theirs.set_accept_state()
            client, server = kind(mine), kind(theirs)
            self.assertFalse(client.shake())
            server.feed(client.sendable())
            self.assertRaises(ZeroDivisionError, server.shake)
