"""
What hostile input costs: time that grows with its length and no faster, and memory that has a bound.

The ceilings of time are tens of times what a slow machine needs, and a tenth of what a quadratic way would take.
"""

from __future__ import annotations

import gc
from time import process_time

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.chunked import LINE_BYTES
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.http1_request import RequestParser
from gateway.wire.http1_response import ResponseParser
from gateway.wire.limits import HeadLimits
from gateway.wire.lines import KnownLines

START = b"GET / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class TimeTests(SynchronousTestCase):
    """No input of a few kilobytes may hold the reactor."""

    def costs(self, seconds: float, data: bytes, size: int = 0) -> None:
        """Feed a fresh parser with pieces of a size; that it refuses is fine, that it is slow is not."""
        parser = RequestParser()
        size = size or len(data)
        began = process_time()
        try:
            for at in range(0, len(data), size):
                parser.receive(data[at : at + size])
        except RemoteProtocolError:
            pass
        self.assertLess(process_time() - began, seconds, data[:60])

    def test_blanks_in_a_line(self) -> None:
        """A line of blanks that ends in an error is looked at once (it took 40 s when white space could be shared out)."""
        for line in (
            b"A:" + b" " * 60000 + b"\x01",
            b"A:" + b"\t " * 30000 + b"\x01",
            b"A" * 60000 + b"\x01:",
            b"A: " + b"b " * 30000 + b"\x01",
            b"A: b" + b" " * 60000,
        ):
            self.costs(2.0, START + line + b"\r\n\r\n")

    def test_slow_heads(self) -> None:
        """A head of 60 KiB that comes byte by byte is not looked at from the beginning for each of them."""
        lines = b"".join(b"A%d: %b\r\n" % (number, b"x" * 240) for number in range(180))
        self.costs(8.0, START + lines[:45000], 1)
        self.costs(8.0, b"GET /" + b"x" * 16000 + b" HTTP/1.1\r\nHost: a\r\n" + lines[:40000], 1)

    def test_many_lines(self) -> None:
        """A head of nothing but short lines is refused by their number."""
        self.costs(1.0, START + b"A:\r\n" * 10000 + b"\r\n")

    def test_many_options(self) -> None:
        """Many Connection lines with many options each cost no more than their bytes."""
        numbers = iter(range(1 << 20))
        lines = [
            b"Connection:" + b",".join(b"%x" % next(numbers) for _ in range(55)) for _ in range(190)
        ]
        self.costs(1.0, START + b"\r\n".join(lines) + b"\r\n\r\n")

    def test_empty_lines(self) -> None:
        """A megabyte of empty lines is refused by its first few."""
        self.costs(0.5, b"\r\n" * 500000)

    def test_small_chunks(self) -> None:
        """Chunks of one byte come joined, and cost what their number says."""
        self.costs(4.0, CHUNKED + b"1\r\nx\r\n" * 100000)

    def test_chunks_byte_by_byte(self) -> None:
        """Chunk-size lines that come byte by byte are short, so they cost little."""
        self.costs(6.0, CHUNKED + (b"1;" + b"a" * 900 + b"\r\nx\r\n") * 18, 1)

    def test_extensions(self) -> None:
        """The worst of chunk-size lines are refused in no time."""
        for line in (
            b"1" + b";a=b" * 250 + b"\x01",
            b"1" + b";a" + b" " * 1000 + b"x",
            b'1;a="' + b"\\\\" * 500 + b"\x01",
            b'1;a="' + b"\\a" * 500,
            b"1" + b" ;" * 500,
        ):
            self.costs(0.5, CHUNKED + line[: LINE_BYTES - 2] + b"\r\n")

    def test_slow_trailers(self) -> None:
        """A trailer section that comes byte by byte is looked at once."""
        self.costs(3.0, CHUNKED + b"0\r\n" + b"A: bcd\r\n" * 1000, 1)

    def test_interim_responses(self) -> None:
        """A megabyte of interim responses is refused by its first few."""
        parser = ResponseParser()
        parser.expect(b"GET")
        began = process_time()
        self.assertRaises(RemoteProtocolError, parser.receive, b"HTTP/1.1 100 X\r\n\r\n" * 60000)
        self.assertLess(process_time() - began, 1.0)


