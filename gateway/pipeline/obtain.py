"""
Getting an answer: a hop, the request sent on it, and again where that is allowed.

A connection may end before any byte of an answer. Then the request may be sent again, but only for the methods that may
be repeated and without content: on another connection if this one was kept and may have died unseen, to another origin
if it was made for this request (RFC 9112 section 9.3.1, RFC 9110 section 9.2.2). A hop that could not be reached is
another matter: nothing was sent, so any method may go elsewhere.
"""

from __future__ import annotations

from types import CoroutineType

from gateway.api.answers import Server
from gateway.api.errors import GatewayError, UpstreamError
from gateway.api.transaction import Phase
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.exchange import Exchange, LateBlock
from gateway.pipeline.ports import Hop
from gateway.wire.events import CHUNKED, ResponseHead
from gateway.wire.http1_request import can_be_asked

# An attribute of an enumeration is looked up by its metaclass each time: twenty times as dear as a name.
_FORWARDED = Phase.FORWARDED
_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
#: How often one request may be sent again.
RETRIES = 3


def send(x: Exchange, hop: Hop) -> None:
    """
    Send the request on a hop; its content flows by itself from here on.

    @raise GatewayError: a plugin has made it one that can't be sent, and would be two to an upstream.
    """
    txn = x.txn
    upload = x.upload
    asked = x.asked
    upstream = x.upstream
    x.hop = hop
    txn.upstream = hop.address
    txn.route = upstream.route
    txn.phase = _FORWARDED
    if not can_be_asked(asked.raw_method, asked.raw_target):
        # What the client said was read by the grammar: a plugin has put something else in its place.
        raise GatewayError("the method or the target that a plugin gave the request can't be sent")
    if upload is None:
        hop.ask(asked.raw_method, upstream.head(txn, hop, None), x)
        return
    chunked = asked.framing == CHUNKED or upload.filtered
    hop.send(asked.raw_method, upstream.head(txn, hop, chunked), chunked, x)
    upload.open(hop)
    if x.hop is hop:
        if upload.flowing:
            hop.stream(upload)
        hop.flush()


async def obtain(
    x: Exchange, plans: CallPlans, failed: UpstreamError | None = None
) -> ResponseHead:
    """
    Get the head of the final response.

    @param failed: how a first try on a kept connection ended; C{None}: there was none.
    @raise UpstreamError: there is no answer.
    """
    upstream = x.upstream
    txn = x.txn
    tries = 0
    if failed is not None:
        if not _again(x, failed):
            raise failed
        tries = 1
    while True:
        sent = False
        try:
            hop = upstream.take(txn) if tries < RETRIES else None
            if hop is None:
                hop = await dial(x, plans)
            sent = True
            send(x, hop)
            head: ResponseHead = await x.signal
            return head
        except UpstreamError as error:
            x.hop = None
            if sent:
                tries += 1
                if tries > RETRIES or not _again(x, error):
                    raise
            elif not upstream.another(txn, error):
                # How many others there are to try is the upstream's to know.
                raise


async def dial(x: Exchange, plans: CallPlans) -> Hop:
    """
    Connect, and ask whether the address that was really dialled may be talked to.

    @raise TransactionError: it can't be reached.
    @raise LateBlock: it may not.
    """
    txn = x.txn
    txn.route = x.upstream.route
    hop: Hop = await x.upstream.dial(txn)
    x.hop = hop
    txn.upstream = hop.address
    plan = plans.upstream_connected
    if plan is not None and hop.used == 0:
        address, _, port = hop.address.rpartition(":")
        block = plan(txn, Server(txn.request.host, address.strip("[]"), int(port or 0)))
        if type(block) is CoroutineType:
            block = await block
        if block is not None:
            raise LateBlock(block)
        if hop.gone:
            raise UpstreamError("the server closed the connection at once", page="upstream_closed")
    return hop


def _again(x: Exchange, error: UpstreamError) -> bool:
    """
    Tell whether a request that got no answer may be sent once more, and choose where.

    A kept connection says nothing of its server, so that is asked again; one that was made for this request does, so
    then it has to be another.
    """
    hop = x.last_hop
    if (
        error.page != "upstream_closed"
        or error.begun
        or x.answering
        or hop is None
        or x.upload is not None
        or x.asked.raw_method not in _IDEMPOTENT
    ):
        return False
    return hop.used > 1 or x.upstream.another(x.txn, error)
