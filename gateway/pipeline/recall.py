"""
The shortcut of what is usual: an answer came whole, and it is remembered that its content is clean.

So it is done in as few steps as can be: one look into the memory, and what is noted and counted lies ready. Whatever is not
quite so goes on as ever, by L{gateway.pipeline.judgement}; nothing is refused here, and nothing is remembered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from gateway.pipeline.exchange import Exchange
from gateway.pipeline.scan_means import ScanCounts
from gateway.pipeline.verdict_memory import DOT, Patterns, VerdictMemory, hints_of, suffix_of
from gateway.wire.events import ResponseHead

#: Lets content pass and notes it, if it may; C{False}: nothing is known yet. The content is given by what it is known
#: again by, and by its length in bytes.
Recall: TypeAlias = Callable[[Exchange, ResponseHead, bytes, int], bool]

#: What no content is remembered with: what was said of a whole is not said of a part.
_PART = b"\n"


def recall_by(
    memory: VerdictMemory, patterns: Callable[[], Patterns | None], counts: ScanCounts
) -> Recall:
    """
    Compile the shortcut of one memory.

    @param patterns: gives what all plugins scan with now, as the same object for as long as it is the same.
    """
    entries = memory.entries
    again = counts.again

    def recall(x: Exchange, head: ResponseHead, mark: bytes, size: int) -> bool:
        section = head.section
        if head.fields.lines is not section.received:
            # Changed by a plugin.
            return False
        hints = section.hints
        if hints is None:
            hints = _PART if section.status == 206 else hints_of(section.received)
            section.hints = hints
        if patterns() is not memory.patterns:
            return False
        txn = x.txn
        target = txn.request.raw_target
        key = (mark, hints, suffix_of(target) if DOT in target else b"")
        found = entries.get(key)
        if found is None or found.token != "clean":  # noqa: S105
            return False
        entries.move_to_end(key)
        again.messages += 1
        again.bytes += size
        x.judged = found
        notes = txn.notes
        notes["scan_response"] = "clean"
        notes["scan_engine"] = found.said_by
        return True

    return recall
