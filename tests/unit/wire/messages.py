"""Messages out of Hypothesis: some valid, most of them nearly so."""

from __future__ import annotations

from hypothesis import strategies as st

_TOKENS = st.text("abcXYZ019-_.!~", min_size=1, max_size=8).map(str.encode)
_METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH"])
_TARGETS = st.sampled_from(
    [b"/", b"/a?b=c", b"*", b"http://example.com/a", b"/%7E%00", b"/a#b", b'/"<>|', b"a"]
)
_VERSIONS = st.sampled_from(
    [b"HTTP/1.1"] * 6 + [b"HTTP/1.0", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.9"]
)

#: Lines that decide something, most of them wrongly.
_DECIDING = st.sampled_from(
    [
        b"Content-Length: 0",
        b"Content-Length: 3",
        b"Content-Length: 11",
        b"content-length:003",
        b"Content-Length: 3, 3",
        b"Content-Length: +3",
        b"Content-Length : 3",
        b"Content_Length: 3",
        b"Transfer-Encoding: chunked",
        b"transfer-encoding:\tCHUNKED ",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: identity",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding:\x0bchunked",
        b"Transfer_Encoding: chunked",
        b" Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: keep-alive, x",
        b"Connection: Content-Length",
        b"Connection: TE\r\nTE: trailers",
        b"Host: example.com",
        b"Host: two",
        b"Trailer: x",
        b"X: y\rZ: 1",
        b"X: y\nZ: 1",
        b"X:",
        b"X: \xe9\xff",
        b"X\x00: y",
        b"Expect: 100-continue",
    ]
)
_VALUES = st.text(
    alphabet=st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=12
).map(lambda text: text.encode("latin-1"))
_PLAIN = st.builds(b"%b:%b".__mod__, st.tuples(_TOKENS, _VALUES))
_LINES = st.lists(_DECIDING | _PLAIN, max_size=4)

_SIZE = st.sampled_from(
    [b"%x", b"%X", b"0%x", b"%x;a", b"%x;a=b", b'%x;a="b c"', b"%x ", b" %x", b"0x%x", b"%x\n"]
)
CONTENTS = st.binary(max_size=40)
# What is made anew for each message is checked anew by Hypothesis, which takes longer than to draw from it.
_CHUNKS = st.lists(CONTENTS.filter(bool), max_size=3)
_UNFRAMED = st.sampled_from([b"", b"abc", b"hello world", b"\r\n"])
_TRAILERS = st.sampled_from(
    [b""] * 6 + [b"X: y\r\n", b"Content-Length: 3\r\n", b"X\r\n", b"X: y\n"]
)
_FAULTS = st.sampled_from(
    [
        b"",
        b"\r",
        b"\n",
        b"\r\n",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"\x00",
        b"\x0b",
        b"0",
        b"a",
        b"\xa0",
    ]
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Make what may follow a head: chunks, good and bad, or bytes."""
    if draw(st.booleans()):
        return draw(_UNFRAMED)
    out = b""
    for content in draw(_CHUNKS):
        size = (draw(_SIZE) if draw(st.integers(0, 9)) == 0 else b"%x") % len(content)
        out += size + b"\r\n" + content + b"\r\n"
    trailer = draw(_TRAILERS)
    return out + b"0\r\n" + trailer + b"\r\n"


@st.composite
def _broken(draw: st.DrawFn, data: bytes) -> bytes:
    """Put one small fault into it, half of the time."""
    if not data or draw(st.booleans()):
        return data
    at = draw(st.integers(0, len(data) - 1))
    much = draw(st.integers(0, 2))
    fault = draw(_FAULTS)
    return data[:at] + fault + data[at + much :]


_BODIES = bodies()


@st.composite
def requests(draw: st.DrawFn, most: int = 2) -> bytes:
    """Make up to so many requests in a row, valid or nearly so."""
    out = b""
    for _ in range(draw(st.integers(1, most))):
        start = b"%b %b %b" % (draw(_METHODS), draw(_TARGETS), draw(_VERSIONS))
        lines = draw(_LINES)
        if draw(st.integers(0, 7)):
            lines.insert(0, b"Host: example.com")
        out += b"\r\n".join((start, *lines, b"", b"")) + draw(_BODIES)
    return draw(_broken(out))


_STATUS_LINES = st.sampled_from(
    [b"HTTP/1.1 200 OK"] * 5
    + [
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 404",
        b"HTTP/1.1 204 X",
        b"HTTP/1.1 304 X",
        b"HTTP/1.1 099 X",
        b"HTTP/1.1 100 X",
    ]
)
_INTERIM = st.sampled_from([0, 0, 0, 1, 2])


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """Make one response, sometimes behind interim ones, valid or nearly so."""
    out = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * draw(_INTERIM)
    lines = draw(_LINES)
    out += b"\r\n".join((draw(_STATUS_LINES), *lines, b"", b"")) + draw(_BODIES)
    return draw(_broken(out))


#: Where to cut an input.
CUTS = st.lists(st.integers(1, 300), max_size=6)

#: Methods and lines for messages that are valid by construction.
METHODS = _TOKENS
TARGETS = st.text("abc/?=%&.~-_*#|", min_size=1, max_size=20).map(lambda text: b"/" + text.encode())
LINES = st.lists(
    st.tuples(_TOKENS.map(b"X-".__add__), _VALUES).map(lambda pair: b"%b: %b" % pair), max_size=6
)
REASONS = _VALUES
