"""Tests of L{gateway.wire.server_hello}: what a server has chosen, read in passing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.client_hello import NotTls
from gateway.wire.server_hello import MAX_BYTES, ServerHello, read_server_hello


def extension(kind: int, value: bytes) -> bytes:
    """Make an extension."""
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def server_hello(
    *extensions: bytes,
    version: int = 0x0303,
    cipher: int = 0x1301,
    session: bytes = bytes(32),
    without_extensions: bool = False,
    behind: bytes = b"",
) -> bytes:
    """
    Make the record of a ServerHello.

    @param behind: what follows in the same record.
    """
    joined = b"".join(extensions)
    content = (
        version.to_bytes(2, "big")
        + bytes(range(32))
        + bytes([len(session)])
        + session
        + cipher.to_bytes(2, "big")
        + b"\0"
        + (b"" if without_extensions else len(joined).to_bytes(2, "big") + joined)
    )
    message = b"\x02" + len(content).to_bytes(3, "big") + content + behind
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message


TLS_1_3 = extension(43, b"\x03\x04")
KEY_SHARE = extension(51, b"\x11\xec" + (1120).to_bytes(2, "big") + bytes(1120))


class ReadTests(SynchronousTestCase):
    """What is read."""

    def test_tls_1_3(self) -> None:
        """The version of TLS 1.3 stands in an extension, before or behind the key."""
        for extensions in ((TLS_1_3, KEY_SHARE), (KEY_SHARE, TLS_1_3), (TLS_1_3,)):
            found = read_server_hello(server_hello(*extensions))
            self.assertEqual(found, ServerHello(0x0304, 0x1301))

    def test_tls_1_2(self) -> None:
        """Without that extension the version is the one in the head, with or without other extensions."""
        for data in (
            server_hello(cipher=0xC02F, without_extensions=True),
            server_hello(cipher=0xC02F),
            server_hello(extension(65281, b"\0"), extension(23, b""), cipher=0xC02F),
        ):
            self.assertEqual(read_server_hello(data), ServerHello(0x0303, 0xC02F))

    def test_older(self) -> None:
        """Versions before TLS 1.2 are known at once."""
        data = server_hello(version=0x0301, cipher=0x002F, session=b"")
        self.assertEqual(read_server_hello(data[:47]), ServerHello(0x0301, 0x002F))

    def test_behind(self) -> None:
        """What follows in the record, as certificates do in TLS 1.2, is not waited for."""
        data = server_hello(cipher=0xC02F, behind=bytes(8000))
        self.assertEqual(read_server_hello(data[:200]), ServerHello(0x0303, 0xC02F))

    def test_every_cut(self) -> None:
        """Whatever is missing, more is asked for, and the whole is read alike."""
        data = server_hello(KEY_SHARE, TLS_1_3)
        needed = len(data)
        for size in range(1, needed):
            self.assertIsNone(read_server_hello(data[:size]), size)
        self.assertIsNotNone(read_server_hello(data))
        self.assertLess(needed, MAX_BYTES)

    def test_other(self) -> None:
        """Another protocol, an alert, another message and a message over several records are no ServerHello."""
        whole = server_hello(TLS_1_3)
        for data in (
            b"HTTP/1.1 200 OK\r\n",
            b"\x15\x03\x03\x00\x02\x02\x28",
            b"\x16\x02",
            whole[:5] + b"\x01" + whole[6:],
            whole[:3] + b"\x00\x20" + whole[5:],
            whole[:9] + b"\x02" + whole[10:],
            whole[:43] + b"\xff" + whole[44:],
            server_hello(extension(43, b"\x03\x04\x00")),
        ):
            self.assertRaises(NotTls, read_server_hello, data)

    @given(st.binary(min_size=1, max_size=200), st.integers(0, 200))
    def test_anything(self, noise: bytes, at: int) -> None:
        """No bytes of a server make anything but one of the three answers."""
        whole = server_hello(KEY_SHARE, TLS_1_3)
        for data in (noise, b"\x16\x03\x03" + noise, whole[:at] + noise + whole[at + len(noise) :]):
            if data:
                try:
                    found = read_server_hello(data)
                except NotTls:
                    continue
                self.assertIsInstance(found, ServerHello | None)
