"""
Requests that somebody, somewhere, reads in another way than we do, and what we make of them.

Every kind of request smuggling has its table here: the tests run each vector whole, cut at each offset and byte by
byte, and compare it with other parsers.
"""

from __future__ import annotations

from dataclasses import dataclass

G = b"GET /a HTTP/1.1\r\nHost: example.com\r\n"
P = b"POST /a HTTP/1.1\r\nHost: example.com\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"
#: What an attacker wants a server behind us to read.
NEXT = b"GET /inner HTTP/1.1\r\nHost: example.com\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Refused:
    """
    A request that is refused.

    @ivar section: the rule it breaks; C{None} where that depends on how much is there to be looked at.
    """

    name: str
    data: bytes
    section: str | None
    status: int = 400


@dataclass(frozen=True, slots=True)
class Read:
    """
    A request, or several, with only one possible reading.

    @ivar contents: the content of each.
    """

    name: str
    data: bytes
    contents: tuple[bytes, ...] = (b"",)


def posts(*lines: bytes, content: bytes = b"hello") -> bytes:
    """Write a POST with some field lines of its own."""
    return P + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + content


def gets(*lines: bytes) -> bytes:
    """Write a GET with some field lines of its own."""
    return posts(*lines, content=b"").replace(b"POST", b"GET", 1)


def chunked(content: bytes) -> bytes:
    """Write a POST with a body as given."""
    return P + TE + b"\r\n" + content


def asks(line: bytes) -> bytes:
    """Write a request with a request line as given."""
    return line + b"\r\nHost: example.com\r\n\r\n"


