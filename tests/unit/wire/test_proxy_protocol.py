"""The PROXY protocol's two versions, read strictly and written back."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.testing.playbook import Playbook
from gateway.wire.proxy_protocol import (
    Command,
    Decoder,
    Endpoint,
    Family,
    Header,
    ProxyProtocolError,
    Ssl,
    SslClient,
    Tlv,
    TlvType,
    Transport,
    UnixEndpoint,
    encode,
)

SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
SOURCE = Endpoint("192.0.2.1", 56324)
DESTINATION = Endpoint("198.51.100.2", 443)
INET = bytes([192, 0, 2, 1, 198, 51, 100, 2]) + struct.pack("!HH", 56324, 443)


class HeaderAndRest:
    """A L{Decoder} that gives its rest as one more event, so that a playbook sees both."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        self.done = False

    def receive(self, data: bytes) -> list[object]:
        """Pass bytes on until the header is there."""
        if self.done:
            return [data]
        header = self.decoder.receive(data)
        if header is None:
            return []
        self.done = True
        return [header, self.decoder.rest]


def playbook(max_bytes: int = 4096) -> Playbook:
    """Begin a script about a decoder."""
    return Playbook(HeaderAndRest(Decoder(max_bytes)))


def block(
    after: bytes = b"", command: int = 0x21, family: int = 0x11, length: int | None = None
) -> bytes:
    """Write a version 2 header by hand."""
    return (
        SIGNATURE
        + struct.pack("!BBH", command, family, len(after) if length is None else length)
        + after
    )


def tlv(type: int, value: bytes) -> bytes:
    """Write an additional value by hand."""
    return struct.pack("!BH", type, len(value)) + value


def tcp4(*tlvs: Tlv, version: int = 2) -> Header:
    """Make the header most tests are about."""
    return Header(version, Command.PROXY, Family.INET, Transport.STREAM, SOURCE, DESTINATION, tlvs)


class LineTests(SynchronousTestCase):
    """Version 1."""

    def test_tcp4(self) -> None:
        """An IPv4 line gives both ends, and what follows is the client's."""
        playbook().receives(
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET / HTTP/1.1\r\n"
        ).gives(tcp4(version=1), b"GET / HTTP/1.1\r\n").at_every_cut()

    def test_tcp6(self) -> None:
        """IPv6 addresses come out in canonical form."""
        playbook().receives(b"PROXY TCP6 2001:DB8:0::1 ::1 1 65535\r\n").gives(
            Header(
                1,
                Command.PROXY,
                Family.INET6,
                Transport.STREAM,
                Endpoint("2001:db8::1", 1),
                Endpoint("::1", 65535),
            )
        ).at_every_cut()

    def test_unknown(self) -> None:
        """UNKNOWN is accepted, and what else the line says is ignored."""
        longest = (
            b"PROXY UNKNOWN " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n"
        )
        self.assertEqual(len(longest), 107)
        for line in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN any \x00 thing\r\n", longest):
            playbook().receives(line + b"x").gives(Header(1), b"x").at_every_cut()

    def test_line_too_long(self) -> None:
        """A line of 108 bytes is refused, with its end or without."""
        line = b"PROXY UNKNOWN " + b"x" * 92
        for end in (b"\r\n", b"x", b"xxx"):
            playbook().receives(line + end).raises(
                ProxyProtocolError, "PROXY section 2.1"
            ).at_every_cut()

    def test_malformed_lines(self) -> None:
        """Anything but the exact format is refused."""
        for line in (
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\r\n",
            b"PROXY TCP4 192.0.2.1\r198.51.100.2 56324 443\r\n",
            b"PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443 \r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 056324 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 1 99999\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 -1 443\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
            b"PROXY TCP4 192.0.2.01 198.51.100.2 1 443\r\n",
            b"PROXY TCP4 192.0.2.256 198.51.100.2 1 443\r\n",
            b"PROXY TCP4 192.0.2 198.51.100.2 1 443\r\n",
            b"PROXY TCP4 ::1 ::1 1 443\r\n",
            b"PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n",
            b"PROXY TCP6 fe80::1%eth0 ::1 1 443\r\n",
            b"PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 443\r\n",
            b"PROXY TCP6 ::1::2 ::1 1 443\r\n",
            b"PROXY TCP6 12345:: ::1 1 443\r\n",
            b"PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n",
            b"PROXY tcp4 192.0.2.1 198.51.100.2 1 443\r\n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXY \r\n",
        ):
            playbook().receives(line + b"x").raises(
                ProxyProtocolError, "PROXY section 2.1"
            ).at_every_cut()

    def test_mapped_address(self) -> None:
        """An IPv4 tail is how senders write mapped addresses, so it is read."""
        playbook().receives(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n").gives(
            Header(
                1,
                Command.PROXY,
                Family.INET6,
                Transport.STREAM,
                Endpoint(str(ip_address("::ffff:192.0.2.1")), 1),
                Endpoint("::1", 2),
            )
        ).at_every_cut()


