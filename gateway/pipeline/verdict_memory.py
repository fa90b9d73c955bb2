"""
What was said of content, by what it is known again: what was scanned is not scanned again until somebody has other patterns.

It is a shortcut and never the protection: whatever is not certain to hold for the very same content is not in here.
The number of entries is bounded, the least recently used goes first, and each is small whatever peers send.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final, TypeAlias

from gateway.pipeline.judged import Judged

#: By what the content is known again, and what else of the message an answer may depend on.
Key: TypeAlias = tuple[bytes, bytes, bytes]
#: What every plugin scans with.
Patterns: TypeAlias = tuple[str, ...]

#: What follows from content alone. What an engine could not do today it may do tomorrow.
LASTING: Final = frozenset(("clean", "infected", "suspicious", "encrypted", "malformed", "limit"))

#: As a number, for where bytes are looked for in others, an error is raised and dropped first: twenty times as dear.
DOT: Final = 0x2E
#: A message that says more of its content is scanned each time.
MOST_HINTS = 400
_MOST_SUFFIX = 16
_HINT = re.compile(rb"\n(?i:(content-[tedr][^\n]*))")


class VerdictMemory:
    """
    The memory of one snapshot of the configuration.

    @ivar most: entries at the most.
    @ivar entries: the least recently used first; for who looks often, and by itself, as L{known} does.
    @ivar patterns: what plugins scanned with; of an entry nothing is to be told by any other.
    """

    def __init__(self, most: int) -> None:
        """Begin with nothing."""
        self.most = most
        self.patterns: Patterns = ()
        self.entries: OrderedDict[Key, Judged] = OrderedDict()
        # Nearly all entries are equal, and are one object then.
        self._usual: Judged | None = None

    def __len__(self) -> int:
        """Count the entries."""
        return len(self.entries)

    def known(self, key: Key, patterns: Patterns) -> Judged | None:
        """
        Tell what was said of this content.

        @param patterns: what plugins scan with now; with any other than before everything is forgotten.
        """
        if patterns != self.patterns:
            self.entries.clear()
            self._usual = None
            self.patterns = patterns
            return None
        entries = self.entries
        found = entries.get(key)
        if found is not None:
            entries.move_to_end(key)
        return found

    def remember(self, key: Key, patterns: Patterns, judged: Judged) -> None:
        """
        Remember what was said, if it lasts.

        @param patterns: what plugins scanned with when they began.
        """
        if patterns != self.patterns or judged.reason not in LASTING:
            return
        usual = self._usual
        if usual is not None and judged == usual:
            judged = usual
        elif not judged.name and not judged.member:
            self._usual = judged
        entries = self.entries
        entries[key] = judged
        entries.move_to_end(key)
        if len(entries) > self.most:
            entries.popitem(last=False)


def key_of(mark: bytes, lines: list[bytes], target: bytes) -> Key | None:
    """
    Make the key of content.

    Beside the content itself an answer may follow from what the message says that it is: its fields C{Content-Type},
    C{Content-Encoding}, C{Content-Disposition} and C{Content-Range}, and how the path of the URL ends.

    @param mark: by what the content is known again.
    @param lines: the fields of the message.
    @param target: of the request.
    @return: C{None}: it says too much to be remembered.
    """
    hints = hints_of(lines)
    if len(hints) > MOST_HINTS:
        return None
    return mark, hints, suffix_of(target) if DOT in target else b""


def suffix_of(target: bytes) -> bytes:
    """Give how the path of a URL ends, behind the last dot of its last segment; nothing where there is none."""
    _, dot, end = target.partition(b"?")[0].rpartition(b"/")[2].rpartition(b".")
    return end[:_MOST_SUFFIX] if dot else b""


def hints_of(lines: list[bytes]) -> bytes:
    """Give what lines of fields say of content, as a key has it."""
    # The most usual thing that is done for a message that was never there before, so it is done in C.
    return b"\n".join(_HINT.findall(b"\n" + b"\n".join(lines)))
