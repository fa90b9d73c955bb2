"""
Answers made here: pages of refusals and failures, challenges, synthetic responses.
"""

from __future__ import annotations

from types import CoroutineType

from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from gateway.api.answers import Challenge
from gateway.api.errors import ClientError, TransactionError
from gateway.api.messages import Response
from gateway.api.transaction import Aborted, Failed, Outcome, Refused, Transaction
from gateway.api.verdicts import Block, Respond, Verdict
from gateway.message.statuses import is_final
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.judged import Judged
from gateway.pipeline.pages import page

#: Seconds after which a client is told to try again, where the fault knows no better.
RETRY_AFTER = 5

#: A tunnel that may be passed on only if it is decrypted, and is not.
UNREAD = Block("This connection can't be looked into, and may not pass without.", "unread")


_log = Logger()


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


def forget_frames(error: BaseException) -> None:
    """
    Let an exception go that was dealt with.

    Its traceback keeps every frame it came through, and those that have it in a variable keep it: such a ring waits for
    the collector of garbage, and the connection's buffers with it.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None


class Refusals:
    """Gives the client what there is to say in the origin's place."""

    _log = Logger()

    def __init__(self, plans: CallPlans) -> None:
        self._plans = plans

    async def refuse(self, x: Exchange, verdict: Verdict) -> Outcome:
        """Answer as a verdict says."""
        x.txn.verdict = verdict
        if isinstance(verdict, Respond):
            response = verdict.response
        else:
            assert isinstance(verdict, Block)
            response = await self._page(x, verdict.page, verdict.status, verdict.why, None)
        x.drop(ClientError("refused"))
        answer(x, response)
        return Refused(verdict)

    async def late(self, x: Exchange, outcome: Refused | Failed) -> Outcome:
        """Answer a failure if an answer can still be sent; else let the client see that its message is cut off."""
        retry_after = None
        if isinstance(outcome, Failed):
            error = outcome.error
            name, status, detail = error.page, error.status, error.detail
            retry_after = getattr(error, "retry_after", None)
            # The outcome outlives this.
            forget_frames(error)
        else:
            block = outcome.verdict
            assert isinstance(block, Block)
            name, status, detail = block.page, block.status, block.why
        x.drop(ClientError("refused"))
        if not x.down.answerable:
            x.down.fail(ClientError(detail))
            return outcome
        try:
            response = await self._page(x, name, status, detail, retry_after)
        except ClientGone as gone:
            forget_frames(gone)
            return Aborted("client", gone.why)
        except CancelledError:
            return Aborted("gateway", "cancelled")
        except (TransactionError, TimedOut):
            # The client's own fault while it waited for its page, or a page that a plugin could not make.
            response = Response(status)
        except Exception:
            self._log.failure("no page {name} for transaction {id}", name=name, id=x.txn.id)
            response = Response(status)
        answer(x, response)
        return outcome

    async def _page(
        self, x: Exchange, name: str, status: int, detail: str, retry_after: float | None
    ) -> Response:
        txn = x.txn
        if self._plans.page is not None:
            made = self._plans.page(txn, name)
            if type(made) is CoroutineType:
                made = await made
            if made is not None:
                return made
        accept = txn.request.fields.combined("accept") or ""
        if status == 503 and retry_after is None:
            retry_after = RETRY_AFTER
        return page(
            name,
            status,
            txn,
            detail,
            accept,
            retry_after=None if retry_after is None else int(retry_after),
            judged=_judged(x, name),
        )


def _judged(x: Exchange, name: str) -> Judged | None:
    """Give what a scan said, if it is that for which this page is shown."""
    judged = x.judged
    return judged if judged is not None and judged.blocks and judged.block().page == name else None


def answer(x: Exchange, response: Response) -> None:
    """Send a whole response made here; one that can't be sent is a plugin's mistake, and is a plain 500."""
    if not is_final(response.status):
        _log.error(
            "a plugin answers {id} with the status {status}, which no final answer has: 500 is sent",
            id=x.txn.id,
            status=response.status,
        )
        response = Response(500)
    x.txn.response = response
    x.txn.status = response.status
    if x.upload is not None and not x.upload.ended:
        x.down.early()
    x.down.answer(response, x.upstream.amended(response))


def challenged(txn: Transaction, challenge: Challenge) -> Respond:
    """Make a 407, or a 401 where we stand for the origin (RFC 9110 section 11.7)."""
    proxy = txn.client.mode != "reverse"
    response = page("authenticate", 407 if proxy else 401, txn, challenge.why)
    for scheme in challenge.schemes:
        response.fields.add("Proxy-Authenticate" if proxy else "WWW-Authenticate", scheme)
    return Respond(response)