class BlockTests(SynchronousTestCase):
    """Version 2."""

    def test_tcp4(self) -> None:
        """An IPv4 block gives both ends, and what follows is the client's."""
        playbook().receives(block(INET) + b"\x16\x03\x01").gives(
            tcp4(), b"\x16\x03\x01"
        ).at_every_cut()

    def test_tcp6(self) -> None:
        """An IPv6 block gives both ends."""
        hosts = [ip_address("2001:db8::1"), ip_address("::1")]
        after = b"".join(host.packed for host in hosts) + struct.pack("!HH", 7, 8)
        playbook().receives(block(after, family=0x21)).gives(
            Header(
                2,
                Command.PROXY,
                Family.INET6,
                Transport.STREAM,
                Endpoint("2001:db8::1", 7),
                Endpoint("::1", 8),
            )
        ).at_every_cut()

    def test_unix(self) -> None:
        """Unix paths lose their padding; an abstract name keeps its leading zero."""
        after = b"/run/a".ljust(108, b"\0") + b"\0abstract".ljust(108, b"\0")
        playbook().receives(block(after, family=0x31)).gives(
            Header(
                2,
                Command.PROXY,
                Family.UNIX,
                Transport.STREAM,
                UnixEndpoint(b"/run/a"),
                UnixEndpoint(b"\0abstract"),
            )
        ).at_every_cut()

    def test_local(self) -> None:
        """LOCAL is accepted and all it carries is discarded, even what would be wrong elsewhere."""
        for after, family in ((b"", 0x00), (INET, 0x11), (b"\xff", 0x11), (b"\x02\x00\x09", 0x00)):
            playbook().receives(block(after, 0x20, family) + b"x").gives(
                Header(2, Command.LOCAL), b"x"
            ).at_every_cut()

    def test_unspec(self) -> None:
        """An unknown family is accepted and tells no addresses; its additional values are kept."""
        playbook().receives(block(tlv(0x05, b"id"), family=0x00)).gives(
            Header(2, tlvs=(Tlv(0x05, b"id"),))
        ).at_every_cut()

    def test_half_unspec(self) -> None:
        """A family without a transport, or the reverse, tells nothing; its bytes are skipped."""
        playbook().receives(block(INET, family=0x10) + b"x").gives(
            Header(2, Command.PROXY, Family.INET), b"x"
        ).at_every_cut()
        playbook().receives(block(b"\xff", family=0x01) + b"x").gives(
            Header(2, Command.PROXY, Family.UNSPEC, Transport.STREAM), b"x"
        ).at_every_cut()

    def test_datagram(self) -> None:
        """A datagram's addresses are nobody's on a stream: they are left out."""
        playbook().receives(block(INET, family=0x12)).gives(
            Header(2, Command.PROXY, Family.INET, Transport.DGRAM)
        ).at_every_cut()

    def test_unknown_codes(self) -> None:
        """Unassigned versions, commands, families and transports are refused."""
        for command, family in (
            (0x11, 0x11),
            (0x31, 0x11),
            (0x22, 0x11),
            (0x21, 0x41),
            (0x21, 0x13),
        ):
            playbook().receives(block(INET, command, family)).raises(
                ProxyProtocolError, "PROXY section 2.2"
            ).at_every_cut()

    def test_short_addresses(self) -> None:
        """A block that ends inside its addresses is refused."""
        for family, size in ((0x11, 11), (0x21, 35), (0x31, 215), (0x11, 0)):
            playbook().receives(block(b"\x01" * size, family=family)).raises(
                ProxyProtocolError, "PROXY section 2.2"
            ).at_every_cut()

    def test_limit(self) -> None:
        """A block of exactly the limit passes; one byte more is refused as soon as the length is read."""
        noop = tlv(0x04, bytes(64 - 16 - 12 - 3))
        playbook(64).receives(block(INET + noop)).gives(tcp4(Tlv(0x04, bytes(33)))).at_every_cut()
        playbook(64).receives(block(length=49)).raises(
            ProxyProtocolError, "PROXY section 2.2"
        ).at_every_cut()


