"""
Fuzz the reader of ClientHellos: against itself with the input cut at random, and against a server of OpenSSL's.

C{python -m tests.fuzz.fuzz_client_hello -max_total_time=60}; see README.md. Without atheris L{run} is an ordinary function.
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
    from gateway.api.answers import ClientHello
    from tests.unit.wire import hellos
    from tests.unit.wire.hellos import Outcome, asked, disagreement, outcome

_CUTS = 4
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")


def run(data: bytes) -> None:
    """
    Read one input in all ways.

    Its first byte says what the rest is, by its value modulo 4: a stream; the content of one record; of a ClientHello;
    or its block of extensions. So a fuzzer gets behind the lengths. In the last two cases the other bits say how long
    the first record is. The next four bytes are where the stream is cut, in steps of its length.

    @raise AssertionError: the readings differ, or what was read is not what it is promised to be.
    """
    if len(data) <= 1 + _CUTS:
        return
    kind, places, stream = data[0], data[1 : 1 + _CUTS], data[1 + _CUTS :][:60000]
    if kind % 4 == 1:
        stream = hellos.record(stream[:16384])
    elif kind % 4 == 2:
        stream = hellos.records(hellos.message(stream), (1 + kind // 4,))
    elif kind % 4 == 3:
        content = hellos.body(None) + hellos.vector(stream)
        stream = hellos.records(hellos.message(content), (1 + kind // 4,))
    whole = outcome(stream)
    compare(stream, whole, outcome(stream, [len(stream) * place // 256 for place in places]))
    compare(stream, whole, outcome(stream, range(len(stream))))
    if isinstance(whole, ClientHello):
        judge(whole)
    wrong = disagreement(stream, whole, asked(stream))
    if wrong:
        raise AssertionError(wrong)


def compare(stream: bytes, whole: Outcome, part: Outcome) -> None:
    """Check that a stream ends alike wherever it is cut."""
    if whole != part:
        raise AssertionError(f"{stream!r}: {whole} whole, {part} in parts")


def judge(hello: ClientHello) -> None:
    """Check what rules and logs may count on."""
    name = hello.server_name
    labels = name.split(".")
    if name and (
        not _LETTERS.issuperset(name)
        or len(name) > 253
        or not all(0 < len(label) < 64 for label in labels)
        or labels[-1].isdecimal()
    ):
        raise AssertionError(f"{name!r} is no name")
    if len(set(hello.extensions)) != len(hello.extensions) or not hello.ciphers:
        raise AssertionError(f"lists that none may have: {hello}")
    if any(version & 0x0F0F == 0x0A0A and version % 257 == 0 for version in hello.versions):
        raise AssertionError(f"versions that there are not: {hello}")


def seeds() -> Iterator[bytes]:
    """Give inputs to start from: hellos of OpenSSL's, some by hand, and what is not TLS or nearly so."""
    named = hellos.server_name(b"www.Example.com")
    extensions = (
        (0x0A0A, b""),
        named,
        (10, hellos.numbers((29, 23))),
        (11, b"\1\0"),
        (13, hellos.numbers((0x0403, 0x0804))),
        hellos.alpn(b"h2", b"http/1.1"),
        (35, b"ticket"),
        hellos.versions(0x1A1A, 0x0304, 0x0303),
        (0xFE0D, b"\0"),
        (41, b"x"),
    )
    content = hellos.body(extensions)
    head = b"\x20\x40\x80\xc0"
    for stream in (
        hellos.by_openssl(change=lambda context: context.set_alpn_protos([b"h2"])),
        hellos.hello(named),
        hellos.hello(named, named),
        hellos.records(hellos.message(content), (1, 4, 30)),
        hellos.record(hellos.message(hellos.body(None))),
        hellos.record(b"") + hellos.hello(named),
        hellos.sslv2(),
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"\x15\x03\x01\0\2\1\0",
    ):
        yield b"\0" + head + stream
    yield b"\1" + head + hellos.message(content)
    yield b"\x12" + head + content
    yield b"\x23" + head + content[len(hellos.body(None)) + 2 :]


def main(arguments: list[str]) -> None:
    """Let atheris call L{run}; a corpus folder that is empty gets the seeds first."""
    if atheris is None:
        raise SystemExit("atheris is not installed: pip install atheris")
    plant(arguments[1:], seeds())
    atheris.Setup(arguments, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
