"""ClientHellos: what is read, where a stream is told to be none, what is refused, and that OpenSSL reads no other name."""

from __future__ import annotations

import contextlib
import random
import sys
from dataclasses import replace
from time import process_time
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import ClientHello
from gateway.testing.playbook import Like, Playbook
from gateway.wire.client_hello import (
    MAX_BYTES,
    BadClientHello,
    ClientHelloReader,
    NotTls,
    read_client_hello,
)
from tests.effort import examples
from tests.unit.wire import hellos
from tests.unit.wire.hellos import (
    alpn,
    asked,
    body,
    by_openssl,
    disagreement,
    hello,
    message,
    numbers,
    outcome,
    record,
    records,
    server_name,
    vector,
    versions,
)

often = settings(deadline=None, max_examples=examples(150), suppress_health_check=list(HealthCheck))

NAMED = server_name(b"www.example.com")
NOTHING = ClientHello("", versions=(0x0303,), ciphers=(0x1301, 0xC02B))


def playbook() -> Playbook:
    """Begin a script about a fresh reader."""
    return Playbook(ClientHelloReader)


def tls_1_2(context: SSL.Context) -> None:
    """Let a client know nothing newer."""
    context.set_max_proto_version(SSL.TLS1_2_VERSION)


def tls_1_3(context: SSL.Context) -> None:
    """Let a client know nothing older."""
    context.set_min_proto_version(SSL.TLS1_3_VERSION)


def with_alpn(context: SSL.Context) -> None:
    """Let a client offer two protocols."""
    context.set_alpn_protos([b"h2", b"http/1.1"])


class OpenSslTests(SynchronousTestCase):
    """Hellos of a real client, read by us and by a real server."""

    def reads(self, data: bytes, **wanted: object) -> None:
        """Read one whole, cut at every offset and byte by byte; a server of OpenSSL's reads the same."""
        self.assertEqual(Like(ClientHello, **wanted), read_client_hello(data))
        playbook().receives(data).gives(Like(ClientHello, **wanted)).at_every_cut()
        theirs = asked(data)
        self.assertTrue(theirs.answered)
        self.assertEqual(disagreement(data, outcome(data), theirs), "")

    def test_default(self) -> None:
        """A client as it comes offers TLS 1.3 and 1.2, and no secret of its own."""
        self.reads(
            by_openssl(),
            server_name="www.example.com",
            alpn=(),
            versions=(0x0304, 0x0303),
            has_ech=False,
            has_psk=False,
            has_ticket=False,
        )

    def test_tls_1_2(self) -> None:
        """A client of TLS 1.2 says its version at the front."""
        self.reads(by_openssl(change=tls_1_2), server_name="www.example.com", versions=(0x0303,))

    def test_tls_1_3(self) -> None:
        """A client of TLS 1.3 alone says so by the extension, whatever stands at the front."""
        data = by_openssl(change=tls_1_3)
        self.reads(data, server_name="www.example.com", versions=(0x0304,))
        found = read_client_hello(data)
        assert found is not None
        self.assertEqual(set(found.ciphers) - {0x00FF}, {0x1301, 0x1302, 0x1303})

    def test_no_name(self) -> None:
        """Who asks for no name gets an empty one."""
        self.reads(by_openssl(None), server_name="")

    def test_case(self) -> None:
        """Names are in lower case."""
        self.reads(by_openssl(b"WWW.Example.COM"), server_name="www.example.com")

    def test_alpn(self) -> None:
        """Protocols are in the client's order."""
        self.reads(by_openssl(change=with_alpn), alpn=("h2", "http/1.1"))

    def test_ticket(self) -> None:
        """A client that was here before shows its ticket in TLS 1.2, its key in TLS 1.3."""
        self.reads(by_openssl(change=tls_1_2, resumes=True), has_ticket=True, has_psk=False)
        self.reads(by_openssl(resumes=True), has_ticket=False, has_psk=True)

    def test_lists(self) -> None:
        """Groups, signature algorithms and point formats are as they were set."""

        def change(context: SSL.Context) -> None:
            tls_1_2(context)
            context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")

        found = read_client_hello(by_openssl(change=change))
        assert found is not None
        self.assertEqual(found.ciphers, (0xC02B, 0xC02F, 0x00FF)[: len(found.ciphers)])
        self.assertGreaterEqual(len(found.ciphers), 2)
        self.assertIn(0x001D, found.groups)
        self.assertIn(0x0403, found.signature_algorithms)
        self.assertEqual(found.point_formats[:1], (0,))
        self.assertLessEqual({0, 10, 11, 13}, set(found.extensions))

    def test_fragments(self) -> None:
        """A message in any number of records is one message, for OpenSSL too."""
        whole = by_openssl()
        content = whole[5:]
        for sizes in ((1,), (3, 1), (4,), (200, 1, 300), (1,) * 40):
            data = records(content, sizes)
            self.assertEqual(read_client_hello(data), read_client_hello(whole))
            self.assertEqual(disagreement(data, outcome(data), asked(data)), "")
            self.assertTrue(asked(data).answered)

    def test_changed(self) -> None:
        """Whatever becomes of a hello: what OpenSSL answers is TLS for us, with the same name, or refused."""
        source = random.Random(8446)
        accepted = answered = 0
        for data in (by_openssl(change=with_alpn), by_openssl(change=tls_1_2)) * 150:
            made = hellos.changed(data, source)
            ours, theirs = outcome(made), asked(made)
            self.assertEqual(disagreement(made, ours, theirs), "")
            accepted += isinstance(ours, ClientHello)
            answered += theirs.answered
        # The comparison is about something.
        self.assertGreater(accepted, 30)
        self.assertGreater(answered, 30)

    def test_it_finds_what_is_wrong(self) -> None:
        """The comparison fails where it should."""
        data = by_openssl(change=with_alpn)
        theirs, ours = asked(data), read_client_hello(data)
        assert ours is not None
        for wrong in (
            None,
            ("NotTls", ""),
            replace(ours, server_name="www.example.org"),
            replace(ours, alpn=("h2",)),
        ):
            self.assertNotEqual(disagreement(data, wrong, theirs), "")


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


