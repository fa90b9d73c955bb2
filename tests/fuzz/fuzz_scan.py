"""
Fuzz what unpacks content for scanners: codings, forms, text and the walk through archives; against the parsers that others use.

C{python -m tests.fuzz.fuzz_scan -max_total_time=60}; see README.md, and C{tools/fuzz_scan.py} for long runs. Without atheris L{run} is
an ordinary function. It unpacks in this process: a library that crashes ends it.
"""

from __future__ import annotations

import base64
import binascii
import bz2
import gzip
import io
import lzma
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext, suppress
from importlib import import_module
from random import Random
from time import monotonic
from typing import Any

from tests.fuzz.corpus import plant

atheris: Any = None
with suppress(ImportError):
    atheris = import_module("atheris")

# Instrumented is what is imported here for the first time.
with atheris.instrument_imports(include=["gateway_archive"]) if atheris else nullcontext():
    import brotli
    from backports import zstd

    from gateway.api import REASONS
    from gateway_archive.blobs import Blob
    from gateway_archive.bounds import Bounds
    from gateway_archive.codings import PIECE, decode
    from gateway_archive.faults import Broken, Fault, Limits, TooMuch
    from gateway_archive.forms import is_container, split
    from gateway_archive.found import Member, Refused
    from gateway_archive.tests.servers import READERS, is_given
    from gateway_archive.text_codings import texts
    from gateway_archive.walker import Walk

LIMITS = Limits(size=1 << 20, ratio=500, floor=1 << 16, parts=200, window=8 << 20)
BOUNDS = Bounds(
    depth=4, files=200, ratio=50, floor=1 << 18, size=4 << 20, member=1 << 20, room=8 << 20
)
BOUNDARY = b"bnd-of-it"
TYPE = "multipart/form-data; boundary=" + BOUNDARY.decode()
# What changes the meaning where it is put.
_TOKENS = (
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"--",
    b"=",
    b"\0",
    b"\\",
    b"%2B",
    b"\\u002f",
    b"--" + BOUNDARY,
    b"\r\n--" + BOUNDARY + b"\r\n",
    b"\r\n--" + BOUNDARY + b"--",
    BOUNDARY,
    b"Content-Disposition: form-data; name=a; filename=b\r\n",
    b"Content-Type: multipart/mixed; boundary=x\r\n",
    b"PK\3\4",
    b"PK\1\2",
    b"PK\5\6",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"\xff\xff\xff\xff",
)
#: Nothing here may take longer, however slow the machine.
MAX_SECONDS = 30.0

_MAX_INPUT = 1 << 16
_CODINGS = (
    "gzip",
    "zlib",
    "deflate",
    "br",
    "zstd",
    "compress",
    "base64",
    "base64url",
    "quoted-printable",
    "uuencode",
)
_NOTES: tuple[dict[str, str], ...] = (
    {},
    {"content_encoding": "gzip"},
    {"content_encoding": "deflate, br"},
    {"content_type": TYPE},
    {"content_type": "message/rfc822"},
    {"content_type": "application/json"},
    {"content_encoding": "zstd", "content_type": TYPE},
)


def run(data: bytes) -> None:
    """
    Read one input in all ways.

    The first byte says what it is, by its value modulo 5: something coded, a form, a form with its type on its first line,
    text, or an archive; the second how it is coded or declared. The rest is the content.

    @raise AssertionError: it broke a promise, or someone else sees what was not given out.
    """
    if len(data) < 2:
        return
    began = monotonic()
    kind, how, content = data[0] % 5, data[1], data[2:_MAX_INPUT]
    if kind == 0:
        check_coding(content, _CODINGS[how % len(_CODINGS)])
    elif kind == 1:
        check_form(content)
    elif kind == 2:
        check_declared(content)
    elif kind == 3:
        check_text(content)
    else:
        check_walk(content, _NOTES[how % len(_NOTES)], texts_too=how >= 128)
    seconds = monotonic() - began
    if seconds > MAX_SECONDS:
        raise AssertionError(f"it took {seconds:.1f} s")


# Codings


def check_coding(content: bytes, coding: str) -> None:
    """Undo a coding, whole and in pieces, and compare with the library of the coding itself."""
    whole, fault = undone([content], coding)
    step = 1 + len(content) % 97
    pieces = [content[at : at + step] for at in range(0, len(content), step)]
    parted, parted_fault = undone(pieces, coding)
    if isinstance(fault, TooMuch) or isinstance(parted_fault, TooMuch):
        # How much was taken when the ratio was looked at depends on the pieces.
        return
    compare(whole, fault, parted, parted_fault)
    expected = by_library(content, coding)
    if expected is not None and not whole.startswith(expected):
        raise AssertionError(f"{coding}: {whole!r}, {fault!r}, but it is {expected!r}")


