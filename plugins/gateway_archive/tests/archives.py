"""
Archives, good and bad, made as they are needed; and short ways to look into them.

Nothing that a scanner would find lies in the tree: markers are put together here.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import libarchive

from gateway_archive.blobs import Blob
from gateway_archive.bounds import Bounds
from gateway_archive.found import Found, Member, Refused
from gateway_archive.walker import Walk

MARKER = b"GWTEST-" + b"MALWARE-MARKER"


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a ZIP archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w") -> bytes:
    """Make a tar archive."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return made.getvalue()


def written(kind: str, files: Mapping[str, bytes], packing: str | None = None) -> bytes:
    """Make an archive with libarchive."""
    made = io.BytesIO()
    with libarchive.custom_writer(made.write, kind, packing) as archive:
        for name, content in files.items():
            archive.add_file_from_memory(name, len(content), content)
    return made.getvalue()


def rar4(files: Mapping[str, bytes], *, flags: int = 0, of_archive: int = 0) -> bytes:
    """Make an archive of RAR 4 whose members are not packed."""
    made = b"Rar!\x1a\x07\0" + _rar4_block(0x73, of_archive, bytes(6))
    for name, content in files.items():
        size = len(content)
        about = struct.pack(
            "<IIBIIBBHI", size, size, 3, zlib.crc32(content), 0, 20, 0x30, len(name), 0
        )
        made += _rar4_block(0x74, 0x8000 | flags, about + name.encode()) + content
    return made + _rar4_block(0x7B, 0x4000, b"")


def _rar4_block(kind: int, flags: int, rest: bytes) -> bytes:
    block = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(block) & 0xFFFF) + block


def rar5(files: Mapping[str, bytes]) -> bytes:
    """Make an archive of RAR 5 whose members are not packed."""
    made = b"Rar!\x1a\x07\1\0" + _rar5_block(bytes((1, 0, 0)))
    for name, content in files.items():
        size = _rar5_number(len(content))
        crc = struct.pack("<I", zlib.crc32(content))
        about = bytes((2, 2)) + size + b"\4" + size + b"\0" + crc + bytes((0, 1, len(name)))
        made += _rar5_block(about + name.encode()) + content
    return made + _rar5_block(bytes((5, 0, 0)))


def _rar5_block(rest: bytes) -> bytes:
    block = _rar5_number(len(rest)) + rest
    return struct.pack("<I", zlib.crc32(block)) + block


def _rar5_number(value: int) -> bytes:
    made = b""
    while value > 127:
        made += bytes((value & 127 | 128,))
        value >>= 7
    return made + bytes((value,))


def cabinet(name: bytes, content: bytes) -> bytes:
    """Make a cabinet with one member that is not packed."""
    data = struct.pack("<IHH", 0, len(content), len(content)) + content
    file = struct.pack("<IIHHHH", len(content), 0, 0, 0x21, 0, 0x20) + name + b"\0"
    at = 36 + 8 + len(file)
    head = (0, at + len(data), 0, 44, 0, 3, 1, 1, 1, 0, 0, 0)
    folder = struct.pack("<IHH", at, 1, 0)
    return struct.pack("<4s5I2B5H", b"MSCF", *head) + folder + file + data


def lha(name: bytes, content: bytes) -> bytes:
    """Make an LHA archive with one member that is not packed."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    size = len(content)
    head = b"-lh0-" + struct.pack("<IIIBBB", size, size, 0, 0x20, 0, len(name)) + name
    head += struct.pack("<H", crc)
    return bytes((len(head), sum(head) & 0xFF)) + head + content + b"\0"


def nested(times: int, content: bytes = MARKER) -> bytes:
    """Pack something so many times."""
    for number in range(times):
        content = zipped({f"{number}.zip" if number else "a.txt": content})
    return content


def local_header(name: bytes, content: bytes, *, flags: int = 0, method: int = 0) -> bytes:
    """Make a member of a ZIP archive as it stands in front, and nothing in any directory."""
    head = (20, flags, method, 0, 0, zlib.crc32(content), len(content), len(content), len(name), 0)
    return struct.pack("<4s5H3I2H", b"PK\3\4", *head) + name + content


def walked(
    content: bytes, notes: Mapping[str, str] | None = None, **bounds: Any
) -> tuple[Walk, list[Found]]:
    """Walk through some content, in this process."""
    walk = Walk(Blob.of(content), notes or {}, replace(Bounds(), **bounds))
    return walk, list(walk)


def members(
    content: bytes, notes: Mapping[str, str] | None = None, **bounds: Any
) -> dict[str, bytes]:
    """Give the contents of what is found, by the way to it."""
    found = walked(content, notes, **bounds)[1]
    return {one.path: one.blob.read(0, one.blob.size) for one in found if isinstance(one, Member)}


def refusals(content: bytes, notes: Mapping[str, str] | None = None, **bounds: Any) -> list[str]:
    """Give the reasons why something could not be unpacked."""
    return [one.reason for one in walked(content, notes, **bounds)[1] if isinstance(one, Refused)]