def padded(size: int) -> bytes:
    """Make a message of so many bytes."""
    empty = len(message(body([(0x0015, b"")])))
    return message(body([(0x0015, bytes(size - empty))]))


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


LABELS = st.text("abcxyzABZ059_-", min_size=1, max_size=10)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "example"]))
NUMBERS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=20)
PROTOCOLS = st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=4)
OTHERS = st.dictionaries(
    st.integers(0, 0xFFFF).filter(lambda kind: kind not in (0, 10, 11, 13, 16, 35, 41, 43)),
    st.binary(max_size=9),
    max_size=5,
)
SIZES = st.lists(st.integers(1, 60), max_size=12)
CUTS = st.lists(st.integers(0, 300), max_size=6)


class PropertyTests(SynchronousTestCase):
    """What holds for every input."""

    @often
    @given(st.binary(max_size=200), CUTS)
    def test_any_bytes(self, data: bytes, cuts: list[int]) -> None:
        """Any bytes are a hello, a beginning or one of the two errors, wherever they are cut."""
        self.assertEqual(outcome(data), outcome(data, cuts))
        self.assertEqual(outcome(data), outcome(data, range(len(data))))

    @often
    @given(st.binary(max_size=200), SIZES, CUTS)
    def test_any_content(self, data: bytes, sizes: list[int], cuts: list[int]) -> None:
        """So is any content of a message that is framed as it should be, and any block of extensions."""
        start = body(None)
        for content in (start[:34] + data, start + data, start + vector(data)):
            stream = records(message(content), sizes)
            found = outcome(stream)
            self.assertIsNotNone(found)
            self.assertEqual(found, outcome(stream, cuts))
            self.assertEqual(found, outcome(stream, range(len(stream))))

    @often
    @given(st.integers(0, 1 << 32), CUTS)
    def test_nearly_hellos(self, seed: int, cuts: list[int]) -> None:
        """So is a hello with some bytes changed."""
        good = hello(versions(0x0304), NAMED, alpn(b"h2"), (10, numbers((29,))), (35, b""))
        data = hellos.changed(good, random.Random(seed))
        self.assertEqual(outcome(data), outcome(data, cuts))
        self.assertEqual(outcome(data), outcome(data, range(len(data))))

    @often
    @given(st.data())
    def test_round_trip(self, data: Any) -> None:
        """What is written is read again, in any number of records and at any cut."""
        wanted: dict[str, Any] = {"server_name": ""}
        extensions = list(data.draw(OTHERS).items())
        if data.draw(st.booleans()):
            name = data.draw(NAMES)
            extensions.append(server_name(name.encode()))
            wanted["server_name"] = name.lower()
        if data.draw(st.booleans()):
            protocols = data.draw(PROTOCOLS)
            extensions.append(alpn(*protocols))
            wanted["alpn"] = tuple(protocol.decode("latin-1") for protocol in protocols)
        for kind, part in ((10, "groups"), (13, "signature_algorithms")):
            if data.draw(st.booleans()):
                drawn = data.draw(NUMBERS)
                extensions.append((kind, numbers(drawn)))
                wanted[part] = tuple(drawn)
        wanted["versions"] = (0x0303,)
        if data.draw(st.booleans()):
            offered = data.draw(st.lists(st.sampled_from([0x0304, 0x0303, 0x0302]), min_size=1))
            extensions.append(versions(*offered))
            wanted["versions"] = tuple(offered)
        ticket = data.draw(st.none() | st.binary(max_size=5))
        if ticket is not None:
            extensions.append((35, ticket))
        wanted["has_ticket"] = bool(ticket)
        extensions = data.draw(st.permutations(extensions))
        wanted["has_psk"] = data.draw(st.booleans())
        if wanted["has_psk"]:
            extensions.append((41, b"x"))
        wanted["extensions"] = tuple(kind for kind, _ in extensions)
        wanted["has_ech"] = 0xFE0D in wanted["extensions"]
        wanted["ciphers"] = tuple(data.draw(NUMBERS))
        content = message(
            body(
                extensions,
                ciphers=wanted["ciphers"],
                session=data.draw(st.binary(max_size=32)),
            )
        )
        stream = records(content, data.draw(SIZES))
        self.assertEqual(outcome(stream, data.draw(CUTS)), ClientHello(**wanted))


