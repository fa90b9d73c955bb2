"""C{[scan]}: content that plugins want whole."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from gateway.config.kind import Help
from gateway.config.kinds.numbers import Duration, SizeKind
from gateway.config.kinds.texts import FilePath
from gateway.config.sections.section import Section
from gateway.config.units import GIB, MIB

Action: TypeAlias = Literal["block", "warn", "monitor", "pass"]


class ScanActions(Section, frozen=True, kw_only=True):
    """What follows from each result of a scan."""

    infected: Annotated[Action, Help("Malware was found.")] = "block"
    suspicious: Annotated[Action, Help("Heuristics think it may be malware.")] = "monitor"
    encrypted: Annotated[Action, Help("It is encrypted, such as an archive with a password.")] = (
        "warn"
    )
    malformed: Annotated[Action, Help("It is damaged, or made to confuse scanners.")] = "block"
    limit: Annotated[
        Action, Help("An archive goes beyond a limit of the scanner: depth, files, ratio.")
    ] = "block"
    too_large: Annotated[
        Action,
        Help(
            "It is longer than the plugins want to have whole, or than a quarter of `scan.temp_limit`, "
            "512MiB at the most. With anything but block it passes without having been scanned."
        ),
    ] = "block"
    engine_error: Annotated[
        Action,
        Help(
            "A scanner says that it could not scan, or `scan.timeout` ran out. A plugin that fails "
            "outright is dealt with by its own `fail`."
        ),
    ] = "block"
    capacity: Annotated[
        Action,
        Help("There was no room in `scan.temp_limit` for 10 s, or `scan.temp_dir` cannot be used."),
    ] = "block"


class Scan(Section, frozen=True, kw_only=True):
    """
    How content is held that plugins, such as virus scanners, want whole before any of it passes.

    Without such a plugin nothing of this has an effect.
    """

    later: ClassVar[tuple[str, ...]] = ("max_depth", "max_files", "max_ratio", "large_file")

    temp_dir: Annotated[
        FilePath,
        Help(
            "Folder for held content over 1MiB, in files that have no name and are gone with the "
            "process; a tmpfs or a fast disk. Empty: the system's folder for temporary files.",
            '"/var/lib/gateway/spool"',
        ),
    ] = ""
    temp_limit: Annotated[
        int,
        SizeKind(least=4 * MIB),
        Help(
            "Room for all held content together, memory included. A message may take a quarter of "
            "it, 512MiB at the most; one that finds no room waits up to 10 s for it."
        ),
    ] = 2 * GIB
    timeout: Annotated[
        Duration,
        Help(
            "Time for all plugins together to scan one message; then `scan.on.engine_error` holds."
        ),
    ] = 60.0
    on: Annotated[
        ScanActions,
        Help(
            "What follows from each result: block refuses, with 403, or with 503 where the gateway "
            "is at fault; warn delivers it and raises an event; monitor delivers it, with an event "
            "if something was found; pass delivers it. Whatever follows, the access log notes the "
            "result. The worst of several results is the one with the strictest action. A reason "
            "that is not listed here is blocked.",
            '{ infected = "block", encrypted = "block", too_large = "warn" }',
        ),
    ] = ScanActions()
