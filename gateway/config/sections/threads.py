"""C{[threads]}: the pools of threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from gateway.config.kind import Help
from gateway.config.kinds.numbers import Duration, WholeKind
from gateway.config.sections.section import Section

Overload: TypeAlias = Literal["block", "wait", "bypass"]


class ThreadPool(Section, frozen=True, kw_only=True):
    """One pool of threads, for calls of plugins that block."""

    workers: Annotated[
        int, WholeKind(1, 256), Help("Threads; each is started when it is first needed.")
    ] = 4
    queue: Annotated[int, WholeKind(0, 100_000), Help("Calls that may wait for a thread.")] = 64
    overload: Annotated[
        Overload,
        Help(
            'What becomes of a call when threads and queue are full. "block": it fails at once, '
            'so the error rule of its hook decides; "wait": it waits up to `wait` for room and '
            'fails then; "bypass": the hook has no opinion, as if the plugin were not there. That '
            "is refused at start where a hook in this pool fails closed; what a plugin runs in the "
            'pool by itself fails as with "block".'
        ),
    ] = "block"
    wait: Annotated[
        Duration, Help('Longest wait for room with `overload = "wait"`; part of the budget.')
    ] = 1.0


class DiskPool(ThreadPool, frozen=True, kw_only=True):
    """One pool of threads, for calls of plugins that block."""

    workers: Annotated[
        int, WholeKind(1, 256), Help("Threads; each is started when it is first needed.")
    ] = 2
    queue: Annotated[int, WholeKind(0, 100_000), Help("Calls that may wait for a thread.")] = 256


class Threads(Section, frozen=True, kw_only=True):
    """The pools of threads; everything else runs in one."""

    scan: Annotated[ThreadPool, Help("For what computes: content scanners.")] = ThreadPool()
    directory: Annotated[
        ThreadPool, Help("For what waits for servers: directories, databases.")
    ] = ThreadPool()
    disk: Annotated[DiskPool, Help("For what reads and writes files.")] = DiskPool()

    @property
    def pools(self) -> Mapping[str, ThreadPool]:
        """Each pool by the name that plugins know it by."""
        return {"scan": self.scan, "directory": self.directory, "disk": self.disk}
