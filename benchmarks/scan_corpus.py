"""
Files of the kinds that pass a web proxy, all of them harmless, for scanners to work on.

They are made anew from a seed: a scanner that remembers what it has seen must not have seen them. Sizes and shares are a rough
picture of downloads, not a measurement: mostly text that comes compressed and images, some archives and documents, few large files.
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KIB = 1 << 10
MIB = 1 << 20

_WORDS = b"the of and to in is that for it as was with be by on not he".split()


@dataclass(frozen=True, slots=True)
class File:
    """
    One file as the origin sends it.

    @ivar name: in the folder of the corpus; its ending tells the origin what to say of it.
    @ivar checksum: CRC-32 of what is sent.
    """

    name: str
    size: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of file.

    @ivar ending: of the name, with the dot; see C{/corpus/} in F{peers/web-origin.conf}.
    @ivar share: how many of a hundred files are of it.
    @ivar kib: the least and the most of what it is made of, before it is compressed.
    @ivar make: makes one from a source of chance and a number of bytes.
    """

    ending: str
    share: int
    kib: tuple[int, int]
    make: Callable[[random.Random, int], bytes]


def text(source: random.Random, count: int) -> bytes:
    """Make words and numbers, which compress to about a third."""
    parts: list[bytes] = []
    size = 0
    while size < count:
        part = b"<p class=%d>%b</p>\n" % (
            source.getrandbits(20),
            b" ".join(source.choices(_WORDS, k=12)),
        )
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def image(source: random.Random, count: int) -> bytes:
    """Make a PNG of noise."""
    width = 256
    rows = max(1, count // (width * 3))
    pixels = b"".join(b"\0" + source.randbytes(width * 3) for _ in range(rows))
    header = struct.pack(">IIBBBBB", width, rows, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


def archive(source: random.Random, count: int) -> bytes:
    """Make a ZIP of twenty texts."""
    return _zip({f"folder/{number}.txt": text(source, count // 20) for number in range(20)})


def document(source: random.Random, count: int) -> bytes:
    """Make something with the members of a text document: mostly one of them, and two images."""
    start = b"<?xml version='1.0'?>"
    images = {f"word/media/{number}.png": image(source, count // 4) for number in range(2)}
    return _zip(
        {
            "[Content_Types].xml": start + b"<Types/>",
            "word/document.xml": start + text(source, count // 2),
            **images,
        }
    )


def tarball(source: random.Random, count: int) -> bytes:
    """Make a compressed tar of ten texts."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as members:
        for number in range(10):
            body = text(source, count // 10)
            member = tarfile.TarInfo(f"folder/{number}.txt")
            member.size = len(body)
            members.addfile(member, io.BytesIO(body))
    return gzip.compress(sink.getvalue(), 3, mtime=0)


def program(source: random.Random, count: int) -> bytes:
    """Make something with the head of a Windows program, and what does not compress behind it."""
    head = b"MZ" + bytes(58) + struct.pack("<I", 128) + bytes(64) + b"PE\0\0"
    return head + source.randbytes(count)


def video(source: random.Random, count: int) -> bytes:
    """Make something with the head of a video."""
    return b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + source.randbytes(count)


def compressed(source: random.Random, count: int) -> bytes:
    """Make a text that is sent with C{Content-Encoding: gzip}."""
    return gzip.compress(text(source, count), 5, mtime=0)


KINDS: tuple[Kind, ...] = (
    Kind(".gz.html", 30, (8, 200), compressed),
    Kind(".html", 8, (2, 60), text),
    Kind(".js", 12, (10, 300), text),
    Kind(".png", 30, (5, 400), image),
    Kind(".docx", 5, (100, 1000), document),
    Kind(".zip", 5, (200, 3000), archive),
    Kind(".tgz", 3, (200, 3000), tarball),
    Kind(".exe", 4, (200, 4000), program),
    Kind(".mp4", 3, (1000, 8000), video),
)


def make(folder: Path, seed: int, count: int, kinds: Sequence[Kind] = KINDS) -> list[File]:
    """
    Write a corpus.

    @param folder: made here, with what is in it replaced.
    @param count: how many files; their kinds keep to their shares.
    @param kinds: those of the benchmark, unless a test wants smaller ones.
    @return: them, in an order of chance.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for before in folder.iterdir():
        before.unlink()
    source = random.Random(seed)
    files = []
    for kind in kinds:
        for number in range(max(1, count * kind.share // 100)):
            content = kind.make(source, source.randint(*kind.kib) * KIB)
            name = f"{seed}-{number}{kind.ending}"
            (folder / name).write_bytes(content)
            files.append(File(name, len(content), zlib.crc32(content)))
    source.shuffle(files)
    return files


def _zip(members: Mapping[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        for name, content in members.items():
            # Without the time of day, so that it is the same again.
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return sink.getvalue()
