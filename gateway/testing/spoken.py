"""
Requests as a client of a forward or a reverse proxy writes them, for tests that would rather name a URL than spell bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from gateway.testing.peers import chunked
from gateway.testing.web import canonical


def target_of(url: str, mode: str) -> tuple[str, str]:
    """Give the request target and the Host of a URL, as a client of this mode writes them."""
    parts = urlsplit(canonical(url))
    if not parts.netloc:
        raise ValueError(f"{url!r} is no URL; gw.connect() asks for a tunnel")
    # Spelled as the test did: how a plugin takes odd spellings is worth a test.
    host, _, path = url.partition("://")[2].partition("/")
    return (url if mode == "forward" else f"/{path}"), host.partition("?")[0]


def request_bytes(
    method: str,
    target: str,
    host: str,
    fields: Mapping[str, str] | Iterable[tuple[str, str]],
    content: bytes | Sequence[bytes],
) -> bytes:
    """
    Write a request.

    @raise ValueError: a name or value is none of HTTP.
    """
    pairs = list(fields.items() if isinstance(fields, Mapping) else fields)
    if not any(name.lower() == "host" for name, _ in pairs):
        pairs.insert(0, ("Host", host))
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1")]
    for name, value in pairs:
        line = f"{name}: {value}".encode("latin-1")
        if b"\r" in line or b"\n" in line:
            raise ValueError(f"{name} would be more than one line; send bytes by gw.client()")
        lines.append(line)
    if not isinstance(content, bytes):
        lines.append(b"Transfer-Encoding: chunked")
        body = chunked(*(piece for piece in content if piece))
    else:
        if content or method in ("POST", "PUT", "PATCH"):
            lines.append(b"Content-Length: %d" % len(content))
        body = content
    return b"\r\n".join([*lines, b"", body])
