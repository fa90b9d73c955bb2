"""
Reading from a client that stops for several reasons at once and goes on when none of them is left.
"""

from __future__ import annotations

from typing import Any

# Reasons not to read.
#: The upstream takes no more of the request's content.
UPLOAD = 1
#: Enough pipelined requests wait.
PIPELINE = 2
#: The client leaves its answers unread.
UNREAD = 4
#: The plugins have not said yet whether to talk to it.
SCREENING = 8


class HeldReading:
    """
    The reading side of a client's transport. Who is one sets what it has.

    @ivar transport: the client's; C{None} before there is one.
    """

    __slots__ = ("_gone", "_half_closed", "_held", "transport")

    transport: Any
    # Why nothing is read now; 0 while it is.
    _held: int
    # The client sends no more.
    _half_closed: bool
    # The transport is lost or somebody else's.
    _gone: bool

    def _hold(self, why: int) -> None:
        """Stop reading for one more reason."""
        if not self._held and not self._gone:
            self.transport.pauseProducing()
        self._held |= why

    def _release(self, why: int) -> None:
        """Read again unless there is another reason left."""
        if self._held:
            self._held &= ~why
            if not self._held and not self._gone and not self._half_closed:
                self.transport.resumeProducing()