def retained(thing: object) -> int:
    """Give how many bytes of C{bytes} an object keeps alive, all it refers to included."""
    seen: dict[int, object] = {}
    waiting = [thing]
    total = 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | KnownLines) or callable(one):
            continue
        seen[id(one)] = one
        if isinstance(one, bytes):
            total += len(one)
        else:
            waiting.extend(gc.get_referents(one))
    return total


class MemoryTests(SynchronousTestCase):
    """What a parser keeps is bounded by its limits and the size of one read, whatever it is fed."""

    limits = HeadLimits(head=4096, target=1024, fields=50, trailers=512)
    read = 256

    def keeps(self, data: bytes, most: int, *, responses: bool = False) -> None:
        """Feed data without end in small reads; at no time more than so much may be kept."""
        parser: RequestParser | ResponseParser = RequestParser(self.limits)
        if responses:
            parser = ResponseParser(self.limits)
            parser.expect(b"GET")
        peak = 0
        try:
            for at in range(0, len(data), self.read):
                parser.receive(data[at : at + self.read])
                peak = max(peak, retained(parser))
        except RemoteProtocolError:
            pass
        self.assertLessEqual(peak, most + self.read, data[:60])
        self.assertGreater(peak, 0)

    def test_heads_without_an_end(self) -> None:
        """A head that never ends keeps its limit at most, a request line that never ends its own."""
        self.keeps(START + b"A: " + b"x" * 100000, self.limits.head)
        self.keeps(START + b"A: b\r\n" * 20000, self.limits.head)
        self.keeps(b"GET /" + b"x" * 100000, self.limits.target + 128)
        self.keeps(b"M" * 100000, self.limits.target + 128)
        self.keeps(b"HTTP/1.1 200 " + b"x" * 100000, self.limits.head + 16, responses=True)

    def test_content(self) -> None:
        """Content is passed on, not kept: what remains is the head."""
        head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n"
        self.keeps(head + b"x" * 99999, 4 * len(head))
        self.keeps(CHUNKED + b"186a0\r\n" + b"x" * 100000, 4 * len(CHUNKED))
        self.keeps(CHUNKED + b"7\r\n1234567\r\n" * 8000, 4 * len(CHUNKED))
        until = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"
        self.keeps(until + b"x" * 100000, 4 * len(until) + 16, responses=True)

    def test_chunk_lines_and_trailers(self) -> None:
        """A chunk-size line and a trailer section that never end keep their limits at most."""
        self.keeps(CHUNKED + b"1;" + b"a" * 100000, LINE_BYTES + 4 * len(CHUNKED))
        self.keeps(CHUNKED + b"0\r\nA: " + b"a" * 100000, self.limits.trailers + 4 * len(CHUNKED))

    def test_after_a_message(self) -> None:
        """After a message with a head of any size no more than a small section of it is remembered."""
        parser = RequestParser()
        parser.receive(START + b"A: " + b"x" * 60000 + b"\r\n\r\n")
        self.assertLess(retained(parser), 200)
        parser.receive(START + b"A: " + b"x" * 1500 + b"\r\n\r\n")
        self.assertLess(retained(parser), 4 * 2048)

    def test_after_an_error(self) -> None:
        """After an error nothing of the message is kept."""
        for data in (START + b"A: " + b"x" * 3000 + b"\n", CHUNKED + b"0\r\nA: " + b"x" * 600):
            parser = RequestParser(self.limits)
            self.assertRaises(RemoteProtocolError, parser.receive, data)
            self.assertLess(retained(parser), 100)
