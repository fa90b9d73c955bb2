"""
Fuzz the HTTP/1 parsers: against themselves with the input cut at random, and against llhttp and h11.

C{python -m tests.fuzz.fuzz_http1 -max_total_time=60}; see README.md. Without atheris L{run} is an ordinary function.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from importlib import import_module
from typing import Any

from tests.fuzz.corpus import plant

atheris: Any = None
with suppress(ImportError):
    atheris = import_module("atheris")

# Instrumented is what is imported here for the first time.
with atheris.instrument_imports(include=["gateway.wire"]) if atheris else nullcontext():
    from tests.unit.wire import vectors
    from tests.unit.wire.agreement import disagreement
    from tests.unit.wire.reading import (
        Reading,
        by_h11,
        h11_responses,
        llhttp,
        llhttp_responses,
        our_responses,
        ours,
    )

#: What a response answers, by the low bits of the first byte; 0 is a request.
_METHODS = (b"", b"GET", b"HEAD", b"CONNECT")
_CUTS = 4


def run(data: bytes) -> None:
    """
    Read one input in all ways.

    Its first byte says what it is: bits 0 and 1 whether it is a request or what it answers, bit 2 whether the stream ends
    behind it. The next four are where it is cut, in steps of the length; the rest is the stream.

    @raise AssertionError: the readings differ.
    """
    if len(data) <= 1 + _CUTS:
        return
    kind, places, stream = data[0], data[1 : 1 + _CUTS], data[1 + _CUTS :]
    cuts = [len(stream) * place // 256 for place in places]
    method = _METHODS[kind & 3]
    closes = bool(kind & 4)
    if not method:
        whole = ours(stream)
        compare(stream, whole, ours(stream, cuts))
        compare(stream, whole, ours(stream, range(len(stream))))
        theirs = {"llhttp": llhttp(stream), "h11": by_h11(stream)}
    else:
        whole = our_responses(stream, method=method, closes=closes)
        compare(stream, whole, our_responses(stream, cuts, method=method, closes=closes))
        compare(
            stream, whole, our_responses(stream, range(len(stream)), method=method, closes=closes)
        )
        if method != b"GET" or closes:
            # httptools can be told neither what a response answers nor that the stream ended.
            theirs = (
                {"h11": h11_responses(stream, method=method, closes=closes)}
                if method != b"CONNECT"
                else {}
            )
        else:
            theirs = {"llhttp": llhttp_responses(stream), "h11": h11_responses(stream)}
    wrong = disagreement(stream, whole, theirs)
    if wrong:
        raise AssertionError(wrong)


def compare(stream: bytes, whole: Reading, part: Reading) -> None:
    """Check that two readings differ at most in how much was given of a message that was refused."""
    if bool(whole.refused) != bool(part.refused):
        raise AssertionError(f"{stream!r}: {whole} whole, {part} in parts")
    if not whole.refused and whole != part:
        raise AssertionError(f"{stream!r}: {whole} whole, {part} in parts")
    done = [
        message for message in whole.messages if message.complete and message.start[0][:1] != b"1"
    ]
    for message in done:
        if message not in part.messages:
            raise AssertionError(f"{stream!r}: {message} is lost in parts: {part}")


def seeds() -> Iterator[bytes]:
    """Give inputs to start from: all vectors, and a response of each framing."""
    streams = [vector.data for vector in vectors.VALID]
    streams += [vector.data for table in vectors.REFUSED.values() for vector in table]
    for stream in streams:
        if len(stream) < 1000:
            yield b"\x00\x20\x40\x80\xc0" + stream
    start = b"HTTP/1.1 200 OK\r\n"
    for stream in (
        start + b"Content-Length: 2\r\n\r\nok",
        start + b"Transfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\nA: b\r\n\r\n",
        start + b"Connection: close\r\n\r\nok",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + start + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.0 204 No Content\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n\x81\x00",
        start + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    ):
        for kind in range(1, 8):
            yield bytes((kind, 32, 64, 128, 192)) + stream


def main(arguments: list[str]) -> None:
    """Let atheris call L{run}; a corpus folder that is empty gets the seeds first."""
    if atheris is None:
        raise SystemExit("atheris is not installed: pip install atheris")
    plant(arguments[1:], seeds())
    atheris.Setup(arguments, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