class TlvTests(SynchronousTestCase):
    """Version 2's additional values."""

    def decode(self, *values: bytes) -> Header:
        """Decode a header with these additional values."""
        header = Decoder().receive(block(INET + b"".join(values)))
        assert header is not None
        return header

    def refused(self, *values: bytes) -> str:
        """Give the section that refuses these additional values at every cut."""
        error = self.assertRaises(ProxyProtocolError, self.decode, *values)
        playbook().receives(block(INET + b"".join(values))).raises(
            ProxyProtocolError, error.section
        ).at_every_cut()
        return str(error.section)

    def test_known(self) -> None:
        """Known values are read as what they are."""
        header = self.decode(
            tlv(0x01, b"h2"),
            tlv(0x02, "bücher.example.com".encode()),
            tlv(0x05, b"\0id"),
            tlv(0x30, b"blue"),
        )
        self.assertEqual(
            (header.alpn, header.authority, header.unique_id, header.netns),
            (b"h2", "bücher.example.com", b"\0id", "blue"),
        )

    def test_absent(self) -> None:
        """What is not there is C{None}."""
        header = self.decode()
        self.assertEqual(
            (header.alpn, header.authority, header.unique_id, header.netns, header.ssl),
            (None, None, None, None, None),
        )

    def test_unknown_kept(self) -> None:
        """Unknown types are kept in order and may repeat, as may padding."""
        values = (
            Tlv(0xE0, b"a"),
            Tlv(0xE0, b""),
            Tlv(0x04, b""),
            Tlv(0x04, b"\0"),
            Tlv(0xEA, b"c"),
        )
        self.assertEqual(
            self.decode(*(tlv(value.type, value.value) for value in values)).tlvs, values
        )

    def test_cut_short(self) -> None:
        """A value that does not fit is refused."""
        for value in (b"\x01", b"\x01\x00", b"\x01\x00\x05abcd"):
            self.assertEqual(self.refused(tlv(0x04, b""), value), "PROXY section 2.2")

    def test_given_twice(self) -> None:
        """A second value of a kind there can be one of is refused."""
        self.assertEqual(self.refused(tlv(0x02, b"a"), tlv(0x02, b"b")), "PROXY section 2.2")

    def test_wrong_encoding(self) -> None:
        """Text that is not in its encoding is refused."""
        self.assertEqual(self.refused(tlv(0x02, b"\xff")), "PROXY section 2.2")
        self.assertEqual(self.refused(tlv(0x30, "ü".encode())), "PROXY section 2.2")

    def test_unique_id_length(self) -> None:
        """A unique id has at most 128 bytes."""
        self.assertEqual(self.decode(tlv(0x05, b"x" * 128)).unique_id, b"x" * 128)
        self.assertEqual(self.refused(tlv(0x05, b"x" * 129)), "PROXY section 2.2.5")

    def test_ssl(self) -> None:
        """All that is said of TLS is read, in its encodings."""
        header = self.decode(
            tlv(
                0x20,
                b"\x07\0\0\0\0"
                + tlv(0x21, b"TLSv1.3")
                + tlv(0x22, "Jörg".encode())
                + tlv(0x23, b"TLS_AES_128_GCM_SHA256")
                + tlv(0x24, b"SHA256")
                + tlv(0x25, b"RSA2048"),
            )
        )
        self.assertEqual(
            header.ssl,
            Ssl(SslClient(7), 0, "TLSv1.3", "Jörg", "TLS_AES_128_GCM_SHA256", "SHA256", "RSA2048"),
        )

    def test_ssl_malformed(self) -> None:
        """A TLS value that is cut short, or holds one that is, is refused."""
        self.assertEqual(self.refused(tlv(0x20, b"\x01\0\0\0")), "PROXY section 2.2.6")
        self.assertEqual(
            self.refused(tlv(0x20, b"\x01\0\0\0\0\x21\0\x08TLSv1.3")), "PROXY section 2.2"
        )
        self.assertEqual(
            self.refused(tlv(0x20, b"\x01\0\0\0\0" + tlv(0x21, b"\xff"))), "PROXY section 2.2"
        )

    def test_certificate_verified(self) -> None:
        """A zero result alone is no verified certificate: there must have been one."""
        self.assertFalse(Ssl(SslClient.SSL, 0).certificate_verified)
        self.assertFalse(Ssl(SslClient.SSL | SslClient.CERT_CONN, 1).certificate_verified)
        self.assertTrue(Ssl(SslClient.SSL | SslClient.CERT_CONN, 0).certificate_verified)
        self.assertTrue(Ssl(SslClient.SSL | SslClient.CERT_SESS, 0).certificate_verified)

    def test_checksum(self) -> None:
        """The right sum passes and any changed bit is refused."""
        right = encode(
            tcp4(Tlv(TlvType.UNIQUE_ID, b"a"), Tlv(TlvType.CRC32C, b""), Tlv(TlvType.ALPN, b"h2"))
        )
        header = Decoder().receive(right)
        assert header is not None
        self.assertEqual(header.alpn, b"h2")
        for at in (16, 24, 31, 35, 38, len(right) - 1):
            wrong = bytearray(right)
            wrong[at] ^= 1
            playbook().receives(bytes(wrong)).raises(
                ProxyProtocolError, "PROXY section 2.2.3"
            ).at_every_cut()

    def test_checksum_value(self) -> None:
        """The sum is Castagnoli's over the whole header with the sum's place zeroed."""
        # Computed apart from this code, bit by bit from the polynomial 0x1EDC6F41.
        header = block(tlv(0x03, b"\0\0\0\0"), family=0x00)
        expected = bitwise_crc32c(header)
        self.assertEqual(bitwise_crc32c(b"123456789"), 0xE3069283)
        playbook().receives(block(tlv(0x03, expected.to_bytes(4, "big")), family=0x00)).gives(
            Header(2, tlvs=(Tlv(0x03, expected.to_bytes(4, "big")),))
        ).at_every_cut()

    def test_checksum_length(self) -> None:
        """A sum of another length than 32 bits is refused."""
        self.assertEqual(self.refused(tlv(0x03, b"\0\0\0")), "PROXY section 2.2.3")


