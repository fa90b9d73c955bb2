"""
How the process before this one ended: as it was told to, or not.

Each process that serves has a marker in the folder for state and takes it away at the end of a planned stop. One that
is found and whose process does not run any more tells of an end that nobody had planned: C{kill -9}, a crash, no
memory, no power. Several processes may share the folder, as when one hands over to the next: every one has a marker of
its own, holds a lock on it while it lives, and is known by its number, its start and the boot of the machine.

Nothing here knows of events; without a folder for state nothing is known, and nobody should ask.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

#: C{reboot}: the machine has started anew since; C{memory}: the kernel has killed somebody for lack of memory since;
#: C{killed}: neither, so it was killed or crashed.
Likely: TypeAlias = Literal["reboot", "memory", "killed"]

_PREFIX = "running-"
_NEW = ".running-"
#: A marker is some 200 bytes; whatever is longer is none.
_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Left:
    """
    A process that has ended and left its marker.

    @ivar pid: its number; 0: not known.
    @ivar started: when it began to serve, in seconds since 1970.
    @ivar likely: what it points to.
    @ivar was_stopping: it had been told to stop and was killed while it drained.
    """

    pid: int
    started: float
    likely: Likely
    was_stopping: bool


class Endings:
    """
    The marker of this process, and those that others have left.

    All of it blocks for some small files, at the start and at the end of the process.
    """

    def __init__(
        self,
        folder: str,
        *,
        proc: Path = Path("/proc"),
        now: Callable[[], float] = time.time,
        pid: Callable[[], int] = os.getpid,
    ) -> None:
        """
        Prepare; nothing is looked at.

        @param folder: for state; it exists.
        @param now: seconds since 1970.
        """
        self._folder = folder
        self._proc = proc
        self._now = now
        self._pid = pid
        self._path = ""
        self._fd = -1
        self._said: dict[str, Any] = {}

    def begin(self) -> list[Left]:
        """
        Leave a marker, to be called as the user that the process remains, and give what others have left behind.

        Each of those is given to one process only, and once.

        @raise OSError: the folder can't be used; nothing will be known of the end of this process.
        """
        others = self._names()
        self._mark()
        found = [self._taken(name) for name in others]
        return sorted((one for one in found if one is not None), key=lambda one: one.started)

    def stopping(self) -> None:
        """Note that the end is planned; harmless without a marker."""
        if self._fd >= 0:
            self._said["stopping"] = True
            # What a disk says now would only keep a stop from going on.
            with contextlib.suppress(OSError):
                self._write()

    def end(self) -> None:
        """Take the marker away: nothing runs any more. Harmless without one."""
        if self._fd < 0:
            return
        with contextlib.suppress(OSError):
            os.unlink(self._path)
            self._settle_folder()
        os.close(self._fd)
        self._fd = -1

    # Our own.

    def _mark(self) -> None:
        """
        Make the marker: locked and whole before it has the name that others look for.

        @raise OSError: it can't be.
        """
        token = secrets.token_hex(6)
        made = os.path.join(self._folder, f"{_NEW}{token}")
        pid = self._pid()
        self._said = {
            "pid": pid,
            "born": self._born(pid),
            "boot": self._text("sys/kernel/random/boot_id").strip(),
            "space": self._space(),
            "started": self._now(),
            "oom_kills": self._oom_kills(),
        }
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(made, flags, 0o600)
        try:
            # Where a file system has no locks the process is known by its number.
            with contextlib.suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write()
            os.fsync(self._fd)
            self._path = os.path.join(self._folder, f"{_PREFIX}{token}")
            os.rename(made, self._path)
            self._settle_folder()
        except OSError:
            os.close(self._fd)
            self._fd = -1
            with contextlib.suppress(OSError):
                os.unlink(made)
            raise

    def _write(self) -> None:
        content = json.dumps(self._said).encode()
        os.pwrite(self._fd, content, 0)
        os.ftruncate(self._fd, len(content))

    def _settle_folder(self) -> None:
        """Let the name itself outlast a loss of power."""
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    # Those of others.

    def _names(self) -> list[str]:
        return [name for name in os.listdir(self._folder) if name.startswith((_PREFIX, _NEW))]

    def _taken(self, name: str) -> Left | None:
        """Take a marker away whose process is gone; C{None}: it runs, or another process was quicker."""
        path = os.path.join(self._folder, name)
        try:
            with _opened(path) as fd:
                said, changed = _read(fd)
                if self._runs(said, _is_locked(fd)) or os.stat(path).st_ino != os.fstat(fd).st_ino:
                    return None
                os.unlink(path)
        except OSError:
            # Gone meanwhile, or somebody else's: whose it is may have it.
            return None
        if name.startswith(_NEW):
            return None
        started = said.get("started")
        return Left(
            _whole(said.get("pid")),
            float(started) if isinstance(started, (int, float)) else changed,
            self._likely(said),
            said.get("stopping") is True,
        )

    def _runs(self, said: dict[str, Any], is_locked: bool) -> bool:
        if said.get("boot") != self._text("sys/kernel/random/boot_id").strip():
            # Locks do not outlast a machine: if there is one, another machine has it.
            return is_locked
        if not said.get("space") or said.get("space") != self._space():
            # Its number means nothing here, as with a container beside this one.
            return is_locked
        born = self._born(_whole(said.get("pid")))
        return bool(born) and born == said.get("born")

    def _likely(self, said: dict[str, Any]) -> Likely:
        boot = self._text("sys/kernel/random/boot_id").strip()
        if said.get("boot") and said.get("boot") != boot:
            return "reboot"
        before = said.get("oom_kills")
        if isinstance(before, int) and self._oom_kills() > before:
            return "memory"
        return "killed"

    # The machine.

    def _born(self, pid: int) -> int:
        """Give when a process started, in ticks since the machine did; 0: there is none of that number."""
        # The second column is the program's name, which may hold blanks and parentheses.
        columns = self._text(f"{pid}/stat").rpartition(")")[2].split() if pid > 0 else []
        if len(columns) < 20 or columns[0] in ("Z", "X"):
            return 0
        return int(columns[19])

    def _space(self) -> str:
        """Name what process numbers are counted in."""
        try:
            return os.readlink(self._proc / "self/ns/pid")
        except OSError:
            return ""

    def _oom_kills(self) -> int:
        for line in self._text("vmstat").splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
        return 0

    def _text(self, name: str) -> str:
        try:
            return (self._proc / name).read_bytes().decode("ascii", "replace")
        except OSError:
            return ""


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    fd = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(f"{path} is no file")
        yield fd
    finally:
        os.close(fd)


def _read(fd: int) -> tuple[dict[str, Any], float]:
    """Give what a marker says, and when it was written; power may have been lost before its content was."""
    try:
        said = json.loads(os.pread(fd, _MOST_BYTES, 0))
    except ValueError:
        said = None
    return (said if isinstance(said, dict) else {}), os.fstat(fd).st_mtime


def _is_locked(fd: int) -> bool:
    """Tell whether another holds the lock; if not, it is ours until the file is closed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # No locks here.
        return False
    return False


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
