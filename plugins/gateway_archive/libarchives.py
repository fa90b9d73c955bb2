"""
Archives that libarchive reads, one member after the other; and packed streams that only it unpacks.

Each time it is told which kind to look for: what it would guess is not asked. It is C, and made for files whose sender one
trusts, so this is for the child process only, which may crash, hang and take memory.
"""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gateway_archive.blobs import Blob
from gateway_archive.faults import Broken, Fault, TooMuch
from gateway_archive.pull import Pull
from gateway_archive.refusing import Encrypted

# Looking for it by its bare name runs a compiler, where there is one.
for _name in ("libarchive.so.13", "libarchive.13.dylib"):
    with suppress(OSError):
        ctypes.CDLL(_name)
        os.environ.setdefault("LIBARCHIVE", _name)
        break

from libarchive import ffi  # noqa: E402
from libarchive.exception import ArchiveError  # noqa: E402

#: Which of libarchive's formats is meant by a kind.
FORMATS: dict[str, tuple[str, ...]] = {
    "7z": ("7zip",),
    "rar": ("rar", "rar5"),
    "tar": ("tar",),
    "cab": ("cab",),
    "iso": ("iso9660",),
    "cpio": ("cpio",),
    "ar": ("ar",),
    "xar": ("xar",),
    "lha": ("lha",),
    "warc": ("warc",),
    "zip": ("zip_seekable",),
    "local zip": ("zip_streamable",),
    "rpm": ("cpio",),
    "lz4": ("raw",),
    "lzip": ("raw",),
}
#: Filters in front of the format.
_FILTERS: dict[str, tuple[str, ...]] = {
    "rpm": ("rpm", "gzip", "bzip2", "xz", "lzma", "zstd"),
    "lz4": ("lz4",),
    "lzip": ("lzip",),
}
#: Kinds that are one packed stream, not members with names.
STREAMS = frozenset(("lz4", "lzip"))

_BLOCK_BYTES = 1 << 17
_RETRIES = 100
_DIRECTORY = 0o040000
_KIND_MASK = 0o170000

_lib: Any = ffi.libarchive
_lib.archive_entry_is_data_encrypted.argtypes = [ctypes.c_void_p]
_lib.archive_entry_is_metadata_encrypted.argtypes = [ctypes.c_void_p]
_lib.archive_read_has_encrypted_entries.argtypes = [ctypes.c_void_p]
_read_data_block: Any = _lib.archive_read_data_block
_next_header: Any = _lib.archive_read_next_header
# Raw: an error is a number here, not an exception, as a warning is no error.
_next_header.errcheck = lambda result, function, arguments: result
_read_data_block.errcheck = lambda result, function, arguments: result


class Entry:
    """
    One member, of use until the next one is taken.

    @ivar name: as the archive has it.
    @ivar is_folder: it has no content.
    @ivar size: as it is said to be; -1: that is not said.
    """

    def __init__(self, archive: Archive, pointer: Any) -> None:
        self._archive = archive
        raw = ffi.entry_pathname(pointer)
        if raw is not None:
            self.name = raw.decode("utf-8", "surrogateescape")
        else:
            self.name = ffi.entry_pathname_w(pointer) or ""
        self.is_folder = ffi.entry_filetype(pointer) & _KIND_MASK == _DIRECTORY
        self.size = ffi.entry_size(pointer) if ffi.entry_size_is_set(pointer) else -1
        self.is_encrypted = bool(
            _lib.archive_entry_is_data_encrypted(pointer)
            or _lib.archive_entry_is_metadata_encrypted(pointer)
        )

    def pieces(self) -> Iterator[bytes]:
        """
        Give its content; holes of a file with holes are zeros.

        @raise Fault: it can't be unpacked; what there is was given before.
        """
        if self.is_encrypted:
            raise Encrypted
        return self._archive.data()


