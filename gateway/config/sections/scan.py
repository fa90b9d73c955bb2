"""C{[scan]}: content that plugins want whole."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from gateway.config.kind import Help
from gateway.config.kinds.numbers import Duration, SizeKind, WholeKind
from gateway.config.kinds.texts import FilePath
from gateway.config.sections.large_file import LargeFile
from gateway.config.sections.quarantine import Quarantine
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
    extract_failed: Annotated[
        Action,
        Help("It could not be unpacked: no room to unpack it into, or nothing to unpack it with."),
    ] = "block"
    engine_error: Annotated[
        Action,
        Help(
            "A scanner says that it could not scan. A plugin that fails outright is dealt with by "
            "its own `fail`."
        ),
    ] = "block"
    engine_timeout: Annotated[
        Action, Help("A scanner says that it took too long, or `scan.timeout` ran out.")
    ] = "block"
    capacity: Annotated[
        Action,
        Help(
            "There was no room in `scan.temp_limit` for 10 s, `scan.temp_dir` cannot be used, or "
            "a scanner or its pool of threads (`threads.scan`) takes no more at present."
        ),
    ] = "block"
    unscanned: Annotated[
        Action,
        Help(
            "Nobody looked at all of it: an engine saw a part only (`unscanned:partial`), nobody "
            "looked into what may be packed in it (`unscanned:nested`), or nobody looked at it "
            "(`unscanned:no_engine`)."
        ),
    ] = "block"


class Scan(Section, frozen=True, kw_only=True):
    """
    How content is held that plugins, such as virus scanners, want whole before any of it passes.

    Without such a plugin nothing of this has an effect.
    """

    later: ClassVar[tuple[str, ...]] = ("max_depth", "max_files", "max_ratio")

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
            "it, 512MiB at the most; one that finds no room waits up to 10 s for it. The last quarter "
            "is for one message that grows at a time, so that one after the other can be finished."
        ),
    ] = 2 * GIB
    timeout: Annotated[
        Duration,
        Help(
            "Time for all plugins together to unpack and scan one message; then "
            "`scan.on.engine_timeout` holds."
        ),
    ] = 60.0
    large_file: Annotated[
        LargeFile,
        Help(
            "What the client of a large or slow download gets meanwhile.",
            '{ over = "8MiB", after = "5s", mode = "trickle" }',
        ),
    ] = LargeFile()
    remember: Annotated[
        int,
        WholeKind(high=10_000_000, zero="none"),
        Help(
            "How many pieces of content are remembered with what was said of them: "
            "they are not scanned again until a scanner has other patterns, or the configuration "
            "is read anew. The least recently used ones give way; 100000 take about 35MiB. Only "
            "while every plugin that scans names its patterns and fails closed."
        ),
    ] = 100_000
    infected_urls: Annotated[
        int,
        WholeKind(high=1_000_000, zero="none"),
        Help(
            "How many URLs are remembered that gave malware: who asks for one of them while its "
            "ETag, Last-Modified and length are the same is refused at once, without a scan. The "
            "least recently used ones give way. `gateway scan urls` lists and forgets them."
        ),
    ] = 10_000
    infected_urls_ttl: Annotated[
        Duration,
        Help(
            "How long they are remembered; 10 minutes at the most where the origin sends neither "
            "ETag nor Last-Modified."
        ),
    ] = 4 * 3600.0
    quarantine: Annotated[
        Quarantine,
        Help(
            "Where refused content is kept for people to look at; off by default.",
            '{ path = "/var/lib/gateway/quarantine", keep = "90d" }',
        ),
    ] = Quarantine()
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
