"""
The path of a transaction: one coroutine, top to bottom.

It awaits decisions, a handful for each transaction; content never passes through it. A phase that nobody has an opinion
on, or whose answers are all in hand, is a plain call; and a transaction that consists of nothing else, the usual one,
needs no coroutine at all (L{Pipeline.begin} and L{Pipeline.arrived}).
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from types import CoroutineType
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from gateway.api.errors import (
    ClientError,
    GatewayError,
    PluginError,
    TransactionError,
    UpstreamError,
)
from gateway.api.events import Event
from gateway.api.messages import Response
from gateway.api.services import Clock
from gateway.api.transaction import (
    Aborted,
    Delivered,
    Failed,
    Outcome,
    Phase,
    Refused,
    Transaction,
    Tunnelled,
)
from gateway.api.verdicts import Block, Respond, Verdict
from gateway.message.via import Via
from gateway.pipeline.delivery import Delivery
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.driver import Signal
from gateway.pipeline.exchange import Exchange, LateBlock
from gateway.pipeline.kept import Kept, broken_off
from gateway.pipeline.obtain import dial, obtain, send
from gateway.pipeline.opinions import Opinion, Opinions
from gateway.pipeline.ports import Hop, Record, TunnelUpstream
from gateway.pipeline.progress import Progress
from gateway.pipeline.refreshing import Refreshing
from gateway.pipeline.refusal import UNREAD, ClientGone, Refusals, TimedOut, answer, forget_frames
from gateway.pipeline.scan_means import Scanning
from gateway.pipeline.scanning import Scans, made_here, unseen
from gateway.pipeline.stored import Elsewhere
from gateway.pipeline.violations import violation
from gateway.wire.events import ResponseHead

_DELIVERED = Delivered()
_TUNNELLED = Tunnelled()
# An attribute of an enumeration is looked up by its metaclass each time: twenty times as dear as a name.
_DELIVERING = Phase.DELIVERING
_ENDED = Phase.ENDED


class Pipeline:
    """
    What all transactions of one snapshot of the configuration share.

    @ivar plans: the plugins' hooks.
    @ivar admit: asks whether a request may go on its way.
    @ivar judge: asks whether an answer may pass.
    @ivar deliver: lets an answer flow to the client.
    @ivar scanning: what content is held and scanned with; C{None}: that can't be.
    @ivar refreshing: the requests of our own that are under way; C{None}: there can't be any.
    """

    _log = Logger()

    def __init__(
        self,
        plans: CallPlans,
        record: Record,
        via: Via,
        *,
        scanning: Scanning | None = None,
        refreshing: Refreshing | None = None,
        clock: Clock | None = None,
        elsewhere: Elsewhere | None = None,
        tell: Callable[[Event], None] | None = None,
    ) -> None:
        """
        Look once at what there is to do, so that nothing of it is decided for each transaction.

        @param refreshing: asks upstream for what plugins have stored; C{None}: nothing does.
        @param clock: so that a large stored file is not sent in one turn of the reactor.
        @param elsewhere: reads stored files that are not in memory; C{None}: the reactor's thread does.
        @param tell: is told of requests and answers that policy refuses; C{None}: nobody is.
        @raise ValueError: plugins want content whole, and there is nothing to hold it with.
        """
        self.plans = plans
        self.scanning = scanning
        delivery = Delivery(plans, via)
        scans = None
        if plans.content_need is not None:
            if scanning is None:
                raise ValueError("plugins want content whole: say scanning=")
            scans = Scans(plans, scanning, delivery.start)
        self._scans = scans
        self._record = record
        self._tell = tell
        self._refusals = Refusals(plans)
        opinions = Opinions(plans, scans)
        self.admit = opinions.admit
        self.judge = opinions.judge
        self.deliver = delivery.deliver
        self._forwarded = delivery.forwarded
        self._judges = opinions.judges
        self._plain = plans.response_filters is None
        self._complete = plans.transaction_complete
        self._complete_stored = plans.stored.transaction_complete
        self.refreshing = refreshing
        self._progress = Progress(
            None if scanning is None else scanning.fetches,
            None if scanning is None else scanning.clock,
        )
        self._kept = Kept(plans, opinions, delivery, self._refusals, refreshing, clock, elsewhere)

    def begin(self, x: Exchange, finished: Callable[[], None]) -> None:
        """
        Take a transaction on its way.

        The usual one is over without having waited for anything but an answer that comes whole: admitted at once, sent
        on a kept connection, judged and delivered at once. For that no coroutine is made. Where it takes another turn
        L{run} takes over.

        @param finished: called once when it has ended.
        """
        x.finished = finished
        refusal: Opinion = None
        given: BaseException | None = None
        try:
            admit = self.admit
            refusal = admit(x)
            if refusal is None and x.upstream.tunnels:
                if self._connects(x):
                    return
            elif refusal is None and x.upload is None:
                stored = x.stored
                if stored is not None:
                    if stored.file is None:
                        refusal = self._kept.at_once(x, stored)
                        if refusal is None:
                            x.txn.outcome = _DELIVERED
                            self._end(x, self._complete_stored)
                            # As C{end}, for what was never begun.
                            x.over = True
                            x.finished = None
                            finished()
                            return
                elif self._plain and x.validator is None:
                    hop = x.upstream.take(x.txn)
                    if hop is not None:
                        x.quick = self
                        send(x, hop)
                        return
        except Exception as error:
            x.quick = None
            given = error
        x.start(self.run(x, refusal, given), finished)

    def arrived(self, x: Exchange, head: ResponseHead) -> None:
        """Take the answer that came whole to a transaction without a coroutine."""
        txn = x.txn
        try:
            txn.timings.first_byte = monotonic()
            if self._judges:
                refusal = self.judge(x, head)
                if refusal is not None:
                    x.start(self.run(x, refusal, head), x.finished)
                    return
            else:
                txn.response = head
            deliver = self.deliver
            deliver(x, head)
        except Exception as error:
            x.start(self.run(x, None, error), x.finished)
            return
        txn.outcome = _DELIVERED
        self._end(x, self._complete)
        x.end()

    def _connects(self, x: Exchange) -> bool:
        """Have the connection made for a tunnel about which nobody is to be asked; tell whether it is such a one."""
        txn = x.txn
        upstream: TunnelUpstream = x.upstream  # type: ignore[assignment]  # its C{tunnels} says so
        if (
            self.plans.upstream_connected is not None
            or upstream.parent is not None
            or x.stored is not None
            or txn.decrypted_only
        ):
            return False
        interception = upstream.interception
        if interception is not None and interception.looks(txn):
            return False
        if self._scans is not None:
            unseen(txn)
        txn.route = upstream.route
        x.quick = x.guide = self
        reaching: Any = upstream.reach(txn, x.reached, x.unreached)
        if x.quick is not None:
            # It stands where the hop will be: who drops that ends this.
            x.hop = reaching
        return True

    def reached(self, x: Exchange, hop: Hop) -> None:
        """Let such a tunnel begin."""
        try:
            self._tunnel(x, hop, x.tunnelled)
        except Exception as error:
            x.start(self.run(x, None, error), x.finished)

    def unreached(self, x: Exchange, error: BaseException) -> None:
        """There is no connection for it."""
        x.hop = None
        x.start(self.run(x, None, error), x.finished)

    def tunnelled(self, x: Exchange) -> None:
        """Such a tunnel has ended."""
        x.txn.outcome = _TUNNELLED
        self._end(x, self._complete)
        x.end()

    def _tunnel(self, x: Exchange, hop: Hop, over: Callable[[None], object]) -> None:
        """
        Connect a CONNECT's client with its destination.

        @param over: called at the end of the tunnel.
        """
        txn = x.txn
        txn.phase = _DELIVERING
        txn.status = 200
        txn.timings.first_byte = monotonic()
        x.hop = None
        x.down.tunnel(hop, hop.surrender(), None, over)

    @property
    def remembered(self) -> int:
        """Of how many pieces of content it is remembered what was said."""
        return 0 if self._scans is None else self._scans.remembered

    async def run(
        self,
        x: Exchange,
        refusal: Opinion = None,
        given: ResponseHead | BaseException | None = None,
    ) -> None:
        """
        Take one transaction to its line in the log.

        @param refusal: what L{admit} said, or L{judge} of the head that is given.
        @param given: how its first try without a coroutine went: a head, or what went wrong.
        """
        txn = x.txn
        waited = False
        scans = self._scans is not None
        complete = self._complete
        try:
            if type(refusal) is CoroutineType:
                refusal = await refusal
                waited = True
            if refusal is not None:
                if scans and type(refusal) is Respond:
                    made_here(txn)
                txn.outcome = await self._refused(x, refusal)
            elif x.stored is not None:
                if isinstance(given, BaseException):
                    # Whoever had to judge it has failed.
                    raise given
                txn.outcome = await self._kept.serve(x, x.stored)
                if type(txn.outcome) is Delivered:
                    complete = self._complete_stored
            elif x.upstream.tunnels:
                if isinstance(given, BaseException):
                    raise given
                txn.outcome = await self.tunnel(x)
            else:
                head: ResponseHead | None
                if x.validator is not None:
                    head = await self._kept.validated(x, given)
                elif given is None:
                    head = await obtain(x, self.plans)
                elif isinstance(given, ResponseHead):
                    head = given
                elif isinstance(given, UpstreamError):
                    head = await obtain(x, self.plans, given)
                else:
                    raise given
                txn.timings.first_byte = monotonic()
                if head is None:
                    assert x.stored is not None
                    txn.outcome = await self._kept.serve_validated(x, x.stored)
                elif head.status == 101:
                    txn.outcome = await self.upgrade(x, head)
                else:
                    if txn.response is not head:
                        refusal = self.judge(x, head)
                        if type(refusal) is CoroutineType:
                            refusal = await refusal
                            waited = True
                    if refusal is not None:
                        if scans and type(refusal) is Respond:
                            made_here(txn)
                        txn.outcome = await self._refusals.refuse(x, refusal)
                    else:
                        self.deliver(x, head)
                        if waited:
                            # The read that brought the head is long over, and nobody else sends what it brought.
                            x.down.flush()
                        broken = None if x.content is not None else await x.signal
                        txn.outcome = _DELIVERED if broken is None else broken_off(broken)
        except ClientGone as gone:
            txn.outcome = Aborted("client", gone.why)
            forget_frames(gone)
        except CancelledError:
            txn.outcome = Aborted("gateway", "cancelled")
        except LateBlock as late_block:
            forget_frames(late_block)
            txn.verdict = late_block.block
            txn.outcome = await self._refusals.late(x, Refused(late_block.block))
        except TimedOut as late:
            forget_frames(late)
            txn.outcome = await self._refusals.late(x, Failed(late.error))
        except TransactionError as error:
            if isinstance(error, PluginError):
                self._log.failure("{error}", error=error, log_txn=txn.id)
            txn.outcome = await self._refusals.late(x, Failed(error))
        except Exception:
            self._log.failure("transaction {id} failed", id=txn.id)
            txn.outcome = await self._refusals.late(
                x, Failed(GatewayError("an unexpected fault of the gateway"))
            )
        finally:
            download, upload = x.download, x.upload
            if (download is not None and download.flowing) or (
                upload is not None and upload.flowing
            ):
                # Holds and copies end with the transaction, whatever became of it.
                x.drop(ClientError("over"))
            self._end(x, complete)
            if type(txn.outcome) is Refused:
                self._refused_by(txn, txn.outcome.verdict)

    async def fail(self, x: Exchange, error: TransactionError) -> None:
        """Answer a request that can't be followed at all; no plugin is asked about it."""
        try:
            x.txn.outcome = await self._refusals.late(x, Failed(error))
        finally:
            self._end(x, self._complete)

    async def respond(self, x: Exchange, response: Response) -> None:
        """Answer as the final recipient; no plugin is asked about it."""
        try:
            answer(x, response)
            x.txn.outcome = _DELIVERED
        finally:
            self._end(x, self._complete)

    async def own(self, x: Exchange) -> None:
        """Answer a request for what the gateway has put into the space of URLs of every host; no plugin is asked about it."""
        txn = x.txn
        try:
            txn.outcome = await self._progress.serve(x)
        except ClientGone as gone:
            txn.outcome = Aborted("client", gone.why)
            forget_frames(gone)
        except CancelledError:
            txn.outcome = Aborted("gateway", "cancelled")
        except TimedOut as late:
            forget_frames(late)
            txn.outcome = await self._refusals.late(x, Failed(late.error))
        except Exception:
            self._log.failure("transaction {id} failed", id=txn.id)
            txn.outcome = await self._refusals.late(
                x, Failed(GatewayError("an unexpected fault of the gateway"))
            )
        finally:
            self._end(x, self._complete)

    async def _refused(self, x: Exchange, refusal: Verdict) -> Outcome:
        """Refuse a request; the page of a CONNECT may be shown within TLS (S09)."""
        if type(refusal) is Block and x.upstream.tunnels:
            interception = x.upstream.interception
            if interception is not None and interception.pages:
                return await interception.show(x, refusal)
        return await self._refusals.refuse(x, refusal)

    def _refused_by(self, txn: Transaction, verdict: Verdict) -> None:
        """Tell operators of it, if it is something for them."""
        tell = self._tell
        if tell is not None:
            event = violation(txn, verdict)
            if event is not None:
                tell(event)

    async def tunnel(self, x: Exchange) -> Outcome:
        """Connect a CONNECT's client with its destination and wait for the end."""
        txn = x.txn
        interception = x.upstream.interception
        if interception is not None and interception.looks(txn):
            return await interception.follow(x, self.plans)
        if txn.decrypted_only:
            return await self._refusals.refuse(x, UNREAD)
        if self._scans is not None:
            unseen(txn)
        hop = await dial(x, self.plans)
        over: Signal[None] = Signal()
        self._tunnel(x, hop, over.fire)
        await over
        return _TUNNELLED

    async def upgrade(self, x: Exchange, head: ResponseHead) -> Outcome:
        """
        Follow a 101: both sides speak something else from here on (RFC 9110 section 7.8).

        @raise UpstreamError: nobody asked for it.
        """
        txn = x.txn
        hop = x.hop
        asked = x.asked.upgrade
        if (
            hop is None
            or asked is None
            or not hop.request_ended
            or (head.section.upgrade or b"").lower() != asked.lower()
        ):
            raise UpstreamError(
                "the server changed the protocol without being asked", page="upstream_protocol"
            )
        if self._scans is not None:
            unseen(txn)
        txn.response = head
        txn.phase = _DELIVERING
        txn.status = 101
        fields = self._forwarded(x, head) + b"Upgrade: " + asked + b"\r\nConnection: Upgrade\r\n"
        x.hop = None
        over: Signal[None] = Signal()
        x.down.tunnel(hop, hop.surrender(), fields, over.fire)
        await over
        return _TUNNELLED

    def _end(self, x: Exchange, tell: Callable[[Transaction], None] | None) -> None:
        """
        End it once: towards the upstream, for the plugins, in the log.

        @param tell: tells the plugins.
        """
        txn = x.txn
        upload = x.upload
        if x.hop is not None or (upload is not None and not upload.ended):
            x.drop(ClientError("over"))
        txn.phase = _ENDED
        txn.timings.ended = monotonic()
        if upload is not None:
            txn.bytes_in += upload.count
        scans = self._scans
        if scans is not None:
            judged = x.judged
            # The usual case has nothing left to be counted.
            if judged is None or upload is not None or judged.token != "clean":  # noqa: S105
                scans.ended(x)
        stored = x.stored
        refresh = None
        if stored is not None and stored.refresh is not None:
            refresh = self._kept.to_refresh(x, stored.refresh, self.run)
        x.upstream.over(txn)
        if tell is not None:
            tell(txn)
        self._record.transaction(txn)
        if refresh is not None:
            refresh()
