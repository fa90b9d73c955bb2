"""
What a program used, as the kernel counts it: processor time and memory of a process and its children, load of a core.

Knows C{/proc} (proc(5)) and nothing of proxies.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Memory:
    """
    Memory of a process tree in bytes.

    RSS counts a page once for each process that maps it, PSS shares it out among them.
    """

    rss: int
    pss: int


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of C{/proc/PID/stat} that are used here; times in clock ticks."""

    parent: int
    ticks: int
    children_ticks: int
    rss_pages: int


def parse_stat(text: str) -> Stat:
    """
    Read one line of C{/proc/PID/stat}.

    The command's name stands in parentheses and may itself hold spaces and parentheses, so fields are counted from the last one.
    """
    fields = text.rpartition(")")[2].split()
    # Field 3 of proc(5) is fields[0] here: ppid 4, utime 14, stime 15, cutime 16, cstime 17, rss 24.
    return Stat(
        parent=int(fields[1]),
        ticks=int(fields[11]) + int(fields[12]),
        children_ticks=int(fields[13]) + int(fields[14]),
        rss_pages=int(fields[21]),
    )


def tree(pid: int) -> list[int]:
    """Give the process and all its living descendants."""
    members = [pid]
    for member in members:
        try:
            tasks = os.listdir(f"/proc/{member}/task")
        except FileNotFoundError:
            continue
        for task in tasks:
            try:
                children = Path(f"/proc/{member}/task/{task}/children").read_text()
            except OSError:
                continue
            members.extend(int(child) for child in children.split())
    return members


def cpu_seconds(pids: Iterable[int]) -> float:
    """
    Add up user and system time of processes and of children they have already reaped.

    @param pids: a whole L{tree}; the kernel moves a dead child's time to the parent that waited for it.
    """
    ticks = 0
    for stat in _stats(pids):
        ticks += stat.ticks + stat.children_ticks
    return ticks / TICKS_PER_SECOND


def own_seconds(pid: int) -> float:
    """Give user and system time of one process, without that of its children."""
    return sum(stat.ticks for stat in _stats([pid])) / TICKS_PER_SECOND


def rss_bytes(pids: Iterable[int]) -> int:
    """Give resident memory, cheap enough to be sampled often."""
    return sum(stat.rss_pages for stat in _stats(pids)) * PAGE_BYTES


def memory(pids: Iterable[int]) -> Memory:
    """Give RSS and PSS from C{smaps_rollup}, which walks the page tables: not for a loop."""
    rss = pss = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            name, _, value = line.partition(":")
            if name == "Rss":
                rss += int(value.split()[0]) * 1024
            elif name == "Pss":
                pss += int(value.split()[0]) * 1024
    return Memory(rss, pss)


def anonymous_bytes(pids: Iterable[int]) -> int:
    """Give the resident memory that belongs to no file, from C{smaps_rollup} as well."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith("Anonymous:"):
                total += int(line.split()[1]) * 1024
    return total


def core_busy_seconds(cores: Iterable[int]) -> float:
    """Give the time some cores have been busy since boot, whoever kept them so."""
    wanted = {f"cpu{core}" for core in cores}
    busy = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name in wanted:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, values[:8])
            busy += user + nice + system + irq + softirq + steal
    return busy / TICKS_PER_SECOND


def _stats(pids: Iterable[int]) -> Iterable[Stat]:
    for pid in pids:
        try:
            yield parse_stat(Path(f"/proc/{pid}/stat").read_text())
        except (FileNotFoundError, ProcessLookupError):
            continue
