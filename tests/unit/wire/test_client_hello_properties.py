"""ClientHellos: what holds for every input, and what it costs."""

from __future__ import annotations

import random
import sys
from time import process_time
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import ClientHello
from gateway.wire.client_hello import MAX_BYTES, BadClientHello, ClientHelloReader
from tests.effort import examples, is_full
from tests.unit.wire import hellos
from tests.unit.wire.hellos import (
    NAMED,
    alpn,
    body,
    hello,
    message,
    numbers,
    outcome,
    padded,
    record,
    records,
    server_name,
    vector,
    versions,
)

often = settings(deadline=None, max_examples=examples(150), suppress_health_check=list(HealthCheck))
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
        """64 KiB that come byte by byte take a few steps each, however they are made up; outside of CI every third way."""
        for data in self.streams()[:: 1 if is_full() else 3]:
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
