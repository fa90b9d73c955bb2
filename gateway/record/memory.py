"""
How much memory is in use, of what there is: of the machine, and of the control groups that this process is in.

What can give way at once, such as the cache of files, counts as free; what lies in a tmpfs does not. Control groups are
those of version 2 (cgroup-v2.rst in the kernel's documentation); with version 1 only the machine is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Parts of C{memory.stat} that the kernel takes back when it needs room.
_GIVES_WAY = ("active_file", "inactive_file", "slab_reclaimable")


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """
    One place where memory is limited.

    @ivar scope: C{machine}, or the control group's name.
    @ivar used: bytes.
    @ivar limit: bytes, more than 0.
    """

    scope: str
    used: int
    limit: int

    @property
    def share(self) -> float:
        """How much of the limit is in use."""
        return self.used / self.limit


class Memory:
    """Reads it; a few small files that the kernel makes up, which takes no disk."""

    def __init__(self, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> None:
        self._proc = proc
        self._groups = groups

    def uses(self) -> list[MemoryUse]:
        """Give each limit with what is used of it, the machine's first; empty where none can be read."""
        machine = self._machine()
        return [*([] if machine is None else [machine]), *self._limited()]

    def _machine(self) -> MemoryUse | None:
        found = _numbers(_text(self._proc / "meminfo").replace(":", " "))
        total, free = found.get("MemTotal", 0) * 1024, found.get("MemAvailable", 0) * 1024
        return MemoryUse("machine", total - free, total) if total and free <= total else None

    def _limited(self) -> list[MemoryUse]:
        """Go through the groups from our own upwards; each may have a limit, and counts what is below it."""
        own = ""
        for line in _text(self._proc / "self/cgroup").splitlines():
            number, _, rest = line.partition(":")
            if number == "0":
                own = rest.partition(":")[2].strip("/")
        steps = [step for step in own.split("/") if step not in ("", ".", "..")]
        found = []
        for length in range(len(steps), -1, -1):
            folder = self._groups.joinpath(*steps[:length])
            limit, current = _text(folder / "memory.max").strip(), _text(folder / "memory.current")
            if not limit.isdigit() or not int(limit) or not current.strip().isdigit():
                continue
            parts = _numbers(_text(folder / "memory.stat"))
            used = int(current) - sum(parts.get(name, 0) for name in _GIVES_WAY)
            name = "/".join(steps[:length]) or "container"
            found.append(MemoryUse(name, max(0, used), int(limit)))
        return found


def _numbers(text: str) -> dict[str, int]:
    """Take lines of a name and a number apart."""
    found = {}
    for line in text.splitlines():
        columns = line.split()
        if len(columns) >= 2 and columns[1].isdigit():
            found[columns[0]] = int(columns[1])
    return found


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("ascii", "replace")
    except OSError:
        return ""
