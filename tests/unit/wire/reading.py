"""
What readers of HTTP/1 make of a byte stream, in terms that all readers share.

L{ours} drives the gateway's parsers as a connection does, with the input cut wherever a test likes; the oracles drive
llhttp (by httptools) and h11 over the same bytes. None of them judges: the tests compare.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import h11
import httptools

from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import CHUNKED, UNTIL_CLOSE, End, RequestHead, ResponseHead
from gateway.wire.http1_request import RequestParser
from gateway.wire.http1_response import ResponseParser
from gateway.wire.limits import DEFAULT_LIMITS, HeadLimits
from gateway.wire.lines import LOOKALIKE, NOT_IN_TRAILERS, KnownLines

#: Longer than any input here, so that no oracle refuses by a limit.
_NO_LIMIT = 1 << 24


@dataclass(frozen=True, slots=True)
class Message:
    """
    One message as somebody read it.

    @ivar start: method and target, or the status.
    @ivar minor: HTTP minor version, 9 and less than 9 being the same above 0.
    @ivar fields: names in lower case, values without surrounding white space.
    @ivar complete: its end was seen.
    """

    start: tuple[bytes, ...]
    minor: int
    fields: tuple[tuple[bytes, bytes], ...]
    content: bytes = b""
    trailers: tuple[tuple[bytes, bytes], ...] = ()
    complete: bool = False


@dataclass(slots=True)
class Reading:
    """
    All that one reader made of a stream.

    @ivar refused: it found an error behind those messages; in words, for people.
    @ivar stopped: it does not go on behind the last message, for a reason that is no fault of the bytes.
    """

    messages: list[Message] = field(default_factory=list)
    refused: str = ""
    stopped: bool = False


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut bytes at offsets; those outside and doubles are nothing."""
    offsets = sorted({0, len(data), *(cut for cut in cuts if 0 < cut < len(data))})
    return [data[a:b] for a, b in pairwise(offsets)]


def split_line(line: bytes) -> tuple[bytes, bytes]:
    """Give lower-case name and bare value of a valid field line."""
    name, _, value = line.partition(b":")
    return name.lower(), value.strip(b" \t")


def may_trail(name: bytes) -> bool:
    """Tell whether we pass on a trailer of this name, in lower case; what is no name may, for it is never there."""
    if name in NOT_IN_TRAILERS:
        return False
    try:
        known = KnownLines()[name + b":"]
    except RemoteProtocolError:
        return True
    return known is None or known.code != LOOKALIKE


class Client:
    """
    Stands for a client connection: feeds a L{RequestParser} one message at a time.

    What comes behind a complete message is held until L{next}.
    """

    def __init__(self, limits: HeadLimits = DEFAULT_LIMITS) -> None:
        self.parser = RequestParser(limits)
        self._answering = False

    def receive(self, data: bytes) -> list[RequestHead | bytes | End]:
        """Take bytes as they come from the transport."""
        if self._answering:
            self.parser.hold(data)
            return []
        return self._seen(self.parser.receive(data))

    def next(self) -> list[RequestHead | bytes | End]:
        """Say that the message before was answered."""
        self._answering = False
        return self._seen(self.parser.next())

    def _seen(self, events: list[RequestHead | bytes | End]) -> list[RequestHead | bytes | End]:
        self._answering = bool(events) and isinstance(events[-1], End)
        return events


def ours(data: bytes, cuts: Iterable[int] = (), limits: HeadLimits = DEFAULT_LIMITS) -> Reading:
    """Read requests with the gateway's parser."""
    reading = Reading()
    client = Client(limits)
    try:
        for piece in pieces(data, cuts):
            events = client.receive(piece)
            while events:
                _take(reading, events)
                # One that ends with CONNECT is no HTTP any more.
                if reading.messages[-1].start[0] == b"CONNECT":
                    reading.stopped = True
                    return reading
                events = client.next() if isinstance(events[-1], End) else []
    except RemoteProtocolError as error:
        reading.refused = str(error)
    return reading


def our_responses(
    data: bytes,
    cuts: Iterable[int] = (),
    *,
    method: bytes = b"GET",
    closes: bool = False,
    limits: HeadLimits = DEFAULT_LIMITS,
) -> Reading:
    """
    Read the response to one request, interim ones included, with the gateway's parser.

    @param closes: the stream ends behind these bytes.
    """
    reading = Reading()
    parser = ResponseParser(limits)
    parser.expect(method)
    try:
        for piece in pieces(data, cuts):
            _take(reading, parser.receive(piece))
        if closes:
            _take(reading, parser.closed())
    except RemoteProtocolError as error:
        reading.refused = str(error)
    reading.stopped = True
    return reading


def _take(
    reading: Reading, events: Iterable[RequestHead | ResponseHead | bytes | memoryview | End]
) -> None:
    messages = reading.messages
    for event in events:
        if isinstance(event, RequestHead):
            start: tuple[bytes, ...] = (event.raw_method, event.target)
            messages.append(_message(start, event))
        elif isinstance(event, ResponseHead):
            made = _message((b"%d" % event.status,), event)
            messages.append(replace(made, complete=event.status < 200))
        elif isinstance(event, End):
            trailers = tuple(map(split_line, event.trailers))
            messages[-1] = replace(messages[-1], complete=True, trailers=trailers)
        else:
            messages[-1] = replace(messages[-1], content=messages[-1].content + event)


