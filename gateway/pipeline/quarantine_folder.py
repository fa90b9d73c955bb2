"""
The folder of the quarantine: one container for each piece of content, named by its SHA-256, so each is there once.

Containers (L{gateway.pipeline.sealing}) are written under another name, flushed and renamed: after a crash there is a
whole one or none, and a leftover that L{Folder.sweep} removes. How old a container is says its time of modification.
Several processes may use one folder, and commands while they run: whoever writes has a lock on what it writes, and
nobody minds that something is gone already.

Everything here blocks; it runs in a thread or in a command.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from gateway.config.sections.quarantine import SHORTEST_KEY, Quarantine
from gateway.pipeline.sealing import Opened, SealingKey, seal, sealed_size

#: No program knows it, so nothing opens such a file by itself.
SUFFIX: Final = ".gwquar"
#: However small they are, there are no more of them.
MOST_ITEMS: Final = 10_000
#: The disk is never filled further than to that.
SPARE_BYTES: Final = 64 << 20

_NEW: Final = ".new-"
_ID = re.compile("[0-9a-f]{32}")
_MOST_KEY_BYTES = 65536


class QuarantineError(OSError):
    """Something is wrong with the folder or the key: the text says what, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Item:
    """
    A container, without a look into it.

    @ivar id: the beginning of the SHA-256 of its content.
    @ivar size: bytes it takes on the disk.
    @ivar since: when it was written, in seconds since 1970.
    """

    id: str
    path: Path
    size: int
    since: float


