"""
What plugins have made of the field lines of a client's requests, and how that is known again.

A plugin that changes lines mostly does to each request of a connection what it did to the one before; then a comparison shows that there is nothing else.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

from gateway.message.rewriting import Rewriting, new_lines
from gateway.wire.events import Section
from gateway.wire.lines import binds

#: How often it is tried to find a rule in what plugins do to the requests of a connection.
_TRIES = 3


class Rewritten:
    """
    What plugins have written into a request.

    @ivar lines: all lines that were not received.
    @ivar binds: one of them is an Authorization that holds for the connection it comes by. What was received was judged when it
        came (L{gateway.modes.onward.check}).
    @ivar rule: leads from what was received to what became of it, for other requests as well; C{None}: none was found.
    """

    __slots__ = ("_tries", "binds", "lines", "rule")

    def __init__(self, lines: list[bytes], received: list[bytes], before: Rewritten | None) -> None:
        """
        Look at all lines.

        @param before: what was found of the request before, which shows whether there may be a rule.
        """
        self.lines = new_lines(lines, received)
        self.binds = binds(self.lines)
        self.rule: Rewriting | None = None
        self._tries = _TRIES
        if before is not None:
            self._tries = before._tries
            if self._tries and before.lines == self.lines:
                self._tries -= 1
                with contextlib.suppress(ValueError):
                    self.rule = Rewriting(received, lines)


#: Nothing was changed.
NOTHING: Final = Rewritten([], [], None)


def rewritten(lines: list[bytes], section: Section, way: Any) -> Rewritten:
    """
    Find out what plugins have written into a request.

    @param lines: of the request as they are now.
    @param way: whose C{written} is what was found of the request before, if anything, and will be this; C{None}: nothing is remembered.
    """
    received = section.received
    if lines is received:
        return NOTHING
    if way is None:
        return Rewritten(lines, received, None)
    found: Rewritten | None = way.written
    # Where any line may end here it matters whose it is, though they say the same.
    if found is not None and found.rule is not None and not section.nominates:
        try:
            if found.rule.of(received) == lines:
                return found
        except ValueError:
            # What the rule is about was not received.
            pass
    way.written = made = Rewritten(lines, received, found)
    return made