def bitwise_crc32c(data: bytes) -> int:
    """Compute the sum from the polynomial, most significant bit first, as RFC 4960 appendix B describes it."""
    crc = 0xFFFFFFFF
    for byte in data:
        for bit in range(8):
            crc = (crc << 1) ^ (0x1EDC6F41 if (crc >> 31 ^ byte >> bit) & 1 else 0)
            crc &= 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2) ^ 0xFFFFFFFF


class StreamTests(SynchronousTestCase):
    """Both versions."""

    def test_neither(self) -> None:
        """What is neither version is refused at its first wrong byte."""
        self.assertIsNone(Decoder().receive(b"P"))
        self.assertIsNone(Decoder().receive(b"\r"))
        for wrong in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXX",
            b"PROXY\t",
            b"proxy ",
            b"\r\nG",
            SIGNATURE[:11] + b"\r",
        ):
            playbook().receives(wrong).raises(ProxyProtocolError, "PROXY section 2").at_every_cut()

    def test_closed_early(self) -> None:
        """A peer that closes inside the header is refused."""
        playbook().receives(b"PROXY TCP4").receives(b"").raises(
            ProxyProtocolError, "PROXY section 2"
        ).at_every_cut()

    def test_one_header_only(self) -> None:
        """A decoder is good for one header."""
        decoder = Decoder()
        self.assertRaises(ProxyProtocolError, decoder.receive, b"x")
        self.assertRaises(RuntimeError, decoder.receive, b"PROXY UNKNOWN\r\n")


def endpoints(version: Literal[4, 6]) -> st.SearchStrategy[Endpoint]:
    """Draw ends of one IP version."""
    return st.builds(Endpoint, st.ip_addresses(v=version).map(str), st.integers(0, 65535))


