"""
How a ZIP archive is laid out (APPNOTE.TXT of PKWARE, 4.3): its directory, the headers in front of its members, and what is in neither.

Unpackers differ in what they believe: the directory, the headers, the first end or the last. So both are read, and everything in
which they differ is a L{Layout.problems}. Nothing is unpacked here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway_archive.blobs import Blob
from gateway_archive.signatures import END_OF_ZIP, LOCAL_HEADER, TAIL_BYTES

_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_DIRECTORY = b"PK\1\2"
_MAX16 = 0xFFFF
_MAX32 = 0xFFFFFFFF

ENCRYPTED = 0x0001
DESCRIPTOR = 0x0008
_STRONG = 0x0040
_MASKED = 0x2000
_UTF8 = 0x0800


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One member.

    @ivar data: where its data begins, as it is packed.
    @ivar packed: how long that is.
    @ivar size: how long it is said to be when it is unpacked; -1: that is not said.
    """

    name: str
    flags: int
    method: int
    crc: int
    data: int
    packed: int
    size: int

    @property
    def is_encrypted(self) -> bool:
        """Whether it takes a password."""
        return bool(self.flags & (ENCRYPTED | _STRONG | _MASKED)) or self.method == 99


@dataclass(slots=True)
class Layout:
    """
    What was found.

    @ivar start: where the archive begins: behind a program that unpacks it, for instance.
    @ivar end: where it ends.
    @ivar entries: its members by the directory, in the order of their data.
    @ivar local: members as the headers in front of their data have it, where that is something else.
    @ivar problems: what unpackers would see in different ways.
    @ivar gaps: parts of the content that neither directory nor members take: start and end of each.
    @ivar overlaps: members share data.
    @ivar cut: there are more members than were wanted.
    """

    start: int = 0
    end: int = 0
    entries: list[Entry] = field(default_factory=list)
    local: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    overlaps: bool = False
    cut: bool = False


def read_layout(blob: Blob, most: int) -> Layout | None:
    """
    Read the directory and the headers.

    @param most: members that are wanted.
    @return: C{None}: it has no end, or no directory, that could be meant.
    """
    for end in _ends(blob):
        layout = _read(blob, end, most)
        if layout is not None:
            return layout
    return None


@dataclass(frozen=True, slots=True)
class _End:
    """
    The end of an archive.

    @ivar at: where the record is that comes first at the end.
    @ivar end: behind its comment.
    """

    at: int
    end: int
    count: int
    size: int
    offset: int
    problems: tuple[str, ...]


def _ends(blob: Blob) -> Iterator[_End]:
    """Give what could be its end, the last one first."""
    start = max(0, blob.size - TAIL_BYTES)
    tail = blob.read(start, TAIL_BYTES)
    at = len(tail)
    for _ in range(64):
        at = tail.rfind(END_OF_ZIP, 0, at)
        if at < 0:
            return
        found = _end(blob, start + at)
        if found is not None:
            yield found


def _end(blob: Blob, at: int) -> _End | None:
    data = blob.read(at, _END.size)
    if len(data) < _END.size:
        return None
    _, disk, first_disk, here, count, size, offset, comment = _END.unpack(data)
    problems = []
    end = at + _END.size + comment
    if end > blob.size:
        problems.append("the comment of the archive goes beyond its end")
        end = blob.size
    first = at
    locator = blob.read(at - _LOCATOR.size, _LOCATOR.size) if at >= _LOCATOR.size else b""
    if locator[:4] == b"PK\6\7":
        first = at - _LOCATOR.size
        large = _end64(blob, first, _LOCATOR.unpack(locator)[2])
        if large is None:
            if _MAX16 in (count, disk) or _MAX32 in (size, offset):
                return None
            problems.append("the 64-bit end of the archive is not where it is said to be")
        else:
            first, of64 = large
            said = (count, size, offset)
            for small, limit, value in zip(said, (_MAX16, _MAX32, _MAX32), of64, strict=True):
                if small not in (limit, value):
                    problems.append("the two ends of the archive, of 32 and 64 bits, differ")
                    break
            count, size, offset = of64
    if (disk not in (0, _MAX16) or first_disk not in (0, _MAX16)) and first == at:
        problems.append("it is a part of an archive only")
    if here != count and first == at:
        problems.append("the end of the archive counts its members in two ways")
    return _End(first, end, count, size, offset, tuple(problems))


def _end64(blob: Blob, locator: int, offset: int) -> tuple[int, tuple[int, int, int]] | None:
    """Find the 64-bit end, where it is said to be, or right in front of the locator."""
    for at in (offset, locator - _END64.size):
        data = blob.read(at, _END64.size) if 0 <= at < locator else b""
        if len(data) == _END64.size and data[:4] == b"PK\6\6":
            found = _END64.unpack(data)
            return at, (found[7], found[8], found[9])
    return None


def _read(blob: Blob, end: _End, most: int) -> Layout | None:
    layout = Layout(end=end.end, problems=list(end.problems))
    directory = end.at - end.size
    if end.count == 0 and end.size == 0:
        layout.start = max(0, end.at - end.offset)
        layout.gaps = [gap for gap in ((0, end.at), (end.end, blob.size)) if gap[0] < gap[1]]
        return layout
    if directory < 0 or blob.read(directory, 4) != _DIRECTORY:
        # Something may stand between the directory and the end; then the offset alone tells where it is.
        directory = end.offset
        if blob.read(directory, 4) != _DIRECTORY:
            return None
        layout.problems.append("the directory is not in front of the end of the archive")
    layout.start = directory - end.offset
    if layout.start < 0:
        layout.problems.append("the directory is not where it is said to be")
        layout.start = 0
    elif layout.start and blob.read(end.offset, 4) == _DIRECTORY:
        layout.problems.append("there are two directories")
    taken = _entries(blob, layout, directory, end, most)
    _gaps(blob, layout, taken)
    return layout