VALID = (
    Read("no content", gets()),
    Read("a length", posts(b"Content-Length: 5"), (b"hello",)),
    Read("a length of nothing", posts(b"Content-Length: 0", content=b"")),
    Read("leading zeros in a length", posts(b"Content-Length: 0005"), (b"hello",)),
    Read("a length in a GET", gets(b"Content-Length: 5") + b"hello", (b"hello",)),
    Read("one chunk", chunked(b"5\r\nhello\r\n" + END), (b"hello",)),
    Read("many chunks", chunked(b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n" + END), (b"hello",)),
    Read("no chunk at all", chunked(END)),
    Read(
        "any case of chunked", posts(b"tRANSFER-eNCODING:ChUnKeD", content=END)
    ),
    Read("chunked among white space", posts(b"Transfer-Encoding: \t chunked\t ", content=END)),
    Read("hexadecimal digits of both cases", chunked(b"a\r\n0123456789\r\n0A\r\n0123456789\r\n" + END), (b"01234567890123456789",)),
    Read("leading zeros of a chunk size", chunked(b"0005\r\nhello\r\n00000\r\n\r\n"), (b"hello",)),
    Read("chunk data that looks like chunks", chunked(b"7\r\n0\r\n\r\n\r\n\r\n" + END), (b"0\r\n\r\n\r\n",)),
    Read("an extension", chunked(b"5;name\r\nhello\r\n0;last=1\r\n\r\n"), (b"hello",)),
    Read("extensions with values", chunked(b'5;a=b;c="d e;\\"f\\"";g\r\nhello\r\n' + END), (b"hello",)),
    Read("white space in extensions", chunked(b"5;\ta = b ; c\r\nhello\r\n" + END), (b"hello",)),
    Read("a trailer", chunked(b"5\r\nhello\r\n0\r\nX-Check: 1\r\nX-More: 2\r\n\r\n"), (b"hello",)),
    Read("trailers that frame are dropped", chunked(b"0\r\nContent-Length: 10\r\n\r\n")),
    Read("empty value", gets(b"X-Empty:")),
    Read("a value of blanks", gets(b"X-Empty: \t \t")),
    Read("8-bit value", gets(b"X-Name: caf\xe9 \xff")),
    Read("all token characters", gets(b"!#$%&'*+-.^_`|~09azAZ: v")),
    Read("a name of one character", gets(b"X:v")),
    Read("colons in a value", gets(b"X: a:b::c")),
    Read("two requests", gets() + gets(), (b"", b"")),
    Read("two with content", posts(b"Content-Length: 5") * 2, (b"hello", b"hello")),
    Read("chunks and one more", chunked(b"1\r\nx\r\n" + END) + gets(), (b"x", b"")),
    Read("content that looks like a request", posts(b"Content-Length: %d" % len(NEXT), content=NEXT), (NEXT,)),
    Read("an empty line before", b"\r\n" + gets()),
    Read("empty lines before each", b"\r\n\r\n" + gets() + b"\r\n" + gets(), (b"", b"")),
    Read("HTTP/1.0", b"GET /a HTTP/1.0\r\nHost: example.com\r\n\r\n"),
    Read("HTTP/1.0 without Host", b"GET /a HTTP/1.0\r\n\r\n"),
    Read("HTTP/1.0 with a length", b"POST /a HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", (b"x",)),
    Read("a later minor version", b"GET /a HTTP/1.9\r\nHost: example.com\r\n\r\n"),
    Read("an unknown method", asks(b"M-SEARCH /a HTTP/1.1")),
    Read("a method in lower case", asks(b"get /a HTTP/1.1")),
    Read("the longest method", asks(b"M" * 64 + b" /a HTTP/1.1")),
    Read("an asterisk", asks(b"OPTIONS * HTTP/1.1")),
    Read("a whole URI", asks(b"GET http://example.com:81/a?b HTTP/1.1")),
    Read("an authority", asks(b"CONNECT example.com:443 HTTP/1.1")),
    Read("any visible ASCII in a target", asks(b"GET /\"<>\\^`{|}[]%zz HTTP/1.1")),
    Read("an empty Host", b"GET /a HTTP/1.1\r\nHost:\r\n\r\n"),
    Read("Content-Encoding is no framing", gets(b"Content-Encoding: chunked")),
    Read("an underscore for a hyphen", gets(b"Content_Length: 5", b"Transfer_Encoding: chunked")),
)  # fmt: skip

LENGTH_AND_CHUNKED = tuple(
    Refused(name, posts(*lines, content=content), "RFC 9112 section 6.1", status)
    for name, lines, content, status in (
        ("length, then chunked", (b"Content-Length: 6", b"Transfer-Encoding: chunked"), END + b"G", 400),
        ("chunked, then length", (b"Transfer-Encoding: chunked", b"Content-Length: 6"), END + b"G", 400),
        ("length of all", (b"Content-Length: %d" % len(END + NEXT), b"Transfer-Encoding: chunked"), END + NEXT, 400),
        ("length of the first chunk line", (b"Content-Length: 4", b"Transfer-Encoding: chunked"), b"2b\r\n" + NEXT[:43] + b"\r\n" + END, 400),
        ("length 0", (b"Content-Length: 0", b"Transfer-Encoding: chunked"), b"1\r\nx\r\n" + END, 400),
        ("another case", (b"CONTENT-LENGTH: 6", b"transfer-encoding: CHUNKED"), END, 400),
        ("fields between", (b"Content-Length: 6", b"X: y", b"Transfer-Encoding: chunked"), END, 400),
    )
) + (
    Refused("chunked in HTTP/1.0", (P + TE + b"\r\n" + END).replace(b"/1.1", b"/1.0"), "RFC 9112 section 6.1"),
    Refused("both in HTTP/1.0", (P + TE + b"Content-Length: 5\r\n\r\n" + END).replace(b"/1.1", b"/1.0"), "RFC 9112 section 6.1"),
    Refused("chunked in kept HTTP/1.0", (P + TE + b"Connection: keep-alive\r\n\r\n" + END).replace(b"/1.1", b"/1.0"), "RFC 9112 section 6.1"),
)  # fmt: skip

# What stands where a Transfer-Encoding should, and the rule that it breaks.
_NOT_CHUNKED = {
    b"Transfer-Encoding : chunked": "RFC 9112 section 5.1",
    b"Transfer-Encoding\t: chunked": "RFC 9112 section 5.1",
    b"Transfer-Encoding:\x0bchunked": "RFC 9110 section 5.5",
    b"Transfer-Encoding:\x0cchunked": "RFC 9110 section 5.5",
    b"Transfer-Encoding: chunked\x00": "RFC 9110 section 5.5",
    b"Transfer-Encoding: \x00chunked": "RFC 9110 section 5.5",
    b"Transfer-Encoding: \x08chunked": "RFC 9110 section 5.5",
    b"Transfer-Encoding\x00: chunked": "RFC 9110 section 5.1",
    b"Transfer\xadEncoding: chunked": "RFC 9110 section 5.1",
    b"Transfer Encoding: chunked": "RFC 9110 section 5.1",
    b'Transfer-Encoding: "chunked"': "RFC 9112 section 6.1",
    b"Transfer-Encoding: 'chunked'": "RFC 9112 section 6.1",
    b"Transfer-Encoding: , chunked": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked,": "RFC 9112 section 6.1",
    b"Transfer-Encoding: ,": "RFC 9112 section 6.1",
    b"Transfer-Encoding:": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked, identity": "RFC 9112 section 6.1",
    b"Transfer-Encoding: identity": "RFC 9112 section 6.1",
    b"Transfer-Encoding: identity, chunked": "RFC 9112 section 6.1",
    b"Transfer-Encoding: gzip": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked, gzip": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked, chunked": "RFC 9112 section 6.1",
    b"Transfer-Encoding: x, chunked": "RFC 9112 section 6.1",
    b"Transfer-Encoding: xchunked": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunkedx": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked x": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked;q=1": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked;": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chun\xe2\x84\xaaed": "RFC 9112 section 6.1",
    b"Transfer-Encoding:\xa0chunked": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked\x85": "RFC 9112 section 6.1",
    b"Transfer-Encoding: \xffchunked": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x": "RFC 9112 section 6.1",
    b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked": "RFC 9112 section 6.1",
    b"Transfer-Encoding: chunked\r\nX: y\r\nTransfer-Encoding: identity": "RFC 9112 section 6.1",
    b"Transfer-Encoding:\r\n chunked": "RFC 9112 section 5.2",
    b"Transfer-Encoding: chunked\r\n x": "RFC 9112 section 5.2",
    b"Transfer-Encoding: chunked\r\n\t": "RFC 9112 section 5.2",
    b"X: y\r\n Transfer-Encoding: chunked": "RFC 9112 section 5.2",
    b"X: y\rTransfer-Encoding: chunked": "RFC 9112 section 2.2",
    b"X: y\nTransfer-Encoding: chunked": "RFC 9112 section 2.2",
    b"X: y\r\r\nTransfer-Encoding: chunked": "RFC 9112 section 2.2",
    b"X: y\r\n\rTransfer-Encoding: chunked": "RFC 9112 section 2.2",
    b"Transfer-Encoding: chunked\r": "RFC 9112 section 2.2",
    b":Transfer-Encoding: chunked": "RFC 9110 section 5.1",
    b"Transfer-Encoding chunked": "RFC 9112 section 5",
    b"Transfer-Encoding; chunked": "RFC 9112 section 5",
}

CODINGS = (
    *(
        Refused(repr(line), posts(line, content=END), section)
        for line, section in _NOT_CHUNKED.items()
    ),
    *(
        Refused(f"{line!r} beside a length", posts(b"Content-Length: 5", line, content=END), section)
        for line, section in _NOT_CHUNKED.items()
    ),
    *(
        Refused(repr(value), posts(b"Transfer-Encoding: " + value, content=END), "RFC 9112 section 6.1", 501)
        for value in (b"gzip, chunked", b"deflate,chunked", b"x-gzip , compress , chunked", b"GZIP, Chunked")
    ),
)  # fmt: skip

LENGTHS = (
    *(
        Refused(repr(value), posts(b"Content-Length: " + value), "RFC 9110 section 8.6")
        for value in (
            b"+5", b"-5", b"-0", b"0x5", b"5_0", b"5,", b"5,5", b"5, 5", b"5.0", b"5e0", b"", b"five", b"0b1", b"9" * 19,
            b"9" * 400, b"1" + b"0" * 18, b'"5"', b"5;x", b"5(c)", b"\xa05", b"\xd9\xa5", b"\xb2", b"5 0", b"5\t0",
        )
    ),
    *(
        Refused(repr(value), posts(b"Content-Length: " + value), "RFC 9110 section 5.5")
        for value in (b"5\x00", b"\x0b5", b"5\x0c", b"\x1f5", b"5\x7f")
    ),
    *(
        Refused(f"{first!r}, then {second!r}", posts(first, second), "RFC 9112 section 6.3")
        for first, second in (
            (b"Content-Length: 5", b"Content-Length: 5"),
            (b"Content-Length: 5", b"Content-Length: 6"),
            (b"Content-Length: 0", b"content-length: 5"),
            (b"Content-Length: 5", b"Content-Length: 05"),
        )
    ),
    Refused("two lengths apart", posts(b"Content-Length: 5", b"X: y", b"Content-Length: 0"), "RFC 9112 section 6.3"),
    Refused("one of two is bad", posts(b"Content-Length: 5", b"Content-Length: x"), "RFC 9110 section 8.6"),
    Refused("a blank before the colon", posts(b"Content-Length : 5"), "RFC 9112 section 5.1"),
    Refused("a tab before the colon", posts(b"Content-Length\t: 5"), "RFC 9112 section 5.1"),
    Refused("a folded length", posts(b"Content-Length:\r\n 5"), "RFC 9110 section 8.6"),
    Refused("a length with more folded", posts(b"Content-Length: 5\r\n 0"), "RFC 9112 section 5.2"),
    Refused("NUL in the name", posts(b"Content-Length\x00: 5"), "RFC 9110 section 5.1"),
    Refused("a bare CR behind it", posts(b"Content-Length: 5\r"), "RFC 9112 section 2.2"),
)  # fmt: skip

_7_1 = "RFC 9112 section 7.1"

CHUNKS = (
    *(
        Refused(repr(size), chunked(size + b"\r\nhello\r\n" + END), _7_1)
        for size in (
            b"", b" 5", b"5 ", b"5\t", b"\t5", b"0x5", b"0_5", b"+5", b"-5", b"5g", b"g", b"5.", b"5,", b'"5"',
            b"\xd9\xa5", b"5\x00", b"\x0b5", b"5\x0c", b"0" * 16 + b"5", b"f" * 17, b"5;", b"5;;a", b"5 ;a", b"5\t;a",
            b"5;a=", b"5;=b", b"5;a b", b"5;a\x00", b'5;a="', b'5;a="\x01"', b'5;a="b"c', b"5;a=\xe9", b"5 a=b", b"5\r",
            b"5;a\rb", b"5\nx", b"5;a\nb",
        )
    ),
    *(
        Refused(name, chunked(content), section)
        for name, content, section in (
            ("no CRLF behind data", b"5\r\nhello" + END, _7_1),
            ("bytes behind data", b"5\r\nhelloXX" + END, _7_1),
            ("longer data", b"5\r\nhello!\r\n" + END, _7_1),
            ("shorter data", b"6\r\nhello\r\n" + END, _7_1),
            ("LF behind data", b"5\r\nhello\n" + END, _7_1),
            ("CR behind data", b"5\r\nhello\r0\r\n\r\n", _7_1),
            ("LF behind the size", b"5\nhello\r\n" + END, _7_1),
            ("LF everywhere", b"5\nhello\n0\n\n", _7_1),
            ("CR behind the size", b"5\rhello\r\n" + END, _7_1),
            ("LF behind the last size", b"5\r\nhello\r\n0\n\r\n", _7_1),
            ("LF at the end", b"0\r\n\n", "RFC 9112 section 2.2"),
            ("CR at the end", b"0\r\n\rX", "RFC 9112 section 2.2"),
            ("LF in the trailers", b"0\r\nX: 1\n\r\n", "RFC 9112 section 2.2"),
            ("CR in the trailers", b"0\r\nX: 1\rY: 2\r\n\r\n", "RFC 9112 section 2.2"),
            ("a folded trailer", b"0\r\nX: 1\r\n 2\r\n\r\n", "RFC 9112 section 5.2"),
            ("a trailer name with a blank", b"0\r\nX Y: 1\r\n\r\n", "RFC 9110 section 5.1"),
            ("a request line for a trailer", b"0\r\nGET /inner HTTP/1.1\r\n\r\n", "RFC 9112 section 5"),
            ("a trailer with a control character", b"0\r\nX: \x01\r\n\r\n", "RFC 9110 section 5.5"),
            ("a bad length in a trailer", b"0\r\nContent-Length: x\r\n\r\n", "RFC 9110 section 8.6"),
            ("a request for a chunk", NEXT, _7_1),
        )
    ),
    Refused("a chunk-size line over the limit", chunked(b"5;" + b"a" * 1021 + b"\r\nhello\r\n" + END), _7_1),
    Refused("zeros over the limit", chunked(b"0" * 2000 + b"5\r\nhello\r\n" + END), _7_1),
    Refused("extensions over the limit", chunked((b"1;" + b"a" * 999 + b"\r\nx\r\n") * 17 + END), "RFC 9112 section 7.1.1"),
    Refused("trailers over the limit", chunked(b"0\r\nX: " + b"a" * 8190 + b"\r\n\r\n"), "RFC 9110 section 5.4", 431),
)  # fmt: skip

FIELDS = tuple(
    Refused(name, data, section)
    for name, data, section in (
        ("LF for all line ends", gets(b"A: b").replace(b"\r\n", b"\n"), "RFC 9112 section 2.2"),
        ("LF once", G + b"A: b\nC: d\r\n\r\n", "RFC 9112 section 2.2"),
        ("LF before the empty line", G + b"A: b\n\r\n\r\n", "RFC 9112 section 2.2"),
        ("LF behind the request line", b"GET /a HTTP/1.1\nHost: a\r\n\r\n", None),
        ("CR for all line ends", gets(b"A: b").replace(b"\r\n", b"\r") + b"\r\n\r\n", None),
        ("CR in a value", gets(b"A: b\rC: d"), "RFC 9112 section 2.2"),
        ("CR before CRLF", gets(b"A: b\r"), "RFC 9112 section 2.2"),
        ("CR before a name", gets(b"\rA: b"), "RFC 9112 section 2.2"),
        ("CR in a name", gets(b"A\rB: b"), "RFC 9112 section 2.2"),
        ("a folded line", gets(b"A: b\r\n c"), "RFC 9112 section 5.2"),
        ("a line folded by a tab", gets(b"A: b\r\n\tc"), "RFC 9112 section 5.2"),
        ("a line of a blank", gets(b"A: b\r\n "), "RFC 9112 section 5.2"),
        ("a blank before the first line", b"GET /a HTTP/1.1\r\n A: b\r\nHost: a\r\n\r\n", "RFC 9112 section 5.2"),
        ("a blank before the colon", gets(b"A : b"), "RFC 9112 section 5.1"),
        ("a tab before the colon", gets(b"A\t: b"), "RFC 9112 section 5.1"),
        ("no name", gets(b": b"), "RFC 9110 section 5.1"),
        ("no colon", gets(b"A"), "RFC 9112 section 5"),
        *(
            (f"{bytes((code,))!r} in a value", gets(b"A: b%cc" % code), "RFC 9110 section 5.5")
            for code in (*range(9), 11, 12, *range(14, 32), 127)
        ),
        *(
            (f"{bytes((code,))!r} in a name", gets(b"A%cB: c" % code), "RFC 9110 section 5.1")
            for code in (*range(10), 11, 12, *range(14, 33), *b'"(),/;<=>?@[\\]{}', *range(127, 256))
        ),
    )
)  # fmt: skip

_3 = "RFC 9112 section 3"

REQUEST_LINES = (
    *(
        Refused(repr(line), asks(line), _3)
        for line in (
            b"GET  /a HTTP/1.1", b"GET /a  HTTP/1.1", b"GET\t/a\tHTTP/1.1", b"GET /a HTTP/1.1 ", b"GET /a HTTP/1.1\t",
            b" GET /a HTTP/1.1", b"\tGET /a HTTP/1.1", b"GET /a b HTTP/1.1", b"GET /a\tb HTTP/1.1", b"GET  HTTP/1.1",
            b"GET HTTP/1.1", b"GET /a", b"GET", b"/a HTTP/1.1", b"GET /a HTTP/1", b"GET /a HTTP/1.", b"GET /a HTTP/.1",
            b"GET /a HTTP/1.11", b"GET /a HTTP/01.1", b"GET /a HTTP/1,1", b"GET /a HTTP/ 1.1", b"GET /a HTTP 1.1",
            b"GET /a http/1.1", b"GET /a Http/1.1", b"GET /a HTTPS/1.1", b"GET /a XTTP/1.1", b"GET /a ICAP/1.0",
            b"GET /a HTTP/1.1x", b"GET /aHTTP/1.1", b"GET(/a HTTP/1.1", b"GET( /a HTTP/1.1", b"G\x00T /a HTTP/1.1",
            b"G\xc9T /a HTTP/1.1", b"GE T /a HTTP/1.1", b"G:T /a HTTP/1.1", b"GET /\x00 HTTP/1.1", b"GET /\x01 HTTP/1.1",
            b"GET /\x7f HTTP/1.1", b"GET /caf\xe9 HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET /\x0b HTTP/1.1",
            b"GET /a\xa0HTTP/1.1", b"GET /a HTTP/1.1 HTTP/1.1", b"HTTP/1.1 200 OK", b"Host: example.com",
        )
    ),
    *(
        Refused(repr(line), asks(line), "RFC 9110 section 2.5", 505)
        for line in (b"GET /a HTTP/2.0", b"GET /a HTTP/0.9", b"GET /a HTTP/3.1", b"PRI * HTTP/2.0")
    ),
    Refused("an HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "RFC 9110 section 2.5", 505),
    *(
        Refused(repr(line), asks(line), None)
        for line in (b"GET /a\nb HTTP/1.1", b"GET /a\rb HTTP/1.1", b"GET /a HTTP/1.1\r", b"GET /a\n HTTP/1.1", b"\nGET /a HTTP/1.1", b"\rGET /a HTTP/1.1")
    ),
    Refused("a method over the limit", asks(b"M" * 65 + b" /a HTTP/1.1"), _3, 501),
    Refused("a bare LF among empty lines", b"\r\n\n" + gets(), None),
    Refused("a bare CR among empty lines", b"\r\n\r" + gets(), None),
    Refused("too many empty lines", b"\r\n" * 9 + gets(), "RFC 9112 section 2.2"),
    Refused("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", _3),
)  # fmt: skip

_3_2 = "RFC 9112 section 3.2"

HOSTS = (
    Refused("none", b"GET /a HTTP/1.1\r\n\r\n", _3_2),
    Refused("none but other fields", b"GET /a HTTP/1.1\r\nX-Forwarded-Host: a\r\n\r\n", _3_2),
    Refused("two", gets(b"Host: inner"), _3_2),
    Refused("two alike", gets(b"Host: example.com"), _3_2),
    Refused("two of different case", gets(b"HOST: example.com"), _3_2),
    Refused("two, one empty", gets(b"Host:"), _3_2),
    Refused("two in HTTP/1.0", gets(b"Host: inner").replace(b"/1.1", b"/1.0"), _3_2),
    Refused("folded", b"GET /a HTTP/1.1\r\nHost:\r\n example.com\r\n\r\n", "RFC 9112 section 5.2"),
    Refused("a blank before the colon", gets(b"Host : inner"), "RFC 9112 section 5.1"),
    Refused("a lookalike is none", b"GET /a HTTP/1.1\r\nHost_: example.com\r\n\r\n", _3_2),
)

#: A Connection field that would take away what the message means (RFC 9110 section 7.6.1).
CONNECTIONS = tuple(
    Refused(repr(line), posts(b"Content-Length: 5", line), "RFC 9110 section 7.6.1")
    for line in (
        b"Connection: Content-Length", b"Connection: close, content-length", b"Connection: Transfer-Encoding",
        b"Connection: Host", b"connection: HOST", b"Connection: Content-Type", b"Connection: content-encoding",
        b"Connection: close\r\nConnection: Host", b"Connection: X, Expect", b"Connection: a\r\nConnection: b\r\nConnection: Host",
    )
)  # fmt: skip

CONNECTS = (
    Refused("a length", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "RFC 9110 section 9.3.6"),
    Refused("chunks", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n" + TE + b"\r\n" + END, "RFC 9110 section 9.3.6"),
)  # fmt: skip

REFUSED = {
    "length and chunked": LENGTH_AND_CHUNKED,
    "codings": CODINGS,
    "lengths": LENGTHS,
    "chunks": CHUNKS,
    "fields": FIELDS,
    "request lines": REQUEST_LINES,
    "hosts": HOSTS,
    "connections": CONNECTIONS,
    "connects": CONNECTS,
}
