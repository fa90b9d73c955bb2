"""
What is under C{/.gateway-scan-<token>/} on every host: the page of a download that is held and scanned, how it goes, and what comes of it.

It lies in the origin's own space of URLs, so that the client stays on its connection, with the certificate that it has
accepted (S18). Nothing that is asked for there ever reaches an origin, and no plugin is asked about it: who has a token was
let through before.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError

from gateway.api.messages import Response
from gateway.api.services import Clock
from gateway.api.transaction import Aborted, Delivered, Outcome
from gateway.message.fields import Fields
from gateway.pipeline.deferred import PREFIX, Fetch, Fetches
from gateway.pipeline.driver import Signal
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.pages import page
from gateway.pipeline.progress_page import attachment, progress_page, status
from gateway.pipeline.refusal import ClientGone, TimedOut, answer

#: How long the answer to how it goes may wait for the end.
LONGEST_SECONDS = 1.0

_DELIVERED = Delivered()


class Progress:
    """Answers these requests."""

    def __init__(self, fetches: Fetches | None, clock: Clock | None) -> None:
        """
        Take what there is.

        @param fetches: C{None}: there are none, and every token is unknown.
        """
        self._fetches = fetches
        self._clock = clock

    async def serve(self, x: Exchange) -> Outcome:
        """
        Answer one.

        @raise Exception: as the transaction is interrupted.
        """
        txn = x.txn
        method = x.asked.raw_method
        token, _, what = txn.request.path.removeprefix(PREFIX).partition("/")
        if method not in (b"GET", b"HEAD") or (method == b"HEAD" and what.startswith("get/")):
            response = _page(x, "method_not_allowed", 405)
            response.fields.set("Allow", "GET" if what.startswith("get/") else "GET, HEAD")
            return _answered(x, response)
        try:
            fetch = None if self._fetches is None else self._fetches.find(token, txn)
        except LookupError:
            return _answered(x, _page(x, "progress_over", 410))
        if fetch is None:
            return _answered(x, _page(x, "progress_unknown", 404))
        first = fetch.x.txn
        txn.notes["progress"] = first.id
        if txn.identity is None:
            # Who has the token is who it was given to.
            txn.identity = first.identity
        if not what:
            return _answered(x, progress_page(fetch))
        if what == "status":
            await self._moment(fetch)
            return _answered(x, status(fetch))
        if not what.startswith("get/"):
            return _answered(x, _page(x, "progress_unknown", 404))
        if fetch.page is not None:
            return _answered(x, fetch.page)
        if not fetch.ready or x.upload is not None:
            fields = Fields.of([("Location", fetch.path), ("Cache-Control", "no-store")])
            return _answered(x, Response(303, fields))
        return await self._give(x, fetch)

    async def _moment(self, fetch: Fetch) -> None:
        """Wait for the end, but only so long that the one who asks sees it move."""
        if fetch.done:
            return
        assert self._clock is not None
        moment: Signal[None] = Signal()
        fetch.watchers.append(moment)
        call = self._clock.callLater(LONGEST_SECONDS, moment.fire, None)
        try:
            await moment
        finally:
            if call.active():
                call.cancel()
            if moment in fetch.watchers:
                fetch.watchers.remove(moment)

    async def _give(self, x: Exchange, fetch: Fetch) -> Outcome:
        """Let the transaction that has the content deliver it to this one's client."""
        first = fetch.x
        head = first.txn.response
        assert head is not None
        more = b"" if "content-disposition" in head.fields else attachment(fetch.url)
        # The connection's time limit has to see whose turn it is.
        x.download = first.download
        x.txn.response = head
        x.txn.status = head.status
        over = fetch.claim(_Handed(x.down, more))
        try:
            await over
        except (ClientGone, CancelledError, TimedOut) as error:
            first.interrupt(_again(error))
            raise
        finally:
            # It is the other's to end.
            x.download = None
        outcome = first.txn.outcome
        return Aborted("gateway", "cancelled") if outcome is None else outcome


class _Handed:
    """A client's side that gets the answer to another request of the same client."""

    waits = True

    def __init__(self, down: Any, more: bytes) -> None:
        self._down = down
        self._more = more

    def __getattr__(self, name: str) -> Any:
        return getattr(self._down, name)

    def start(
        self, status: int, reason: bytes, fields: bytes, length: int | None, bodiless: bool
    ) -> None:
        """Begin; the content is there once, so parts of it can't be asked for."""
        kept = [line for line in fields.splitlines(True) if line[:14].lower() != b"accept-ranges:"]
        self._down.start(status, reason, b"".join(kept) + self._more, length, bodiless)


def _again(error: BaseException) -> BaseException:
    """Give the same for another transaction: an exception belongs to whoever it is raised in."""
    if isinstance(error, ClientGone):
        return ClientGone(error.why)
    if isinstance(error, TimedOut):
        return TimedOut(error.error)
    return CancelledError()


def _answered(x: Exchange, response: Response) -> Outcome:
    answer(x, response)
    return _DELIVERED


def _page(x: Exchange, name: str, status: int) -> Response:
    return page(name, status, x.txn, "", x.txn.request.fields.combined("accept") or "")
