"""
One client connection: reads requests, runs their transactions one after the other, and ends in good order.

Pipelined requests wait unparsed until the response before them is complete, so responses keep their order (RFC 9112
section 9.3.2). Time limits: for the first byte of a request, for its head, and for progress inside a transaction. After
a final response with request content still on its way that content is read and dropped, or if it is too much the connection
is closed in two steps, so that the client can read the response before it sees a reset (RFC 9112 section 9.6).
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, time
from types import CoroutineType
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.api.errors import ClientError, PluginError, TransactionError
from gateway.api.messages import Response
from gateway.api.transaction import Client, Timings, Transaction
from gateway.api.verdicts import Block
from gateway.config.certificate_files import covers
from gateway.message.forwarding import Forwarding, trusts
from gateway.message.target import InvalidTarget
from gateway.modes.bound import BoundMode
from gateway.modes.holding import PIPELINE, SCREENING, UNREAD, UPLOAD
from gateway.modes.leaving import LINGER_SECONDS, Leaving
from gateway.modes.listening import Listening
from gateway.modes.mode import Mode
from gateway.modes.onward import Binding
from gateway.modes.unread import UnreadRequest
from gateway.modes.writer import ResponseWriter
from gateway.net.deadlines import Deadline
from gateway.net.faults import UpstreamTimeout
from gateway.net.owner import Owner
from gateway.net.splice import unsent_bytes
from gateway.net.tunnel import Tunnel
from gateway.pipeline.body import BodyPipe, ContentRefused
from gateway.pipeline.deferred import PREFIX
from gateway.pipeline.driver import Task
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.nowhere import NOWHERE
from gateway.pipeline.refusal import ClientGone, TimedOut
from gateway.wire.errors import RemoteProtocolError
from gateway.wire.events import End, RequestEvent, RequestHead, Section
from gateway.wire.http1_request import RequestParser

_OWN = PREFIX.encode()
_OWN_LENGTH = len(_OWN)

#: Bytes of pipelined requests that are taken in while a transaction runs.
PIPELINE_BYTES = 65536


@implementer(IHalfCloseableProtocol)
class ClientConnection(Leaving):
    """A client's connection, as the protocol of its transport."""

    __slots__ = (
        "_advancing",
        "_ending",
        "_parted",
        "_screening",
        "_shown",
        "_trusted",
        "_untaken",
        "forwarding",
        "forwarding_site",
        "mode",
        "upload",
        "way",
    )

    _log = Logger()

    def __init__(
        self,
        listening: Listening,
        client: Client,
        mode: Mode | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        """
        Wait for a transport.

        @param mode: what requests mean here, if it is something of this connection alone.
        @param deadline: one that the client's connection has already; it is this one's from here on.
        """
        # As of what it is made of.
        self.transport = None
        self._held = 0
        self._half_closed = self._gone = False
        self._lingered = self._discards = -1
        self._listening = listening
        self.client = client
        if mode is None:
            mode = listening.mode
        self.mode: Mode = mode
        self.parser = RequestParser(listening.limits, mode.connects)
        self.upload: BodyPipe | None = None
        self.owner: Owner | None = None
        self._writer = ResponseWriter(self)
        self.forwarding: Forwarding | None = None
        self.forwarding_site: Any = None
        # What its mode remembers of where its last requests went.
        self.way: Any = None
        # The server name that the client asked for in TLS, and the names of the certificate that it was shown.
        self._shown: tuple[str, tuple[str, ...]] = ("", ())
        # What the client had not taken at the last look.
        self._untaken = -1
        self._exchange: Exchange | None = None
        self._tunnel: Tunnel | None = None
        # What is to be done when the running transaction has ended and the transport is somebody else's.
        self._after: Callable[[], None] | None = None
        self._screening: Task | None = None
        if deadline is None:
            deadline = listening.deadlines.watch(self._expired)
        else:
            deadline.expired = self._expired
        self._deadline = deadline
        self._advancing = False
        # The request that comes next is the last one.
        self._ending = listening.draining
        # Transactions that go on without this connection.
        self._parted = 0
        trusted = listening.trusted
        self._trusted = bool(trusted) and trusts(trusted, client.address)
        if self._trusted:
            client.by_proxy = client.shared = True
        elif listening.shared and trusts(listening.shared, client.address):
            client.shared = True

    # What the transport calls.

    def makeConnection(self, transport: Any) -> None:
        """Take the transport and wait for the first request."""
        self.transport = transport
        self._writer.use(transport)
        listening = self._listening
        listening.opened(self)
        self._deadline.reset(listening.client_idle)
        plan = listening.pipeline.plans.client_connected
        if plan is not None:
            self._screen(plan)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes: a request, content of the running one, or what waits behind it."""
        if self._exchange is not None or self._lingered >= 0 or self._held & SCREENING:
            self._take(data)
            return
        parser = self.parser
        begun = parser.partial
        try:
            events = parser.receive(data)
        except RemoteProtocolError as error:
            self._refuse_unread(ClientError(error.detail, status=error.status, page=error.page))
            return
        listening = self._listening
        deadline = self._deadline
        if not events:
            # The time for a head runs from its first byte, or a byte now and then would hold the connection for ever.
            if not begun:
                deadline.reset(listening.request_head)
            return
        deadline.at = at = listening.deadlines.now + listening.inactivity
        if at < deadline.due:
            deadline.reset(listening.inactivity)
        self._begin(events)

    def _take(self, data: bytes) -> None:
        """Take bytes that do not begin a request, or not yet."""
        if self._lingered >= 0:
            if self._drops(data):
                self._finished(parted=True)
            return
        if self._exchange is None:
            self.parser.hold(data)
            return
        deadline = self._deadline
        deadline.at = self._listening.deadlines.now + self._listening.inactivity
        parser = self.parser
        if parser.reading_content:
            try:
                events = parser.receive(data)
            except RemoteProtocolError as error:
                self._stop_reading()
                self._interrupt(ClientError(error.detail, status=error.status, page=error.page))
                return
            self._feed(events)
        else:
            parser.hold(data)
            if len(parser.rest) > PIPELINE_BYTES:
                self._hold(PIPELINE)

    def readConnectionLost(self) -> None:
        """
        The client sends no more. It is still owed the answer to a complete request (RFC 9112 section 9.6).
        """
        self._half_closed = True
        if self._exchange is None:
            # With pipelined requests left it is only waited for the client to read its answers.
            if not self.parser.rest:
                self._close()
        elif self.parser.reading_content:
            self._interrupt(ClientGone("the request was cut off"))

    def writeConnectionLost(self) -> None:
        """Our own half of a two-step close."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone; the transaction that runs ends with it."""
        self._gone = True
        self._deadline.cancel()
        self._listening.closed(self)
        exchange = self._exchange
        self._writer.forget()
        if exchange is not None:
            self._interrupt(ClientGone("the client closed or reset the connection"))
        if self.owner is not None:
            self.owner.leave()

    # What the upload's pipe calls (its source is this connection).

    def pause(self) -> None:
        """Read no more for now: the upstream does not take it."""
        self._hold(UPLOAD)

    def resume(self) -> None:
        """Read again."""
        if self._held & UPLOAD:
            self.touch()
            self._release(UPLOAD)

    # What the mode and TLS call.

    def secured(self, server_name: str, names: tuple[str, ...]) -> None:
        """Learn whom the client meant in TLS (empty: nobody), and which names it was shown."""
        self._shown = server_name, names

    def succeed(self, transport: Any, shown: tuple[str, tuple[str, ...]]) -> None:
        """
        Go on where another connection of the same client has shaken hands; it sees to what is read.

        @param shown: as of L{secured}.
        """
        self.transport = transport
        self._writer.use(transport)
        self._shown = shown
        # Whoever speaks within TLS is the client itself, whoever has brought it here.
        self._trusted = False
        self._deadline.reset(self._listening.client_idle)

    def names_another(self, host: str) -> bool:
        """Tell whether the connection was made for a host that this one has nothing to do with (RFC 9110 section 15.5.20)."""
        server_name, names = self._shown
        return bool(server_name) and host != server_name and not covers(names, host)

    # What the service calls.

    @property
    def running(self) -> bool:
        """A transaction or tunnel is under way."""
        return self._exchange is not None

    @property
    def unfinished(self) -> Task | None:
        """What of the present snapshot of the configuration is under way here: a transaction, a tunnel, a screening."""
        return self._exchange or self._screening

    def renew(self) -> None:
        """Forget what the snapshot before said of this client; what runs keeps it."""
        listening = self._listening
        self.forwarding = None
        self.way = None
        mode = self.mode.renewed(listening.mode)
        self.parser.renew(listening.limits, None if mode is None else mode.connects)
        if mode is None:
            self._ending = True
            if self._writer.complete:
                self.drain()
            # Else nobody was answered here yet: who just came is not sent away without a word.
            return
        self.mode = mode
        if (mode.mode if type(mode) is BoundMode else mode) is listening.mode:
            address = self.client.address
            self._trusted = trusts(listening.trusted, address)
            self.client.by_proxy = self._trusted
            self.client.shared = self._trusted or trusts(listening.shared, address)

    def drain(self) -> None:
        """End soon: at once without a transaction, else after it."""
        self._ending = True
        self._writer.persistent = False
        if self._discards >= 0:
            self._linger()
        elif self._exchange is None and self._lingered < 0 and not self.parser.partial:
            self._close()

    def abort(self) -> None:
        """End now."""
        if self._tunnel is not None:
            self._tunnel.close()
        elif not self._gone:
            self.transport.abortConnection()

    # Screening.

    def _screen(self, plan: Callable[[Client], Any]) -> None:
        """Ask the plugins whether to talk to this client at all; until they have said nothing is read."""
        try:
            answer = plan(self.client)
        except PluginError as error:
            self._turn_away(error.detail)
            return
        except CancelledError:
            self._turn_away("the asking was cancelled")
            return
        if type(answer) is CoroutineType:
            self._hold(SCREENING)
            self._screening = screening = Task()
            screening.start(self._screened(answer))
        elif answer is not None:
            self._turn_away(answer.why)

    async def _screened(self, waiting: CoroutineType[Any, Any, Block | None]) -> None:
        try:
            block = await waiting
        except PluginError as error:
            self._turn_away(error.detail)
            return
        except CancelledError:
            # By the plugin itself, unless the client is gone: nobody said that it may stay.
            if not self._gone:
                self._turn_away("the asking was cancelled")
            return
        finally:
            self._screening = None
        if block is not None:
            self._turn_away(block.why)
        else:
            self._release(SCREENING)
            if self.parser.rest:
                self._advance()

    def _turn_away(self, why: str) -> None:
        self._log.info(
            "{listener}: {client} turned away: {why}",
            listener=self._listening.name,
            client=self.client.address,
            why=why,
        )
        self._stop_reading()
        if not self._gone:
            self.transport.abortConnection()

    # Reading requests.

    def _begin(self, events: list[RequestEvent]) -> None:
        """Make a transaction of a head and run it."""
        head: Any = events[0]
        listening = self._listening
        mode = self.mode
        client = listening.client_of(head, self.client) if self._trusted else self.client
        # A function that is kept in an attribute is quicker called by a name of its own, here and elsewhere.
        next_id = listening.next_id
        txn = Transaction(
            next_id(), head, client, Timings(time(), monotonic()), listening.upload_limit
        )
        failure: TransactionError | None = None
        upstream: Any = NOWHERE
        try:
            upstream = mode.upstream(txn, head, self)
        except InvalidTarget as error:
            txn.request = UnreadRequest()
            failure = ClientError(error.detail, status=error.status, page=error.page)
        except Binding:
            upstream, failure = self._bind(txn, head)
        except TransactionError as error:
            failure = error
        writer = self._writer
        # Nearly always: who says nothing else keeps the connection.
        lasts = (
            head.section.persistent
            and not self._ending
            and (head.raw_method != b"CONNECT" or not self.parser.rest)
        )
        writer.begin(txn, head, lasts or self._may_persist(head, mode))
        upload = None
        if head.framing:
            upload = self.upload = BodyPipe(self)
        exchange = self._exchange = Exchange(txn, head, upload, writer, upstream)
        if upload is not None:
            self._feed(events[1:])
        if failure is not None:
            exchange.start(listening.pipeline.fail(exchange, failure), self._finished)
        elif type(upstream) is Response:
            exchange.upstream = NOWHERE  # type: ignore[assignment]
            exchange.start(listening.pipeline.respond(exchange, upstream), self._finished)
        elif head.raw_target[:_OWN_LENGTH] == _OWN:
            exchange.start(listening.pipeline.own(exchange), self._finished)
        else:
            listening.pipeline.begin(exchange, self._finished)
        if upload is not None:
            upload.flush()

    def _bind(self, txn: Transaction, head: RequestHead) -> tuple[Any, TransactionError | None]:
        """
        Go on by upstream connections of our own from here on: the client authenticates its connection.

        @return: where the request goes, or why nowhere.
        """
        mode = self.mode
        if type(mode) is not BoundMode:
            if self.owner is None:
                self.owner = Owner()
            mode = self.mode = BoundMode(mode, self.owner)
        try:
            return mode.upstream(txn, head, self), None
        except TransactionError as error:
            return NOWHERE, error

    def _may_persist(self, head: RequestHead, mode: Mode) -> bool:
        """Tell whether the connection can carry another request behind this one."""
        section = head.section
        if self._ending or not (
            section.persistent if head.minor else section.keep_alive and mode.keeps_http10
        ):
            return False
        # What came with a CONNECT was meant for the tunnel: it must not be read as a request if there is none.
        return head.raw_method != b"CONNECT" or not self.parser.rest

    def _feed(self, events: list[RequestEvent]) -> None:
        """Hand content to the upload's pipe."""
        upload = self.upload
        if upload is None:
            return
        try:
            for event in events:
                if type(event) is bytes:
                    upload.write(event)
                else:
                    assert type(event) is End
                    self.upload = None
                    # The last of it may have come while the upstream wanted no more; nobody resumes a pipe that ended.
                    self._release(UPLOAD)
                    upload.end(event.trailers)
                    return
            upload.flush()
        except (ContentRefused, PluginError) as error:
            self.upload = None
            exchange = self._exchange
            if exchange is not None:
                exchange.cut(error)

    def _refuse_unread(self, error: ClientError) -> None:
        """Answer bytes that are no request, and close."""
        self._stop_reading()
        head = RequestHead(b"NONE", b"", Section(1, [], []))
        listening = self._listening
        txn = Transaction(
            listening.next_id(), UnreadRequest(), self.client, Timings(time(), monotonic())
        )
        self._writer.begin(txn, head, persistent=False)
        exchange = self._exchange = Exchange(txn, head, None, self._writer, NOWHERE)  # type: ignore[arg-type]
        exchange.start(listening.pipeline.fail(exchange, error), self._finished)

    def _stop_reading(self) -> None:
        """Take nothing more for requests: what comes is dropped until the close."""
        self._writer.persistent = False
        self.upload = None
        self._lingered = 0

    # Between transactions.

    def part(self) -> None:
        """The running transaction goes on without this connection; see L{Downstream.part<gateway.pipeline.ports.Downstream.part>}."""
        self._parted += 1
        self._finished(parted=True)

    def _finished(self, parted: bool = False) -> None:
        """
        The running transaction ended; go on with the next request or close.

        @param parted: there was none, or it goes on without this connection.
        """
        if self._parted and not parted and (self._exchange is None or not self._exchange.over):
            # That is one that went on without us.
            self._parted -= 1
            return
        ended, self._exchange = self._exchange, None
        self.upload = None
        # An idle connection keeps nothing of the transaction before.
        self._writer.txn = None
        if self._gone or self._tunnel is not None:
            self._tunnel = None
            after, self._after = self._after, None
            if after is not None:
                after()
            return
        writer = self._writer
        parser = self.parser
        if not writer.complete:
            self._break_off()
        elif parser.reading_content or self._lingered >= 0:
            self._answered_early(ended)
        elif not writer.persistent or (self._half_closed and not parser.rest):
            if parser.rest:
                self._linger()
            else:
                self._close()
        else:
            listening = self._listening
            deadline = self._deadline
            # What reset does nearly always.
            deadline.at = at = listening.deadlines.now + listening.client_idle
            if at < deadline.due:
                deadline.reset(listening.client_idle)
            if parser.rest:
                if ended is not None and ended.asked.raw_method == b"CONNECT":
                    # It was meant for the tunnel that is not there, and is no request.
                    self._linger()
                    return
                self._advance()
            if self._held and len(parser.rest) <= PIPELINE_BYTES:
                self._release(PIPELINE)

    def _advance(self) -> None:
        """Take the pipelined requests, in a loop and not by recursion."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while (
                self._exchange is None
                and not self._gone
                and self._lingered < 0
                and self.parser.rest
            ):
                if getattr(self.transport, "queued", 0) > PIPELINE_BYTES:
                    # The client does not read its answers: go on when it does.
                    self._hold(UNREAD)
                    self.transport.registerProducer(_Drained(self), False)
                    return
                try:
                    events = self.parser.next()
                except RemoteProtocolError as error:
                    self._refuse_unread(
                        ClientError(error.detail, status=error.status, page=error.page)
                    )
                    return
                self._deadline.reset(
                    self._listening.inactivity if events else self._listening.request_head
                )
                if not events:
                    if self._half_closed:
                        # The other half of that request will never come.
                        self._close()
                    return
                self._begin(events)
        finally:
            self._advancing = False

    def _drained(self) -> None:
        """The client has read its answers: go on with what it asked meanwhile."""
        self.transport.unregisterProducer()
        self._release(UNREAD)
        self._advance()
        if self._exchange is None and self._lingered < 0:
            if self._half_closed and not self.parser.rest:
                self._close()
            elif len(self.parser.rest) <= PIPELINE_BYTES:
                self._release(PIPELINE)

    # Time.

    def _expired(self) -> None:
        """A time limit ran out; which one follows from what goes on."""
        exchange = self._exchange
        listening = self._listening
        if self._discards >= 0:
            # However much it has taken of the answer meanwhile, that was the time for its content.
            self._linger()
        elif exchange is None and self._takes():
            # It still reads the end of its last response.
            self._deadline.reset(listening.client_idle if self._lingered < 0 else LINGER_SECONDS)
        elif self._lingered >= 0 and exchange is None:
            self.transport.abortConnection()
        elif exchange is None:
            if self.parser.partial:
                self._refuse_unread(
                    ClientError(
                        "the request head did not arrive in time",
                        status=408,
                        page="request_timeout",
                    )
                )
            else:
                self._close()
        else:
            self._stalled(exchange)

    def _stalled(self, exchange: Exchange) -> None:
        """Nothing moved for too long inside a transaction: say whose turn it was."""
        if self._takes() or (exchange.coroutine is not None and exchange.scanning):
            self._deadline.reset(self._listening.inactivity)
        elif (
            exchange.download is not None and exchange.download.flowing and exchange.download.paused
        ):
            self._interrupt(ClientGone("the client took no more of the response"))
            self.transport.abortConnection()
        elif self.upload is not None and not self.upload.paused:
            self._stop_reading()
            self._interrupt(
                TimedOut(
                    ClientError(
                        "the request's content did not arrive in time",
                        status=408,
                        page="request_timeout",
                    )
                )
            )
        else:
            self._interrupt(TimedOut(UpstreamTimeout("the server was silent for too long")))

    def _takes(self) -> bool:
        """
        Tell whether the client has taken some of what waits for it since the last look, in our buffer or the kernel's.
        """
        untaken = getattr(self.transport, "queued", 0) + unsent_bytes(self.transport)
        before, self._untaken = self._untaken, untaken
        return 0 < untaken != before

    def touch(self) -> None:
        """Something moved."""
        self._deadline.at = self._listening.deadlines.now + self._listening.inactivity

    def _interrupt(self, error: BaseException) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.interrupt(error)


class _Drained:
    """A pull producer that has nothing: it is asked for more when the transport's queue is empty, and that is all."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._asked = False

    def resumeProducing(self) -> None:
        """Be asked: the first time when it is registered, then when the queue is empty."""
        if self._asked:
            self._connection._drained()
        self._asked = True

    def stopProducing(self) -> None:
        """The connection is gone."""
