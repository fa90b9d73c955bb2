"""
The hooks, and which set of rules is in use.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import DeferredSemaphore

from gateway.api import (
    NONE,
    Caution,
    Clean,
    Coverage,
    EventType,
    Infected,
    Need,
    Overloaded,
    Plugin,
    ScanJob,
    Services,
    SettingFault,
    Side,
    Surroundings,
    Transaction,
    Unscannable,
    Whole,
    hookimpl,
)
from gateway.api.catalogue.scanning import (
    PATTERNS_FAILED,
    PATTERNS_UPDATED,
    PATTERNS_WORK,
    YARA_RULES_BACK,
    YARA_RULES_GONE,
)
from gateway.api.settings import size_text
from gateway_yara.findings import result
from gateway_yara.folder import Fault, Sources, read_folder
from gateway_yara.process import ChildFailed, ChildTooSlow, Process
from gateway_yara.rules import Rules, Start, compile_rules
from gateway_yara.settings import YaraSettings

_MOST_LOGGED = 20
#: Rules that can't be compiled for want of a process or memory are told of after so many looks in a row.
_PATIENCE = 3

_Result = Clean | Infected | Unscannable | None


class Yara(Plugin):
    """Scan content by the rules of a folder."""

    name = "yara"
    Settings = YaraSettings

    settings: YaraSettings
    #: Starts a process; for tests to replace.
    start_process: Start | None = None

    def __init__(self, settings: YaraSettings, services: Services) -> None:
        super().__init__(settings, services)
        self._rules: Rules | None = None
        # Why nothing can be scanned though there are rules; empty: it can, or there are none.
        self._broken = ""
        # Digests of the folder: as it was at the last look, as it was taken or refused, and as it was told of.
        self._seen = self._tried = self._told = ""
        # States that were told of, and are not over.
        self._open: set[EventType] = set()
        # In a row, without a fault of the rules.
        self._mishaps = 0
        self._version = ""
        self._stopped = False
        self._turns = DeferredSemaphore(settings.processes)
        said = (settings.timeout, settings.max_size, settings.larger, settings.found)
        self._own = hashlib.sha256(repr(said).encode()).hexdigest()[:8]
        metrics = services.metrics
        self._matches = metrics.counter(
            "matches", "Content in which something was found, by rule.", ("rule",)
        )
        self._failures = metrics.counter("failures", "Scans without a result.", ("why",))
        self._files = metrics.gauge("files", "Files of rules in use.")
        self._faults = metrics.gauge(
            "faults", "Files of rules that can't be used, or were not taken over."
        )
        services.every(settings.every, self.look, name="rules")

    def review(self, around: Surroundings) -> Iterator[Caution | SettingFault]:
        """Tell of a folder with nothing in it, or nothing that can be read."""
        if util.find_spec("yara_x") is None:
            yield SettingFault("YARA-X is not installed", (), 'pip install "gateway[scan]"')
            return
        folder = self.settings.rules
        if not os.path.isdir(folder):
            yield Caution(f"there is no folder {folder}, so nothing is scanned", ("rules",))
            return
        if not os.access(folder, os.R_OK | os.X_OK):
            yield Caution(
                f"the folder {folder} can't be read, so all content is engine_error", ("rules",)
            )
            return
        unreadable, files = _overview(folder)
        if unreadable:
            yield Caution(f"rules that can't be read: {', '.join(unreadable)}", ("rules",))
        if not files:
            yield Caution(f"there are no rules in {folder}, so nothing is scanned", ("rules",))

    async def start(self) -> None:
        """
        Compile the rules.

        Files with faults are left out, and told of; with nothing but such files all content is an C{engine_error}.

        @raise RuntimeError: YARA-X is not installed.
        """
        spec = util.find_spec("yara_x")
        if spec is None or spec.origin is None:
            raise RuntimeError('YARA-X is not installed: pip install "gateway[scan]"')
        self._version = metadata.version("yara-x")
        if self.start_process is None:
            folder = str(Path(spec.origin).parent.parent)
            self.start_process = partial(Process, self.settings.memory, folder)
        sources = await self.services.threads.run("disk", read_folder, self.settings.rules)
        self._seen = sources.digest
        await self._take(sources)

    async def stop(self) -> None:
        """End the processes."""
        self._stopped = True
        rules, self._rules = self._rules, None
        if rules is not None:
            rules.kill()
            with suppress(Overloaded):
                await self.services.threads.run("disk", rules.close)

    async def look(self) -> None:
        """Look whether there are other rules; those that are there in two looks are taken, if none has a fault."""
        sources = await self.services.threads.run("disk", read_folder, self.settings.rules)
        if sources.digest == self._tried:
            self._seen = sources.digest
            return
        if sources.digest != self._seen:
            # Somebody may be writing.
            self._seen = sources.digest
            return
        await self._take(sources)

    @hookimpl()
    def content_need(self, txn: Transaction, side: Side) -> Need:
        """Want all content, as long as there are rules."""
        if self._rules is None and not self._broken:
            return NONE
        settings = self.settings
        if settings.larger == "skip":
            message = txn.request if side is Side.REQUEST else txn.response
            length = None if message is None else message.length
            if length is not None and length > settings.max_size:
                return NONE
        return Whole(settings.max_size)

    @hookimpl()
    def scan_patterns(self) -> str:
        """Name YARA-X, the rules and what else a result depends on."""
        rules = self._rules
        if rules is None:
            return "" if self._broken else "yara-x/none"
        return "" if rules.by_address else f"yara-x {self._named(rules)}/{self._own}"

    @hookimpl()
    def scan_content(self, job: ScanJob) -> _Result | Awaitable[_Result]:
        """Scan content; without rules it is nobody's business."""
        rules = self._rules
        if rules is None:
            if not self._broken:
                return None
            return Unscannable("engine_error", self._broken, self.name)
        if job.size > self.settings.max_size:
            if self.settings.larger == "skip":
                return None
            most = size_text(self.settings.max_size)
            return Unscannable(
                "too_large", f"it is larger than what is scanned ({most})", self.name
            )
        return self._scan(rules, job)

    # Scanning.

    async def _scan(self, rules: Rules, job: ScanJob) -> _Result:
        await self._turns.acquire()
        try:
            answer = await self.services.threads.run("scan", self._ask, rules, job)
        except ChildTooSlow:
            answer = {"failed": "timeout"}
        except ChildFailed as error:
            answer = {"failed": "error", "why": str(error)}
        finally:
            self._turns.release()
        engine = f"yara-x {self._version}"
        failed = answer.get("failed")
        if failed is not None:
            self._failures.inc(why=failed)
            if failed == "timeout":
                why = f"the scan took more than {self._seconds} s"
                return Unscannable("engine_timeout", why, engine)
            self.services.log.error("a scan failed: {why}", why=answer.get("why", ""))
            return Unscannable("engine_error", "the scan failed", engine)
        found: Sequence[Any] = answer["found"]
        for name, _, _ in found:
            self._matches.inc(rule=name)
        infected = result(found, self.settings.found, engine)
        if infected is not None:
            return infected
        return Clean(engine, self._named(rules), Coverage(job.size, nested=False))

    def _ask(self, rules: Rules, job: ScanJob) -> Any:
        path = urlsplit(job.url).path
        name = (job.member or path).rpartition("/")[2]
        dot, suffix = name.rpartition(".")[1:]
        variables = {
            "extension": f".{suffix.lower()}" if dot else "",
            "media_type": job.media_type,
            "member": job.member,
            "filename": name,
            "filepath": job.member or path,
            "url": job.url,
        }
        # What is no character can't be told either.
        told = {key: value.encode("utf-8", "replace").decode() for key, value in variables.items()}
        if job.path is None:
            return rules.scan(told, job.content, -1, self._seconds)
        with job.open() as file:
            return rules.scan(told, b"", file.fileno(), self._seconds)

    @property
    def _seconds(self) -> int:
        return max(1, math.ceil(self.settings.timeout))

    def _named(self, rules: Rules) -> str:
        return f"{self._version}/{rules.digest[:16]}"

    # Rules.

    async def _take(self, sources: Sources) -> None:
        """
        Put other rules in the place of those in use, or tell what is wrong with them.

        Files with faults are left out only where nothing is in use yet: it is better than nothing.
        """
        if not sources.files and not sources.faults:
            await self._use(None, is_all=True)
            self._tried = sources.digest
            return
        start = self.start_process
        assert start is not None
        run = self.services.threads.run
        is_bare = self._rules is None
        rules, faults = None, sources.faults
        settled = True
        try:
            if sources.files:
                rules, more = await run("disk", compile_rules, start, sources)
                faults += more
            if rules is not None and (is_bare or not faults):
                await run("disk", rules.warm)
        except ChildFailed as error:
            # Perhaps there is no room for a process: it is tried again at the next look.
            settled = False
            faults += (Fault("", 0, f"the rules can't be compiled: {error}"),)
            await self._closed(rules)
            rules = None
        if faults and not is_bare:
            await self._closed(rules)
            rules = None
        self._mishaps = 0 if settled else self._mishaps + 1
        if faults:
            self._tell_faults(sources.digest, faults, are_left_out=rules is not None)
        if rules is not None:
            self._faults.set(len(faults))
            await self._use(rules, is_all=not faults)
        elif is_bare:
            self._broken = f"no YARA rules can be used: {faults[0]}"
        if settled:
            self._tried = sources.digest

    async def _closed(self, rules: Rules | None) -> None:
        if rules is not None:
            await self.services.threads.run("disk", rules.close)

    async def _use(self, rules: Rules | None, *, is_all: bool) -> None:
        if self._stopped:
            if rules is not None:
                rules.kill()
            return
        before, self._rules = self._rules, rules
        self._broken = ""
        files = 0 if rules is None else rules.files
        self._files.set(files)
        if rules is not None:
            self.services.log.info(
                "{files} files of rules are in use, {digest}", files=files, digest=rules.digest[:16]
            )
        else:
            self._faults.set(0)
        self._tell_use(before, rules, is_all=is_all)
        await self._closed(before)

    def _tell_use(self, before: Rules | None, rules: Rules | None, *, is_all: bool) -> None:
        """Tell what rules are in use now, and what is over by that."""
        named = "" if rules is None else f"yara-x {self._named(rules)}"
        folder = self.settings.rules
        said = {"engine": "yara", "version": named}
        if rules is None and before is not None:
            text = f"there are no rules any more in {folder}: nothing is scanned"
            self._begins(YARA_RULES_GONE, text)
        if rules is not None and before is not None and rules.digest != before.digest:
            was = f"yara-x {self._named(before)}"
            text = f"other rules of {folder} are in use: {named}"
            self.services.events(PATTERNS_UPDATED(text, folder, **said, before=was))
        if rules is not None:
            self._is_over(YARA_RULES_GONE, YARA_RULES_BACK, f"there are rules in {folder} again")
        if is_all:
            self._told = ""
            text = f"the rules in {folder} have no faults any more"
            self._is_over(PATTERNS_FAILED, PATTERNS_WORK, text, **said)

    def _tell_faults(self, digest: str, faults: Sequence[Fault], *, are_left_out: bool) -> None:
        self._faults.set(len(faults))
        if digest == self._told or (self._rules is not None and 0 < self._mishaps < _PATIENCE):
            return
        self._told = digest
        for fault in faults[:_MOST_LOGGED]:
            self.services.log.error(
                "rules in {folder}: {fault}", folder=self.settings.rules, fault=str(fault)
            )
        if are_left_out:
            follows = "files with faults are left out"
        elif self._rules is None:
            follows = "nothing can be scanned"
        else:
            follows = "the rules before stay in use"
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        text = f"YARA rules have faults, {follows}: {faults[0]}{more}"
        named = "" if self._rules is None else f"yara-x {self._named(self._rules)}"
        self._begins(PATTERNS_FAILED, text, engine="yara", faults=str(len(faults)), version=named)

    def _begins(self, kind: EventType, text: str, **values: str) -> None:
        self._open.add(kind)
        self.services.events(kind(text, self.settings.rules, **values))

    def _is_over(self, begun: EventType, kind: EventType, text: str, **values: str) -> None:
        if begun in self._open:
            self._open.remove(begun)
            self.services.events(kind(text, self.settings.rules, **values))


def _overview(folder: str) -> tuple[list[str], int]:
    """Give the names of some files of rules that can't be read, and how many there are; no file is opened."""
    unreadable: list[str] = []
    files = 0
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.endswith((".yar", ".yara")) and not name.startswith("."):
                files += 1
                path = os.path.join(place, name)
                if len(unreadable) < 5 and not os.access(path, os.R_OK):
                    unreadable.append(os.path.relpath(path, folder))
        if files > 1000:
            break
    return unreadable, files
