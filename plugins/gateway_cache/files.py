"""
Contents that are too large for the index: one file each, named by a number.

A file is written in a folder of its process's own and moves to the others when it is whole. What a killed process leaves is
swept: its folder by the lock that died with it, and named files that the index does not know.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from zlib import crc32

from gateway.api import StoredFile

#: Content up to here is checked when it is first opened; longer content takes a thread, bytes.
CHECKED_AT_ONCE = 1 << 20

_PIECE_BYTES = 1 << 18
_FOLDERS = 256
_FIRST_MOMENTS_SECONDS = 60.0


class OutFile:
    """
    A file that is being written; from one thread at a time.

    @ivar number: what it is called by when it is whole; no other file of the store ever is.
    @ivar path: where it is now.
    @ivar length: what is in it, bytes.
    @ivar checksum: of that.
    """

    __slots__ = ("_descriptor", "checksum", "length", "number", "path")

    def __init__(self, path: Path, number: int) -> None:
        """
        Make it.

        @raise OSError: the disk is full or broken.
        """
        self.path = path
        self.number = number
        self.length = 0
        self.checksum = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def write(self, chunk: bytes) -> None:
        """
        Append.

        @raise OSError: the disk is full or broken.
        """
        self.checksum = crc32(chunk, self.checksum)
        view = memoryview(chunk)
        while view:
            count = os.write(self._descriptor, view)
            self.length += count
            view = view[count:]

    def close(self) -> None:
        """Write nothing more; twice is no fault."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def discard(self) -> None:
        """Throw it away; twice is no fault."""
        self.close()
        self.path.unlink(missing_ok=True)


class OpenFile:
    """A file that is read, by several at once perhaps; closed when the last one has ended and it is not kept open."""

    __slots__ = ("descriptor", "length", "users")

    def __init__(self, descriptor: int, length: int) -> None:
        self.descriptor = descriptor
        self.length = length
        # One is whoever keeps it open.
        self.users = 1

    def use(self) -> StoredFile:
        """Give it to be read and released."""
        self.users += 1
        return StoredFile(self.descriptor, 0, self.length, self.release)

    def release(self) -> None:
        """End one use."""
        self.users -= 1
        if not self.users:
            os.close(self.descriptor)


