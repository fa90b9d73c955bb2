"""Tests of L{gateway.modes.overheard}: what is known of TLS that passes unread."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.transaction import Client, ClientTls
from gateway.modes.overheard import Overheard
from gateway.wire.server_hello import MAX_BYTES
from tests.unit.wire.test_server_hello import KEY_SHARE, TLS_1_3, server_hello

CIPHER = "TLS_AES_128_GCM_SHA256"


class OverheardTests(SynchronousTestCase):
    """A server that answers in a tunnel."""

    def setUp(self) -> None:
        self.client = Client("192.0.2.7", 4711, mode="forward")
        self.overheard = Overheard(self.client)

    def test_at_once(self) -> None:
        """Version and cipher are told, of both sides alike; where nobody has looked at the client, it says so."""
        self.assertTrue(self.overheard(server_hello(TLS_1_3) + bytes(100)))
        self.assertEqual(
            self.client.tls,
            ClientTls(
                version="TLSv1.3",
                cipher=CIPHER,
                decision="tunnel",
                why="off",
                upstream_version="TLSv1.3",
                upstream_cipher=CIPHER,
            ),
        )

    def test_shared(self) -> None:
        """What is alike is one object, so the log need not write it anew."""
        other = Client("192.0.2.8", 4711, mode="forward")
        self.overheard(server_hello(TLS_1_3))
        Overheard(other)(server_hello(TLS_1_3))
        self.assertIs(self.client.tls, other.tls)

    def test_in_pieces(self) -> None:
        """It is waited for, byte by byte if need be, and no longer than it takes."""
        data = server_hello(KEY_SHARE, TLS_1_3)
        for at in range(len(data) - 1):
            self.assertFalse(self.overheard(data[at : at + 1]), at)
        self.assertIsNone(self.client.tls)
        self.assertTrue(self.overheard(data[-1:]))
        assert self.client.tls is not None
        self.assertEqual(self.client.tls.version, "TLSv1.3")

    def test_bounded(self) -> None:
        """A ServerHello that does not come to its end is given up."""
        data = server_hello(*[KEY_SHARE] * 5, TLS_1_3)
        self.assertGreater(len(data), MAX_BYTES)
        pieces = [data[at : at + 500] for at in range(0, len(data), 500)]
        enough = [self.overheard(piece) for piece in pieces[: MAX_BYTES // 500 + 1]]
        self.assertEqual(enough, [False] * (MAX_BYTES // 500) + [True])
        self.assertIsNone(self.client.tls)

    def test_other(self) -> None:
        """What is no TLS is enough at once, and says nothing."""
        self.assertTrue(self.overheard(b"HTTP/1.1 200 OK\r\n"))
        self.assertIsNone(self.client.tls)

    def test_decided(self) -> None:
        """It is added to what was decided."""
        self.client.tls = ClientTls(server_name="a.example", decision="tunnel", why="pinned")
        self.overheard(server_hello(cipher=0xC02F))
        tls = self.client.tls
        self.assertEqual((tls.server_name, tls.why), ("a.example", "pinned"))
        self.assertEqual((tls.version, tls.upstream_version), ("TLSv1.2", "TLSv1.2"))
        self.assertEqual(tls.cipher, "ECDHE-RSA-AES128-GCM-SHA256")

    def test_through_tls(self) -> None:
        """On a connection that has TLS with the proxy itself, that stays, and the server's stands beside it."""
        self.client.tls = ClientTls(version="TLSv1.3", cipher="X", decision="terminate")
        self.overheard(server_hello(cipher=0xC02F))
        tls = self.client.tls
        self.assertEqual((tls.decision, tls.version, tls.cipher), ("terminate", "TLSv1.3", "X"))
        self.assertEqual(tls.upstream_version, "TLSv1.2")

    def test_unknown(self) -> None:
        """A version or a cipher without a name is told by its number."""
        self.overheard(server_hello(version=0x0309, cipher=0xFEFE))
        assert self.client.tls is not None
        self.assertEqual((self.client.tls.version, self.client.tls.cipher), ("0x0309", "0xFEFE"))
