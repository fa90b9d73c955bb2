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

    __slots__ = ("_more", "_swaps", "touches")

    def __init__(self, before: list[bytes], after: list[bytes]) -> None:
        """
        Learn from an example.

        @raise ValueError: there is more to it than that.
        """
        new = [line for line in after if line not in before]
        replacing = {_name(line): line for line in reversed(new)}
        self.touches = [line for line in before if line not in after]
        self._swaps = [(line, replacing.pop(_name(line), None)) for line in self.touches]
        used = {line for _, line in self._swaps}
        self._more = [line for line in new if line not in used]
        if self.of(before) != after:
            raise ValueError("lines were changed otherwise")

    def of(self, lines: list[bytes]) -> list[bytes]:
        """
        Rewrite lines; the very same list if there is nothing to change.

        @raise ValueError: one that is to be taken out or replaced is not among them.
        """
        if not self._swaps and not self._more:
            return lines
        made = lines.copy()
        for line, other in self._swaps:
            place = made.index(line)
            if other is None:
                del made[place]
            else:
                made[place] = other
        made += self._more
        return made

    def touches_only(self, mark: re.Pattern[bytes]) -> bool:
        """Tell whether all lines that it takes out or replaces are found by a pattern, which sees them with a line break in front."""
        return all(mark.match(b"\n" + line) for line in self.touches)


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].lower()