class Files:
    """
    The files of a store, for one process.

    L{create}, L{publish}, L{remove} and the sweeps are for a thread, L{prove} is for any, the rest for the reactor's.

    @ivar proven: numbers of files whose content is known to be what it was: this process has written or checked it.
    """

    def __init__(self, folder: Path, keep_open: int = 256) -> None:
        """
        Make the folders.

        @param keep_open: files that are kept open for the next reader.
        @raise OSError: they can't be made.
        """
        self._named = folder / "files"
        self._unfinished = folder / "unfinished"
        self._keep_open = keep_open
        self.proven: set[int] = set()
        self._open: OrderedDict[int, OpenFile] = OrderedDict()
        self._named.mkdir(parents=True, exist_ok=True)
        self._unfinished.mkdir(exist_ok=True)
        self._own = self._unfinished / f"{os.getpid()}-{os.urandom(6).hex()}"
        # Nobody may sweep it between its making and its locking, so it gets a name that is swept when it has a lock.
        hidden = self._own.with_name(f".{self._own.name}")
        hidden.mkdir()
        self._lock = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        hidden.rename(self._own)

    def create(self) -> OutFile:
        """
        Begin a file.

        @raise OSError: the disk is full or broken.
        """
        number = int.from_bytes(os.urandom(8), "big") >> 1
        return OutFile(self._own / f"{number:x}", number)

    def publish(self, out: OutFile) -> None:
        """
        Give a file that is whole its number for a name; twice is no fault.

        Only while the caller is changing the index: so a sweep can tell it from what was left behind.

        @raise OSError: the disk is broken.
        """
        out.close()
        path = self._path(out.number)
        if out.path == path:
            return
        try:
            out.path.rename(path)
        except FileNotFoundError:
            path.parent.mkdir(exist_ok=True)
            out.path.rename(path)
        out.path = path
        self.proven.add(out.number)

    def prove(self, number: int, length: int, checksum: int) -> bool:
        """Read a file whole, and tell whether it is what was written; takes a millisecond for each megabyte, or a disk's time."""
        found = seen = 0
        try:
            with open(self._path(number), "rb", buffering=0) as file:
                while piece := file.read(_PIECE_BYTES):
                    found = crc32(piece, found)
                    seen += len(piece)
        except OSError:
            return False
        right = (seen, found) == (length, checksum)
        if right:
            self.proven.add(number)
        return right

    def remove(self, number: int) -> None:
        """Remove a file; whoever reads it can go on."""
        self.proven.discard(number)
        self._path(number).unlink(missing_ok=True)

    def open(self, number: int, length: int) -> StoredFile | None:
        """Give a file to read; C{None}: it is not there, or not as long as it should be."""
        kept = self._open.get(number)
        if kept is not None:
            self._open.move_to_end(number)
            return kept.use()
        try:
            descriptor = os.open(self._path(number), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        if os.fstat(descriptor).st_size != length:
            os.close(descriptor)
            return None
        kept = self._open[number] = OpenFile(descriptor, length)
        if len(self._open) > self._keep_open:
            self._open.popitem(last=False)[1].release()
        return kept.use()

    def forget(self, number: int) -> None:
        """Keep a file open no longer; it was removed."""
        self.proven.discard(number)
        kept = self._open.pop(number, None)
        if kept is not None:
            kept.release()

    def forget_removed(self) -> None:
        """Keep no file open that was removed, by whatever process: it takes room on the disk until then."""
        for number, kept in list(self._open.items()):
            if not os.fstat(kept.descriptor).st_nlink:
                self.forget(number)

    def forget_all(self) -> None:
        """Keep no file open."""
        while self._open:
            self._open.popitem()[1].release()

    def named(self) -> Iterator[list[int]]:
        """Give the numbers of all files that have one, folder by folder."""
        for folder in range(_FOLDERS):
            try:
                names = os.listdir(self._named / f"{folder:02x}")
            except OSError:
                continue
            numbers = []
            for name in names:
                try:
                    numbers.append(int(name, 16))
                except ValueError:
                    continue
            yield numbers

    def unfinished_bytes(self) -> int:
        """Tell how much is on its way into files, of all processes together."""
        found = 0
        with os.scandir(self._unfinished) as folders:
            for folder in folders:
                # Others finish theirs meanwhile, and leave.
                with (
                    contextlib.suppress(FileNotFoundError, NotADirectoryError),
                    os.scandir(folder.path) as files,
                ):
                    for file in files:
                        with contextlib.suppress(FileNotFoundError):
                            found += file.stat().st_size
        return found

    def sweep_unfinished(self) -> int:
        """Remove what killed processes have not finished; gives how many of them there were."""
        swept = 0
        for folder in self._unfinished.iterdir():
            if folder == self._own:
                continue
            if folder.name.startswith("."):
                # Its process was killed within its first moments, or is in them now.
                if folder.stat().st_mtime < time() - _FIRST_MOMENTS_SECONDS:
                    shutil.rmtree(folder, ignore_errors=True)
                    swept += 1
                continue
            swept += _if_dead(folder, shutil.rmtree)
        return swept

    def remove_all(self) -> None:
        """Remove all files that have a number; only if nobody else has the store open."""
        shutil.rmtree(self._named, ignore_errors=True)
        self._named.mkdir(exist_ok=True)

    def close(self) -> None:
        """Let go of everything; what is not finished is thrown away."""
        self.forget_all()
        shutil.rmtree(self._own, ignore_errors=True)
        os.close(self._lock)

    def _path(self, number: int) -> Path:
        return self._named / f"{number % _FOLDERS:02x}" / f"{number:x}"


def read_at_once(file: StoredFile) -> bytes | None:
    """Read a file whole if the kernel has all of it in memory; C{None}: it has not, or the file is shorter than it was."""
    piece = bytearray(file.length)
    try:
        count = os.preadv(file.descriptor, [piece], file.offset, os.RWF_NOWAIT)
    except OSError:
        # The disk would have to be asked, or this file system can't tell: whoever sends the file knows what to do then.
        return None
    return bytes(piece) if count == file.length else None


def _if_dead(folder: Path, remove: Callable[[Path], object]) -> bool:
    """Remove a process's folder if the process is no more."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        remove(folder)
        return True
    finally:
        os.close(lock)
