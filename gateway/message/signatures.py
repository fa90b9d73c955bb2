"""
What the first bytes of binary content show: a table, asked by the very first byte.

Where a signature is short, what follows it has to make sense too, as any file may begin with two such letters. Nothing
here believes what is claimed, and nothing raises whatever the bytes are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

_Look: TypeAlias = Callable[[bytes], str]


def by_signature(head: bytes) -> str:
    """
    Give the kind that the very first bytes show.

    @param head: not empty.
    @return: C{""} if they show none.
    """
    for magic, found in _BY_FIRST.get(head[0], ()):
        if head.startswith(magic):
            name = found if type(found) is str else found(head)  # type: ignore[operator]
            if name:
                return name
    return ""


# Binary files of which the first bytes alone don't tell.


def _mz(head: bytes) -> str:
    """DOS, Windows and OS/2 programs; the loader of Windows takes a header that lies anywhere in the file."""
    if len(head) < 64 or b"\0" not in head[:64]:
        return ""
    at = int.from_bytes(head[60:64], "little")
    if head[at : at + 4] == b"PE\0\0":
        flags = int.from_bytes(head[at + 22 : at + 24], "little")
        subsystem = int.from_bytes(head[at + 92 : at + 94], "little")
        if subsystem == 1 or 10 <= subsystem <= 13:
            return "sys"
        return "dll" if flags & 0x2000 else "exe"
    return "exe"


def _zm(head: bytes) -> str:
    at = int.from_bytes(head[60:64], "little")
    return "exe" if head[at : at + 4] == b"PE\0\0" else ""


def _fat(head: bytes) -> str:
    """Fat Mach-O and Java begin alike: the one goes on with a count of processors, the other with a version."""
    if len(head) < 8:
        return ""
    return "macho" if 0 < int.from_bytes(head[4:8], "big") < 40 else "class"


_ENTRIES = (
    (b"word/vbaProject", "docm"),
    (b"xl/vbaProject", "xlsm"),
    (b"ppt/vbaProject", "pptm"),
    (b"AndroidManifest.xml", "apk"),
    (b"classes.dex", "apk"),
    (b"resources.arsc", "apk"),
    (b"META-INF/MANIFEST.MF", "jar"),
    (b"AppxManifest.xml", "appx"),
    (b"AppxBlockMap.xml", "appx"),
)
_PARTS = ((b"word/", "docx"), (b"xl/", "xlsx"), (b"ppt/", "pptx"), (b"visio/", "vsdx"))
_MIMETYPES = (
    (b"application/vnd.oasis.opendocument.text", "odt"),
    (b"application/vnd.oasis.opendocument.spreadsheet", "ods"),
    (b"application/vnd.oasis.opendocument.presentation", "odp"),
    (b"application/vnd.oasis.opendocument.graphics", "odg"),
    (b"application/epub+zip", "epub"),
)
_MOST_ENTRIES = 32


def _zip(head: bytes) -> str:
    """What is packed by ZIP shows by the names of its first entries."""
    at = 0
    is_office = False
    part = ""
    for _ in range(_MOST_ENTRIES):
        length = int.from_bytes(head[at + 26 : at + 28], "little")
        entry = head[at + 30 : at + 30 + length]
        for begin, found in _ENTRIES:
            if entry.startswith(begin):
                return found
        if entry.startswith((b"[Content_Types].xml", b"_rels/.rels")):
            is_office = True
        elif entry == b"mimetype" and at == 0:
            said = head[38 + int.from_bytes(head[28:30], "little") :][:80]
            for begin, found in _MIMETYPES:
                if said.startswith(begin):
                    return found
        elif entry.startswith(b"Payload/") and b".app/" in entry:
            return "ipa"
        if not part:
            for begin, found in _PARTS:
                if entry.startswith(begin):
                    part = found
        at = head.find(b"PK\x03\x04", at + 30 + length)
        if at < 0:
            break
    if is_office:
        return part or "ooxml"
    return "zip"


# The class of the root entry of a compound document, then names of its streams, in UTF-16.
_CLASSES = (
    (b"\x84\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "msi"),
    (b"\x86\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "msi"),
    (b"\x82\x10\x0c\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "msi"),
    (b"\x06\x09\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "doc"),
    (b"\x20\x08\x02\x00\x00\x00\x00\x00\xc0\x00\x00\x00\x00\x00\x00\x46", "xls"),
    (b"\x10\x8d\x81\x64\x9b\x4f\xcf\x11\x86\xea\x00\xaa\x00\xb9\x29\xe8", "ppt"),
)
_STREAMS = (
    ("WordDocument".encode("utf-16-le"), "doc"),
    ("Workbook".encode("utf-16-le"), "xls"),
    ("PowerPoint Document".encode("utf-16-le"), "ppt"),
    ("__nameid_version1.0".encode("utf-16-le"), "msg"),
    ("VisioDocument".encode("utf-16-le"), "vsd"),
)


def _ole(head: bytes) -> str:
    """Compound documents say by the class of their root what they are, if the directory is near."""
    shift = min(int.from_bytes(head[30:32], "little"), 16)
    at = (int.from_bytes(head[48:52], "little") + 1) << shift
    for begin, found in _CLASSES:
        if head[at + 80 : at + 96] == begin:
            return found
    directory = head[at : at + 4096]
    for stream, found in _STREAMS:
        if stream in directory:
            return found
    return "ole"


def _riff(head: bytes) -> str:
    return {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi", b"ACON": "ani"}.get(head[8:12], "")


def _form(head: bytes) -> str:
    return "aiff" if head[8:12] in (b"AIFF", b"AIFC") else ""


_BRANDS = {
    b"avif": "avif",
    b"avis": "avif",
    b"heic": "heic",
    b"heix": "heic",
    b"hevc": "heic",
    b"mif1": "heic",
    b"msf1": "heic",
    b"qt  ": "mov",
    b"M4A ": "m4a",
    b"M4B ": "m4a",
    b"jxl ": "jxl",
}
_BOXES = frozenset((b"moov", b"mdat", b"moof", b"styp", b"sidx"))


def _boxes(head: bytes) -> str:
    """The family of MPEG-4: a length, then the name of a box."""
    box = head[4:8]
    if box == b"ftyp":
        brand = head[8:12]
        return "3gp" if brand.startswith(b"3g") else _BRANDS.get(brand, "mp4")
    if head.startswith(b"\0\0\0\x0cJXL \r\n"):
        return "jxl"
    if head.startswith(b"\0\0\0\x0cjP  \r\n"):
        return "jp2"
    return "mp4" if box in _BOXES else ""


def _zeros(head: bytes) -> str:
    """What begins with a zero: boxes, icons, fonts, films."""
    begin = head[:4]
    if begin == b"\0asm":
        return "wasm"
    if begin in (b"\0\0\1\0", b"\0\0\2\0"):
        # A count, then for each a place that is not over a gigabyte away.
        return "ico" if len(head) > 21 and head[4] and not head[5] and head[21] < 64 else ""
    if begin == b"\0\1\0\0":
        if head[4:19] in (b"Standard Jet DB", b"Standard ACE DB"):
            return "mdb"
        # A count of tables, then their names.
        return "ttf" if head[4:5] == b"\0" and head[12:16].isascii() and head[12:13] > b" " else ""
    if begin in (b"\0\0\1\xba", b"\0\0\1\xb3"):
        return "mpeg"
    return _boxes(head)


def _bmp(head: bytes) -> str:
    sizes = (12, 16, 40, 52, 56, 64, 108, 124)
    return "bmp" if int.from_bytes(head[14:18], "little") in sizes and not any(head[6:10]) else ""


def _emf(head: bytes) -> str:
    return "emf" if head[40:44] == b" EMF" else ""


def _matroska(head: bytes) -> str:
    return "mkv" if b"matroska" in head[:64] else "webm"


def _mp3(head: bytes) -> str:
    """Frames of MPEG audio: a version, a layer, a bit rate and a sampling rate that there are."""
    if len(head) < 4 or head[1] & 0xE0 != 0xE0:
        return ""
    if head[1] & 0xF6 == 0xF0:
        return "aac"
    # Layer I is of no use, and would make audio of every text in UTF-16.
    good = head[1] & 0x18 != 0x08 and head[1] & 0x06 in (0x02, 0x04)
    good = good and head[2] & 0xF0 not in (0x00, 0xF0)
    return "mp3" if good and head[2] & 0x0C != 0x0C else ""


def _mpegts(head: bytes) -> str:
    return "mpegts" if head[188:189] == b"G" and head[376:377] == b"G" else ""


def _swf(head: bytes) -> str:
    return "swf" if len(head) > 8 and 0 < head[3] < 64 else ""


def _ar(head: bytes) -> str:
    return "deb" if head[8:21] == b"debian-binary" else "ar"


def _bzip2(head: bytes) -> str:
    known = head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")
    return "bzip2" if known and head[3:4].isdigit() else ""


def _lzma(head: bytes) -> str:
    """LZMA alone has no signature: a dictionary of a usual size and a length, which may be unknown."""
    size = int.from_bytes(head[1:5], "little")
    length = head[5:13]
    plausible = size and size & (size - 1) == 0 and len(length) == 8
    return "lzma" if plausible and (length == b"\xff" * 8 or length[5:] == b"\0\0\0") else ""


def _arj(head: bytes) -> str:
    return "arj" if len(head) > 12 and 0 < int.from_bytes(head[2:4], "little") <= 2600 else ""


def _compress(head: bytes) -> str:
    return "compress" if len(head) > 3 and 9 <= head[2] & 0x1F <= 16 and not head[2] & 0x60 else ""


def _skippable(head: bytes) -> str:
    """A frame that Zstandard and LZ4 skip: what comes behind it may lie anywhere."""
    at = 8 + int.from_bytes(head[4:8], "little")
    return "lz4" if head[at : at + 4] == b"\x04\x22\x4d\x18" else "zstd"


def by_late_signature(head: bytes) -> str:
    """Give the kind that shows itself further on; C{""} if none does."""
    if head[257:262] == b"ustar":
        return "tar"
    if head[2:7] in (
        b"-lh0-",
        b"-lh1-",
        b"-lh4-",
        b"-lh5-",
        b"-lh6-",
        b"-lh7-",
        b"-lhd-",
        b"-lzs-",
    ):
        return "lzh"
    if head[7:14] == b"**ACE**":
        return "ace"
    if head[128:132] == b"DICM":
        return "dicom"
    if head[34:36] == b"LP" and head[8:11] in (b"\1\0\2", b"\2\0\2", b"\0\0\1"):
        return "eot"
    if len(head) >= 512 and _is_old_tar(head):
        return "tar"
    if b"%PDF-" in head[:1024]:
        # Readers take it with anything in front (ISO 32000, implementation note 13).
        return "pdf"
    if head[32769:32774] == b"CD001":
        return "iso"
    if head[32769:32774] in (b"BEA01", b"NSR02", b"NSR03"):
        return "udf"
    return "pyc" if head[2:4] == b"\r\n" and len(head) > 16 and head[16:17] == b"\xe3" else ""


def _boot(head: bytes) -> str:
    """The boot sector of a file system: a jump over its table, and a mark at its end."""
    return "fat" if head[2:3] == b"\x90" and head[510:512] == b"\x55\xaa" else ""


def _is_old_tar(head: bytes) -> bool:
    """A tar of old has no signature, but a sum over its header."""
    written = head[148:156].strip(b" \0")
    if not written or written.strip(b"01234567"):
        return False
    return sum(head[:148]) + 256 + sum(head[156:512]) == int(written, 8)


def _with_zeros(kind: str) -> _Look:
    """Tell a signature of letters alone from a text that begins with them."""
    return lambda head: kind if b"\0" in head[4:32] else ""


# By the first byte; what begins alike stands in the order in which it is asked.
_SIGNATURES: tuple[tuple[bytes, str | _Look], ...] = (
    (b"MZ", _mz),
    (b"ZM", _zm),
    (b"\x7fELF", "elf"),
    (b"\xca\xfe\xba\xbe", _fat),
    (b"\xca\xfe\xba\xbf", "macho"),
    (b"\xfe\xed\xfa\xce", "macho"),
    (b"\xfe\xed\xfa\xcf", "macho"),
    (b"\xce\xfa\xed\xfe", "macho"),
    (b"\xcf\xfa\xed\xfe", "macho"),
    (b"dex\n03", "dex"),
    (b"dex\n04", "dex"),
    (b"\x1bLua", "luac"),
    (b"L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F", "lnk"),
    (b"PK\x03\x04", _zip),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08PK\x03\x04", "zip"),
    (b"PK00PK\x03\x04", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _ole),
    (b"\x1f\x8b", "gzip"),
    (b"\x1f\x9d", _compress),
    (b"\x1f\xa0", "compress"),
    (b"BZh", _bzip2),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x5d\0\0", _lzma),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"MSCF\0\0\0\0", "cab"),
    (b"\x60\xea", _arj),
    (b"(\xb5/\xfd", "zstd"),
    *((bytes((c, 0x2A, 0x4D, 0x18)), _skippable) for c in range(0x50, 0x60)),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x02\x21\x4c\x18", "lz4"),
    (b"LZIP\x01", "lzip"),
    (b"LRZI\0", "lrzip"),
    (b"\x89LZO\0\r\n\x1a\n", "lzop"),
    (b"\xff\x06\0\0sNaPpY", "snappy"),
    (b"070701", "cpio"),
    (b"070702", "cpio"),
    (b"070707", "cpio"),
    (b"\xc7\x71", "cpio"),
    (b"!<arch>\n", _ar),
    (b"\xed\xab\xee\xdb", "rpm"),
    (b"xar!\0", "xar"),
    (b"ALZ\x01", "alz"),
    (b"EGGA\0", "alz"),
    (b"StuffIt", "sit"),
    (b"SIT!", _with_zeros("sit")),
    (b"\x78\x9f\x3e\x22", "tnef"),
    (b"Cr24\x02\0", "crx"),
    (b"Cr24\x03\0", "crx"),
    (b"hsqs", _with_zeros("squashfs")),
    (b"sqsh", _with_zeros("squashfs")),
    (b"MSWIM\0\0\0", "wim"),
    (b"vhdxfile", "vhdx"),
    (b"conectix", "vhd"),
    (b"KDMV", _with_zeros("vmdk")),
    (b"QFI\xfb", "qcow2"),
    (b"%PDF-", "pdf"),
    (b"%!PS", "ps"),
    (b"\xc5\xd0\xd3\xc6", "ps"),
    (b"{\\rt", "rtf"),
    (b"ITSF\x03\0", "chm"),
    (b"ITSF\x02\0", "chm"),
    (b"\xe4R\\{\x8c\xd8\xa7M\xae\xb1Sx\xd0)\x96\xd3", "onenote"),
    (b"!BDN", _with_zeros("pst")),
    (b"AT&TFORM", "djvu"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", _bmp),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"RIFF", _riff),
    (b"FORM", _form),
    (b"\xff\x0a", "jxl"),
    (b"8BPS\0", "psd"),
    (b"\1\0\0\0", _emf),
    (b"\xd7\xcd\xc6\x9a", "wmf"),
    (b"gimp xcf", "xcf"),
    (b"DDS \x7c\0\0\0", "dds"),
    (b"v/1\x01", "exr"),
    (b"icns\0", "icns"),
    (b"\0", _zeros),
    (b"true\0", "ttf"),
    (b"ttcf\0", "ttf"),
    (b"OTTO\0", "otf"),
    (b"wOFF", _with_zeros("woff")),
    (b"wOF2", _with_zeros("woff2")),
    (b"ID3\x02", "mp3"),
    (b"ID3\x03", "mp3"),
    (b"ID3\x04", "mp3"),
    (b"\xff", _mp3),
    (b"OggS\0", "ogg"),
    (b"fLaC", "flac"),
    (b"MThd\0\0\0\x06", "midi"),
    (b"#!AMR", "amr"),
    (b".snd\0\0\0", "au"),
    (b"0&\xb2u\x8e\x66\xcf\x11", "asf"),
    (b"\x1a\x45\xdf\xa3", _matroska),
    (b"FLV\x01", "flv"),
    (b"G", _mpegts),
    (b"FWS", _swf),
    (b"CWS", _swf),
    (b"ZWS", _swf),
    (b"SQLite format 3\0", "sqlite"),
    (b"\xd4\xc3\xb2\xa1", "pcap"),
    (b"\xa1\xb2\xc3\xd4", "pcap"),
    (b"\x0a\x0d\x0d\x0a", "pcap"),
    (b"d8:announce", "torrent"),
    (b"PAR1\x15", "parquet"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"\xeb", _boot),
)


def _by_first() -> dict[int, tuple[tuple[bytes, str | _Look], ...]]:
    found: dict[int, list[tuple[bytes, str | _Look]]] = {}
    for magic, kind in _SIGNATURES:
        found.setdefault(magic[0], []).append((magic, kind))
    return {first: tuple(rows) for first, rows in found.items()}


_BY_FIRST = _by_first()
