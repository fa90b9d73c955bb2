"""
What becomes of a client's connection whose HTTP is over: a tunnel, or TLS with another connection inside.

The transaction that asked for it goes on meanwhile, and ends the connection's HTTP when it ends. Where the request led
to, and why, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL

from gateway.modes.first_bytes import FirstBytes
from gateway.modes.holding import HeldReading
from gateway.modes.overheard import Overheard
from gateway.modes.peek import Peek
from gateway.net.tls import TlsFailed, TlsTransport
from gateway.net.tunnel import Tunnel, TunnelEnd
from gateway.net.tunnel_hop import TunnelHop
from gateway.pipeline.driver import Signal
from gateway.wire.write import response_head

if TYPE_CHECKING:
    from gateway.api.transaction import Client, Transaction
    from gateway.modes.intercepted import InterceptedMode
    from gateway.modes.listening import Listening
    from gateway.modes.writer import ResponseWriter
    from gateway.net.deadlines import Deadline
    from gateway.net.owner import Owner
    from gateway.pipeline.exchange import Exchange
    from gateway.wire.http1_request import RequestParser

_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_ALERT = b"\x15\x03\x03\x00\x02\x02%c"


class Handover(HeldReading):
    """The part of a client's connection that gives its transport to somebody else."""

    __slots__ = (
        "_after",
        "_deadline",
        "_ends",
        "_exchange",
        "_listening",
        "_tunnel",
        "_writer",
        "client",
        "owner",
        "parser",
    )

    client: Client
    # Whose upstream connections serve this client alone; C{None}: it shares them with others.
    owner: Owner | None
    parser: RequestParser
    _after: Callable[[], None] | None
    _deadline: Deadline
    # Of a tunnel, whose it is and who is told of its end.
    _ends: tuple[Transaction, Callable[[None], object]]
    _exchange: Exchange | None
    _listening: Listening
    _tunnel: Tunnel | None
    _writer: ResponseWriter

    def tunnel(
        self, hop: Any, rest: bytes, fields: bytes | None, over: Callable[[None], object]
    ) -> None:
        """Become a tunnel; see L{Downstream.tunnel<gateway.pipeline.ports.Downstream.tunnel>}."""
        if fields is not None:
            self._say(response_head(101, b"", fields))
            self.relay(hop, rest, self._early(), over)
            return
        txn = self._say(_ESTABLISHED)
        # Unlike other hops, one that was made for this only stops to read when something has come.
        reads = type(hop) is TunnelHop and not rest
        self.relay(hop, rest, self._early(), over, Overheard(txn.client), reads)

    def relay(
        self,
        hop: Any,
        rest: bytes,
        early: bytes,
        over: Callable[[None], object],
        seen: Callable[[bytes], bool] | None = None,
        reads: bool = False,
    ) -> None:
        """
        Become a tunnel of which the client was told.

        @param rest: what the hop has said already.
        @param early: what the client has.
        @param over: called once at the tunnel's end.
        @param seen: is shown what the hop says first, until it says that this is enough.
        @param reads: it is known that the hop reads.
        """
        listening = self._listening
        exchange = self._exchange
        assert exchange is not None
        self._ends = exchange.txn, over
        self._tunnel = tunnel = Tunnel(
            self.transport,
            hop.transport,
            deadlines=listening.deadlines,
            inactivity=listening.tunnel_inactivity,
            finished=self._tunnelled,
            deadline=self._deadline,
        )
        if self._held:
            self._release(self._held)
        if self.owner is not None:
            # What serves the tunnel is none of them any more.
            self.owner.leave()
        listening.counted.tunnels += 1
        tunnel.start(early, rest, seen, reads and not self._half_closed)

    def _tunnelled(self, end: TunnelEnd) -> None:
        """The tunnel has ended, and with it the connection."""
        txn, over = self._ends
        del self._ends
        txn.bytes_in += end.up
        txn.bytes_out += end.down
        txn.notes["tunnel"] = end.reason
        self._gone = True
        # The tunnel has given it back.
        del self._deadline
        self._writer.forget()
        listening = self._listening
        listening.counted.tunnels -= 1
        listening.closed(self)
        over(None)

    # TLS inside.

    def peek(self, hop: TunnelHop | None) -> Peek:
        """
        Tell the client that it is connected, and look at what it says; nothing more is read from it afterwards.

        @param hop: the server's side, if there is one yet.
        """
        self._say(_ESTABLISHED)
        early = self._early()
        self._deadline.off()
        self._release(self._held)
        around: Any = self
        peek = Peek(around, hop)
        listening = self._listening
        peek.start(self.transport, early, listening.deadlines, listening.request_head)
        return peek

    def secure(self, side: SSL.Connection, early: bytes) -> Signal[FirstBytes]:
        """
        Shake hands with the client over its transport, which is paused.

        @param early: all that it has said.
        @return: fires when that is done, with who looks at the client's first bytes then; fails with L{TlsFailed}.
        """
        done: Signal[FirstBytes] = Signal()
        deadline = self._deadline

        def handshaken(tls: TlsTransport) -> Any:
            self.transport = tls
            self._writer.use(tls)
            first = FirstBytes(self, tls)
            tls.protocol = first
            deadline.expired = first.expired
            deadline.reset(self._listening.client_idle)
            done.fire(first)
            # By now it may be somebody else.
            return tls.protocol

        def failed(tls: TlsTransport, why: TlsFailed) -> None:
            self.left()
            done.fail(why)

        def expired() -> None:
            failed(tls, TlsFailed("it took too long"))
            tls.abortConnection()

        tls = TlsTransport(side, handshaken, failed, accepts=True)
        deadline.expired = expired
        deadline.reset(self._listening.request_head)
        transport = self.transport
        transport.protocol = tls
        tls.makeConnection(transport)
        tls.dataReceived(early)
        if not self._gone:
            transport.resumeProducing()
        return done

    def become(
        self, mode: InterceptedMode, first: FirstBytes, names: tuple[str, tuple[str, ...]]
    ) -> None:
        """
        Leave the TLS to a connection of its own, as soon as the running transaction has ended.

        @param names: whom the client meant, and which names it was shown.
        """
        exchange = self._exchange
        assert exchange is not None
        # A trusted proxy in front has said whose tunnel it is.
        kind: Any = type(self)
        made = kind(self._listening, exchange.txn.client, mode)
        made.owner = mode.server.owner
        tls = self.transport
        self.left(made)
        made.succeed(tls, names)
        self._after = lambda: first.give(made)

    def refuse(self, alert: int) -> None:
        """
        Close a connection whose ClientHello was seen, with an alert in place of an answer.

        @param alert: its number (RFC 8446 section 6).
        """
        self.transport.write(_ALERT % alert)

    def left(self, successor: Any = None) -> None:
        """The transport is somebody else's, or gone; nothing that comes of it is for this connection."""
        self._gone = True
        self._deadline.cancel()
        self._writer.forget()
        if self.owner is not None:
            self.owner.leave()
        if successor is None:
            self._listening.closed(self)
        else:
            self._listening.succeeded(self, successor)

    def _say(self, head: bytes) -> Transaction:
        """Send the last head of this connection, and give the transaction that it is of."""
        exchange = self._exchange
        assert exchange is not None
        txn = exchange.txn
        self._writer.answerable = False
        self.transport.write(head)
        size = len(head)
        txn.bytes_out += size
        txn.head_out += size
        return txn

    def _early(self) -> bytes:
        early, self.parser.rest = self.parser.rest, b""
        return early
