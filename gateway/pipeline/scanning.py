"""
Content that plugins want whole before any of it passes: who is asked, and what is held.

Each side of a transaction is asked about when its head was judged: a request's content before anything goes upstream,
a response's before anything goes to the client. What is held is what comes out of the filters, so what was scanned is
what the peer gets. What follows once it is whole is the business of L{gateway.pipeline.judgement}.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from gateway.api.content import ContentRefused, FirstBytes, Need, ScanJob, Side, Unscannable, Whole
from gateway.api.messages import Response
from gateway.api.transaction import Phase, Transaction
from gateway.api.verdicts import Verdict
from gateway.pipeline.body import BodyPipe
from gateway.pipeline.dispatch import CallPlans, Soon
from gateway.pipeline.exchange import WHOLE, Exchange, LateBlock
from gateway.pipeline.fingerprint import fingerprint
from gateway.pipeline.first_piece import first_piece
from gateway.pipeline.hold import CAPACITY, TOO_LARGE, Hold
from gateway.pipeline.judged import Judged
from gateway.pipeline.judgement import Judgement, job_of, note
from gateway.pipeline.meanwhile import Choices, Meanwhile
from gateway.pipeline.recall import recall_by
from gateway.pipeline.scan_means import Scanning
from gateway.pipeline.spool import SpooledContent
from gateway.wire.events import ResponseHead


class Scans:
    """
    Holds and scans the content of one snapshot's transactions.

    Only to be made where some plugin implements C{content_need}.
    """

    def __init__(
        self,
        plans: CallPlans,
        scanning: Scanning,
        start: Callable[[Exchange, Response], None],
    ) -> None:
        """
        Look once at what there is to do.

        @param start: sends the head of an answer whose content is held.
        """
        assert plans.content_need is not None
        self._need = plans.content_need
        self._response_filters = plans.response_filters
        self._scanning = scanning
        self._per_object = scanning.budget.per_object
        self._judgement = Judgement(plans, scanning)
        self._counted = scanning.counts.judged
        choices = Choices(scanning, start)
        self._choices = None if choices.holds else choices

    @property
    def remembered(self) -> int:
        """Of how many pieces of content it is remembered what was said."""
        memory = self._judgement.memory
        return 0 if memory is None else len(memory)

    @property
    def judge(self) -> Callable[[Exchange, Response], Soon[Verdict | None]]:
        """
        Give what takes an answer as L{download} does, and sooner where it is remembered that its content is clean.

        To be kept by who asks: by this object it would be a cycle, and an old snapshot has to go without the collector.
        """
        judgement = self._judgement
        # What comes out of filters is known only when it has.
        if (
            judgement.memory is None
            or judgement.patterns is None
            or self._response_filters is not None
        ):
            return self.download
        scanning = self._scanning
        return recall_by(
            judgement.memory,
            judgement.patterns,
            scanning.counts,
            self._need,
            scanning.infected.entries,
            judgement.known_infected,
            self.download,
        )

    def ended(self, x: Exchange) -> None:
        """
        Count what passed, or could have, without anybody having had all of it in hand.

        Nothing is to be counted where there was no upload, and what was last said of content is that it is clean.
        """
        notes = x.txn.notes
        said = notes.get("scan_response")
        if said is not None and said != "clean":
            self._count(x, "response", said)
        said = notes.get("scan_request")
        if said is not None and said != "clean":
            self._count(x, "request", said)

    def _count(self, x: Exchange, side: str, said: str) -> None:
        said = said.partition(":")[0]
        if said not in _NEVER_WHOLE:
            return
        size = 0
        if said == "tunnel":
            size = x.txn.bytes_in if side == "request" else x.txn.bytes_out
        elif side == "request":
            if x.upload is not None:
                size = x.upload.count
        elif x.content is not None:
            size = len(x.content)
        elif x.download is not None:
            size = x.download.count
        elif x.stored is not None:
            size = len(x.stored.response.content)
        self._counted(side, said, size)

    def upload(self, x: Exchange) -> Soon[Verdict | None]:
        """Ask about the request's content; its filters are in place."""
        txn = x.txn
        upload = x.upload
        assert upload is not None
        need = self._need(txn, Side.REQUEST)
        if not isinstance(need, Whole):
            note(txn, Side.REQUEST, "not_needed")
            return None
        judgement = self._judgement
        most = self._most(need)
        if not upload.filtered and x.asked.framing > most:
            # Said beforehand, so a client that waits for a 100 keeps its content to itself.
            return judgement.follow(x, Side.REQUEST, [Unscannable(TOO_LARGE)])
        content = None if x.asked.section.expects_continue else upload.whole
        if content is not None and len(content) <= most:
            # The usual case: it came with the head.
            if not content:
                note(txn, Side.REQUEST, "no_content")
                return None
            mark = fingerprint(content)
            judged = judgement.remembered(x, Side.REQUEST, mark)
            if judged is not None:
                return self._again(x, judged, content)
            return self._whole_upload(x, upload, content, need, mark)  # type: ignore[return-value]
        return self._held_upload(x, upload, need)  # type: ignore[return-value]

    def _most(self, need: Whole) -> int:
        return min(need.max_bytes, self._per_object)

    def download(
        self, x: Exchange, head: Response, need: Need | None = None, mark: bytes = b""
    ) -> Soon[Verdict | None]:
        """
        Take an answer whose head may pass, and ask about its content.

        @param need: what is wanted of it, if that was asked; C{None}: nothing was.
        @param mark: by what it is known again, if that was worked out; it is not known for malware then.
        """
        txn = x.txn
        if need is None:
            txn.response = head
            txn.phase = _JUDGED
            if not _has_content(x, head):
                note(txn, _RESPONSE, "no_content")
                return None
            need = self._need(txn, _RESPONSE)
        if not isinstance(need, Whole):
            note(txn, _RESPONSE, "not_needed")
            # What came whole is looked at before its head is sent anyway.
            if type(need) is FirstBytes and x.content is None and isinstance(head, ResponseHead):
                return self._begun(x)  # type: ignore[return-value]
            return None
        judgement = self._judgement
        if not mark:
            refusal = judgement.known_infected(x)
            if refusal is not None:
                return refusal
        if isinstance(head, ResponseHead):
            if self._response_filters is None:
                most = self._most(need)
                if head.framing > most:
                    # Said beforehand: nothing has to be held to know it.
                    return judgement.follow(x, Side.RESPONSE, [Unscannable(TOO_LARGE)])
                content = x.content
                if content is not None and len(content) <= most:
                    mark = mark or fingerprint(content)
                    judged = judgement.remembered(x, _RESPONSE, mark)
                    if judged is not None:
                        if judged.action != "block":
                            return judgement.conclude(x, judged, len(content))
                        return self._again(x, judged, content)
                    return self._waited_for(  # type: ignore[return-value]
                        x, head, partial(self._whole, x, content, need, mark)
                    )
            return self._waited_for(  # type: ignore[return-value]
                x, head, partial(self._held_download, x, need)
            )
        stored = x.stored
        if stored is not None and stored.response is head and stored.memo is not None:
            known = stored.memo.get(_MARK)
            if type(known) is bytes:
                judged = judgement.remembered(x, Side.RESPONSE, known)
                if judged is not None:
                    size = len(head.content) if stored.file is None else stored.file.length
                    return judgement.conclude(x, judged, size)
        if x.download is not None:
            # Stored in a file; it went through the filters before.
            return self._waited_for(  # type: ignore[return-value]
                x, head, partial(self._held, x, x.download, need, Side.RESPONSE)
            )
        return self._stored(x, head, need)  # type: ignore[return-value]

    def _again(self, x: Exchange, judged: Judged, content: bytes | memoryview) -> Verdict | None:
        """Do what follows from what is remembered of content that is in memory."""
        job = None
        if self._scanning.quarantine is not None:
            job = _job(x, judged.side, bytes(content))
        return self._judgement.conclude(x, judged, len(content), job)

    async def _held_upload(self, x: Exchange, upload: BodyPipe, need: Whole) -> Verdict | None:
        asked = x.asked
        if asked.section.expects_continue and asked.minor:
            # Nobody else will say it before the content was scanned, and the client may wait for it.
            if not upload.ended and not upload.count:
                x.down.interim(100, b"", b"")
            x.txn.request.fields.remove("Expect")
        return await self._held(x, upload, need, Side.REQUEST)

    async def _waited_for(
        self,
        x: Exchange,
        head: Response,
        scan: Callable[[Meanwhile | None], Coroutine[Any, Any, Verdict | None]],
    ) -> Verdict | None:
        """Have a download scanned, and see to it that its client does not give up meanwhile."""
        if self._choices is None or not x.down.waits:
            return await scan(None)
        meanwhile = Meanwhile(self._choices, x, head)
        try:
            verdict = await scan(meanwhile)
        except BaseException:
            meanwhile.broke()
            raise
        return await meanwhile.judged(verdict)

    async def _held_download(
        self, x: Exchange, need: Whole, meanwhile: Meanwhile | None
    ) -> Verdict | None:
        download = self._filtered(x)
        return await self._held(x, download, need, Side.RESPONSE, meanwhile)

    async def _begun(self, x: Exchange) -> None:
        """Wait until an answer's filters let something of it pass."""
        await first_piece(x, self._filtered(x))

    def _filtered(self, x: Exchange) -> BodyPipe:
        """
        Give an answer's content behind its filters.

        @raise LateBlock: what is here already is refused.
        """
        download = x.download
        if download is None:
            content, x.content = x.content, None
            download = x.download = BodyPipe(WHOLE, x.ended_with)
            if content:
                download.write(bytes(content))
            download.end(x.trailers)
        if self._response_filters is not None:
            filter_with(download, self._response_filters(x.txn) or ())
        return download

    async def _whole(
        self,
        x: Exchange,
        content: bytes | memoryview,
        need: Whole,
        mark: bytes,
        meanwhile: Meanwhile | None,
    ) -> Verdict | None:
        """Scan what came whole with its first read, and is held by nobody but the exchange."""
        if not self._scanning.budget.take(len(content)):
            # Room is waited for by who holds.
            return await self._held_download(x, need, meanwhile)
        return await self._in_hand(x, Side.RESPONSE, bytes(content), mark)

    async def _whole_upload(
        self, x: Exchange, upload: BodyPipe, content: bytes, need: Whole, mark: bytes
    ) -> Verdict | None:
        """Likewise; the closed pipe has it."""
        if not self._scanning.budget.take(len(content)):
            return await self._held_upload(x, upload, need)
        return await self._in_hand(x, Side.REQUEST, content, mark)

    async def _in_hand(
        self, x: Exchange, side: Side, content: bytes, mark: bytes
    ) -> Verdict | None:
        """Judge what is in memory, for which room was taken."""
        size = len(content)
        try:
            return await self._judgement.judge(x, _job(x, side, content), mark)
        finally:
            self._scanning.budget.give(size)

    async def _held(
        self,
        x: Exchange,
        pipe: BodyPipe,
        need: Whole,
        side: Side,
        meanwhile: Meanwhile | None = None,
    ) -> Verdict | None:
        scanning = self._scanning
        content = SpooledContent(scanning.budget, scanning.settings.temp_dir)
        hold = Hold(
            pipe,
            content,
            self._most(need),
            scanning.clock,
            touch=x.down.touch if meanwhile is None else meanwhile.touch,
            waits=x.scans,
            lost=x.interrupt,
        )
        if meanwhile is not None:
            meanwhile.hold = hold
            meanwhile.touch()
        reason = await hold.filled
        if reason:
            return self._judgement.follow(x, side, [Unscannable(reason)])
        if not content.size:
            note(x.txn, side, "no_content")
            return None
        judgement = self._judgement
        mark = content.mark
        if x.stored is not None and side is _RESPONSE:
            _remember(x, x.txn.response, mark)
        judged = judgement.remembered(x, side, mark)
        if judged is not None and judged.action != "block":
            # Nothing of it has to be put together.
            return judgement.conclude(x, judged, content.size)
        file = content.file
        whole = b"" if file is not None else content.content
        job = job_of(x.txn, side, whole, content.size, content.sha256, file)
        if judged is not None:
            return judgement.conclude(x, judged, content.size, job)
        return await judgement.judge(x, job, mark)

    async def _stored(self, x: Exchange, response: Response, need: Whole) -> Verdict | None:
        """Scan what a plugin had stored: it may have been clean by the patterns of its day only."""
        content = response.content
        if len(content) > need.max_bytes:
            return self._judgement.follow(x, Side.RESPONSE, [Unscannable(TOO_LARGE)])
        mark = fingerprint(content)
        _remember(x, response, mark)
        judgement = self._judgement
        judged = judgement.remembered(x, _RESPONSE, mark)
        if judged is not None:
            return self._again(x, judged, content)
        return await judgement.judge(x, _job(x, _RESPONSE, content), mark)


