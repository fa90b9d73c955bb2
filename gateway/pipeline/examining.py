"""
A local file is judged as content of an answer would be, for an operator who wants to know: nothing passes, nothing follows.

What is remembered is not asked and nothing of it is remembered; the same plugins look in the same way
(L{gateway.pipeline.look}), and beside the one answer it is kept what each of them said of what.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import CoroutineType
from typing import Any, Final
from urllib.parse import quote

from gateway.api.content import Clean, Infected, ScanJob, ScanResult, Side, Unscannable
from gateway.pipeline.dispatch import CallPlans, Soon
from gateway.pipeline.findings import Finding, Findings, plain
from gateway.pipeline.look import Look, Scan
from gateway.pipeline.scan_means import Scanning
from gateway.pipeline.spool import MEMORY_BYTES

#: Of so many pieces it is kept what was said.
MOST_PIECES: Final = 1000

_READ_BYTES = 1 << 20


@dataclass(slots=True)
class Piece:
    """
    What was looked at.

    @ivar member: where it was packed; empty: the file itself.
    @ivar said: what each plugin said, in a few words.
    """

    member: str
    size: int
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Examined:
    """
    What came of it.

    @ivar answer: the one answer; C{None}: no plugin said anything.
    @ivar action: what would follow.
    @ivar pieces: the first L{MOST_PIECES} of what was looked at.
    @ivar count: of all of them.
    """

    answer: Finding | None
    action: str
    size: int
    sha256: str
    pieces: list[Piece]
    count: int


class _OpenFile:
    """Keeps a file open for as long as somebody has this object."""

    __slots__ = ("fd", "path")

    def __init__(self, path: str) -> None:
        self.fd = -1
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.path = Path(f"/proc/self/fd/{self.fd}")

    def __del__(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)


def job_of_file(path: str, most: int) -> ScanJob:
    """
    Make a job of a file; to be called in a thread.

    @param most: a file of more bytes is not read: its job has its size alone.
    @raise OSError: it can't be read, or is none.
    """
    file = _OpenFile(path)
    status = os.fstat(file.fd)
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is no plain file")
    url = f"file://{quote(os.path.abspath(path), errors='surrogateescape')}"
    if status.st_size > most:
        return ScanJob(b"", file.path, status.st_size, "", "", url, keeps=file)
    digest, size, content = hashlib.sha256(), 0, b""
    while piece := os.pread(file.fd, _READ_BYTES, size):
        digest.update(piece)
        size += len(piece)
        content = piece if size <= MEMORY_BYTES else b""
    return ScanJob(
        content if size <= MEMORY_BYTES else b"",
        None if size <= MEMORY_BYTES else file.path,
        size,
        "application/octet-stream",
        digest.hexdigest(),
        url,
        Side.RESPONSE,
        notes={"method": "GET", "status": "200"},
        keeps=file,
    )


async def examine(job: ScanJob, plans: CallPlans, scanning: Scanning) -> Examined:
    """
    Look at a file, for so long as C{scan.timeout} allows.

    @raise gateway.api.errors.PluginError: a plugin failed, and fails closed.
    """
    settings = scanning.settings
    on = settings.on
    actions: dict[str, str] = {name: getattr(on, name) for name in on.__struct_fields__}
    findings = Findings(actions)
    recorded = None if plans.scan_content is None else _Recorded(plans.scan_content)
    if job.size > scanning.budget.per_object:
        findings.unscannable(Unscannable("too_large"))
    else:
        look = Look(job, findings, recorded, plans.unpack_content)
        failed = await look.within(settings.timeout, scanning.clock)
        if failed is not None:
            raise failed
    answer = findings.answer()
    action = "pass"
    if answer is not None and answer.token != "clean":  # noqa: S105
        action = actions.get(answer.token.partition(":")[0], "block")
    pieces = [] if recorded is None else recorded.pieces
    count = 0 if recorded is None else recorded.count
    return Examined(answer, action, job.size, job.sha256, pieces, count)


class _Recorded:
    """Asks the plugins that scan, and keeps what they say."""

    def __init__(self, scan: Scan) -> None:
        self.pieces: list[Piece] = []
        self.count = 0
        self._scan = scan

    def __call__(self, job: ScanJob) -> Soon[list[ScanResult]]:
        piece = Piece(plain(job.member), job.size)
        self.count += 1
        if len(self.pieces) < MOST_PIECES:
            self.pieces.append(piece)
        given: Any = self._scan(job)
        if type(given) is CoroutineType:
            return self._waited(piece, given)  # type: ignore[return-value]
        piece.said = [_said(result) for result in given]
        return given  # type: ignore[no-any-return]

    async def _waited(
        self, piece: Piece, given: Coroutine[Any, Any, list[ScanResult]]
    ) -> list[ScanResult]:
        results = await given
        piece.said = [_said(result) for result in results]
        return results


def _said(result: ScanResult) -> str:
    match result:
        case Clean(engine=engine, patterns=patterns, coverage=coverage):
            depth = "at every depth" if coverage.nested else "not what is packed in it"
            return plain(f"{engine} {patterns}: clean, {coverage.size} bytes, {depth}")
        case Infected(name=name, engine=engine, certain=certain):
            return plain(f"{engine}: {'infected' if certain else 'suspicious'}, {name}")
        case Unscannable(reason=reason, why=why, engine=engine):
            return plain(f"{engine or 'a plugin'}: {reason}{why and ', '}{why}")
