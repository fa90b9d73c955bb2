"""ClientHellos: what is read, where a stream is told to be none, and what is refused."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import ClientHello
from gateway.wire.client_hello import (
    MAX_BYTES,
    BadClientHello,
    ClientHelloReader,
    NotTls,
    read_client_hello,
)
from tests.unit.wire import hellos
from tests.unit.wire.hellos import (
    NAMED,
    NOTHING,
    alpn,
    asked,
    body,
    by_openssl,
    hello,
    message,
    numbers,
    padded,
    playbook,
    record,
    records,
    server_name,
    vector,
    versions,
)


class ReadTests(SynchronousTestCase):
    """Hellos made by hand."""

    def reads(self, data: bytes, wanted: ClientHello) -> None:
        """Read one whole and cut at every offset; nothing less than all of it is enough."""
        playbook().receives(data).gives(wanted).at_every_cut()
        for size in range(len(data)):
            self.assertIsNone(read_client_hello(data[:size]))

    def test_everything(self) -> None:
        """Each part of the value comes from its own place."""
        self.reads(
            hello(
                (35, b"ticket"),
                (10, numbers((0x001D, 0x0017))),
                versions(0x0304, 0x0303),
                (11, b"\1\0"),
                (13, numbers((0x0403, 0x0804))),
                server_name(b"Example.com"),
                (0xFE0D, b"\0rest"),
                alpn(b"h2", b"\xff"),
                (41, b"shown to the server"),
            ),
            ClientHello(
                "example.com",
                ("h2", "\xff"),
                (0x0304, 0x0303),
                (0x1301, 0xC02B),
                (35, 10, 43, 11, 13, 0, 0xFE0D, 16, 41),
                (0x001D, 0x0017),
                (0x0403, 0x0804),
                (0,),
                has_ech=True,
                has_ticket=True,
                has_psk=True,
            ),
        )

    def test_bare(self) -> None:
        """A client may have no extensions, or no place for any."""
        self.reads(record(message(body(()))), NOTHING)
        self.reads(record(message(body(None))), NOTHING)

    def test_empty_ticket(self) -> None:
        """An empty ticket only says that one is welcome."""
        self.reads(hello((35, b"")), replace(NOTHING, extensions=(35,)))

    def test_versions(self) -> None:
        """TLS 1.3 is not offered by the number at the front; older versions are."""
        for version, wanted in (
            (0x0300, 0x0300),
            (0x0301, 0x0301),
            (0x0303, 0x0303),
            (0x0304, 0x0303),
            (0x03FF, 0x0303),
        ):
            self.reads(record(message(body(version=version))), replace(NOTHING, versions=(wanted,)))

    def test_record_version(self) -> None:
        """A record's minor version says nothing."""
        for version in (0x0300, 0x0301, 0x0303, 0x03FF):
            self.reads(record(message(body()), version=version), NOTHING)

    def test_grease(self) -> None:
        """Made-up values are let pass, and are no versions."""
        self.reads(
            record(
                message(
                    body(
                        [(0x0A0A, b""), versions(0x1A1A, 0x0304), (0xFAFA, b"\0")],
                        ciphers=(0x2A2A, 0x1301),
                    )
                )
            ),
            ClientHello("", (), (0x0304,), (0x2A2A, 0x1301), (0x0A0A, 43, 0xFAFA)),
        )

    def test_no_grease(self) -> None:
        """What only looks like it counts."""
        self.reads(
            hello(versions(0x7F1C, 0x0A1A)),
            replace(NOTHING, versions=(0x7F1C, 0x0A1A), extensions=(43,)),
        )

    def test_names(self) -> None:
        """Names as the DNS has them, with the underscore and the odd hyphen."""
        longest = b".".join([b"a" * 63] * 3 + [b"b" * 61])
        self.assertEqual(len(longest), 253)
        for name in (
            b"localhost",
            b"_dmarc.example.com",
            b"a--b-.example.com",
            b"1.2.3.example",
            b"xn--bcher-kva.example",
            b"0xg",
            b"4.in-addr.arpa",
            longest,
        ):
            self.reads(
                hello(server_name(name)),
                replace(NOTHING, server_name=name.decode(), extensions=(0,)),
            )

    def test_what_follows(self) -> None:
        """What comes behind the last record, such as early data, is neither looked at nor lost."""
        data = hello(NAMED)
        early = record(b"early", 23) + b"and no record at all"
        for size in range(len(early) + 1):
            reader = ClientHelloReader()
            self.assertEqual(reader.receive(data + early[:size]), read_client_hello(data))
            self.assertEqual(reader.seen, data + early[:size])

    def test_seen(self) -> None:
        """All bytes are kept as they came, whatever becomes of them."""
        for data in (hello(NAMED), b"\x16\x03GET / HTTP/1.1", b"SSH-2.0-x", b"\x16\x03\x01"):
            reader = ClientHelloReader()
            fed = 0
            try:
                for byte in data:
                    fed += 1
                    reader.receive(bytes((byte,)))
            except (NotTls, BadClientHello):
                pass
            self.assertEqual(reader.seen, data[:fed])
            self.assertGreater(fed, 0)

    def test_nothing(self) -> None:
        """No bytes are no news."""
        reader = ClientHelloReader()
        self.assertIsNone(reader.receive(b""))
        self.assertEqual(reader.receive(bytearray(hello(NAMED))), read_client_hello(hello(NAMED)))

    def test_once(self) -> None:
        """A reader reads one hello or refuses one; then it is done."""
        for data in (hello(NAMED), b"GET ", record(b"\0")):
            reader = ClientHelloReader()
            with contextlib.suppress(NotTls, BadClientHello):
                reader.receive(data)
            self.assertRaises(RuntimeError, reader.receive, b"")

    def test_longest(self) -> None:
        """A hello that ends with the last byte allowed is read; one byte more is refused as soon as it is announced."""
        for size, sizes, certain in (
            (MAX_BYTES - 20, (), 9),
            (MAX_BYTES - 25, (16380, 3), 5 + 16380 + 5),
        ):
            content = padded(size)
            data = records(content, sizes)
            self.assertEqual(len(data), MAX_BYTES)
            self.assertEqual(read_client_hello(data), replace(NOTHING, extensions=(0x0015,)))
            self.assertIsNone(read_client_hello(data[:-1]))
            longer = records(padded(size + 1), sizes)
            # Its head tells, and the room that the heads of its records need counts.
            self.assertRaises(BadClientHello, read_client_hello, longer[:certain])
            self.assertIsNone(read_client_hello(longer[: certain - 1]))
            self.assertIsNone(read_client_hello(data[:certain]))