def _entries(
    blob: Blob, layout: Layout, directory: int, end: _End, most: int
) -> list[tuple[int, int]]:
    """Read the directory; gives what of the content is taken: start and end of each piece."""
    at = directory
    taken = []
    count = 0
    while blob.read(at, 4) == _DIRECTORY and at < end.at:
        head = blob.read(at, _ENTRY.size)
        if len(head) < _ENTRY.size:
            break
        if count >= most:
            layout.cut = True
            return []
        count += 1
        sizes = _ENTRY.unpack(head)[10:13]
        variable = blob.read(at + _ENTRY.size, sum(sizes))
        at += _ENTRY.size + sum(sizes)
        piece = _entry(blob, layout, head, variable)
        if piece is not None:
            taken.append(piece)
    if at != end.at and at != directory + end.size:
        layout.problems.append("the directory has another length than is said")
    if count & _MAX16 != end.count & _MAX16:
        layout.problems.append("there are more or fewer members than the archive says")
    layout.entries.sort(key=lambda entry: entry.data)
    return [*taken, (directory, at), (end.at, end.end)]


def _entry(blob: Blob, layout: Layout, head: bytes, variable: bytes) -> tuple[int, int] | None:
    """Read one entry of the directory, and the header in front of its data; gives where that is."""
    _, _, _, flags, method, _, _, crc, packed, size, name_size, extra_size, *rest = _ENTRY.unpack(
        head
    )
    offset = rest[-1]
    raw_name = variable[:name_size]
    extra = variable[name_size : name_size + extra_size]
    size, packed, offset = _large(extra, size, packed, offset)
    name = _text(raw_name, flags)
    at = layout.start + offset
    local = blob.read(at, _LOCAL.size)
    if len(local) < _LOCAL.size or local[:4] != LOCAL_HEADER:
        layout.problems.append(f"there is no header in front of {name}")
        return None
    _, _, l_flags, l_method, _, _, l_crc, l_packed, l_size, l_name, l_extra = _LOCAL.unpack(local)
    variable = blob.read(at + _LOCAL.size, l_name + l_extra)
    data = at + _LOCAL.size + l_name + l_extra
    l_size, l_packed, _ = _large(variable[l_name:], l_size, l_packed, 0)
    said = Entry(name, flags, method, crc, data, packed, size)
    layout.entries.append(said)
    differs = []
    if variable[:l_name].replace(b"\\", b"/") != raw_name.replace(b"\\", b"/"):
        differs.append("name")
    if l_method != method:
        differs.append("method")
    if (l_flags ^ flags) & ENCRYPTED:
        differs.append("encryption")
    is_late = bool(l_flags & DESCRIPTOR)
    if not (is_late and not l_packed and not l_size) and (l_packed, l_size) != (packed, size):
        differs.append("size")
    if not (is_late and not l_crc) and l_crc != crc:
        differs.append("checksum")
    if differs:
        layout.problems.append(
            f"the header and the directory differ in the {' and the '.join(differs)} of {name}"
        )
        unknown = is_late and not l_packed
        layout.local.append(
            Entry(
                _text(variable[:l_name], l_flags),
                l_flags,
                l_method,
                l_crc,
                data,
                blob.size - data if unknown else l_packed,
                -1 if unknown else l_size,
            )
        )
    end = data + packed
    if end > blob.size:
        layout.problems.append(f"the data of {name} goes beyond the end")
        end = blob.size
    if (flags | l_flags) & DESCRIPTOR:
        end += _descriptor(blob, end, packed)
    return at, end


def _large(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Take those numbers that are too large for 32 bits from where they are then."""
    values = [size, packed, offset]
    if _MAX32 not in values:
        return size, packed, offset
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        at += 4
        if tag == 1:
            field_at = at
            for index, value in enumerate(values):
                if value == _MAX32 and field_at + 8 <= min(at + length, len(extra)):
                    values[index] = struct.unpack_from("<Q", extra, field_at)[0]
                    field_at += 8
            break
        at += length
    return values[0], values[1], values[2]


def _descriptor(blob: Blob, at: int, packed: int) -> int:
    """Give how long the sizes behind the data are: with a signature or without, of 32 bits or of 64."""
    data = blob.read(at, 24)
    start = 4 if data[:4] == b"PK\7\x08" else 0
    for length in (12, 20):
        number = data[start + 4 : start + (8 if length == 12 else 12)]
        if int.from_bytes(number, "little") == packed:
            after = data[start + length : start + length + 2]
            if after in (b"PK", b"") or length == 20:
                return start + length
    return start + 12 if start else 0


def _gaps(blob: Blob, layout: Layout, taken: list[tuple[int, int]]) -> None:
    """Look for what nobody takes, and for what is taken twice."""
    at = 0
    for start, end in sorted(taken):
        if start > at:
            layout.gaps.append((at, start))
        elif start < at:
            layout.overlaps = True
        at = max(at, end)
    if at < blob.size and not layout.cut:
        layout.gaps.append((at, blob.size))


def _text(name: bytes, flags: int) -> str:
    return name.decode("utf-8", "surrogateescape") if flags & _UTF8 else _legacy(name)


def _legacy(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")
