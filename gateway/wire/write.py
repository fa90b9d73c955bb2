"""
Events to bytes: the serialiser of HTTP/1 messages (RFC 9112).

Lines come validated from the parsers or from L{Fields<gateway.message.fields.Fields>}; framing and connection lines are
written here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus

#: The last chunk and an empty trailer section.
LAST_CHUNK = b"0\r\n\r\n"
#: What tells the client to send its content (RFC 9110 section 15.2.1).
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

#: The head of a response whose whole content goes with it, to an HTTP/1.1 client whose connection is kept: status, reason,
#: a L{section} and the content's length.
WHOLE_HEAD = b"HTTP/1.1 %d %b\r\n%bContent-Length: %d\r\n\r\n"

_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}


def section(lines: Sequence[bytes]) -> bytes:
    """Join field lines, each with its CRLF."""
    return b"\r\n".join((*lines, b"")) if lines else b""


def request_head(method: bytes, target: bytes, fields: bytes) -> bytes:
    """
    Write a request head; we are HTTP/1.1 to every upstream (RFC 9110 section 2.5).

    @param fields: a L{section}.
    """
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, target, fields)


def response_head(status: int, reason: bytes, fields: bytes) -> bytes:
    """
    Write a response head; an empty reason becomes the registered one.

    @param fields: a L{section}.
    """
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, reason or _REASONS.get(status, b""), fields)


def chunk(content: bytes) -> bytes:
    """Write one chunk; nothing for no content, because an empty chunk would end the message."""
    return b"%x\r\n%b\r\n" % (len(content), content) if content else b""


def last_chunk(trailers: Iterable[bytes]) -> bytes:
    """Write the last chunk with a trailer section."""
    lines = b"\r\n".join(trailers)
    return b"0\r\n%b\r\n\r\n" % lines if lines else LAST_CHUNK
