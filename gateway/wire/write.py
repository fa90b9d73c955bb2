"""
Events to bytes: the serialiser of HTTP/1 messages (RFC 9112).

Lines come validated from the parsers or from L{Fields<gateway.message.fields.Fields>}; framing and connection lines are
written here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

#: The last chunk and an empty trailer section.
LAST_CHUNK = b"0\r\n\r\n"
#: What tells the client to send its content (RFC 9110 section 15.2.1).
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}


def request_head(method: bytes, target: bytes, lines: list[bytes]) -> bytes:
    """Write a request head; we are HTTP/1.1 to every upstream (RFC 9110 section 2.5)."""
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (method, target, b"\r\n".join(lines))


def response_head(status: int, reason: bytes, lines: list[bytes]) -> bytes:
    """Write a response head; an empty reason becomes the registered one."""
    reason = reason or _REASONS.get(status, b"")
    if lines:
        return b"HTTP/1.1 %d %b\r\n%b\r\n\r\n" % (status, reason, b"\r\n".join(lines))
    return b"HTTP/1.1 %d %b\r\n\r\n" % (status, reason)


def chunk(content: bytes) -> bytes:
    """Write one chunk; C{content} must not be empty, or it would end the message."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def last_chunk(trailers: Iterable[bytes]) -> bytes:
    """Write the last chunk with a trailer section."""
    lines = b"\r\n".join(trailers)
    return b"0\r\n%b\r\n\r\n" % lines if lines else LAST_CHUNK