class Archive:
    """One archive; iterate over it for its members, then close it."""

    def __init__(self, source: Blob | Pull, kind: str) -> None:
        """
        Open it.

        @param source: where it is; a stream only for kinds that are gone through from the start to the end.
        @param kind: one of L{FORMATS}.
        @raise Fault: it can't be read at all.
        """
        self._source = source
        self._at = 0
        # Of a stream: what may have been given and not been looked at yet.
        self._recent: deque[bytes] = deque()
        self._block = b""
        # Others say nothing of where in its member a block belongs, or nothing that is right.
        self._has_holes = kind == "tar"
        self._archive = ffi.read_new()
        # libarchive calls these for as long as it is open.
        self._calls = (
            ffi.OPEN_CALLBACK(lambda archive, context: 0),
            ffi.READ_CALLBACK(self._read),
            ffi.CLOSE_CALLBACK(lambda archive, context: 0),
            ffi.SEEK_CALLBACK(self._seek),
        )
        try:
            for name in _FILTERS.get(kind, ()):
                ffi.get_read_filter_function(name)(self._archive)
            for name in FORMATS[kind]:
                ffi.get_read_format_function(name)(self._archive)
            if isinstance(source, Blob):
                ffi.read_set_seek_callback(self._archive, self._calls[3])
            ffi.read_open(self._archive, None, *self._calls[:3])
            if kind in STREAMS and ffi.filter_count(self._archive) < 2:
                raise ArchiveError("it is not packed like that")
        except ArchiveError as error:
            self.close()
            raise _fault(error.msg) from None

    def __iter__(self) -> Iterator[Entry]:
        """
        Give its members.

        @raise Fault: it is damaged here, and nothing more can be read.
        """
        pointer = ctypes.c_void_p()
        retries = 0
        while True:
            result = _next_header(self._archive, ctypes.byref(pointer))
            if result == ffi.ARCHIVE_EOF:
                return
            if result == ffi.ARCHIVE_RETRY and retries < _RETRIES:
                retries += 1
                continue
            if result < ffi.ARCHIVE_WARN:
                raise self._why()
            yield Entry(self, pointer)

    def data(self) -> Iterator[bytes]:
        """Give the content of the member that was taken last; see L{Entry.pieces}."""
        block, size, offset = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_longlong()
        pointers = (ctypes.byref(block), ctypes.byref(size), ctypes.byref(offset))
        at = retries = 0
        while True:
            result = _read_data_block(self._archive, *pointers)
            if result == ffi.ARCHIVE_RETRY and retries < _RETRIES:
                retries += 1
                continue
            if result < ffi.ARCHIVE_WARN:
                raise self._why()
            if self._has_holes:
                for count in _pieces(offset.value - at):
                    at += count
                    yield bytes(count)
            if result == ffi.ARCHIVE_EOF:
                return
            if block.value is not None:
                for count in _pieces(size.value):
                    yield ctypes.string_at(block.value, count)
                    block.value += count
                at += size.value

    @property
    def has_encrypted(self) -> bool:
        """Whether something in it takes a password, as far as was read."""
        return int(_lib.archive_read_has_encrypted_entries(self._archive)) > 0

    def rest(self) -> Iterator[bytes]:
        """
        Give what stands behind the end of it, when all members were taken.

        @raise Fault: of the stream.
        """
        at = int(ffi.filter_bytes(self._archive, 0))
        source = self._source
        if isinstance(source, Blob):
            yield from source.cut(at).pieces()
            return
        taken = self._at - sum(map(len, self._recent))
        for piece in self._recent:
            yield piece[max(0, at - taken) :]
            taken += len(piece)
        yield from source

    def close(self) -> None:
        """End it; twice is harmless."""
        archive, self._archive = self._archive, None
        if archive is not None:
            with suppress(ArchiveError):
                ffi.read_free(archive)

    def _why(self) -> Fault:
        text = ffi.error_string(self._archive)
        if isinstance(self._source, Pull) and self._source.fault is not None:
            # It is the stream that broke off.
            return self._source.fault
        if self.has_encrypted:
            return Encrypted()
        return _fault((text or b"").decode("utf-8", "replace"))

    def _read(self, archive: Any, context: Any, pointer: Any) -> int:
        # What is given has to stay until the next call.
        source = self._source
        if isinstance(source, Blob):
            self._block = source.read(self._at, _BLOCK_BYTES)
        else:
            self._block = source.piece()
            self._recent.append(self._block)
            # What it went through is before where it is.
            behind = self._at - sum(map(len, self._recent)) + len(self._block)
            done = int(ffi.filter_bytes(self._archive, 0))
            while len(self._recent) > 1 and behind + len(self._recent[0]) <= done:
                behind += len(self._recent.popleft())
        self._at += len(self._block)
        pointer[0] = ctypes.cast(ctypes.c_char_p(self._block), ctypes.c_void_p)
        return len(self._block)

    def _seek(self, archive: Any, context: Any, offset: int, whence: int) -> int:
        assert isinstance(self._source, Blob)
        base = (0, self._at, self._source.size)[whence]
        self._at = max(0, base + offset)
        return self._at


def _pieces(count: int) -> Iterator[int]:
    """Divide a length into such as may be had at once."""
    while count > 0:
        yield min(count, _BLOCK_BYTES)
        count -= _BLOCK_BYTES


def _fault(text: str | None) -> Fault:
    """Give what libarchive's words mean; they are its own, with nothing of the content in them."""
    words = (text or "").lower()
    if "encrypt" in words or "passphrase" in words:
        return Encrypted()
    if "memory" in words:
        return TooMuch("window", "it takes too much memory to unpack")
    if "unsupported" in words or "not supported" in words or "unknown" in words:
        return Fault("method", "nothing here unpacks it")
    return Broken("it is damaged")