def compare(whole: bytes, fault: Fault | None, parted: bytes, parted_fault: Fault | None) -> None:
    """Check that something ends alike in pieces; where it is damaged, one may give a little more than the other."""
    if bool(fault) != bool(parted_fault) or (fault is None and whole != parted):
        raise AssertionError(f"{whole!r}, {fault!r} whole, {parted!r}, {parted_fault!r} in pieces")
    if not whole.startswith(parted) and not parted.startswith(whole):
        raise AssertionError(f"{whole!r} whole, {parted!r} in pieces")


def undone(pieces: list[bytes], coding: str) -> tuple[bytes, Fault | None]:
    """Give what comes out, and the fault at its end."""
    out = bytearray()
    decoding = decode(pieces, coding, LIMITS)
    try:
        for piece in decoding:
            if not 0 < len(piece) <= PIECE:
                raise AssertionError(f"a piece of {len(piece)} bytes")
            out += piece
            if len(out) > LIMITS.size:
                raise AssertionError(f"{len(out)} bytes came out")
    except Fault as fault:
        return bytes(out), fault
    taken = sum(map(len, pieces))
    if decoding.trailing is not None and not 0 <= decoding.trailing < taken:
        raise AssertionError(f"{decoding.trailing} is not within {taken}")
    if decoding.first is not None and not 0 <= decoding.first <= len(out):
        raise AssertionError(f"{decoding.first} is not within {len(out)}")
    return bytes(out), None


def by_library(content: bytes, coding: str) -> bytes | None:
    """Give what its library makes of it, C{None} if that refuses it or it is long."""
    try:
        if coding in ("gzip", "zlib", "deflate"):
            library = zlib.decompressobj({"gzip": 31, "zlib": 15, "deflate": -15}[coding])
            out = library.decompress(content, 1 << 16)
            return out if library.eof else None
        if coding == "br":
            # It does not tell how far it is; and what is in the input is what may come out of it.
            decoder = brotli.Decompressor()
            out = decoder.process(content, output_buffer_limit=1 << 16)
            return bytes(out) if decoder.is_finished() else None
        if coding == "zstd":
            options: Any = {zstd.DecompressionParameter.window_log_max: 23}
            frame = zstd.ZstdDecompressor(options=options)
            out = frame.decompress(content, 1 << 16)
            return out if frame.eof else None
        if coding == "base64":
            return base64.b64decode(content, validate=True)
        if coding == "quoted-printable" and b"=" not in content:
            return content
    except (zlib.error, brotli.error, zstd.ZstdError, binascii.Error):
        pass
    return None


# Forms


def check_form(content: bytes) -> None:
    """Divide a form and compare with what servers see."""
    found, fault = divided(content, TYPE)
    if not isinstance(fault, TooMuch):
        see(content, found, is_whole=fault is None)


def see(content: bytes, found: list[bytes], *, is_whole: bool) -> None:
    """Check that no server sees a part that was not given."""
    lower = content.lower()
    for name, reader in READERS.items():
        if name == "email" and (
            b"transfer" in lower or b"multipart" in lower or b"message" in lower
        ):
            # It goes on into parts, and undoes their codings.
            continue
        for part in reader(content, BOUNDARY):
            if not is_given(part, found, BOUNDARY, is_whole):
                raise AssertionError(f"{name} sees {part!r} in {content!r}, but given was {found}")


def check_declared(content: bytes) -> None:
    """Divide something of any type that can be divided."""
    line, _, rest = content.partition(b"\n")
    declared = line.decode("latin-1")
    if is_container(declared):
        divided(rest, declared)


def divided(content: bytes, content_type: str) -> tuple[list[bytes], Fault | None]:
    """Give all parts, and the fault at their end."""
    found: list[bytes] = []
    seen: set[tuple[int, int]] = set()
    try:
        for part in split(io.BytesIO(content), content_type, LIMITS):
            chunk = b"".join(part.chunks())
            if not chunk or content[part.start : part.start + part.size] != chunk:
                raise AssertionError(f"{part} is no part of it")
            if (part.start, part.size) in seen and "multipart" in content_type.lower():
                raise AssertionError(f"{part} was given twice")
            seen.add((part.start, part.size))
            for text in (part.name, part.filename, part.media_type, *part.head.filenames):
                if not text.isprintable() or len(text) > 120:
                    raise AssertionError(f"{text!r} is not fit to be shown")
            found.append(chunk)
    except Broken as fault:
        return found, fault
    except TooMuch as fault:
        return found, fault
    if len(found) > LIMITS.parts:
        raise AssertionError(f"{len(found)} parts were given")
    return found, None