class Folder:
    """One quarantine."""

    def __init__(
        self,
        path: Path,
        *,
        keep_seconds: float,
        limit: int,
        key: str = "",
        wall: Callable[[], float] = time.time,
        spare_bytes: int = SPARE_BYTES,
    ) -> None:
        """
        Name it; nothing is looked at.

        @param limit: bytes that all containers may take together.
        @param key: what they are sealed with; empty: what is in the file beside the folder.
        @param spare_bytes: what has to stay free on the disk.
        """
        self.path = path
        self._keep_seconds = keep_seconds
        self._limit = limit
        self._given = key
        self._wall = wall
        self._spare_bytes = spare_bytes
        self._key: SealingKey | None = None
        self._key_lock = threading.Lock()

    @classmethod
    def of(cls, settings: Quarantine, wall: Callable[[], float] = time.time) -> Folder:
        """Make the one that a configuration names."""
        return cls(
            Path(settings.path),
            keep_seconds=settings.keep,
            limit=settings.limit,
            key="" if settings.key is None else settings.key.reveal(),
            wall=wall,
        )

    @property
    def key_path(self) -> Path:
        """The file of a key that nobody gave: not within the folder, so that who copies that has not both."""
        return self.path.with_name(self.path.name + ".key")

    # What the gateway does.

    def keep(self, head: Mapping[str, Any], open_content: Callable[[], BinaryIO]) -> bool:
        """
        Keep content; what is too old goes for it, and then the oldest as far as room is needed.

        @param head: says what it is; C{id} and C{size} are needed here.
        @param open_content: opens the content, to be read once.
        @return: whether it was not there yet.
        @raise OSError: it can't be kept; nothing of it is left on the disk.
        """
        self.prepare()
        path = self._path(head["id"])
        if path.exists():
            return False
        self._make_room(sealed_size(head["size"]))
        with open_content() as content:
            self._write(path, head, content)
        return True

    def prepare(self) -> None:
        """
        Make the folder and the key, if they are not there.

        @raise OSError: they can't be made, or others may look into them.
        """
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            pass
        except OSError as error:
            raise QuarantineError(
                f"{self.path} can't be made: {error.strerror}; make it and give it to the gateway's user"
            ) from None
        else:
            _flush_folder(self.path.parent)
        _only_ours(self.path, os.stat(self.path, follow_symlinks=False), stat.S_ISDIR, 0o700)
        with self._key_lock:
            if self._key is None:
                if not self._given and not self.key_path.exists():
                    _make_key(self.key_path)
                self._key = self._read_key()

    def sweep(self) -> None:
        """
        Remove what writers that are gone have left over, and what is too old or too much.

        @raise OSError: the folder can't be used.
        """
        self.prepare()
        for entry in os.scandir(self.path):
            if entry.name.startswith(_NEW):
                _remove_leftover(Path(entry.path))
        self._make_room(0)

    # What people do.

    def items(self) -> list[Item]:
        """
        List the containers, the oldest first; none if there is no folder.

        @raise OSError: it can't be read.
        """
        found = []
        try:
            entries = list(os.scandir(self.path))
        except FileNotFoundError:
            return []
        for entry in entries:
            name = entry.name.removesuffix(SUFFIX)
            if name == entry.name or not _ID.fullmatch(name):
                continue
            with contextlib.suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode):
                    found.append(Item(name, Path(entry.path), status.st_size, status.st_mtime))
        return sorted(found, key=lambda item: (item.since, item.id))

    @contextmanager
    def opened(self, item: Item) -> Iterator[Opened]:
        """
        Open a container to read.

        @raise gateway.pipeline.sealing.SealError: it was changed, or sealed with another key.
        @raise OSError: it can't be read, or there is no key.
        """
        with self._key_lock:
            if self._key is None:
                self._key = self._read_key()
            key = self._key
        with open(item.path, "rb", opener=_open_plain) as stream:
            yield Opened(key, stream)

    def delete(self, item: Item) -> None:
        """
        Remove a container; one that is gone is no fault.

        @raise OSError: it can't be removed.
        """
        item.path.unlink(missing_ok=True)

    def _path(self, id: str) -> Path:
        if not _ID.fullmatch(id):
            raise ValueError("this is no id")
        return self.path / (id + SUFFIX)

    def _make_room(self, count: int) -> None:
        """
        Remove what is too old, and the oldest until there is room.

        @raise OSError: there is none all the same.
        """
        if count > self._limit:
            raise QuarantineError("one piece of it is larger than scan.quarantine.limit")
        items = self.items()
        total = sum(item.size for item in items)
        spare = 1 if count else 0
        oldest = self._wall() - self._keep_seconds
        for at, item in enumerate(items):
            left = len(items) - at + spare
            if item.since > oldest and total + count <= self._limit and left <= MOST_ITEMS:
                break
            item.path.unlink(missing_ok=True)
            total -= item.size
        if count:
            there = os.statvfs(self.path)
            if there.f_bavail * there.f_frsize < count + self._spare_bytes:
                raise QuarantineError("the disk is almost full")

    def _write(self, path: Path, head: Mapping[str, Any], content: BinaryIO) -> None:
        assert self._key is not None
        new = self.path / f"{_NEW}{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(new, flags, 0o600)
        try:
            with open(descriptor, "wb") as out:
                # Until this is closed nobody takes it for a leftover.
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.fchmod(descriptor, 0o600)
                seal(self._key, head, content, out)
                out.flush()
                now = self._wall()
                os.utime(descriptor, (now, now))
                os.fsync(descriptor)
                os.rename(new, path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        _flush_folder(self.path)

    def _read_key(self) -> SealingKey:
        if self._given:
            return SealingKey.of(self._given)
        path = self.key_path
        try:
            with open(path, "rb", opener=_open_plain) as stream:
                _only_ours(path, os.fstat(stream.fileno()), stat.S_ISREG, 0o600)
                text = stream.read(_MOST_KEY_BYTES).decode("ascii", "replace").strip()
        except FileNotFoundError:
            raise QuarantineError(f"there is no key: {path} is not there") from None
        if len(text) < SHORTEST_KEY:
            raise QuarantineError(
                f"{path} holds no key: it has less than {SHORTEST_KEY} characters"
            )
        return SealingKey.of(text)


def _make_key(path: Path) -> None:
    """Make a key, whole or not at all; one that another process makes meanwhile wins."""
    new = path.with_name(f"{path.name}{_NEW}{secrets.token_hex(8)}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with open(os.open(new, flags, 0o600), "w", encoding="ascii") as out:
            os.fchmod(out.fileno(), 0o600)
            out.write(secrets.token_hex(32) + "\n")
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    except OSError as error:
        raise QuarantineError(
            f"the key {path} can't be made: {error.strerror}; name one by scan.quarantine.key"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
    _flush_folder(path.parent)


def _only_ours(
    path: Path, status: os.stat_result, is_kind: Callable[[int], bool], mode: int
) -> None:
    """
    Refuse what others own or can look into; rights that are too wide are taken away where that can be done.

    @raise QuarantineError: it is not ours alone.
    """
    if not is_kind(status.st_mode):
        raise QuarantineError(f"{path} is not what it should be: a plain file or folder")
    if status.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        raise QuarantineError(f"{path} belongs to another user; give it to the gateway's user")
    if stat.S_IMODE(status.st_mode) & ~mode:
        try:
            os.chmod(path, mode)
        except OSError:
            raise QuarantineError(f"others may look into {path}; chmod {mode:04o}") from None


def _open_plain(path: str, flags: int) -> int:
    # No link is followed, and a pipe of that name does not make anybody wait.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _remove_leftover(path: Path) -> None:
    """Remove what nobody writes any more."""
    try:
        with open(path, "rb", opener=_open_plain) as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    except BlockingIOError:
        # It is being written.
        pass


def _flush_folder(folder: Path) -> None:
    """Make an entry of a folder last over a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