def filter_with(pipe: BodyPipe, filters: Sequence[Any]) -> None:
    """
    Put plugins' filters into a pipe.

    @raise LateBlock: what is here already is refused.
    """
    try:
        pipe.filter(filters)
    except ContentRefused as refused:
        raise LateBlock(refused.block) from None


# An attribute of an enumeration is looked up by its metaclass each time: twenty times as dear as a name.
_RESPONSE = Side.RESPONSE
_JUDGED = Phase.JUDGED
#: What is said of content that is not held, or not to its end; how long it was shows at the end.
_NEVER_WHOLE = frozenset(("not_needed", "tunnel", TOO_LARGE, CAPACITY))
#: Where what is stored keeps by what it is known again.
_MARK = "gateway.mark"


def _job(x: Exchange, side: Side, content: bytes) -> ScanJob:
    """Make a job of content that is in memory."""
    return job_of(x.txn, side, content, len(content), sha256(content).hexdigest(), None)


def _remember(x: Exchange, response: Response | None, mark: bytes) -> None:
    """Let what is stored keep by what it is known again, so that it is not worked out each time it is sent."""
    stored = x.stored
    if stored is not None and stored.response is response and stored.memo is not None:
        stored.memo[_MARK] = mark


def made_here(txn: Transaction) -> None:
    """Note that a response is a plugin's own words, which are not scanned."""
    note(txn, Side.RESPONSE, "made_here")


def unseen(txn: Transaction) -> None:
    """Note that nobody here sees what passes: a tunnel."""
    note(txn, Side.REQUEST, "tunnel")
    note(txn, Side.RESPONSE, "tunnel")


def _has_content(x: Exchange, head: Response) -> bool:
    if isinstance(head, ResponseHead):
        return bool(head.framing) and (x.content is None or bool(x.content))
    if x.asked.raw_method == b"HEAD" or head.status in (204, 304):
        return False
    return x.download is not None or bool(head.content)
