"""
Content that plugins want whole before any of it passes: who is asked, what is held, and what follows from the answers.

Each side of a transaction is asked about when its head was judged: a request's content before anything goes upstream,
a response's before anything goes to the client. What is held is what comes out of the filters, so what was scanned is
what the peer gets. Whatever comes of it stands in C{txn.notes}, as C{scan_request} and C{scan_response}: content that
nobody looked at is never passed on in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from types import CoroutineType
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api.content import (
    Clean,
    ContentRefused,
    Infected,
    ScanJob,
    ScanResult,
    Side,
    Unscannable,
    Whole,
)
from gateway.api.errors import PluginError
from gateway.api.events import Event, Severity
from gateway.api.services import Clock
from gateway.api.transaction import Response, Transaction
from gateway.api.verdicts import Block, Verdict
from gateway.config.sections.scan import Scan
from gateway.message.fields import Fields
from gateway.pipeline.body import BodyPipe
from gateway.pipeline.dispatch import CallPlans, Soon
from gateway.pipeline.exchange import WHOLE, Exchange, LateBlock
from gateway.pipeline.hold import CAPACITY, TOO_LARGE, Hold
from gateway.pipeline.spool import SpooledContent, TempBudget
from gateway.pipeline.waiting import limited
from gateway.wire.events import ResponseHead

_ACTIONS = ("pass", "monitor", "warn", "block")
_WHY = {
    "infected": "malware was found",
    "suspicious": "it looks like malware",
    "encrypted": "it is encrypted, so it can't be scanned",
    "malformed": "it is malformed, so it can't be scanned",
    "limit": "it goes beyond the limits of what is scanned",
    TOO_LARGE: "it is larger than what is scanned",
    "engine_error": "it could not be scanned",
    CAPACITY: "there is no room at present to scan it (scan capacity)",
}
#: Ours to mend, and soon over: 503. Everything else is about the content: 403.
_PAGES = {
    "infected": (403, "scan_infected"),
    "suspicious": (403, "scan_infected"),
    "engine_error": (503, "scan_failed"),
    CAPACITY: (503, "scan_capacity"),
}


@dataclass(frozen=True, slots=True)
class Scanning:
    """
    What the holds of one snapshot of the configuration are made with.

    @ivar tell: where events go.
    """

    settings: Scan
    clock: Clock
    tell: Callable[[Event], None]
    budget: TempBudget

    @classmethod
    def of(
        cls,
        settings: Scan,
        clock: Clock,
        tell: Callable[[Event], None] = lambda event: None,
        before: Scanning | None = None,
    ) -> Scanning:
        """
        Make it.

        @param before: that of the snapshot before, whose running transactions use room too.
        """
        shared = None if before is None else before.budget
        return cls(
            settings, clock, tell, TempBudget(settings.temp_limit, clock, tell, before=shared)
        )


class Scans:
    """
    Holds and scans the content of one snapshot's transactions.

    Only to be made where some plugin implements C{content_need}.
    """

    def __init__(self, plans: CallPlans, scanning: Scanning) -> None:
        assert plans.content_need is not None
        self._need = plans.content_need
        self._scan = plans.scan_content
        self._response_filters = plans.response_filters
        self._scanning = scanning
        on = scanning.settings.on
        self._on: dict[str, str] = {
            "infected": on.infected,
            "suspicious": on.suspicious,
            "encrypted": on.encrypted,
            "malformed": on.malformed,
            "limit": on.limit,
            TOO_LARGE: on.too_large,
            "engine_error": on.engine_error,
            CAPACITY: on.capacity,
        }

    def upload(self, x: Exchange) -> Soon[Verdict | None]:
        """Ask about the request's content; its filters are in place."""
        txn = x.txn
        upload = x.upload
        assert upload is not None
        need = self._need(txn, Side.REQUEST)
        if not isinstance(need, Whole):
            _note(txn, Side.REQUEST, "not_needed")
            return None
        if not upload.filtered and x.asked.framing > self._most(need):
            # Said beforehand, so a client that waits for a 100 keeps its content to itself.
            return self._follow(x, Side.REQUEST, [Unscannable(TOO_LARGE)])
        return self._held_upload(x, upload, need)  # type: ignore[return-value]

    def _most(self, need: Whole) -> int:
        return min(need.max_bytes, self._scanning.budget.per_object)

    def download(self, x: Exchange, head: Response) -> Soon[Verdict | None]:
        """Ask about an answer's content."""
        txn = x.txn
        if not _has_content(x, head):
            _note(txn, Side.RESPONSE, "no_content")
            return None
        need = self._need(txn, Side.RESPONSE)
        if not isinstance(need, Whole):
            _note(txn, Side.RESPONSE, "not_needed")
            return None
        if isinstance(head, ResponseHead):
            if self._response_filters is None and head.framing > self._most(need):
                # Said beforehand: nothing has to be held to know it.
                return self._follow(x, Side.RESPONSE, [Unscannable(TOO_LARGE)])
            return self._held_download(x, need)  # type: ignore[return-value]
        if x.download is not None:
            # Stored in a file; it went through the filters before.
            return self._held(x, x.download, need, Side.RESPONSE)  # type: ignore[return-value]
        return self._stored(x, head, need)  # type: ignore[return-value]

    async def _held_upload(self, x: Exchange, upload: BodyPipe, need: Whole) -> Verdict | None:
        asked = x.asked
        if asked.section.expects_continue and asked.minor:
            # Nobody else will say it before the content was scanned, and the client may wait for it.
            if not upload.ended and not upload.count:
                x.down.interim(100, b"", b"")
            x.txn.request.fields.remove("Expect")
        return await self._held(x, upload, need, Side.REQUEST)

    async def _held_download(self, x: Exchange, need: Whole) -> Verdict | None:
        download = x.download
        if download is None:
            content, x.content = x.content, None
            download = x.download = BodyPipe(WHOLE, x.ended_with)
            if content:
                download.write(bytes(content))
            download.end(x.trailers)
        filters = self._response_filters(x.txn) if self._response_filters is not None else None
        if filters:
            filter_with(download, filters)
        return await self._held(x, download, need, Side.RESPONSE)

    async def _held(self, x: Exchange, pipe: BodyPipe, need: Whole, side: Side) -> Verdict | None:
        scanning = self._scanning
        content = SpooledContent(scanning.budget, scanning.settings.temp_dir)
        hold = Hold(
            pipe,
            content,
            self._most(need),
            scanning.clock,
            touch=x.down.touch,
            waits=x.scans,
            lost=x.interrupt,
        )
        reason = await hold.filled
        if reason:
            return self._follow(x, side, [Unscannable(reason)])
        if not content.size:
            _note(x.txn, side, "no_content")
            return None
        file = content.file
        job = _job(
            x.txn,
            side,
            b"" if file is not None else content.content,
            content.size,
            content.sha256,
            file,
        )
        return await self._scanned(x, job)

    async def _stored(self, x: Exchange, response: Response, need: Whole) -> Verdict | None:
        """Scan what a plugin had stored: it may have been clean by the patterns of its day only."""
        content = response.content
        if len(content) > need.max_bytes:
            return self._follow(x, Side.RESPONSE, [Unscannable(TOO_LARGE)])
        digest = sha256(content).hexdigest()
        job = _job(x.txn, Side.RESPONSE, content, len(content), digest, None)
        return await self._scanned(x, job)

    async def _scanned(self, x: Exchange, job: ScanJob) -> Verdict | None:
        """
        Ask the scanners.

        @raise PluginError: one failed, and fails closed.
        """
        seconds = self._scanning.settings.timeout
        results: Sequence[ScanResult]
        x.scans(True)
        try:
            if self._scan is None:
                results = [Unscannable("engine_error", "no plugin scans content")]
            else:
                given: Any = self._scan(job)
                if type(given) is CoroutineType:
                    waiting = Deferred.fromCoroutine(given)
                    given = await limited(waiting, seconds, self._scanning.clock)
                results = given
        except TimeoutError:
            results = [Unscannable("engine_error", f"the scan took more than {seconds:g} s")]
        except PluginError:
            _note(x.txn, job.side, "failed:block")
            raise
        finally:
            x.scans(False)
        return self._follow(x, job.side, results)

    def _follow(self, x: Exchange, side: Side, results: Sequence[ScanResult]) -> Verdict | None:
        """Do as is configured for the worst result: the one whose action is the strictest."""
        found: list[tuple[str, ScanResult]] = [
            (token, result) for result in results if (token := _token(result)) != "clean"
        ]
        if not found:
            # Every plugin that was asked may say that it is none of its business.
            _note(x.txn, side, "clean" if results else "not_judged")
            return None
        token, result = max(found, key=lambda one: self._rank(*one))
        action = self._on.get(token, "block")
        _note(x.txn, side, f"{token}:{action}")
        why = _why(token, result)
        if isinstance(result, Infected):
            x.txn.notes["scan_found"] = result.name
        if action in ("block", "warn") or (action == "monitor" and isinstance(result, Infected)):
            self._say(x.txn, side, token, action, why)
        if action != "block":
            return None
        status, page = _PAGES.get(token, (403, "scan_refused"))
        return Block(why, f"scan_{token}", status, page)

    def _rank(self, token: str, result: ScanResult) -> tuple[int, bool]:
        action = self._on.get(token, "block")
        return _ACTIONS.index(action), isinstance(result, Infected)

    def _say(self, txn: Transaction, side: Side, token: str, action: str, why: str) -> None:
        malware = token in ("infected", "suspicious")
        name = "malware_found" if malware else "content_not_scanned"
        text = f"{action}: {side.value} content of {txn.request.host}: {why}"
        values = {"reason": token, "action": action, "side": side.value, "id": txn.id}
        self._scanning.tell(Event(name, Severity.WARNING, text, txn.client.address, values))