def _message(start: tuple[bytes, ...], head: RequestHead | ResponseHead) -> Message:
    minor = head.section.minor if isinstance(head, ResponseHead) else head.minor
    return Message(start, minor, tuple(map(split_line, head.fields.lines)))


# llhttp.


class _Collector:
    """What httptools calls."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.parser: httptools.HttpRequestParser | httptools.HttpResponseParser
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._trailers: list[tuple[bytes, bytes]] = []
        self._trailing = False

    def on_message_begin(self) -> None:
        """A start line follows."""
        self._target = b""
        self._fields = []
        self._trailers = []
        self._trailing = False

    def on_url(self, data: bytes) -> None:
        """A part of the target."""
        self._target += data

    def on_header(self, name: bytes, value: bytes | None) -> None:
        """A field or trailer line."""
        line = (name.lower(), (value or b"").strip(b" \t"))
        if not self._trailing:
            self._fields.append(line)
        elif may_trail(line[0]):
            self._trailers.append(line)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._trailing = True
        parser = self.parser
        if isinstance(parser, httptools.HttpRequestParser):
            start: tuple[bytes, ...] = (parser.get_method(), self._target)
        else:
            start = (b"%d" % parser.get_status_code(),)
        minor = 0 if parser.get_http_version().endswith(".0") else 1
        self.messages.append(Message(start, minor, tuple(self._fields)))

    def on_body(self, data: bytes) -> None:
        """Some content."""
        self.messages[-1] = replace(self.messages[-1], content=self.messages[-1].content + data)

    def on_message_complete(self) -> None:
        """The message is complete."""
        trailers = tuple(self._trailers)
        self.messages[-1] = replace(self.messages[-1], complete=True, trailers=trailers)


def _llhttp(make: type, data: bytes) -> Reading:
    collector = _Collector()
    collector.parser = make(collector)
    reading = Reading(collector.messages)
    try:
        collector.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        reading.stopped = True
    except httptools.HttpParserError as error:
        if "Data after `Connection: close`" in str(error):
            # It expects no more, which says nothing about what there is.
            reading.stopped = True
        else:
            reading.refused = str(error) or type(error).__name__
    return reading


def llhttp(data: bytes) -> Reading:
    """Read requests with llhttp."""
    return _llhttp(httptools.HttpRequestParser, data)


def llhttp_responses(data: bytes) -> Reading:
    """Read responses to GET with llhttp; httptools can't tell it that the stream ended."""
    return _llhttp(httptools.HttpResponseParser, data)


# h11.


def _h11_fields(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((bytes(name).lower(), bytes(value)) for name, value in headers)


def _h11_events(connection: h11.Connection, reading: Reading) -> Iterator[object]:
    messages = reading.messages
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            reading.refused = str(error)
            return
        if isinstance(event, h11.Request):
            fields = _h11_fields(event.headers)
            minor = 0 if event.http_version == b"1.0" else 1
            messages.append(Message((bytes(event.method), bytes(event.target)), minor, fields))
        elif isinstance(event, h11.InformationalResponse | h11.Response):
            fields = _h11_fields(event.headers)
            minor = 0 if event.http_version == b"1.0" else 1
            interim = isinstance(event, h11.InformationalResponse)
            messages.append(Message((b"%d" % event.status_code,), minor, fields, complete=interim))
        elif isinstance(event, h11.Data):
            messages[-1] = replace(messages[-1], content=messages[-1].content + bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            trailers = tuple(line for line in _h11_fields(event.headers) if may_trail(line[0]))
            messages[-1] = replace(messages[-1], complete=True, trailers=trailers)
        yield event


def by_h11(data: bytes) -> Reading:
    """Read requests with h11."""
    reading = Reading()
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_NO_LIMIT)
    connection.receive_data(data)
    for event in _h11_events(connection, reading):
        if event is h11.NEED_DATA:
            break
        if event is h11.PAUSED:
            reading.stopped = True
            break
        if isinstance(event, h11.EndOfMessage):
            if connection.their_state is not h11.DONE:
                reading.stopped = True
                break
            connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is not h11.DONE:
                reading.stopped = True
                break
            connection.start_next_cycle()
    return reading


def h11_responses(data: bytes, *, method: bytes = b"GET", closes: bool = False) -> Reading:
    """Read the response to one request with h11."""
    reading = Reading()
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_NO_LIMIT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    ended = not closes
    for event in _h11_events(connection, reading):
        if event is h11.NEED_DATA and not ended:
            ended = True
            connection.receive_data(b"")
        elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.EndOfMessage):
            break
    reading.stopped = True
    return reading


__all__ = [
    "CHUNKED",
    "UNTIL_CLOSE",
    "Client",
    "Message",
    "Reading",
    "by_h11",
    "h11_responses",
    "llhttp",
    "llhttp_responses",
    "our_responses",
    "ours",
    "pieces",
    "split_line",
]
