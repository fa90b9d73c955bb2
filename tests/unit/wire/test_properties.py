"""What holds for every input: round trips, cuts, limits, and verdicts that do not depend on what was read before."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire import lines
from gateway.wire.chunked import ChunkedDecoder
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import END, End, RequestHead, ResponseHead
from gateway.wire.http1_request import RequestParser
from gateway.wire.http1_response import ResponseParser
from gateway.wire.limits import HeadLimits
from gateway.wire.write import chunk, last_chunk, request_head, response_head, section
from tests.effort import examples
from tests.unit.wire.messages import (
    CONTENTS,
    CUTS,
    LINES,
    METHODS,
    REASONS,
    TARGETS,
    requests,
    responses,
)
from tests.unit.wire.reading import Reading, our_responses, ours, pieces
from tests.unit.wire.test_costs import retained

often = settings(deadline=None, max_examples=examples(150), suppress_health_check=list(HealthCheck))

SMALL = HeadLimits(head=120, target=20, fields=4, trailers=20, interim=1)


def beginnings(self: SynchronousTestCase, part: Reading, whole: Reading) -> None:
    """Check that two readings of the same bytes differ only in how much of a refused message was given."""
    self.assertEqual(bool(part.refused), bool(whole.refused), f"{part} {whole}")
    if not whole.refused:
        self.assertEqual(part, whole)
        return
    done = [message for message in whole.messages if message.complete]
    self.assertEqual([message for message in part.messages if message.complete], done)


class RoundTripTests(SynchronousTestCase):
    """What is written is read again as it was."""

    @often
    @given(METHODS, TARGETS, LINES, CONTENTS, CUTS)
    def test_request(
        self, method: bytes, target: bytes, more: list[bytes], content: bytes, cuts: list[int]
    ) -> None:
        """A request with a length."""
        fields = [b"Host: example.com", *more, b"Content-Length: %d" % len(content)]
        reading = ours(request_head(method, target, section(fields)) + content, cuts)
        self.assertEqual(reading.refused, "")
        (message,) = reading.messages
        self.assertEqual((message.start, message.content), ((method, target), content))
        self.assertEqual([b"%b: %b" % field for field in message.fields], [
            b"%b: %b" % (name.lower(), value.strip(b" \t"))
            for name, _, value in (line.partition(b":") for line in fields)
        ])  # fmt: skip
        self.assertTrue(message.complete)

    @often
    @given(METHODS, LINES, st.lists(CONTENTS), LINES, CUTS)
    def test_chunks(
        self,
        method: bytes,
        more: list[bytes],
        contents: list[bytes],
        trailers: list[bytes],
        cuts: list[int],
    ) -> None:
        """A request in chunks, empty ones left out, with trailers, and the one behind it."""
        fields = section([b"Host: example.com", b"Transfer-Encoding: chunked", *more])
        data = (
            request_head(method, b"/", fields)
            + b"".join(map(chunk, contents))
            + last_chunk(trailers)
        )
        reading = ours(data + request_head(b"GET", b"/next", b"Host: example.com\r\n"), cuts)
        self.assertEqual(reading.refused, "")
        first, second = reading.messages
        self.assertEqual(first.content, b"".join(contents))
        self.assertEqual(first.trailers, tuple(
            (name.lower(), value.strip(b" \t"))
            for name, _, value in (line.partition(b":") for line in trailers)
        ))  # fmt: skip
        self.assertEqual((second.start, second.complete), ((b"GET", b"/next"), True))

    @often
    @given(
        st.integers(200, 999).filter(lambda status: status not in (204, 304)),
        REASONS,
        LINES,
        CONTENTS,
        CUTS,
        st.sampled_from(["length", "chunks", "close"]),
    )
    def test_response(
        self,
        status: int,
        reason: bytes,
        more: list[bytes],
        content: bytes,
        cuts: list[int],
        framing: str,
    ) -> None:
        """A response in each framing."""
        if framing == "length":
            data = (
                response_head(
                    status, reason, section([*more, b"Content-Length: %d" % len(content)])
                )
                + content
            )
        elif framing == "chunks":
            head = response_head(status, reason, section([b"Transfer-Encoding: chunked", *more]))
            data = head + chunk(content) + last_chunk(())
        else:
            data = response_head(status, reason, section(more)) + content
        reading = our_responses(data, cuts, closes=framing == "close")
        self.assertEqual(reading.refused, "")
        (message,) = reading.messages
        self.assertEqual(
            (message.start, message.content, message.complete), ((b"%d" % status,), content, True)
        )

    @often
    @given(st.lists(st.binary(min_size=1, max_size=300)), st.lists(st.integers(1, 2000)))
    def test_chunk_sizes(self, contents: list[bytes], cuts: list[int]) -> None:
        """Content is the same however it was put into chunks and however those are cut."""
        data = b"".join(map(chunk, contents)) + last_chunk(())
        decoder = ChunkedDecoder(0)
        found = b"".join(decoder.receive(piece) for piece in pieces(data, cuts))
        self.assertEqual(found, b"".join(contents))
        self.assertTrue(decoder.done)
        self.assertEqual(decoder.rest, b"")


class CutTests(SynchronousTestCase):
    """The network cuts where it likes; that changes nothing."""

    @often
    @given(requests(), CUTS)
    def test_requests(self, data: bytes, cuts: list[int]) -> None:
        """Requests, valid or not, are read alike at every cut."""
        beginnings(self, ours(data, cuts), ours(data))
        beginnings(self, ours(data, range(len(data))), ours(data))

    @often
    @given(requests(), CUTS)
    def test_requests_at_the_limits(self, data: bytes, cuts: list[int]) -> None:
        """With limits that are easy to reach too."""
        beginnings(self, ours(data, cuts, SMALL), ours(data, limits=SMALL))

    @often
    @given(responses(), CUTS, st.sampled_from([b"GET", b"HEAD", b"CONNECT"]), st.booleans())
    def test_responses(self, data: bytes, cuts: list[int], method: bytes, closes: bool) -> None:
        """Responses, valid or not, are read alike at every cut, whatever they answer."""
        for limits in (HeadLimits(), SMALL):
            whole = our_responses(data, method=method, closes=closes, limits=limits)
            part = our_responses(data, cuts, method=method, closes=closes, limits=limits)
            self.assertEqual(bool(part.refused), bool(whole.refused), f"{part} {whole}")
            if not whole.refused:
                self.assertEqual(part, whole)


class ArbitraryTests(SynchronousTestCase):
    """Bytes that are nothing in particular."""

    noise = st.lists(
        st.binary(max_size=60)
        | st.sampled_from([b"\r\n", b"\r\n\r\n", b"GET / HTTP/1.1\r\n", b"Host: a\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 9\r\n", b"HTTP/1.1 200 OK\r\n", b"0\r\n", b"5;a=\r\n", b": ", b"\xff" * 20]),
        max_size=12,
    )  # fmt: skip

    @often
    @given(noise)
    def test_requests(self, reads: list[bytes]) -> None:
        """A parser raises its one error or none, keeps no more than its limits, and stays with its refusal."""
        self.feed(RequestParser(SMALL), reads)

    @often
    @given(noise, st.sampled_from([b"GET", b"HEAD", b"CONNECT"]))
    def test_responses(self, reads: list[bytes], method: bytes) -> None:
        """The same for responses."""
        parser = ResponseParser(SMALL)
        parser.expect(method)
        self.feed(parser, reads)

    def feed(self, parser: RequestParser | ResponseParser, reads: list[bytes]) -> None:
        """Feed reads, and take the next request where one is complete."""
        refused = False
        behind = 0
        for data in reads:
            try:
                events: list[object] = list(parser.receive(data))
                while isinstance(parser, RequestParser) and events and isinstance(events[-1], End):
                    events = list(parser.next())
            except RemoteProtocolError:
                refused = True
                continue
            self.assertFalse(refused and data, "an error was forgotten")
            behind += len(data)
            # Buffered at most a head or a line, what the parser remembers of the head before, and what is behind the end.
            kept = SMALL.head + 4 + 1024 + 4 * SMALL.head + behind * (parser.rest != b"")
            self.assertLessEqual(retained(parser), kept + len(data))

    @often
    @given(st.binary(max_size=300), CUTS)
    def test_content_is_never_changed(self, content: bytes, cuts: list[int]) -> None:
        """What a request and a response carry comes out byte for byte."""
        request = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(content)
        self.assertEqual(ours(request + content, cuts).messages[0].content, content)
        response = b"HTTP/1.1 200 OK\r\n\r\n"
        reading = our_responses(response + content, cuts, closes=True)
        self.assertEqual(reading.messages[0].content, content)


class MemoryOfOthersTests(SynchronousTestCase):
    """What was read before, on this connection or any other, changes no verdict."""

    def cold(self) -> None:
        """Forget all lines."""
        lines.KNOWN_LINES.clear()

    @often
    @given(requests(), responses())
    def test_known_lines(self, asked: bytes, answered: bytes) -> None:
        """A verdict is the same with the lines of the process forgotten, known, and known from other messages."""
        self.cold()
        cold = ours(asked), our_responses(answered)
        warm = ours(asked), our_responses(answered)
        self.cold()
        our_responses(answered)
        crossed = ours(asked), our_responses(answered)
        self.assertEqual(cold, warm)
        self.assertEqual(cold, crossed)
        for line in lines.KNOWN_LINES:
            self.assertNotIn(
                line.partition(b":")[0].lower(),
                (b"authorization", b"cookie", b"set-cookie", b"proxy-authorization"),
            )

    @often
    @given(requests(1), TARGETS, METHODS, st.booleans())
    def test_the_request_before(
        self, data: bytes, target: bytes, method: bytes, small: bool
    ) -> None:
        """A request means what it means on a fresh connection, though one with the same fields went before."""
        limits = SMALL if small else HeadLimits()
        end = data.find(b"\r\n")
        if end < 0:
            return
        for version in (b"1.1", b"1.0"):
            before = b"GET / HTTP/" + version + data[end:]
            line = b"%b %b HTTP/1.1" % (method, target)
            for request in (
                data,
                line + data[end:],
                line[:-1] + b"0" + data[end:],
                b"CONNECT a:1 HTTP/1.1" + data[end:],
            ):
                self.assertEqual(
                    self.last(before, request, limits), self.last(b"", request, limits)
                )

    def last(self, before: bytes, request: bytes, limits: HeadLimits) -> object:
        """Read a request behind another one; nothing, if that one was not read to its end."""
        parser = RequestParser(limits)
        try:
            first = parser.receive(before) if before else [END]
        except RemoteProtocolError:
            first = []
        if not first or not isinstance(first[-1], End) or parser.rest:
            parser = RequestParser(limits)
        try:
            return [self.said(event) for event in parser.receive(request)], parser.rest
        except RemoteProtocolError as error:
            return error.section, error.status, error.page

    def said(self, event: object) -> object:
        """Give what a head says."""
        if isinstance(event, RequestHead):
            of = event.section
            return (
                *(
                    event.raw_method,
                    event.target,
                    event.minor,
                    event.framing,
                    event.length,
                    event.upgrade,
                ),
                *(
                    of.persistent,
                    of.keep_alive,
                    of.host_field,
                    of.hop,
                    of.declared,
                    of.expects_continue,
                ),
                *(of.demands, of.accepts_trailers, tuple(event.fields.lines)),
            )
        return event

    @often
    @given(responses(), st.sampled_from([b"GET", b"HEAD"]), st.sampled_from([b"GET", b"HEAD"]))
    def test_the_response_before(self, data: bytes, before: bytes, method: bytes) -> None:
        """A response means what it means on a fresh connection, though the same bytes went before."""
        used = ResponseParser()
        used.expect(before)
        try:
            first = used.receive(data)
        except RemoteProtocolError:
            return
        if not first or not isinstance(first[-1], End) or used.rest:
            return
        used.expect(method)
        fresh = ResponseParser()
        fresh.expect(method)
        self.assertEqual(self.answer(used, data), self.answer(fresh, data))

    def answer(self, parser: ResponseParser, data: bytes) -> object:
        """Read a response."""
        try:
            events = parser.receive(data)
        except RemoteProtocolError as error:
            return error.section
        return [
            (
                event.status,
                event.reason,
                event.section.minor,
                event.framing,
                event.length,
                event.section.persistent,
                event.section.hop,
                event.section.passed,
            )
            if isinstance(event, ResponseHead)
            else event
            for event in events
        ], parser.rest
