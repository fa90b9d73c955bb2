"""
What was made of the lines of one request, to be made of another's that differs from it in none of the lines concerned.

It is learnt from an example, the lines before and after, and holds only if it leads from the one to the other. Knows nothing of
what lines mean, nor why they were changed.
"""

from __future__ import annotations

import re


class Rewriting:
    """
    Lines that are taken out or replaced where they stand, and lines that come behind all others.

    @ivar touches: the lines that are taken out or replaced.
    """

    __slots__ = ("_gone", "_is_more", "_more", "_new", "_old", "_replaced", "touches")

    def __init__(self, before: list[bytes], after: list[bytes]) -> None:
        """
        Learn from an example.

        @raise ValueError: there is more to it than that.
        """
        new = new_lines(after, before)
        replacing = {_name(line): line for line in reversed(new)}
        self.touches: list[bytes] = new_lines(before, after)
        swaps = [(line, replacing.pop(_name(line), None)) for line in self.touches]
        self._replaced = [(line, other) for line, other in swaps if other is not None]
        self._gone = [line for line, other in swaps if other is None]
        used = {line for _, line in swaps}
        self._more = [line for line in new if line not in used]
        self._is_more = bool(self._gone or self._more)
        # What nearly all are: one line in another's place, and perhaps some behind.
        self._old = self._new = b""
        if len(self._replaced) == 1 and not self._gone:
            ((self._old, self._new),) = self._replaced
        if self.of(before) != after:
            raise ValueError("lines were changed otherwise")

    def of(self, lines: list[bytes]) -> list[bytes]:
        """
        Rewrite lines; the very same list if there is nothing to change.

        @raise ValueError: one that is to be taken out or replaced is not among them.
        """
        old = self._old
        if old:
            made = lines.copy()
            made[made.index(old)] = self._new
            # Not before: what is looked for has to be among theirs.
            made += self._more
            return made
        made = lines
        if self._replaced:
            made = lines.copy()
            for line, other in self._replaced:
                made[made.index(line)] = other
        if self._is_more:
            made = [*made, *self._more]
            for line in self._gone:
                made.remove(line)
        return made

    def touches_only(self, mark: re.Pattern[bytes]) -> bool:
        """Tell whether all lines that it takes out or replaces are found by a pattern, which sees them with a line break in front."""
        return all(mark.match(b"\n" + line) for line in self.touches)


def new_lines(lines: list[bytes], others: list[bytes]) -> list[bytes]:
    """
    Give those of some lines that are none of others.

    By identity: a line of ours is no line of theirs, even if it says the same, and one that goes on may be like one that does not.
    """
    known = set(map(id, others))
    return [line for line in lines if id(line) not in known]


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()