# Text


def check_text(content: bytes) -> None:
    """Look for what is written in text; a whole body of base64 is known to be there."""
    found: list[bytes] = []
    try:
        for one in texts(io.BytesIO(content), LIMITS, most=100):
            chunk = b"".join(one.chunks())
            if len(chunk) > one.size:
                raise AssertionError(f"{len(chunk)} bytes instead of {one.size}")
            found.append(chunk)
    except TooMuch:
        return
    with suppress(binascii.Error):
        known = base64.b64decode(content, validate=True)
        if len(known) > 512 and b"=" not in content[:-2] and known not in found:
            raise AssertionError(f"{known!r} was not found")


# Archives


def check_walk(content: bytes, notes: dict[str, str], *, texts_too: bool = False) -> None:
    """Walk through an archive within narrow bounds, and compare with what others find in it."""
    bounds = Bounds(
        BOUNDS.depth,
        BOUNDS.files,
        BOUNDS.ratio,
        BOUNDS.floor,
        BOUNDS.size,
        BOUNDS.member,
        BOUNDS.room,
        texts_too,
    )
    found: set[bytes] = set()
    refused: list[Refused] = []
    count = size = 0
    walk = Walk(Blob.of(content), notes, bounds, monotonic() + MAX_SECONDS / 2)
    for one in walk:
        count += 1
        if not one.path.isprintable():
            raise AssertionError(f"{one.path!r} is not fit to be shown")
        if isinstance(one, Member):
            chunk = b"".join(one.blob.pieces())
            size += len(chunk)
            if len(chunk) > max(bounds.member, len(content)) or one.depth > bounds.depth + 1:
                raise AssertionError(f"{one} is beyond the bounds")
            found.add(chunk)
        else:
            refused.append(one)
            if one.reason.partition(":")[0] not in REASONS:
                raise AssertionError(f"{one.reason} is no reason")
    if count > 20 * bounds.files or size > 20 * bounds.size:
        raise AssertionError(f"{count} members of {size} bytes")
    if not refused and not notes:
        look(content, found)


def look(content: bytes, found: set[bytes]) -> None:
    """Check that no other reader finds a member that was not given."""
    for name, by_other in _OTHERS.items():
        for member in by_other(content):
            if member not in found and member != content:
                raise AssertionError(
                    f"{name} finds {member!r} in {content!r}, but given was {found}"
                )


def by_zipfile(content: bytes) -> list[bytes]:
    """Give the members that Python's own reader finds; nothing if it refuses one."""
    with suppress(Exception), zipfile.ZipFile(io.BytesIO(content)) as archive:
        about = archive.infolist()
        if sum(one.file_size for one in about) > 1 << 20 or len(about) > 200:
            return []
        return [one for one in map(archive.read, about) if one]
    return []


def by_tarfile(content: bytes) -> list[bytes]:
    """Give the files that Python's own reader finds; nothing if it refuses one."""
    found: list[bytes] = []
    with suppress(Exception), tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for about in archive:
            if about.size > 1 << 20 or about.sparse:
                return []
            file = archive.extractfile(about) if about.isreg() else None
            chunk = b"" if file is None else file.read()
            if chunk:
                found.append(chunk)
        return found
    return []


def by_gzip(content: bytes) -> list[bytes]:
    """Give the first member of gzip."""
    with suppress(zlib.error):
        library = zlib.decompressobj(31)
        out = library.decompress(content, 1 << 18)
        if library.eof and out and by_tarfile(out) == []:
            return [out]
    return []


_OTHERS: dict[str, Callable[[bytes], list[bytes]]] = {
    "zipfile": by_zipfile,
    "tarfile": by_tarfile,
    "gzip": by_gzip,
}


# Seeds


