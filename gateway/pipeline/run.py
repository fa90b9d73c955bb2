"""
The path of a transaction: one coroutine, top to bottom.

It awaits decisions, a handful for each transaction; content never passes through it. C{admit}, C{obtain}, C{judge} and
C{deliver} are usable apart: an ICAP server needs only its half. A phase that nobody has an opinion on, or whose answers
are all in hand, is a plain call.
"""

from __future__ import annotations

from time import monotonic, time
from types import CoroutineType

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from gateway.api.answers import Challenge, Route, Server, Stored, Validator
from gateway.api.content import ContentRefused
from gateway.api.errors import ClientError, GatewayError, PluginError, TransactionError, UpstreamError
from gateway.api.transaction import (
    Aborted,
    Delivered,
    Failed,
    Outcome,
    Phase,
    Refused,
    Response,
    Transaction,
    Tunnelled,
)
from gateway.api.verdicts import Allow, Block, Respond, Verdict
from gateway.message.dates import http_date
from gateway.message.via import Via
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.exchange import ContentCut, Exchange
from gateway.pipeline.pages import page
from gateway.pipeline.ports import Hop, Record
from gateway.wire.events import CHUNKED, ResponseHead

#: Methods that may be sent again when a kept connection died before any answer (RFC 9110 section 9.2.2).
_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
#: How often one request may be sent again.
_RETRIES = 3


