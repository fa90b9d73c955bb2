"""
What follows once content is whole: what is remembered of it, else what scans find, and what is configured to follow.

Whatever comes of it stands in C{txn.notes}, as C{scan_request} and C{scan_response}: content that nobody looked at is
never passed on in silence. The flow is: a remembered answer; else a L{Look}, for so long as C{scan.timeout} allows; one
answer of all that was found (L{gateway.pipeline.findings}); the action that C{scan.on} names for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gateway.api.catalogue.security import (
    CONTENT_NOT_SCANNED,
    CONTENT_PASSED_UNSCANNED,
    MALWARE_FOUND,
    MALWARE_PASSED,
)
from gateway.api.content import ScanJob, Side, Unscannable
from gateway.api.transaction import Transaction
from gateway.api.verdicts import Verdict
from gateway.message.fields import Fields
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.findings import Finding, Findings, plain
from gateway.pipeline.infected import address_of
from gateway.pipeline.judged import Judged
from gateway.pipeline.look import Look
from gateway.pipeline.scan_means import Scanning
from gateway.pipeline.verdict_memory import (
    Key,
    Patterns,
    VerdictMemory,
    key_of,
)


class Judgement:
    """
    Judges whole content for one snapshot's transactions.

    @ivar memory: what was said of content before; C{None}: nothing is remembered, as somebody's answers can't be, or
        as C{scan.remember} says.
    @ivar patterns: asks what plugins scan with; C{None}: their answers can't be remembered.
    """

    def __init__(self, plans: CallPlans, scanning: Scanning) -> None:
        """Look once at what there is to ask."""
        settings = scanning.settings
        self._scan = plans.scan_content
        self._unpack = plans.unpack_content
        self.patterns = plans.scan_patterns
        self._scanning = scanning
        self._counts = scanning.counts
        self.memory: VerdictMemory | None = None
        if settings.remember and self.patterns is not None:
            self.memory = VerdictMemory(settings.remember)
        on = settings.on
        self._on: dict[str, str] = {
            "infected": on.infected,
            "suspicious": on.suspicious,
            "encrypted": on.encrypted,
            "malformed": on.malformed,
            "limit": on.limit,
            "too_large": on.too_large,
            "extract_failed": on.extract_failed,
            "engine_error": on.engine_error,
            "engine_timeout": on.engine_timeout,
            "capacity": on.capacity,
            "unscanned": on.unscanned,
        }

    def action(self, reason: str) -> str:
        """Give what follows from a reason; from one that is not ours C{block}."""
        return self._on.get(reason, "block")

    def remembered(self, x: Exchange, side: Side, mark: bytes) -> Judged | None:
        """
        Give what was said of this content before, if that holds still; L{conclude} is to follow.

        @param mark: by what it is known again: its L{fingerprint<gateway.pipeline.fingerprint>}, or its SHA-256.
        """
        memory = self.memory
        if memory is None:
            return None
        found = None
        patterns = self.patterns()  # type: ignore[misc]
        if patterns is not None:
            key = _key(x.txn, side, mark)
            if key is not None:
                found = memory.known(key, patterns)
        self._counts.looked_up(found is not None)
        if found is not None and found.side is not side:
            found = replace(found, side=side)
        return found

    async def judge(self, x: Exchange, job: ScanJob, mark: bytes) -> Verdict | None:
        """
        Judge whole content of which nothing is L{remembered}.

        @param mark: by what it will be known again.
        @raise PluginError: a plugin failed, and fails closed.
        """
        side = job.side
        memory = self.memory
        patterns = None if self.patterns is None else self.patterns()
        findings = await self._looked_at(x, job)
        answer = findings.answer()
        if answer is None:
            # Every plugin that was asked may say that it is none of its business.
            note(x.txn, side, "not_judged")
            self._counts.judged(side.value, "not_judged", job.size)
            return None
        judged = self._judged(side, answer, patterns)
        if memory is not None and patterns is not None:
            key = _key(x.txn, side, mark)
            # It was scanned with what was there when it began, and with what came meanwhile.
            if key is not None and self.patterns is not None and self.patterns() == patterns:
                memory.remember(key, patterns, judged)
        return self.conclude(x, judged, job.size, job)

    def follow(self, x: Exchange, side: Side, results: Sequence[Unscannable]) -> Verdict | None:
        """Do as is configured for what is known without a scan: content that is too large, or finds no room."""
        findings = Findings(self._on)
        for result in results:
            findings.unscannable(result)
        answer = findings.answer()
        assert answer is not None
        return self.conclude(x, self._judged(side, answer), None)

    def known_infected(self, x: Exchange) -> Verdict | None:
        """Refuse what was found infected under the same URL a while ago, before anything of it is held."""
        infected = self._scanning.infected
        # The usual case: nothing bad has come by.
        if not len(infected):
            return None
        address = address_of(x.txn)
        judged = None if address is None else infected.known(*address)
        if judged is None or self.action(judged.reason) != "block":
            return None
        return self.conclude(x, replace(judged, side=Side.RESPONSE, action="block"), 0)

    def conclude(
        self, x: Exchange, judged: Judged, size: int | None, job: ScanJob | None = None
    ) -> Verdict | None:
        """
        Do what follows from an answer.

        @param size: of the content; C{None}: it is counted when the transaction ends.
        @param job: the content, if it is here.
        """
        txn = x.txn
        x.judged = judged
        notes = txn.notes
        token = judged.token
        side = judged.side
        # An attribute of an enumeration costs twenty times what a name does.
        noted = _RESPONSE_NOTE if side is _RESPONSE else _REQUEST_NOTE
        if token == "clean":  # noqa: S105
            if size is not None:
                self._counts.judged(noted[5:], token, size)
            notes[noted] = token
            notes["scan_engine"] = judged.said_by
            return None
        action = judged.action
        notes[noted] = f"{token}:{action}"
        if size is not None and judged.reason not in _COUNTED_LATER:
            self._counts.judged(side.value, judged.reason, size)
        if judged.engine:
            notes["scan_engine"] = judged.engine
        if judged.name:
            notes["scan_found"] = judged.name
        if judged.member:
            notes["scan_member"] = judged.member
        # What the operator's rules forbid is in the access log.
        if (action in ("block", "warn") and token not in _EXPECTED) or (
            action == "monitor" and judged.name
        ):
            self._say(txn, judged)
        if action != "block":
            return None
        if not judged.found:
            self._keep(txn, judged, job)
        return judged.block()

    async def _looked_at(self, x: Exchange, job: ScanJob) -> Findings:
        """
        Look at content, and at what is in it, within the time there is.

        @raise PluginError: a plugin failed, and fails closed.
        """
        scanning = self._scanning
        clock = scanning.clock
        seconds = scanning.settings.timeout
        findings = Findings(self._on)
        look = Look(job, findings, self._scan, self._unpack)
        began = clock.seconds()
        x.scans(True)
        try:
            failed = await look.within(seconds, clock)
        finally:
            x.scans(False)
            self._counts.took(job.side.value, clock.seconds() - began, findings.members)
        if failed is not None:
            note(x.txn, job.side, "failed:block")
            self._counts.judged(job.side.value, "failed", job.size)
            raise failed
        return findings

    def _judged(self, side: Side, answer: Finding, patterns: Patterns | None = None) -> Judged:
        token = answer.token
        with_what = answer.patterns
        if not with_what and answer.engine:
            # Only who says clean has to say it; the plugin says it of itself, too.
            with_what = next((one for one in patterns or () if one.startswith(answer.engine)), "")
        action = "pass" if token == "clean" else self.action(token.partition(":")[0])  # noqa: S105
        return Judged(
            side,
            token,
            action,
            answer.why,
            answer.name,
            answer.engine,
            plain(with_what),
            answer.member,
        )

    def _keep(self, txn: Transaction, judged: Judged, job: ScanJob | None) -> None:
        """Let it be remembered that this is refused, and what."""
        scanning = self._scanning
        if judged.token == "infected" and judged.side is Side.RESPONSE:  # noqa: S105
            address = address_of(txn)
            if address is not None:
                scanning.infected.remember(*address, judged)
        if job is not None and scanning.quarantine is not None:
            scanning.quarantine.keep(job, judged, txn)

    def _say(self, txn: Transaction, judged: Judged) -> None:
        side, action = judged.side.value, judged.action
        if judged.is_malware:
            kind = MALWARE_FOUND if action == "block" else MALWARE_PASSED
        else:
            kind = CONTENT_NOT_SCANNED if action == "block" else CONTENT_PASSED_UNSCANNED
        text = f"{action}: {side} content of {txn.request.host}: {judged.why}"
        url = txn.request.url.partition("?")[0]
        values = {
            "reason": judged.token, "action": action, "side": side, "id": txn.id, "url": url,
        }  # fmt: skip
        for what in ("name", "engine", "patterns", "member"):
            said = getattr(judged, what)
            if said:
                values[what] = said
        self._scanning.tell(kind(text, txn.client.address, **values))


#: Known without a scan, too, when it is not known yet how long the content is.
_COUNTED_LATER = frozenset(("too_large", "capacity"))
#: Nothing that anybody has to be told of.
_EXPECTED = frozenset(("forbidden", "forbidden:type"))
_RESPONSE = Side.RESPONSE
_RESPONSE_NOTE = "scan_response"
_REQUEST_NOTE = "scan_request"


def note(txn: Transaction, side: Side, what: str) -> None:
    """Note what became of the content of a side, for the access log."""
    txn.notes[_RESPONSE_NOTE if side is _RESPONSE else _REQUEST_NOTE] = what


def job_of(
    txn: Transaction, side: Side, content: bytes, size: int, digest: str, file: Any
) -> ScanJob:
    """Make a job of the content of a side."""
    notes = {"method": txn.request.method}
    fields: Fields = txn.request.fields
    if side is Side.RESPONSE:
        response = txn.response
        assert response is not None
        fields = response.fields
        notes["status"] = str(response.status)
    for name in ("content-type", "content-encoding", "content-disposition", "content-range"):
        value = fields.combined(name)
        if value is not None:
            notes[name.replace("-", "_")] = value
    media_type = (fields.get("content-type") or "").partition(";")[0].strip().lower()
    path = None if file is None else file.path
    url = txn.request.url
    return ScanJob(content, path, size, media_type, digest, url, side, txn.identity, notes, file)


def _key(txn: Transaction, side: Side, mark: bytes) -> Key | None:
    request = txn.request
    if side is not _RESPONSE:
        return key_of(mark, request.fields.lines, request.raw_target)
    response = txn.response
    assert response is not None
    if response.status == 206:
        # A part, whether it says which or not: nobody may unpack it, and what was said of it is not said of a whole.
        mark += b"206"
    return key_of(mark, response.fields.lines, request.raw_target)


__all__ = ["Judgement", "Patterns", "job_of", "note"]