class NotTlsTests(SynchronousTestCase):
    """Other protocols are told by their first bytes; what a server may take for TLS is not among them."""

    def test_others(self) -> None:
        """Each is known at the byte that makes it certain, and not before."""
        for data, certain in (
            (b"GET / HTTP/1.1\r\n", 1),
            (b"PRI * HTTP/2.0\r\n", 1),
            (b"SSH-2.0-OpenSSH\r\n", 1),
            (b"EHLO example.com\r\n", 1),
            (b"\0\0\0\0\0\0", 1),
            (b"\x13BitTorrent protocol", 1),
            (b"\x03\0\0\x13\x0e\xe0", 1),
            (b"\x19\x03\x03\0\1\1", 1),
            (b"\x16GET /", 2),
            (b"\x16\xfe\xfd\0\0\0", 2),
            (b"\x17\x02\x01\0\0\0", 2),
            (b"\x15\0\0\0\0\0", 2),
            (b"\x80\0\0\0\0\0", 3),
            (b"\xff\xfb\x03\xff\xfd\x01", 3),
            (b"\x80\x2e\x01\x04\0\0", 5),
            (b"\x80\x2e\x01\0\x03\0", 5),
        ):
            for size in range(certain):
                self.assertIsNone(read_client_hello(data[:size]), (data, size))
            for size in range(certain, len(data) + 1):
                self.assertRaises(NotTls, read_client_hello, data[:size])
            playbook().receives(data).raises(NotTls).at_every_cut()

    def test_tls_all_the_same(self) -> None:
        """What some server takes for TLS, or could, is refused rather than called unknown."""
        real = hello(NAMED)
        for data, section in (
            (hellos.sslv2(), "RFC 8446 appendix D.5"),
            (hellos.sslv2(0x0002), "RFC 8446 appendix D.5"),
            (record(b"") + real, "RFC 8446 section 5.1"),
            (record(b"\1\0", 21) + real, "RFC 8446 section 5.1"),
            (record(b"\1", 20) + real, "RFC 8446 section 5.1"),
            (record(b"x", 23) + real, "RFC 8446 section 5.1"),
            (record(b"x", 24) + real, "RFC 8446 section 5.1"),
            (record(message(b"", 0)) + real, "RFC 8446 section 4"),
            (record(message(body(), 2)), "RFC 8446 section 4"),
        ):
            playbook().receives(data).raises(BadClientHello, section).at_every_cut()

    def test_openssl_skips_an_empty_record(self) -> None:
        """That is why one is not called another protocol: a server may answer the hello behind it."""
        self.assertTrue(asked(record(b"") + by_openssl()).answered)