def tlvs() -> st.SearchStrategy[tuple[Tlv, ...]]:
    """Draw additional values, at most one of a type."""
    text = st.text(max_size=20)
    return st.lists(
        st.one_of(
            st.builds(Tlv, st.just(int(TlvType.ALPN)), st.binary(max_size=20)),
            st.builds(Tlv, st.just(int(TlvType.AUTHORITY)), text.map(str.encode)),
            st.builds(Tlv, st.just(int(TlvType.UNIQUE_ID)), st.binary(max_size=128)),
            st.builds(Tlv, st.integers(0xE0, 0xEF), st.binary(max_size=20)),
        ),
        max_size=4,
        unique_by=lambda value: value.type,
    ).map(tuple)


@st.composite
def headers(draw: st.DrawFn) -> Header:
    """Draw headers that can be written."""
    version = draw(st.sampled_from([1, 2]))
    more = draw(tlvs()) if version == 2 else ()
    kind: Literal[4, 6] | None = draw(st.sampled_from([4, 6, None]))
    if kind is None:
        return Header(version, tlvs=more)
    family = Family.INET if kind == 4 else Family.INET6
    ends = draw(endpoints(kind)), draw(endpoints(kind))
    return Header(version, Command.PROXY, family, Transport.STREAM, *ends, more)


class EncodeTests(SynchronousTestCase):
    """The encoder against the decoder."""

    @settings(derandomize=True, deadline=None)
    @given(headers(), st.binary(max_size=10), st.integers(0, 300))
    def test_round_trip(self, header: Header, rest: bytes, cut: int) -> None:
        """What is written is read back, wherever it is cut."""
        decoder = Decoder()
        data = encode(header) + rest
        pieces = [piece for piece in (data[:cut], data[cut:]) if piece]
        found = None
        while pieces and found is None:
            found = decoder.receive(pieces.pop(0))
        self.assertEqual(found, header)
        self.assertEqual(decoder.rest + b"".join(pieces), rest)

    @settings(derandomize=True, deadline=None)
    @given(
        st.binary(max_size=80),
        st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"]),
    )
    def test_anything(self, data: bytes, prefix: bytes) -> None:
        """No input brings out anything but a header, patience or a refusal."""
        try:
            found = Decoder().receive(prefix + data + b".")
        except ProxyProtocolError:
            return
        self.assertIsInstance(found, Header | None)

    def test_unix(self) -> None:
        """Unix paths are written and read back."""
        ends = UnixEndpoint(b"/run/a"), UnixEndpoint(b"")
        header = Header(2, Command.PROXY, Family.UNIX, Transport.STREAM, *ends)
        self.assertEqual(Decoder().receive(encode(header)), header)

    def test_local(self) -> None:
        """LOCAL is written without addresses."""
        self.assertEqual(encode(Header(2, Command.LOCAL)), block(command=0x20, family=0x00))

    def test_known_bytes(self) -> None:
        """The bytes are those of the document."""
        self.assertEqual(encode(tcp4()), block(INET))
        self.assertEqual(
            encode(tcp4(version=1)), b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
        )
        self.assertEqual(encode(Header(1)), b"PROXY UNKNOWN\r\n")

    def test_impossible(self) -> None:
        """What a version cannot say is refused."""
        unix = UnixEndpoint(b"/run/a")
        inet, stream, proxy = Family.INET, Transport.STREAM, Command.PROXY
        for header in (
            Header(3),
            Header(1, Command.LOCAL),
            Header(1, tlvs=(Tlv(4, b""),)),
            Header(1, proxy, Family.UNIX, stream, unix, unix),
            Header(1, proxy, Family.INET6, stream, SOURCE, DESTINATION),
            Header(1, proxy, inet, stream, SOURCE, Endpoint("198.51.100.2", 65536)),
            Header(2, proxy, Family.UNSPEC, stream, SOURCE, DESTINATION),
            Header(2, proxy, inet, Transport.DGRAM, SOURCE, DESTINATION),
            Header(2, proxy, inet, stream, SOURCE, unix),
            Header(2, proxy, inet, stream, unix, unix),
            Header(2, proxy, inet, stream),
            Header(2, proxy, Family.UNIX, stream, unix, UnixEndpoint(b"x" * 109)),
        ):
            self.assertRaises(ValueError, encode, header)