class CostTests(SynchronousTestCase):
    """What hostile input costs: a number of steps that grows with its length and no faster."""

    def steps(self, data: bytes, size: int) -> int:
        """Count the calls, also those of built-in functions, that reading pieces of this size takes."""
        count = 0

        def called(frame: object, event: str, argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        reader = ClientHelloReader()
        before = sys.getprofile()
        began = process_time()
        sys.setprofile(called)
        try:
            for at in range(0, len(data), size):
                if reader.receive(data[at : at + size]) is not None:
                    break
        except BadClientHello:
            pass
        finally:
            sys.setprofile(before)
        # Tens of times what a slow machine needs.
        self.assertLess(process_time() - began, 10.0)
        self.assertLessEqual(len(reader.seen), MAX_BYTES + size)
        return count

    def streams(self) -> list[bytes]:
        """Make streams of nearly 64 KiB, some good and some bad, each the worst of its kind."""
        room = MAX_BYTES - 20
        kinds = [(kind, b"") for kind in range(0x4000, 0x4000 + 16000)]
        names = alpn(*[b"x"] * 32000)
        return [
            records(padded(room)),
            records(padded(10000), [1] * 10000),
            records(padded(10900), [1] * 10900) + record(b"x") * 1000,
            records(message(body(kinds))),
            records(message(body([names]))),
            records(message(body([], ciphers=range(30000)))),
            records(message(body([server_name(b"a." * 30000)]))),
            record(b"\1\0\xff\0") + record(b"x") * 11000,
            records(b"\1\0\xff\0" + bytes(65000)),
        ]

    def test_byte_by_byte(self) -> None:
        """64 KiB that come byte by byte take a few steps each, however they are made up."""
        for data in self.streams():
            self.assertGreater(len(data), 58000)
            self.assertLess(self.steps(data, 1), 12 * len(data))

    def test_whole(self) -> None:
        """At once they take no more than for their smallest parts: a few steps for each record, extension and name."""
        for data in self.streams():
            self.assertLess(self.steps(data, len(data)), 5 * len(data))

    def test_no_end(self) -> None:
        """What never ends is refused at the limit, and no more of it is kept."""
        for stream in (records(padded(60000), [1] * 60000), record(bytes((1, 0, 255, 0))) * 9000):
            reader = ClientHelloReader()
            fed = 0

            def feed(reader: ClientHelloReader = reader, stream: bytes = stream) -> None:
                nonlocal fed
                for at in range(0, len(stream), 256):
                    fed = at + 256
                    reader.receive(stream[at : at + 256])

            self.assertRaises(BadClientHello, feed)
            self.assertLessEqual(fed, MAX_BYTES + 256)
            self.assertLessEqual(len(reader.seen), MAX_BYTES + 256)