def seeds() -> Iterator[bytes]:
    """Give inputs to start from: everything that can be read, well made."""
    text = b"some text to be packed, again and again. " * 20
    for number, coded in enumerate(_coded(text)):
        yield bytes((0, number)) + coded
    for body in _forms(text):
        yield b"\1\0" + body
        yield b"\2\0" + TYPE.encode() + b"\n" + body
        yield b"\4\3" + body
    mail = b"Subject: x\nContent-Type: multipart/mixed; boundary=q\n\n--q\nContent-Type: text/plain\n\nHello\n"
    mail += b"--q\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(text) + b"--q--\n"
    yield b"\2\0message/rfc822\n" + mail
    yield b"\4\4" + mail
    yield b"\3\0" + base64.encodebytes(text)
    yield b"\3\0" + b'{"a": "' + base64.b64encode(text).replace(b"/", b"\\/") + b'", "b": [1]}'
    yield b"\4\x85" + b'{"a": "' + base64.b64encode(_zip({"a": text})) + b'"}'
    for archive in archives(text):
        yield b"\4\0" + archive
    yield b"\4\1" + gzip.compress(text, mtime=0)
    yield b"\4\2" + brotli.compress(zlib.compress(text))


def mutated(data: bytes, others: Sequence[bytes], random: Random) -> bytes:
    """
    Change an input in a few places; its first two bytes mostly stay, for they say what it is.

    @param others: inputs to take stretches from.
    """
    kept = 0 if random.random() < 0.02 else 2
    head, body = data[:kept], bytearray(data[kept:])
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randint(0, len(body))
        end = min(len(body), at + random.choice((1, 2, 4, 16, 200)))
        what = random.randrange(7)
        if what == 0 and at < len(body):
            body[at] ^= 1 << random.randrange(8)
        elif what == 1 and at < len(body):
            body[at] = random.choice((0, 1, 127, 128, 255, random.randrange(256)))
        elif what == 2:
            del body[at:end]
        elif what == 3:
            body[at:at] = random.choice(_TOKENS)
        elif what == 4:
            body[at:end] = random.randbytes(end - at)
        elif what == 5:
            body[at:at] = body[at:end] * random.choice((1, 2, 9))
        else:
            other = random.choice(others)
            start = random.randrange(len(other))
            body[at:end] = other[start : start + random.choice((4, 30, 400))]
    return head + bytes(body[:_MAX_INPUT])


def _coded(text: bytes) -> Iterator[bytes]:
    raw = zlib.compressobj(wbits=-15)
    yield gzip.compress(text, mtime=0) + gzip.compress(b"two", mtime=0)
    yield zlib.compress(text)
    yield raw.compress(text) + raw.flush()
    yield brotli.compress(text)
    yield zstd.compress(text) + zstd.compress(b"two")
    yield b"\x1f\x9d\x90" + bytes.fromhex("61c488130a")
    yield base64.encodebytes(text)
    yield base64.urlsafe_b64encode(text)
    yield b"a=3Db=\r\n=C3=BC\r\n" * 9
    yield b"begin 644 a\n" + b"".join(
        binascii.b2a_uu(text[at : at + 45]) for at in range(0, 200, 45)
    )


def _forms(text: bytes) -> Iterator[bytes]:
    for line_end in (b"\r\n", b"\n"):
        parts = (
            b'Content-Disposition: form-data; name="a"' + line_end * 2 + b"one",
            b"Content-Disposition: form-data; name=f; filename*=utf-8''a.zip"
            + line_end
            + b"Content-Type: application/zip"
            + line_end * 2
            + _zip({"a": text[:50]}),
            line_end + b"no head",
        )
        delimiter = b"--" + BOUNDARY
        yield b"".join(delimiter + line_end + part + line_end for part in parts) + delimiter + b"--"
        yield b"pre" + line_end + delimiter + line_end * 2 + b"x" + line_end + delimiter + b"-- "


def archives(text: bytes) -> Iterator[bytes]:
    """Give small archives of the kinds that can be made here."""
    files = {"a.txt": text, "b/c.txt": b"two"}
    yield _zip(files)
    yield _zip(files, zipfile.ZIP_STORED)
    yield _zip(files, zipfile.ZIP_BZIP2)
    yield _zip(files, zipfile.ZIP_LZMA)
    yield _zip({"inner.zip": _zip({"inner.gz": gzip.compress(text, mtime=0)})})
    yield b"in front of it" + _zip(files)
    for mode in ("w", "w:gz", "w:bz2", "w:xz"):
        yield _tar(files, mode)
    yield bz2.compress(text) + bz2.compress(b"two")
    yield lzma.compress(text)
    yield zstd.compress(_tar(files, "w"))


def _zip(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            # Its time is that of the beginning, so that all runs have the same seeds.
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return out.getvalue()


def _tar(files: dict[str, bytes], mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return out.getvalue()


def main(arguments: list[str]) -> None:
    """Let atheris call L{run}; a corpus folder that is empty gets the seeds first."""
    if atheris is None:
        raise SystemExit("atheris is not installed: pip install atheris")
    plant(arguments[1:], seeds())
    atheris.Setup(arguments, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
