"""
How a client's connection ends in good order.

After a final response with request content still on its way that content is read and dropped, or if it is too much the
connection is closed in two steps, so that the client can read the response before it sees a reset (RFC 9112 section 9.6).
When that is due is not known here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.modes.handover import Handover
from gateway.modes.holding import UPLOAD
from gateway.wire.errors import RemoteProtocolError

if TYPE_CHECKING:
    from gateway.pipeline.exchange import Exchange

#: What is read and dropped after a final response, and for how long, before the connection is cut.
LINGER_BYTES = 1 << 20
LINGER_SECONDS = 5.0


class Leaving(Handover):
    """The part of a client's connection that ends it, or gets over content of an answered request."""

    __slots__ = ("_discards", "_lingered")

    # What was read since the last request; -1: there may be another.
    _lingered: int
    # Bytes that may still come of content whose request is answered; only then 0 or more, and so is what was lingered.
    _discards: int

    def reads_on(self) -> bool:
        """Tell whether what is to come of the running request's content is read, so that the connection can be used on."""
        exchange = self._exchange
        return exchange is not None and self._listening.discarding.left(exchange) >= 0

    def _drops(self, data: bytes) -> bool:
        """
        Take bytes that come after the last request, or of content that nobody waits for.

        @return: that content is over, and what is behind it is a request again.
        """
        if self._discards >= 0:
            return self._discard(data)
        self._lingered += len(data)
        if self._lingered > LINGER_BYTES:
            self.transport.abortConnection()
        return False

    def _answered_early(self, ended: Exchange | None) -> None:
        """Content of the request is still to come, or nothing is a request any more: read it and drop it, or close."""
        if self._lingered < 0 and self._writer.persistent and not self._half_closed:
            discarding = self._listening.discarding
            left = -1 if ended is None else discarding.left(ended)
            if left >= 0:
                self._lingered = 0
                self._discards = left
                self._deadline.reset(discarding.seconds)
                self._release(UPLOAD)
                return
        self._linger()

    def _discard(self, data: bytes) -> bool:
        """Drop content of a request that is answered; tell whether its end has come."""
        parser = self.parser
        try:
            parser.receive(data)
        except RemoteProtocolError:
            # It has its answer, and where another request would begin nobody knows.
            self._linger()
            return False
        if not parser.reading_content:
            self._lingered = self._discards = -1
            return True
        # Chunks count as they come: what is around them is read as well.
        self._discards -= len(data)
        if self._discards < 0:
            self._linger()
        return False

    def _close(self) -> None:
        self._discards = -1
        self._deadline.reset(LINGER_SECONDS)
        self._lingered = max(self._lingered, 0)
        self.transport.loseConnection()

    def _linger(self) -> None:
        """Say that nothing more comes, and read on for a while."""
        self._lingered = max(self._lingered, 0)
        self._discards = -1
        self._deadline.reset(LINGER_SECONDS)
        if self._half_closed:
            self.transport.loseConnection()
            return
        self._release(self._held)
        self.transport.loseWriteConnection()

    def _break_off(self) -> None:
        """Let the client see that its response is not whole."""
        self._lingered = 0
        if self._writer.framed:
            self._deadline.reset(LINGER_SECONDS)
            self.transport.loseConnection()
        else:
            self.transport.abortConnection()
