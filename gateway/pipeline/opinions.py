"""
What plugins say of a request and of an answer: who asks, whether it may, where it goes, whether the answer may pass.

As long as every answer is in hand these are plain calls; only where a plugin has to be waited for they give a coroutine.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import Any, TypeAlias

from twisted.logger import Logger

from gateway.api.answers import Challenge, Route, Stored, Validator
from gateway.api.messages import Response
from gateway.api.transaction import Identity, Phase, Transaction
from gateway.api.verdicts import Allow, Block, ReadContent, Respond, Verdict
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.reading import read
from gateway.pipeline.refusal import challenged
from gateway.pipeline.scanning import Scans, filter_with

#: A verdict that refuses, C{None}, or a coroutine that gives one of them.
Opinion: TypeAlias = "Verdict | None | CoroutineType[Any, Any, Verdict | None]"

# An attribute of an enumeration is looked up by its metaclass each time: twenty times as dear as a name.
_IDENTIFIED = Phase.IDENTIFIED
_ADMITTED = Phase.ADMITTED
_ANSWERED = Phase.ANSWERED
_JUDGED = Phase.JUDGED


class Opinions:
    """
    Asks the plugins of one snapshot.

    @ivar asks_more: more than request heads is asked about before a request is sent.
    @ivar judges: answers are asked about.
    """

    _log = Logger()

    def __init__(self, plans: CallPlans, scans: Scans | None) -> None:
        """
        Look at what there is to ask.

        @param scans: C{None} if no plugin wants content whole.
        """
        self.plans = plans
        self._scans = scans
        self._judge_content = None if scans is None else scans.judge
        # The usual configuration asks about request heads only, and who it is is usually in hand.
        self.asks_more = plans.cache_lookup is not None or plans.select_upstream is not None
        self._look_up = plans.cache_lookup
        self._authenticate = plans.authenticate
        self.judges = plans.response_headers is not None or scans is not None

    @property
    def judge(self) -> Callable[[Exchange, Response], Opinion]:
        """
        Give what asks whether an answer may pass, its content too where somebody wants that whole.

        To be kept by who asks: by this object it would be a cycle, and an old snapshot has to go without the collector.
        """
        return self._asking(self.plans.response_headers)

    @property
    def judge_stored(self) -> Callable[[Exchange, Response], Opinion]:
        """Give the same for what is stored and answers without the upstream being asked: those who want to know of that."""
        return self._asking(self.plans.stored.response_headers)

    def _asking(self, plan: Callable[[Transaction], Any] | None) -> Callable[..., Opinion]:
        judge_content = self._judge_content
        if plan is None:
            return partial(self._answered, None) if judge_content is None else judge_content
        if judge_content is not None:
            return partial(self._answered, plan)
        judged = self._judged

        def answered(x: Exchange, head: Response) -> Opinion:
            # As L{_answered}, where nobody wants content whole.
            txn = x.txn
            txn.response = head
            txn.phase = _ANSWERED
            verdict = plan(txn)
            if verdict is not None:
                return judged(x, head, verdict)  # type: ignore[return-value]
            txn.phase = _JUDGED
            return None

        return answered

    def admit(self, x: Exchange) -> Opinion:
        """Ask who it is and whether it may."""
        txn = x.txn
        plans = self.plans
        authenticate = self._authenticate
        # Within a decrypted tunnel it is known who asked for that.
        if authenticate is not None and txn.identity is None:
            identity = authenticate(txn)
            if type(identity) is Identity:
                txn.identity = identity
            elif identity is not None:
                return self._identified(x, identity)  # type: ignore[return-value]
            txn.phase = _IDENTIFIED
        has_content = x.upload is not None
        ask = plans.request_headers if has_content else plans.bare_request_headers
        if ask is not None:
            verdict = ask(txn)
            if verdict is not None:
                return self._asked_on(x, self._admitted(x, verdict))  # type: ignore[return-value]
        txn.phase = _ADMITTED
        if has_content:
            self._filter_upload(x)
            if self._scans is not None and not x.upstream.tunnels:
                opinion = self._scans.upload(x)
                if opinion is not None:
                    return self._asked_on(x, opinion)  # type: ignore[return-value]
        look_up = self._look_up
        if look_up is None or x.upstream.tunnels:
            return self._selected(x) if self.asks_more else None
        found = look_up(txn)
        if type(found) is Stored:
            x.stored = found
            return None
        return self._found_at_once(x, found)

    def _answered(
        self, plan: Callable[[Transaction], Any] | None, x: Exchange, head: Response
    ) -> Opinion:
        """
        Ask about an answer.

        @param plan: of those who are asked about its head.
        """
        txn = x.txn
        txn.response = head
        if plan is not None:
            txn.phase = _ANSWERED
            verdict = plan(txn)
            if verdict is not None:
                return self._judged(x, head, verdict)  # type: ignore[return-value]
        txn.phase = _JUDGED
        return None if self._judge_content is None else self._judge_content(x, head)

    async def _identified(self, x: Exchange, identity: Any) -> Verdict | None:
        """Take an answer to who it is that is no plain identity, then ask the rest."""
        txn = x.txn
        if type(identity) is CoroutineType:
            identity = await identity
        if isinstance(identity, Challenge):
            return challenged(txn, identity)
        if isinstance(identity, Block | Respond):
            txn.verdict = identity
            return identity
        txn.identity = identity
        txn.phase = _IDENTIFIED
        return await self._asked(x)

    async def _asked(self, x: Exchange) -> Verdict | None:
        """Ask all that can be asked of a request whose sender is known, or is nobody."""
        plans = self.plans
        ask = plans.bare_request_headers if x.upload is None else plans.request_headers
        verdict = None if ask is None else ask(x.txn)
        return await self._asked_on(x, self._admitted(x, verdict))

    async def _asked_on(
        self, x: Exchange, opinion: Opinion | Coroutine[Any, Any, Verdict | None]
    ) -> Verdict | None:
        """Wait for a verdict on the request, then ask the rest."""
        refusal = await _soon(opinion)
        if refusal is not None or not self.asks_more:
            return refusal
        return await _soon(self._looked_up(x))

    def _looked_up(self, x: Exchange) -> Opinion:
        """Ask what is stored and where the request goes, after it was admitted."""
        look_up = self._look_up
        if look_up is None or x.upstream.tunnels:
            return self._selected(x)
        return self._found_at_once(x, look_up(x.txn))

    def _found_at_once(self, x: Exchange, found: Any) -> Opinion:
        """Take what is stored, or wait for it, then ask where the request goes."""
        if found is not None:
            if type(found) is CoroutineType:
                return self._found(x, found)  # type: ignore[return-value]
            self._take(x, found)
            if x.stored is not None:
                return None
        return self._selected(x)

    def _selected(self, x: Exchange) -> Opinion:
        """Ask where the request goes."""
        select = self.plans.select_upstream
        if select is not None:
            route = select(x.txn)
            if route is not None:
                return self._routed(x, route)  # type: ignore[return-value]
        return None

    async def _found(self, x: Exchange, waiting: Any) -> Verdict | None:
        """Wait for what is stored, then ask where the request goes."""
        found = await waiting
        if found is not None:
            self._take(x, found)
        if x.stored is None and self.plans.select_upstream is not None:
            return await self._routed(x, self.plans.select_upstream(x.txn))
        return None

    async def _routed(self, x: Exchange, route: Any) -> Verdict | None:
        if type(route) is CoroutineType:
            route = await route
        if isinstance(route, Route):
            x.upstream.reroute(x.txn, route)
        return None

    def _take(self, x: Exchange, found: Stored | Validator) -> None:
        """Take what is stored, or how to ask whether that still holds; fields that can't be set are as nothing stored."""
        if isinstance(found, Stored):
            x.stored = found
            return
        try:
            x.validate(found)
        except ValueError:
            self._log.failure("a request can't be made to validate what is stored")

    async def _admitted(self, x: Exchange, verdict: Any) -> Verdict | None:
        """Take the verdict on a request head; an L{Allow} ends only the asking."""
        if type(verdict) is CoroutineType:
            verdict = await verdict
        if isinstance(verdict, ReadContent):
            content = await read(x, verdict)
            if not isinstance(content, bytes):
                return content
            going_on: Any = verdict.then(content)
            verdict = await going_on
        if verdict is not None:
            x.txn.verdict = verdict
            if type(verdict) is not Allow:
                return verdict  # type: ignore[no-any-return]
        x.txn.phase = _ADMITTED
        if x.upload is not None:
            self._filter_upload(x)
            if self._scans is not None and not x.upstream.tunnels:
                return await _soon(self._scans.upload(x))
        return None

    async def _judged(self, x: Exchange, head: Response, verdict: Opinion) -> Verdict | None:
        if type(verdict) is CoroutineType:
            verdict = await verdict
        x.txn.phase = _JUDGED
        if verdict is not None:
            x.txn.verdict = verdict
            if type(verdict) is not Allow:
                return verdict
        return None if self._judge_content is None else await _soon(self._judge_content(x, head))

    def _filter_upload(self, x: Exchange) -> None:
        """
        Put the plugins' filters in the way of the request's content.

        @raise LateBlock: what is here already is refused.
        """
        plan = self.plans.request_filters
        filters = plan(x.txn) if plan is not None else None
        if filters:
            assert x.upload is not None
            filter_with(x.upload, filters)


async def _soon(opinion: Opinion | Coroutine[Any, Any, Verdict | None]) -> Verdict | None:
    return await opinion if isinstance(opinion, CoroutineType) else opinion  # type: ignore[return-value]