class RefusedTests(SynchronousTestCase):
    """Malformed hellos, by the rule that they break."""

    def refuses(self, section: str, *streams: bytes) -> None:
        """Refuse each, whole and at every cut, and the same in more records."""
        for data in streams:
            playbook().receives(data).raises(BadClientHello, section).at_every_cut()

    def test_records(self) -> None:
        """Records of another type, version or length, and bytes behind the message in its own record."""
        whole = message(body([NAMED]))
        first = record(whole[:20])
        self.refuses(
            "RFC 8446 section 5.1",
            first + record(b"\1\0", 21),
            first + record(whole[20:], 23),
            first + record(whole[20:], version=0x0401),
            first + record(b""),
            b"\x16\x03\x01\0\0",
            b"\x16\x03\x01\x40\x01\x01",
            first + b"\x16\x03\x01\x40\x01",
            record(whole + b"\0"),
            record(whole + whole),
            first + record(whole[20:] + b"\x0b"),
        )

    def test_structure(self) -> None:
        """Lengths that do not meet, lists that are empty or odd."""
        good = body([NAMED])
        self.refuses(
            "RFC 8446 section 4.1.2",
            record(message(b"")),
            record(message(good[:33])),
            record(message(good[:34])),
            record(message(good[:35])),
            record(message(good[:37])),
            record(message(good[:42])),
            record(message(good + b"\0")),
            record(message(body(None) + b"\0\0\0")),
            record(message(body(session=bytes(33)))),
            record(message(body(ciphers=()))),
            record(message(good[:35] + vector(b"\x13\x01\x13") + good[41:])),
            record(message(body(compression=b""))),
            record(message(body(compression=b"\1"))),
            record(message(body([versions(0x0304)], compression=b"\1\0"))),
            record(message(body(version=0x0203))),
            record(message(body(version=0x7F00))),
        )

    def test_extensions(self) -> None:
        """Extensions cut short, or given twice, even those nobody knows."""
        start = body(None)
        self.refuses(
            "RFC 8446 section 4.2",
            record(message(start + b"\0")),
            record(message(start + b"\0\1")),
            record(message(start + vector(b"\0"))),
            record(message(start + vector(b"\0\x2a\0"))),
            record(message(start + vector(b"\0\x2a\0\1"))),
            record(message(start + vector(b"\0\x2a\0\2x") + b"")),
            hello(NAMED, NAMED),
            hello((0x0A0A, b""), NAMED, (0x0A0A, b"\0")),
            hello((0x7777, b""), (0x7777, b"")),
        )

    def test_key_not_last(self) -> None:
        """The pre-shared key signs what is before it, so nothing is behind it."""
        self.refuses("RFC 8446 section 4.2.11", hello((41, b"x"), NAMED))

    def test_names(self) -> None:
        """Names that are none: empty, too long, with bytes or labels that no name has, and addresses."""
        self.refuses(
            "RFC 6066 section 3",
            *(
                hello(server_name(name))
                for name in (
                    b"",
                    b".",
                    b"example.com.",
                    b".example.com",
                    b"a..b",
                    b"www.example.com\0.example.org",
                    b"www.example.com\0",
                    b"www example.com",
                    b"www.example.com\r\n",
                    b"www.example.com:443",
                    b"*.example.com",
                    b"b\xc3\xbccher.example",
                    b"\xff",
                    b"a" * 64 + b".example",
                    b".".join([b"a" * 63] * 3 + [b"b" * 62]),
                    b"a." * 200 + b"a",
                    b"127.0.0.1",
                    b"127.1",
                    b"2130706433",
                    b"0x7f.1",
                    b"0X7F000001",
                    b"example.0x",
                    b"a.7",
                    b"::1",
                    b"[::1]",
                    b"fe80::1%eth0",
                )
            ),
        )

    def test_name_lists(self) -> None:
        """A list that is empty, has a name of another kind, has two, or does not end where it should."""
        one = b"\0" + vector(b"a.example")
        self.refuses(
            "RFC 6066 section 3",
            *(
                hello((0, value))
                for value in (
                    b"",
                    b"\0",
                    b"\0\0",
                    vector(b"\0"),
                    vector(b"\0\0"),
                    vector(b"\1" + vector(b"a.example")),
                    vector(one + one),
                    vector(one + b"\1" + vector(b"b")),
                    vector(one) + b"\0",
                    vector(one)[:-1],
                    vector(one[:-1]),
                )
            ),
        )

    def test_protocols(self) -> None:
        """ALPN without a name, with an empty one, or with lengths that do not meet."""
        self.refuses(
            "RFC 7301 section 3.1",
            *(
                hello((16, value))
                for value in (
                    b"",
                    b"\0",
                    vector(b""),
                    vector(b"\0"),
                    vector(b"\2h2\0"),
                    vector(b"\3h2"),
                    vector(b"\2h2") + b"\0",
                )
            ),
        )

    def test_versions(self) -> None:
        """A list of versions that is empty, odd, or does not fill its extension."""
        self.refuses(
            "RFC 8446 section 4.2.1",
            *(
                hello((43, value))
                for value in (b"", b"\0", b"\1\3", b"\2\3", b"\3\3\4\3", b"\2\3\4\0")
            ),
        )

    def test_lists(self) -> None:
        """The same of the other lists."""
        for kind, section in ((10, "RFC 8446 section 4.2.7"), (13, "RFC 8446 section 4.2.3")):
            for value in (b"", b"\0\0", b"\0\1\0", b"\0\2\0", b"\0\2\0\x1d\0"):
                self.refuses(section, hello((kind, value)))
        for value in (b"", b"\0", b"\2\0", b"\1\0\0"):
            self.refuses("RFC 8422 section 5.1.2", hello((11, value)))

    def test_words(self) -> None:
        """An error tells the rule and none of the peer's bytes."""
        error = self.assertRaises(
            BadClientHello, read_client_hello, hello(server_name(b"secret name"))
        )
        self.assertEqual(error.section, "RFC 6066 section 3")
        self.assertNotIn("secret", str(error))
        self.assertIn(error.detail, str(error))