class ClientGone(Exception):
    """
    The client's connection ended while its transaction ran.

    @ivar why: for the log.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class TimedOut(Exception):
    """
    A transaction made no progress for too long.

    @ivar error: what the client is told, if it can still be told.
    """

    def __init__(self, error: TransactionError) -> None:
        super().__init__(str(error))
        self.error = error


class Pipeline:
    """
    What all transactions of one snapshot of the configuration share.

    @ivar plans: the plugins' hooks.
    """

    _log = Logger()

    def __init__(self, plans: CallPlans, record: Record, via: Via) -> None:
        self.plans = plans
        self._record = record
        self._via = via.lines

    async def run(self, x: Exchange) -> None:
        """Take one transaction from its request head to its line in the log."""
        txn = x.txn
        try:
            refusal = await self.admit(x)
            if refusal is not None:
                txn.outcome = await self.refuse(x, refusal)
            elif x.upstream.tunnels:
                txn.outcome = await self.tunnel(x)
            else:
                head = await self.obtain(x)
                if head.status == 101:
                    txn.outcome = await self.upgrade(x, head)
                else:
                    refusal = self.judge(x, head)
                    if type(refusal) is CoroutineType:
                        refusal = await refusal
                    if refusal is not None:
                        txn.outcome = await self.refuse(x, refusal)
                    else:
                        txn.outcome = await self.deliver(x, head)
        except ClientGone as gone:
            txn.outcome = Aborted("client", gone.why)
        except CancelledError:
            txn.outcome = Aborted("gateway", "cancelled")
        except ContentCut as cut:
            txn.verdict = cut.refused.block
            txn.outcome = await self._late(x, Refused(cut.refused.block))
        except TimedOut as late:
            txn.outcome = await self._late(x, Failed(late.error))
        except TransactionError as error:
            if isinstance(error, PluginError):
                self._log.failure("{error}", error=error, log_txn=txn.id)
            txn.outcome = await self._late(x, Failed(error))
        except Exception:
            self._log.failure("transaction {id} failed", id=txn.id)
            txn.outcome = await self._late(x, Failed(GatewayError("an unexpected fault of the gateway")))
        finally:
            self._end(x)

    async def fail(self, x: Exchange, error: TransactionError) -> None:
        """Answer a request that can't be followed at all; no plugin is asked about it."""
        try:
            x.txn.outcome = await self._late(x, Failed(error))
        except ClientGone as gone:
            x.txn.outcome = Aborted("client", gone.why)
        finally:
            self._end(x)

    async def respond(self, x: Exchange, response: Response) -> None:
        """Answer as the final recipient; no plugin is asked about it."""
        try:
            self._answer(x, response)
            x.txn.outcome = Delivered()
        finally:
            self._end(x)

    async def admit(self, x: Exchange) -> Verdict | None:
        """Ask who it is and whether it may; gives the verdict that refuses it, or C{None}."""
        txn = x.txn
        plans = self.plans
        if plans.authenticate is not None:
            identity = plans.authenticate(txn)
            if type(identity) is CoroutineType:
                identity = await identity
            if type(identity) is Challenge:
                return self._challenge(txn, identity)
            txn.identity = identity  # type: ignore[assignment]
        txn.phase = Phase.IDENTIFIED
        if plans.request_headers is not None:
            verdict = plans.request_headers(txn)
            if type(verdict) is CoroutineType:
                verdict = await verdict
            if verdict is not None:
                txn.verdict = verdict  # type: ignore[assignment]
                if type(verdict) is not Allow:
                    return verdict  # type: ignore[return-value]
        txn.phase = Phase.ADMITTED
        if x.upload is not None and plans.request_filters is not None:
            filters = plans.request_filters(txn)
            if filters:
                try:
                    x.upload.filter(filters)
                except ContentRefused as refused:
                    raise ContentCut(refused) from None
        if plans.cache_lookup is not None or plans.select_upstream is not None:
            return await self._route(x)
        return None

    async def _route(self, x: Exchange) -> Verdict | None:
        """Ask for a stored answer, and for another way."""
        txn = x.txn
        plans = self.plans
        if plans.cache_lookup is not None and not x.upstream.tunnels:
            stored = plans.cache_lookup(txn)
            if type(stored) is CoroutineType:
                stored = await stored
            if type(stored) is Stored:
                return Respond(stored.response)
            if type(stored) is Validator:
                for name, value in stored.fields.items():
                    txn.request.fields.set(name, value)
        if plans.select_upstream is not None:
            route = plans.select_upstream(txn)
            if type(route) is CoroutineType:
                route = await route
            if type(route) is Route:
                x.upstream.reroute(txn, route)
        return None

    async def obtain(self, x: Exchange) -> ResponseHead:
        """
        Get an answer's head from the upstream, sending the request again where that is allowed.

        @raise UpstreamError: there is none.
        """
        txn = x.txn
        upstream = x.upstream
        upload = x.upload
        asked = x.asked
        tries = 0
        while True:
            sent = False
            try:
                hop = upstream.take(txn) if tries < _RETRIES else None
                if hop is None:
                    hop = await upstream.dial(txn)
                    if self.plans.upstream_connected is not None:
                        x.hop = hop
                        await self._connected(txn, hop)
                txn.upstream = hop.address
                txn.route = upstream.route
                x.hop = hop
                txn.phase = Phase.FORWARDED
                sent = True
                if upload is None:
                    hop.send(asked.raw_method, upstream.head(txn, hop, None), None, x)
                else:
                    chunked = asked.framing == CHUNKED or upload.filtered
                    hop.send(asked.raw_method, upstream.head(txn, hop, chunked), chunked, x)
                    upload.open(hop)
                    if not upload.ended:
                        hop.stream(upload)
                hop.flush()
                head: ResponseHead = await x.signal
            except UpstreamError as error:
                x.hop = None
                tries += 1
                # A kept connection may have died before it saw the request; that is no answer, only for the methods
                # that may be repeated, and only while there is no content that is gone (RFC 9112 section 9.3.1).
                if sent and not (
                    hop.used > 1 and upload is None and asked.raw_method in _IDEMPOTENT and error.page == "upstream_closed"
                ):
                    raise
                if not sent and not upstream.another(txn, error):
                    raise
                if tries > _RETRIES:
                    raise
                continue
            txn.timings.first_byte = monotonic()
            return head

    def judge(self, x: Exchange, head: ResponseHead) -> Verdict | None | CoroutineType[object, object, Verdict | None]:
        """Ask whether the answer may pass; gives the verdict that refuses it, C{None}, or a coroutine of that."""
        txn = x.txn
        txn.response = head
        txn.phase = Phase.ANSWERED
        plan = self.plans.response_headers
        if plan is None:
            txn.phase = Phase.JUDGED
            return None
        verdict = plan(txn)
        if type(verdict) is CoroutineType:
            return self._judged(txn, verdict)
        return self._ruled(txn, verdict)  # type: ignore[arg-type]

    async def deliver(self, x: Exchange, head: ResponseHead) -> Outcome:
        """Let the answer flow to the client and wait for its end."""
        txn = x.txn
        down = x.down
        download = x.download
        assert download is not None
        response = txn.response
        assert response is not None
        lines = self._forwarded(x, head)
        status = response.status
        length = head.length
        bodiless = not head.framing and (x.asked.raw_method == b"HEAD" or status in (204, 304))
        if self.plans.response_filters is not None and not bodiless:
            filters = self.plans.response_filters(txn)
            if filters:
                try:
                    download.filter(filters)
                except ContentRefused as refused:
                    raise ContentCut(refused) from None
                if download.filtered:
                    length = None
        txn.phase = Phase.DELIVERING
        txn.status = status
        down.start(status, response.reason, lines, length, bodiless)
        download.open(down)
        if not download.ended:
            down.stream(download)
        error = await x.signal
        if error is None:
            return Delivered()
        if isinstance(error, ContentCut):
            raise error
        return Aborted("upstream", error.detail if isinstance(error, UpstreamError) else str(error))

    async def tunnel(self, x: Exchange) -> Outcome:
        """Connect a CONNECT's client with its destination and wait for the end."""
        txn = x.txn
        hop = await x.upstream.dial(txn)
        x.hop = hop
        txn.upstream = hop.address
        txn.route = x.upstream.route
        if self.plans.upstream_connected is not None:
            await self._connected(txn, hop)
        txn.phase = Phase.DELIVERING
        txn.status = 200
        txn.timings.first_byte = monotonic()
        x.hop = None
        await x.down.tunnel(hop, hop.surrender(), None)
        return Tunnelled()

    async def upgrade(self, x: Exchange, head: ResponseHead) -> Outcome:
        """
        Follow a 101: both sides speak something else from here on (RFC 9110 section 7.8).

        @raise UpstreamError: nobody asked for it.
        """
        txn = x.txn
        hop = x.hop
        if hop is None or x.asked.upgrade is None or head.upgrade is None or not hop.request_ended:
            raise UpstreamError("the server changed the protocol without being asked", page="upstream_protocol")
        txn.response = head
        txn.phase = Phase.DELIVERING
        txn.status = 101
        lines = self._forwarded(x, head)
        lines.append(b"Upgrade: " + head.upgrade)
        lines.append(b"Connection: Upgrade")
        x.hop = None
        await x.down.tunnel(hop, hop.surrender(), lines)
        return Tunnelled()

    async def refuse(self, x: Exchange, verdict: Verdict) -> Outcome:
        """Answer in the origin's place."""
        txn = x.txn
        txn.verdict = verdict
        if isinstance(verdict, Respond):
            response = verdict.response
        else:
            assert isinstance(verdict, Block)
            response = await self._page(x, verdict.page, verdict.status, verdict.why)
        x.drop(ClientError("refused"))
        self._answer(x, response)
        return Refused(verdict)

    def _answer(self, x: Exchange, response: Response) -> None:
        txn = x.txn
        txn.response = response
        txn.status = response.status
        x.down.answer(response)

    async def _late(self, x: Exchange, outcome: Refused | Failed) -> Outcome:
        """Answer a failure if an answer can still be sent; else let the client see that its message is cut off."""
        if isinstance(outcome, Failed):
            error = outcome.error
            name, status, detail = error.page, error.status, error.detail
        else:
            block = outcome.verdict
            assert isinstance(block, Block)
            name, status, detail = block.page, block.status, block.why
        x.drop(ClientError("refused"))
        if not x.down.answerable:
            x.down.fail(ClientError(detail))
            return outcome
        try:
            response = await self._page(x, name, status, detail)
        except Exception:
            self._log.failure("no page {name} for transaction {id}", name=name, id=x.txn.id)
            response = Response(status)
        self._answer(x, response)
        return outcome

    async def _page(self, x: Exchange, name: str, status: int, detail: str) -> Response:
        txn = x.txn
        if self.plans.page is not None:
            made = self.plans.page(txn, name)
            if type(made) is CoroutineType:
                made = await made
            if made is not None:
                return made  # type: ignore[return-value]
        accept = txn.request.fields.combined("accept") or ""
        return page(name, status, txn, detail, accept, retry_after=5 if status == 503 else None)

    async def _connected(self, txn: Transaction, hop: Hop) -> None:
        """
        Ask whether the address that was really dialled may be talked to.

        @raise TransactionError: it may not.
        """
        plan = self.plans.upstream_connected
        assert plan is not None
        address, _, port = hop.address.rpartition(":")
        block = plan(txn, Server(txn.request.host, address.strip("[]"), int(port or 0)))
        if type(block) is CoroutineType:
            block = await block
        if block is not None:
            txn.verdict = block  # type: ignore[assignment]
            raise TransactionError(block.why, status=block.status, page=block.page)  # type: ignore[union-attr]

    def _challenge(self, txn: Transaction, challenge: Challenge) -> Respond:
        """Make a 407, or a 401 where we stand for the origin (RFC 9110 section 11.7)."""
        proxy = txn.client.mode != "reverse"
        response = page("authenticate", 407 if proxy else 401, txn, challenge.why)
        for scheme in challenge.schemes:
            response.fields.add("Proxy-Authenticate" if proxy else "WWW-Authenticate", scheme)
        return Respond(response)

    async def _judged(self, txn: Transaction, waiting: CoroutineType[object, object, object]) -> Verdict | None:
        return self._ruled(txn, await waiting)  # type: ignore[arg-type]

    def _ruled(self, txn: Transaction, verdict: Verdict | None) -> Verdict | None:
        txn.phase = Phase.JUDGED
        if verdict is None:
            return None
        txn.verdict = verdict
        return None if type(verdict) is Allow else verdict

    def _forwarded(self, x: Exchange, head: ResponseHead) -> list[bytes]:
        """The answer's end-to-end lines with what an intermediary adds (RFC 9110 sections 6.6.1 and 7.6.3)."""
        hop = head.hop
        assert x.txn.response is not None
        lines = x.txn.response.fields.lines
        lines = lines.copy() if hop is None else [line for line in lines if line not in hop]
        lines.append(self._via[head.minor])
        if not head.dated:
            lines.append(b"Date: " + http_date(time()))
        more = x.upstream.answered(x.txn, head)
        if more:
            lines.extend(more)
        return lines

    def _end(self, x: Exchange) -> None:
        """End it once: towards the upstream, for the plugins, in the log."""
        txn = x.txn
        if x.hop is not None or (x.upload is not None and not x.upload.ended):
            x.drop(ClientError("over"))
        txn.phase = Phase.ENDED
        txn.timings.ended = monotonic()
        if x.upload is not None:
            txn.bytes_in += x.upload.count
        x.upstream.over(txn)
        if self.plans.transaction_complete is not None:
            self.plans.transaction_complete(txn)
        self._record.transaction(txn)


