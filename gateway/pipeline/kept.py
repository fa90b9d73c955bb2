"""
Answers that a plugin has stored: sent in the place of an upstream's, confirmed by one, refreshed after it was sent.

What is stored, and what an upstream's answer means for it, is the plugin's to know (the hook C{cache_lookup}).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any

from twisted.logger import Logger

from gateway.api.answers import Stored, Validator
from gateway.api.errors import ClientError, UpstreamError
from gateway.api.messages import Response
from gateway.api.services import Clock
from gateway.api.transaction import Aborted, Delivered, Outcome
from gateway.pipeline.delivery import Delivery
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.exchange import Exchange, LateBlock
from gateway.pipeline.nowhere import NOWHERE
from gateway.pipeline.obtain import obtain
from gateway.pipeline.opinions import Opinion, Opinions
from gateway.pipeline.refreshing import Refreshing
from gateway.pipeline.refusal import Refusals
from gateway.pipeline.stored import Elsewhere, StoredContent
from gateway.wire.events import ResponseHead

_DELIVERED = Delivered()
#: How a request went that no upstream was asked for.
_STORE = "store"


class Kept:
    """Deals with what is stored, for the transactions of one snapshot."""

    _log = Logger()

    def __init__(
        self,
        plans: CallPlans,
        opinions: Opinions,
        delivery: Delivery,
        refusals: Refusals,
        refreshing: Refreshing | None,
        clock: Clock | None,
        elsewhere: Elsewhere | None,
    ) -> None:
        """
        Look at what there is.

        @param clock: so that a large file is not sent in one turn of the reactor.
        @param elsewhere: reads files that are not in memory; C{None}: the reactor's thread does.
        """
        self._plans = plans
        self._judge = opinions.judge
        self._judge_stored = opinions.judge_stored
        self._shows = plans.stored.shows
        self._send = delivery.send_stored
        self._deliver = delivery.deliver_stored
        self._refusals = refusals
        self._refreshing = refreshing
        self._clock = clock
        self._elsewhere = elsewhere

    def at_once(self, x: Exchange, stored: Stored) -> Opinion:
        """
        Send a stored response that is not in a file, if it may pass: the usual way.

        @return: C{None}: it is sent; else why not, or not yet.
        """
        if self._shows:
            # The same one may be given for others, too, and a plugin may change what it sees.
            stored = x.stored = stored.again()
            refusal = self._judge_stored(x, stored.response)
            if refusal is not None:
                return refusal
        else:
            x.txn.response = stored.response
        x.txn.route = _STORE
        self._send(x, stored)
        return None

    def serve(self, x: Exchange, stored: Stored) -> Coroutine[Any, Any, Outcome]:
        """Answer with a stored response of which the upstream was not asked, if it may pass."""
        return self._serve(x, stored, self._judge_stored)

    def serve_validated(self, x: Exchange, stored: Stored) -> Coroutine[Any, Any, Outcome]:
        """Do so after the upstream was asked."""
        return self._serve(x, stored, self._judge)

    async def _serve(
        self, x: Exchange, stored: Stored, judge: Callable[[Exchange, Response], Opinion]
    ) -> Outcome:
        if x.txn.response is not stored.response:
            stored = x.stored = stored.again()
        response = stored.response
        if not x.txn.upstream:
            x.txn.route = _STORE
        try:
            if stored.file is not None and x.asked.raw_method != b"HEAD":
                x.download = StoredContent(
                    stored.file, x.ended_with, self._clock, self._elsewhere
                ).pipe
            if x.txn.response is not response:
                refusal = judge(x, response)
                if type(refusal) is CoroutineType:
                    refusal = await refusal
                if refusal is not None:
                    return await self._refusals.refuse(x, refusal)
            if x.upload is not None:
                x.drop(ClientError("answered from a store"))
            if self._deliver(x, response):
                return _DELIVERED
            x.down.flush()
            broken = await x.signal
            return _DELIVERED if broken is None else broken_off(broken)
        finally:
            if stored.file is not None and x.download is None:
                stored.file.release()

    async def validated(
        self, x: Exchange, given: ResponseHead | BaseException | None
    ) -> ResponseHead | None:
        """
        Ask upstream, and whoever stored something what the answer means for it.

        @return: the head of the response to go on with; C{None}: what is stored answers, and is in C{x.stored}.
        @raise UpstreamError: there is no answer, and nothing stored may stand for it.
        """
        validator = x.validator
        assert validator is not None
        came: ResponseHead | UpstreamError
        try:
            if given is not None:
                raise given if isinstance(given, BaseException) else TypeError("there is no answer")
            came = await obtain(x, self._plans)
        except UpstreamError as error:
            came = error
        x.validator = None
        stored = None
        if validator.answered is not None:
            try:
                stored = validator.answered(x.txn, came)
            except Exception:
                self._log.failure("what an answer means for what is stored could not be told")
        if isinstance(stored, Stored):
            if x.hop is not None or x.download is not None:
                # Of the upstream's own response nothing is wanted.
                x.drop(ClientError("answered from a store"))
                x.download = None
            x.content = None
            x.stored = stored
            return None
        if isinstance(came, UpstreamError):
            raise came
        if came.status == 304 and validator.answered is not None:
            # The client has not asked for it: RFC 9111 section 4.3.3 has the request sent without.
            x.unvalidate()
            x.content = None
            return await obtain(x, self._plans)
        return came

    def to_refresh(
        self,
        x: Exchange,
        validator: Validator,
        run: Callable[[Exchange], Coroutine[Any, Any, None]],
    ) -> Callable[[], None] | None:
        """
        Keep the upstream of a transaction that is about to end for a request of our own, if there can be one.

        @param run: makes the coroutine of an exchange.
        @return: begins that request, for when the transaction has ended.
        """
        refreshing = self._refreshing
        if refreshing is None or refreshing.full or type(x.txn.outcome) is not Delivered:
            return None
        upstream = x.upstream
        x.upstream = NOWHERE  # type: ignore[assignment]
        return lambda: refreshing.begin(x, validator, upstream, run)


def broken_off(error: BaseException) -> Outcome:
    """
    Say how a download ended that did not reach its end.

    @raise LateBlock: a filter refused it.
    """
    if isinstance(error, LateBlock):
        raise error
    return Aborted("upstream", error.detail if isinstance(error, UpstreamError) else str(error))
