"""
The shortcut of what is usual: an answer came whole, and it is remembered that its content is clean.

So it is done in one go, in as few steps as can be: whether somebody wants the content, one look into the memory, and what is
noted and counted lies ready. Whatever is not quite so goes on as ever, by L{gateway.pipeline.scanning}, with what was found out
so far; nothing is remembered here, and nothing refused but what is known for malware.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Protocol

from gateway.api.content import Need, Side, Whole
from gateway.api.messages import Response
from gateway.api.transaction import Phase, Transaction
from gateway.api.verdicts import Verdict
from gateway.pipeline.dispatch import Soon
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.fingerprint import fingerprint
from gateway.pipeline.scan_means import ScanCounts
from gateway.pipeline.verdict_memory import DOT, Patterns, VerdictMemory, hints_of, suffix_of
from gateway.wire.events import ResponseHead

#: What no content is remembered with: what was said of a whole is not said of a part.
_PART = b"\n"
# An attribute of an enumeration is looked up by its metaclass each time: twenty times as dear as a name.
_RESPONSE = Side.RESPONSE
_JUDGED = Phase.JUDGED


class Otherwise(Protocol):
    """Takes any answer whose head may pass: L{gateway.pipeline.scanning.Scans.download}."""

    def __call__(
        self, x: Exchange, head: Response, need: Need | None = None, mark: bytes = b""
    ) -> Soon[Verdict | None]:
        """Go on from what was found out."""


def recall_by(
    memory: VerdictMemory,
    patterns: Callable[[], Patterns | None],
    counts: ScanCounts,
    need_of: Callable[[Transaction, Side], Need],
    infected: Sized,
    known_infected: Callable[[Exchange], Verdict | None],
    otherwise: Otherwise,
) -> Callable[[Exchange, Response], Soon[Verdict | None]]:
    """
    Compile the shortcut of one memory.

    @param patterns: gives what all plugins scan with now, as the same object for as long as it is the same.
    @param need_of: asks what plugins want of content.
    @param infected: what is known for malware; mostly nothing.
    @param known_infected: refuses an answer if it is.
    """
    entries = memory.entries
    again = counts.again

    def judge(x: Exchange, head: Response) -> Soon[Verdict | None]:
        content = x.content
        if not content or head.__class__ is not ResponseHead:
            return otherwise(x, head)
        txn = x.txn
        txn.response = head
        txn.phase = _JUDGED
        need = need_of(txn, _RESPONSE)
        if need.__class__ is not Whole:
            return otherwise(x, head, need)
        if infected:
            refusal = known_infected(x)
            if refusal is not None:
                return refusal
        size = len(content)
        if size > need.max_bytes:
            return otherwise(x, head, need)
        mark = fingerprint(content)
        section = head.section
        own = head.own_fields
        # Else changed by a plugin.
        if own is None or own.lines is section.received:
            hints = section.hints
            if hints is None:
                hints = _PART if section.status == 206 else hints_of(section.received)
                section.hints = hints
            if patterns() is memory.patterns:
                target = txn.request.raw_target
                key = (mark, hints, suffix_of(target) if DOT in target else b"")
                found = entries.get(key)
                if found is not None and found.token == "clean":  # noqa: S105
                    entries.move_to_end(key)
                    again.messages += 1
                    again.bytes += size
                    x.judged = found
                    notes = txn.notes
                    notes["scan_response"] = "clean"
                    notes["scan_engine"] = found.said_by
                    return None
        return otherwise(x, head, need, mark)

    return judge
