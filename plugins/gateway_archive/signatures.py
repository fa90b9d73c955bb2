"""
What shows that something may be packed in content: the first bytes of archives, and the end of a ZIP archive.

Pure tables and searches, for the child process as well as for the quick look that spares most content a child process.
"""

from __future__ import annotations

import re
from typing import Literal

#: So many bytes at the start are enough to tell every archive but a disc image.
HEAD_BYTES = 512
#: So many bytes at the start are enough to tell a mail.
MAIL_BYTES = 8192
#: So many bytes at the end hold the end of a ZIP archive with the longest comment, with its 64-bit parts.
TAIL_BYTES = 65535 + 22 + 20 + 56
#: Where a disc image says what it is.
DISC_AT = 32769
DISC = b"CD001"

END_OF_ZIP = b"PK\5\6"
LOCAL_HEADER = b"PK\3\4"

#: Archives that unpackers find behind anything else, such as a picture, and how far from the start they look.
_BEHIND = ((b"Rar!\x1a\x07", "rar"), (b"7z\xbc\xaf\x27\x1c", "7z"))
_BEHIND_BYTES = 4 << 20
#: And those that unpack themselves, anywhere behind a program.
_BEHIND_PROGRAMS = (*_BEHIND, (b"MSCF\0\0\0\0", "cab"))

_STARTS: tuple[tuple[bytes, str], ...] = (
    (LOCAL_HEADER, "zip"),
    (END_OF_ZIP, "zip"),
    (b"PK00PK\3\4", "zip"),
    (b"PK\7\x08PK\3\4", "zip"),
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"LZIP\0", "lzip"),
    (b"LZIP\1", "lzip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"RE\x7e\x5e", "rar"),
    (b"MSCF\0\0\0\0", "cab"),
    (b"xar!\0", "xar"),
    (b"!<arch>\n", "ar"),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"WARC/1.", "warc"),
)
_BY_FIRST: dict[int, list[tuple[bytes, str]]] = {}
for _start, _kind in _STARTS:
    _BY_FIRST.setdefault(_start[0], []).append((_start, _kind))

_CPIO = re.compile(rb"07070[12][0-9A-Fa-f]{104}|070707[0-7]{70}")
#: How long the codes of C{compress} may be, each with and without the mark for starting over.
_COMPRESS_BITS = bytes(bits | mark for bits in range(9, 17) for mark in (0, 0x80))

_FIELD = re.compile(rb"\s*(?:From |>From |[!-9;-~]{1,60}:[ \t])")
_MORE = re.compile(rb"^(?:mime-version|content-type|content-transfer-encoding)[ \t]*:", re.I | re.M)

#: What the first bytes of programs are: archives that unpack themselves begin so.
_PROGRAMS = (
    b"MZ",
    b"\x7fELF",
    b"#!",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\xce\xfa\xed\xfe",
)


def kind_at_start(head: bytes) -> str:
    """
    Give the kind of archive that begins here; empty: none.

    @param head: L{HEAD_BYTES}, or all there is.
    """
    if not head:
        return ""
    for start, kind in _BY_FIRST.get(head[0], ()):
        if head.startswith(start):
            return kind
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17rE8P\x90"):
        return "bzip2"
    if head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:
        # A frame to be skipped, in front of those of LZ4 or Zstandard, which share them.
        return "zstd"
    if head[257:262] == b"ustar" or _is_old_tar(head):
        return "tar"
    if _CPIO.match(head) or head[:2] in (b"\xc7\x71", b"\x71\xc7") and _is_binary_cpio(head):
        return "cpio"
    if head[:2] == b"\x1f\x9d" and not head[2:3].strip(_COMPRESS_BITS):
        return "compress"
    if head[2:5] == b"-lh" and head[6:7] == b"-" or head[2:5] == b"-lz" and head[6:7] == b"-":
        return "lha"
    if head[:3] == b"\x5d\0\0" and _is_lzma(head):
        return "lzma"
    return ""


def behind(head: bytes, size: int) -> tuple[tuple[tuple[bytes, str], ...], int]:
    """
    Give the archives that may stand behind this, and how far from the start to look for them.

    @param size: of the content.
    """
    if head.startswith(_PROGRAMS):
        # It may unpack itself.
        return _BEHIND_PROGRAMS, size
    return _BEHIND, min(size, _BEHIND_BYTES)


def is_mail(head: bytes) -> bool:
    """
    Tell whether it may be a mail: it begins with fields, and they say that it is more than text.

    @param head: L{MAIL_BYTES}, or all there is.
    """
    return _FIELD.match(head) is not None and _MORE.search(head) is not None


def _is_old_tar(head: bytes) -> bool:
    """Tell by the sum over the header, for the first tar archives say nothing else of themselves."""
    if len(head) < 512 or not head[0]:
        return False
    said = head[148:156].strip(b" \0")
    if not said or said.strip(b"01234567"):
        return False
    return sum(head[:148]) + 8 * 32 + sum(head[156:512]) == int(said, 8)


def _is_binary_cpio(head: bytes) -> bool:
    """Tell by the name behind the header, for two bytes may be anything."""
    order: Literal["little", "big"] = "little" if head[0] == 0xC7 else "big"
    size = int.from_bytes(head[20:22], order)
    name = head[26 : 26 + size]
    return 1 < size < 400 and len(name) == size and name[-1] == 0 and 0 not in name[:-1]


def _is_lzma(head: bytes) -> bool:
    """Tell by the size of its dictionary and of what is in it, for it has no signature."""
    size = head[5:13]
    if len(head) < 14 or head[13]:
        return False
    dictionary = int.from_bytes(head[1:5], "little")
    # Writers take powers of two, or those and half as much again.
    power = 1 << max(0, dictionary.bit_length() - 1)
    if dictionary not in (power, power + power // 2, 0xFFFFFFFF):
        return False
    return size == b"\xff" * 8 or int.from_bytes(size, "little") < 1 << 38
