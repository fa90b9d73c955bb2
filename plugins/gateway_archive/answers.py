"""
What a child process is asked and what it answers, taken apart; in threads.

What it says is taken for what it is: a claim of somebody who has read what a stranger sent. So sizes are measured, hashes and types
taken anew, and a file that could still change is none.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any

from gateway.api import ScanJob, Unscannable
from gateway_archive.blobs import SEALS, SMALL_BYTES
from gateway_archive.glance import TYPE_BYTES, kind_of
from gateway_archive.messages import Message
from gateway_archive.names import visible
from gateway_archive.process import Child, ChildFailed

#: More does not come at once.
_MOST_MEMBERS = 256
_MAX_WHY = 300
_MAX_PATH = 1000
#: Members are of the same message.
_KEPT_NOTES = ("method", "status")

#: Kinds by L{gateway.api.true_type} in which the child finds everything that is packed.
OPENED = frozenset(
    (
        *("zip", "jar", "apk", "ipa", "appx", "xpi", "crx", "epub", "odt", "ods", "odp", "odg"),
        *("docx", "docm", "xlsx", "xlsm", "pptx", "pptm", "vsdx", "ooxml"),
        *("gzip", "bzip2", "xz", "zstd", "lz4", "lzip", "compress", "lzma"),
        *("7z", "rar", "tar", "cpio", "ar", "deb", "rpm", "cab", "lzh", "xar", "iso", "warc"),
        *("eml", "mht", "mbox", "mail"),
    )
)


class MemberFile:
    """
    The file of a member, which is gone with the last reference to this object.

    @ivar path: opens it once more, from this process only.
    """

    __slots__ = ("_fd", "path")

    def __init__(self, fd: int) -> None:
        """
        Keep it.

        @param fd: is closed at the end.
        """
        self._fd = fd
        self.path = Path(f"/proc/self/fd/{fd}")

    def __del__(self) -> None:
        """Close it."""
        os.close(self._fd)


@dataclass(frozen=True, slots=True)
class Batch:
    """
    What one answer says.

    @ivar seconds: how long it took.
    @ivar size: bytes of all members in it.
    @ivar held: bytes that the process keeps, these among them.
    """

    kind: str
    covers: bool
    is_last: bool
    found: Sequence[ScanJob | Unscannable]
    seconds: float
    size: int
    held: int


def ask(
    child: Child,
    words: Mapping[str, Any],
    content: ScanJob | None,
    job: ScanJob,
    seconds: float,
    room: int,
) -> Batch:
    """Ask the process and read its answer."""
    began = monotonic()
    data: list[bytes] = []
    files: list[int] = []
    try:
        if content is not None:
            if content.path is not None:
                files.append(os.open(content.path, os.O_RDONLY | os.O_CLOEXEC))
            elif content.size > SMALL_BYTES:
                files.append(_memory_file(content.content))
            else:
                data.append(content.content)
        message = child.ask(words, data, files, seconds=seconds)
    except OSError as error:
        raise ChildFailed(str(error)) from None
    finally:
        for one in files:
            os.close(one)
    try:
        took = monotonic() - began
        return _read(message, job, took, room)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ChildFailed(f"it sends what makes no sense: {error}") from None
    finally:
        message.close()


def _memory_file(content: bytes) -> int:
    fd = os.memfd_create("content", os.MFD_CLOEXEC)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
    except BaseException:
        os.close(fd)
        raise
    return fd


def _read(message: Message, job: ScanJob, seconds: float, room: int) -> Batch:
    """
    Take an answer apart.

    @raise ValueError: the process must not say so.
    """
    words = message.words
    told = words["found"]
    if len(told) > _MOST_MEMBERS:
        raise ValueError("too many members")
    # From the last one, so that each is taken out of the message as it is used, and nothing is closed twice.
    files: dict[int, int] = dict(enumerate(message.files))
    message.files = []
    found: list[ScanJob | Unscannable] = []
    at = size = 0
    try:
        for one in told:
            if "reason" in one:
                found.append(_unscannable(one))
                continue
            count = int(one["size"])
            size += max(0, count)
            if count <= 0 or size > room:
                raise ValueError("more than it may")
            if "file" in one:
                found.append(_member(job, one, b"", files.pop(int(one["file"]))))
            else:
                data = message.data[at : at + count]
                at += count
                if len(data) != count:
                    raise ValueError("less than it says")
                found.append(_member(job, one, data, -1))
    finally:
        message.files = list(files.values())
    kind = str(words["kind"])[:40]
    return Batch(
        kind if kind.isprintable() else "archive",
        words["covers"] is True,
        words["last"] is True,
        found,
        seconds,
        size,
        max(size, min(int(words["held"]), room)),
    )


def _unscannable(one: Mapping[str, Any]) -> Unscannable:
    path = _path(one["path"])
    why = visible(str(one["why"])[:_MAX_WHY])
    return Unscannable(str(one["reason"])[:40], f"{path}: {why}" if path else why, "archive")


def _member(job: ScanJob, one: Mapping[str, Any], data: bytes, fd: int) -> ScanJob:
    file = None
    size = len(data)
    digest = sha256(data)
    head = data[:TYPE_BYTES]
    if fd >= 0:
        file = MemberFile(fd)
        about = os.fstat(fd)
        size = about.st_size
        if not stat.S_ISREG(about.st_mode) or size != one["size"]:
            raise ValueError("a file that is none")
        if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & SEALS != SEALS:
            raise ValueError("a file that may change")
        head = os.pread(fd, TYPE_BYTES, 0)
        at = 0
        while at < size:
            piece = os.pread(fd, 1 << 18, at)
            if not piece:
                raise ValueError("a file that ends too early")
            digest.update(piece)
            at += len(piece)
    path = _path(one["path"])
    media_type = visible(str(one.get("type", "")))[:100] if one.get("type") else ""
    kind, may_have_more = kind_of(head, media_type, path)
    notes = {name: job.notes[name] for name in _KEPT_NOTES if name in job.notes}
    notes["type"] = kind
    if may_have_more and kind not in OPENED:
        notes["nested"] = "unknown"
    return ScanJob(
        data,
        None if file is None else file.path,
        size,
        media_type,
        digest.hexdigest(),
        job.url,
        job.side,
        job.identity,
        notes,
        file,
        path or "?",
        int(one["depth"]),
    )


def _path(path: Any) -> str:
    text = str(path)[:_MAX_PATH]
    return text if text.isprintable() else visible(text)
