"""
Requests of the gateway's own that keep what is stored fresh, for whoever asks next (RFC 5861 section 3).

Each begins with the request of a client that was answered with what is stored, and goes the way that one would have
gone, on its upstream; nobody waits for its answer. It is a transaction like any: it stands in the log, marked
C{refresh}, is given to the plugins, and has an end.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, time
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError

from gateway.api.answers import Validator
from gateway.api.errors import UpstreamError
from gateway.api.messages import Response
from gateway.api.services import Clock
from gateway.api.transaction import Timings, Transaction
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.refusal import TimedOut

#: How many may be under way at a time; what is stale beyond that is refreshed by a later request.
MOST = 100
#: Seconds that each may take.
SECONDS = 180.0


class Unheard:
    """The downstream of an answer that nobody waits for: all of it is taken, nothing is sent."""

    waits = False
    sends_pages = False

    __slots__ = ("answerable", "persistent")

    def __init__(self) -> None:
        self.answerable = True
        self.persistent = False

    def interim(self, status: int, reason: bytes, fields: bytes) -> None:
        """Take a 1xx response."""

    def whole(self, status: int, reason: bytes, fields: bytes, content: bytes | memoryview) -> None:
        """Take a complete response."""
        self.answerable = False

    def send_whole(self, head: bytes, content: bytes | memoryview) -> None:
        """Take the like; but nothing here is kept for more."""
        self.answerable = False

    def send_paged(self, head: bytes, content: bytes, descriptor: int) -> None:
        """Take the like."""
        self.answerable = False

    def start(
        self, status: int, reason: bytes, fields: bytes, length: int | None, bodiless: bool
    ) -> None:
        """Take the head."""
        self.answerable = False

    def write(self, data: bytes) -> None:
        """Take content."""

    def flush(self) -> None:
        """Nothing was kept back."""

    def end(self, trailers: tuple[bytes, ...]) -> None:
        """Take the end."""

    def fail(self, error: BaseException) -> None:
        """Learn that there will be none."""
        self.answerable = False

    def stream(self, producer: Any) -> None:
        """It is always taken at once."""

    def touch(self) -> None:
        """It has one time limit for all of it."""

    def early(self) -> None:
        """There is no connection to use on."""

    def answer(self, response: Response, more: bytes = b"") -> None:
        """Take a page."""
        self.answerable = False

    def part(self, page: Response, more: bytes) -> None:
        """Nobody waits, so nobody is sent away."""

    def reset(self) -> None:
        """There is no connection."""

    def tunnel(
        self, hop: Any, rest: bytes, fields: bytes | None, over: Callable[[None], object]
    ) -> None:
        """
        Refuse to become one.

        @raise UpstreamError: always.
        """
        _no_tunnel()


class Refreshing:
    """
    All such requests of one snapshot.

    @ivar running: those under way.
    """

    def __init__(
        self,
        next_id: Callable[[], str],
        clock: Clock,
        *,
        most: int = MOST,
        seconds: float = SECONDS,
    ) -> None:
        self.running: set[Exchange] = set()
        self._next_id = next_id
        self._clock = clock
        self._most = most
        self._seconds = seconds

    @property
    def full(self) -> bool:
        """No more can begin for now."""
        return len(self.running) >= self._most

    def begin(self, before: Exchange, validator: Validator, upstream: Any, run: Any) -> None:
        """
        Ask upstream.

        @param before: the exchange of the client's request, which has ended.
        @param upstream: its upstream, unused so far.
        @param run: makes the coroutine of an exchange.
        """
        asked = before.asked
        old = before.txn
        txn = Transaction(self._next_id(), asked, old.client, Timings(time(), monotonic()))
        txn.identity = old.identity
        txn.site = old.site
        txn.upload_limit = old.upload_limit
        txn.notes["refresh"] = old.id
        exchange = Exchange(txn, asked, None, Unheard(), upstream)
        self.running.add(exchange)
        late = UpstreamError(
            "the server did not answer in time", status=504, page="upstream_timeout"
        )
        limit = self._clock.callLater(self._seconds, exchange.interrupt, TimedOut(late))

        def finished() -> None:
            self.running.discard(exchange)
            if limit.active():
                limit.cancel()

        exchange.validate(validator)
        exchange.start(run(exchange), finished)

    def stop(self) -> None:
        """End all of them."""
        for exchange in list(self.running):
            exchange.interrupt(CancelledError())


def _no_tunnel() -> NoReturn:
    raise UpstreamError(
        "the server changed the protocol without being asked", page="upstream_protocol"
    )
