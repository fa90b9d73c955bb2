"""
What the pipeline needs of its neighbours, said as protocols so that it knows neither sockets nor modes.

C{Downstream} is the client's side of one transaction, C{Upstream} a mode's knowledge of where a request goes, C{Hop} one
connection there, C{Record} what remembers the end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gateway.api.answers import Route
from gateway.api.errors import TransactionError
from gateway.api.messages import Response
from gateway.api.transaction import Outcome, Transaction
from gateway.api.verdicts import Block
from gateway.pipeline.body import BodyPipe, Sink
from gateway.wire.events import ResponseHead


class Hop(Sink, Protocol):
    """
    One connection to the next hop, ready for a request.

    @ivar used: exchanges begun on it; over 1 it was kept alive.
    @ivar address: where it really goes.
    @ivar gone: it is closed or closing, or was given away.
    """

    used: int
    address: str
    gone: bool

    def ask(self, method: bytes, head: bytes, answering: Any) -> None:
        """Send a request without content."""

    def send(self, method: bytes, head: bytes, chunked: bool, answering: Any) -> None:
        """Begin an exchange with content."""

    def stream(self, producer: BodyPipe) -> None:
        """Let content that is not complete yet feed it."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read again."""

    def abort(self) -> None:
        """End it at once."""

    def surrender(self) -> bytes:
        """Give its transport away; gives what was read behind the head."""

    @property
    def request_ended(self) -> bool:
        """All of the request was handed over."""


class Intercepts(Protocol):
    """Who may look into tunnels."""

    @property
    def pages(self) -> bool:
        """A refused CONNECT is granted, and its page shown within."""

    async def show(self, x: Any, block: Block) -> Outcome:
        """Show the page of a refused CONNECT."""

    def looks(self, txn: Transaction) -> bool:
        """Tell whether it has to see what the client says first before anything is decided."""

    async def follow(self, x: Any, plans: Any) -> Outcome:
        """
        Take a CONNECT to its end.

        @raise TransactionError: why it failed; what the client can still be told of it is done.
        """


class Reaching(Protocol):
    """A connection that is being made."""

    def abort(self) -> None:
        """Give up; nobody is told of anything."""


class Upstream(Protocol):
    """
    Where a request goes: made by a mode for one transaction.

    @ivar route: C{"direct"}, C{"parent"} or C{"origin"}, for the log.
    @ivar tunnels: the request asks for a tunnel to be made (CONNECT), not for an answer.
    @ivar interception: who may look into the tunnel; C{None}: nobody. There only if C{tunnels}.
    @ivar shares: an answer may be told to other clients too, as far as it and the request allow it.
    """

    route: str
    tunnels: bool
    shares: bool

    @property
    def interception(self) -> Intercepts | None: ...  # noqa: D102

    def take(self, txn: Transaction) -> Any | None:
        """Give a kept connection, or C{None}."""

    def dial(self, txn: Transaction) -> Awaitable[Any]:
        """
        Make a connection; sets the transaction's C{timings} and C{upstream}.

        @raise TransactionError: why there is none.
        """

    def reroute(self, txn: Transaction, route: Route) -> None:
        """Go where a plugin says."""

    def head(self, txn: Transaction, hop: Any, chunked: bool | None) -> bytes:
        """
        Write the request head for the hop that was got.

        @param chunked: how content is framed; C{None}: there is none.
        """

    def another(self, txn: Transaction, error: TransactionError) -> bool:
        """Choose another hop after a failure during which nothing was sent on; C{False} if there is none."""

    def answered(self, txn: Transaction, head: ResponseHead) -> bytes:
        """Learn the answer's head; may change C{txn.response.fields}, and gives lines to add, each with its CRLF."""

    def amended(self, response: Response) -> bytes:
        """Give lines to add to a stored response or one made here, each with its CRLF; nobody was asked for it."""

    def over(self, txn: Transaction) -> None:
        """The transaction ended; called once, whatever happened."""


class TunnelUpstream(Upstream, Protocol):
    """
    One that makes tunnels.

    @ivar parent: who has to grant the tunnel; C{None}: it takes a connection and nothing else, so L{reach} can be asked.
    """

    @property
    def parent(self) -> object: ...  # noqa: D102

    def reach(
        self,
        txn: Transaction,
        made: Callable[[Any], object],
        failed: Callable[[Any], object],
    ) -> Reaching:
        """
        Make a connection as L{dial} does, for who wants to be called back; only without a C{parent}.

        @param made: called with it, perhaps before this returns.
        @param failed: called with why there is none, likewise.
        """


class Downstream(Sink, Protocol):
    """
    The client's side of one transaction.

    @ivar waits: there is a client that waits for the answer.
    @ivar sends_pages: it can send content from a file.
    @ivar answerable: no final response was begun, so one can still be sent.
    @ivar persistent: the connection may carry another request; may be set to C{False} before the response begins.
    """

    answerable: bool
    persistent: bool

    @property
    def waits(self) -> bool: ...  # noqa: D102

    def interim(self, status: int, reason: bytes, fields: bytes) -> None:
        """Pass on a 1xx response."""

    def whole(self, status: int, reason: bytes, fields: bytes, content: bytes | memoryview) -> None:
        """Send a complete response whose content has its declared length."""

    def send_whole(self, head: bytes, content: bytes | memoryview) -> None:
        """Send the like, its head written as L{WHOLE_HEAD<gateway.wire.write>} is; only to a client for whom that is meant."""

    @property
    def sends_pages(self) -> bool: ...  # noqa: D102

    def send_paged(self, head: bytes, content: bytes, descriptor: int) -> None:
        """
        Do as L{send_whole} with a content that is also in a file; only where C{sends_pages}.

        @param descriptor: of a file that has just this content and never another; it may be closed when this returns.
        """

    def start(
        self, status: int, reason: bytes, fields: bytes, length: int | None, bodiless: bool
    ) -> None:
        """
        Begin the final response; it leaves with the first content, with L{flush} or with L{end}.

        @param fields: end-to-end field lines, each with its CRLF; framing and connection lines are added here.
        @param length: bytes of content that follow, C{None} if unknown.
        @param bodiless: no content follows, whatever the length says (HEAD, 204, 304).
        """

    def stream(self, producer: BodyPipe) -> None:
        """Let content that is not complete yet feed it, and be paused while the client does not read."""

    def touch(self) -> None:
        """The transaction makes progress, although nothing goes to the client yet."""

    def early(self) -> None:
        """
        Learn that the final response, which the transaction has by now, comes before the end of the request's content.

        To be called before it begins; decides whether the connection can be used on.
        """

    def answer(self, response: Response, more: bytes = b"") -> None:
        """
        Send a whole response made here.

        @param more: field lines beside its own, each with its CRLF.
        """

    def part(self, page: Response, more: bytes) -> None:
        """
        Answer with a page and go on without the transaction, which has its end somewhere else from here on.

        @param more: as of L{answer}.
        """

    def reset(self) -> None:
        """See to it that a response which is broken off ends in a reset of the connection, however it is framed."""

    def tunnel(
        self, hop: Any, rest: bytes, fields: bytes | None, over: Callable[[None], object]
    ) -> None:
        """
        Become a tunnel to the hop.

        @param rest: bytes the hop sent already.
        @param fields: field lines of the 101 to send, each with its CRLF; C{None}: send the 200 to a CONNECT.
        @param over: called once at its end, never before this has returned.
        """


class Record(Protocol):
    """What is kept of a transaction."""

    def transaction(self, txn: Transaction) -> None:
        """Write it down; called once for each, after its end."""
