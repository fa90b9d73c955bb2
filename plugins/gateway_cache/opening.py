"""
Opening the folder of a store: by one process at a time, whatever the last ones left there.

What a killed process leaves is whole, as all of it was in memory that the kernel keeps. After a crash of the machine it may
not be: then index and files are put aside and the store begins empty, unless whoever had it last left in order. A broken index
is never an error of the gateway. Everything here is for a thread.

One process has a folder open once, for LMDB can't otherwise, however many stores are on it: with a reload there are two.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import lmdb
import msgspec

from gateway_cache.change import Change
from gateway_cache.encoding import FORMAT
from gateway_cache.files import Files
from gateway_cache.index import Index
from gateway_cache.shared import EPOCH, MAP_SIZE, Shared, make

#: How much of the size the index may take; the rest is for files alone, and what the index has not taken yet.
_INDEX_SHARE = (3, 4)
_SMALLEST_INDEX = 1 << 20
#: For so many readers, LMDB's lock file: one cache line each, and its head.
_LOCK_BYTES = 1100 * 64

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class _State(msgspec.Struct, frozen=True):
    """
    What the last process left.

    @ivar boot: of the machine, while it ran.
    @ivar clean: it left in order, and everything is on the disk.
    """

    format: int
    boot: str
    clean: bool


class Folder:
    """
    An open folder.

    @ivar index: the index that counts.
    @ivar epoch: the number of that index.
    @ivar shared: what all processes see.
    @ivar files: large contents.
    @ivar path: the folder.
    """

    def __init__(self, path: Path, size: int, boot: str, flush: Callable[[Path], None]) -> None:
        """
        Open it.

        @raise OSError: the disk is full or broken, or nothing may be written.
        """
        self.path = path
        self.size = size
        self._boot = boot
        self._flush = flush
        self._retired: list[Index] = []
        self.index: Index
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._opening():
            self._alive = os.open(path / "alive", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._open()
            except BaseException:
                os.close(self._alive)
                raise

    def replace_index(self, epoch: int) -> Index:
        """
        Put a broken index aside, unless somebody has done so, and open the one that counts.

        @param epoch: the number of the one that was found broken.
        @return: the index, to be given to L{use} in the reactor's thread.
        @raise OSError: the disk is full or broken.
        """
        with self._opening():
            words = self.shared.words
            if words[EPOCH] == epoch:
                self._put_aside()
                words[EPOCH] += 1
                self.shared.turn()
            return self._open_index()

    def use(self, index: Index) -> None:
        """Let another index be the one that counts; the one before stays open, for a thread may be at it."""
        self._retired.append(self.index)
        self.index = index
        self.epoch = self.shared.words[EPOCH]

    def sweep(self, *, everything: bool) -> int:
        """
        Remove what killed processes have left, and what was put aside.

        @param everything: also look for named files that are no object's, even if no process was killed lately.
        @return: how many files and folders there were.
        """
        swept = self.files.sweep_unfinished()
        for broken in self.path.glob("broken-*"):
            shutil.rmtree(broken, ignore_errors=True)
            swept += 1
        if swept or everything:
            for numbers in self.files.named():
                unknown = self.index.unknown_files(numbers)
                if unknown:
                    # Only a writer can tell a file whose object is about to be committed from one without an object.
                    with Change(self.index) as change:
                        for number in change.unknown_files(unknown):
                            self.files.remove(number)
                            swept += 1
        self.index.env.reader_check()
        return swept

    def close(self, *, clean: bool = True) -> None:
        """
        Close it.

        @param clean: C{False}: as a killed process leaves it.
        """
        with self._opening():
            if clean:
                with suppress(lmdb.Error, OSError):
                    self.index.env.sync(True)
                    self.shared.flush()
                    self._flush(self.path)
                    if self._is_alone():
                        self._write_state(clean=True)
            for index in (*self._retired, self.index):
                index.close()
            self.files.close()
            self.shared.close()
            os.close(self._alive)

    def _open(self) -> None:
        alone = self._is_alone()
        state = self._state()
        same_boot = state is not None and state.boot == self._boot != ""
        trusted = state is not None and (same_boot or state.clean or not alone)
        try:
            self.shared = Shared(self.path / "shared")
        except (OSError, ValueError) as error:
            if not alone:
                raise OSError(errno.EIO, "another process has a damaged store open") from error
            trusted = False
            make(self.path / "shared", self.size)
            self.shared = Shared(self.path / "shared")
            # Numbers of an index that is there still must not come again.
            self.shared.words[EPOCH] = 1 + max(self._epochs(), default=0)
        try:
            if alone and not same_boot:
                self.shared.booted()
            if alone:
                # One size for all of them: nobody can follow a map that another one makes larger.
                share, of = _INDEX_SHARE
                map_size = max(_SMALLEST_INDEX, self.size * share // of) // 4096 * 4096
                self.shared.words[MAP_SIZE] = map_size
            self.files = Files(self.path)
            if alone and not trusted:
                self._put_aside()
                self.files.remove_all()
            try:
                self.index = self._open_index()
                self.index.check()
            except lmdb.Error:
                self._put_aside()
                self.shared.words[EPOCH] += 1
                self.shared.turn()
                self.index = self._open_index()
            self.epoch = self.shared.words[EPOCH]
            with suppress(lmdb.Error), Change(self.index) as change:
                change.reserve()
            self._write_state(clean=False)
            fcntl.flock(self._alive, fcntl.LOCK_SH)
        except BaseException:
            self.shared.close()
            raise

    def _open_index(self) -> Index:
        """
        Open the index that counts, which is made if it is not there.

        @raise lmdb.Error: it is broken.
        @raise OSError: the disk is full or broken.
        """
        folder = self.path / f"index-{self.shared.words[EPOCH]}"
        folder.mkdir(exist_ok=True, mode=0o700)
        # LMDB maps this file with holes in it, and writes into them: when the disk is full that ends the process.
        lock = os.open(folder / "lock.mdb", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(lock, 0, _LOCK_BYTES)
        finally:
            os.close(lock)
        try:
            return Index(folder, self.shared.words[MAP_SIZE])
        except lmdb.Error as error:
            # LMDB's own errors have numbers below zero, ours have none.
            code = getattr(error, "code", 0)
            if code > 0:
                raise OSError(code, str(error)) from error
            raise

    def _put_aside(self) -> None:
        """Rename all indices there are; the sweep removes them."""
        for epoch in self._epochs():
            with suppress(OSError):
                (self.path / f"index-{epoch}").rename(
                    self.path / f"broken-{epoch}-{os.urandom(4).hex()}"
                )

    def _epochs(self) -> list[int]:
        names = (one.name.partition("-")[2] for one in self.path.glob("index-*"))
        return [int(name) for name in names if name.isdecimal()]

    def _is_alone(self) -> bool:
        """Tell whether no other process has the folder open."""
        try:
            fcntl.flock(self._alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _state(self) -> _State | None:
        try:
            state = msgspec.json.decode((self.path / "state").read_bytes(), type=_State)
        except (OSError, msgspec.MsgspecError):
            return None
        return state if state.format == FORMAT else None

    def _write_state(self, *, clean: bool) -> None:
        new = self.path / "state.new"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, msgspec.json.encode(_State(FORMAT, self._boot, clean)))
            # That it is not clean must be on the disk before anything else is.
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        new.replace(self.path / "state")

    @contextmanager
    def _opening(self) -> Iterator[None]:
        """Keep other processes from opening and closing it meanwhile."""
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def boot_id() -> str:
    """Give what tells one boot of this machine from the next; empty if it says nothing, and then nothing is trusted."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def sync_file_system(path: Path) -> None:
    """Wait until all that was written to the file system of a path is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        ctypes.CDLL(None).syncfs(descriptor)
    finally:
        os.close(descriptor)


_guard = threading.Lock()
_folders: dict[str, tuple[Folder, int]] = {}


def acquire(
    path: Path,
    size: int,
    boot: str | None = None,
    flush: Callable[[Path], None] = sync_file_system,
) -> Folder:
    """
    Give a folder, opened for this process if it is not yet; to be released once for each time.

    @param size: hard bound of all that is in it, bytes; counts when it is opened.
    @param boot: L{boot_id}, unless said.
    @param flush: brings everything to the disk when the folder is closed.
    @raise OSError: the disk is full or broken, or nothing may be written.
    """
    with _guard:
        name = os.path.realpath(path)
        folder, users = _folders.get(name, (None, 0))
        if folder is None:
            folder = Folder(path, size, boot_id() if boot is None else boot, flush)
        _folders[name] = folder, users + 1
        return folder


def release(folder: Folder, *, clean: bool = True) -> None:
    """
    Give a folder back; it is closed when nobody in this process has it any more.

    @param clean: C{False}: close it as a killed process does.
    """
    with _guard:
        name = os.path.realpath(folder.path)
        users = _folders[name][1] - 1
        if users:
            _folders[name] = folder, users
            return
        del _folders[name]
        folder.close(clean=clean)