def filter_with(pipe: BodyPipe, filters: Sequence[Any]) -> None:
    """
    Put plugins' filters into a pipe.

    @raise LateBlock: what is here already is refused.
    """
    try:
        pipe.filter(filters)
    except ContentRefused as refused:
        raise LateBlock(refused.block) from None


def made_here(txn: Transaction) -> None:
    """Note that a response is a plugin's own words, which are not scanned."""
    _note(txn, Side.RESPONSE, "made_here")


def unseen(txn: Transaction) -> None:
    """Note that nobody here sees what passes: a tunnel."""
    _note(txn, Side.REQUEST, "tunnel")
    _note(txn, Side.RESPONSE, "tunnel")


def _note(txn: Transaction, side: Side, what: str) -> None:
    txn.notes[f"scan_{side.value}"] = what


def _has_content(x: Exchange, head: Response) -> bool:
    if isinstance(head, ResponseHead):
        return bool(head.framing) and (x.content is None or bool(x.content))
    if x.asked.raw_method == b"HEAD" or head.status in (204, 304):
        return False
    return x.download is not None or bool(head.content)


def _token(result: ScanResult) -> str:
    match result:
        case Clean():
            return "clean"
        case Infected(certain=certain):
            return "infected" if certain else "suspicious"
        case Unscannable(reason=reason):
            return reason


def _why(token: str, result: ScanResult) -> str:
    if isinstance(result, Infected):
        return f"{_WHY[token]}: {result.name}"
    said = result.why if isinstance(result, Unscannable) else ""
    return said or _WHY.get(token, "it can't be scanned")


def _job(
    txn: Transaction, side: Side, content: bytes, size: int, digest: str, file: Any
) -> ScanJob:
    notes = {"method": txn.request.method}
    fields: Fields = txn.request.fields
    if side is Side.RESPONSE:
        response = txn.response
        assert response is not None
        fields = response.fields
        notes["status"] = str(response.status)
    for name in ("content-encoding", "content-range"):
        value = fields.combined(name)
        if value is not None:
            notes[name.replace("-", "_")] = value
    media_type = (fields.get("content-type") or "").partition(";")[0].strip().lower()
    path = None if file is None else file.path
    url = txn.request.url
    return ScanJob(content, path, size, media_type, digest, url, side, txn.identity, notes, file)
