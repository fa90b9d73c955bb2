"""
The plugin's settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.api.settings import Duration, Help, SizeKind, WholeKind

_KIB = 1 << 10
_MIB = 1 << 20
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """C{[plugins.archive]}."""

    workers: Annotated[
        int,
        WholeKind(1, 64),
        Help(
            "How many pieces of content are unpacked at once, each in a process of its own; the rest waits. "
            "Processes are started when they are first needed."
        ),
    ] = 2
    timeout: Annotated[
        Duration,
        Help(
            "Time to unpack one piece of content, without the time its members are scanned; then "
            "`limit:time`. Keep it below `scan.timeout`."
        ),
    ] = 30.0
    wait: Annotated[
        Duration,
        Help("How long content waits for a process or for room; then `extract_failed`."),
    ] = 10.0
    temp_limit: Annotated[
        int,
        SizeKind(least=4 * _MIB),
        Help(
            "Room for everything that is unpacked at once, in memory. One piece of content may "
            "take a quarter of it, 512MiB at the most."
        ),
    ] = 512 * _MIB
    memory: Annotated[
        int,
        SizeKind(least=256 * _MIB),
        Help("Address space of a process, beside what is unpacked."),
    ] = _GIB
    max_depth: Annotated[
        int,
        WholeKind(1, 50),
        Help("How often something may be packed in something; deeper is `limit:depth`."),
    ] = 10
    max_files: Annotated[
        int,
        WholeKind(1, 1_000_000),
        Help("Files in one piece of content, at every depth; more are `limit:files`."),
    ] = 10_000
    max_ratio: Annotated[
        int,
        WholeKind(1, 1_000_000),
        Help(
            "How many times as long as an archive what is in it may be, if that is more than 1MiB; "
            "more is `limit:ratio`."
        ),
    ] = 100
    max_size: Annotated[
        int,
        SizeKind(least=_MIB),
        Help("Bytes unpacked from one piece of content, at every depth; more are `limit:size`."),
    ] = 2 * _GIB
    max_member: Annotated[
        int,
        SizeKind(least=64 * _KIB),
        Help("Bytes of one file in it, and no more than there is room for; more are `limit:size`."),
    ] = 512 * _MIB
    texts: Annotated[
        bool,
        Help("Look for files that are written as base64 in JSON, XML, forms and other text."),
    ] = False
    hold: Annotated[
        int,
        SizeKind(zero="what the scanners want"),
        Help(
            "Up to which length content is held to be unpacked, even where scanners want to have less of it, or none. "
            "A scanner that gets more than it takes says `too_large`."
        ),
    ] = 0

    @property
    def room(self) -> int:
        """Bytes that one piece of content may take."""
        return min(self.temp_limit // 4, 512 * _MIB)
