"""
The exchanges under way between the clients of a fake gateway and the gateway: begun, let happen, and finished with what
was seen.

Knows the wire and the log, and nothing of plugins or settings.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

from gateway.testing.clock import GatewayClock
from gateway.testing.exchange import Exchange, Seen
from gateway.testing.harness import Harness
from gateway.testing.peers import ScriptedClient
from gateway.testing.probe import Probe
from gateway.testing.web import FakeOrigin


class UnderWay:
    """All exchanges of one gateway that have not ended."""

    def __init__(
        self, harness: Harness, probe: Probe, origin: FakeOrigin, clock: GatewayClock
    ) -> None:
        """
        Have none yet.

        @param probe: the last plugin of the gateway, which sees how each transaction ends.
        """
        self._harness = harness
        self._probe = probe
        self._origin = origin
        self._clock = clock
        self._waiting: dict[Exchange, _Asked] = {}
        self._looking = False

    def ask(
        self, name: str, request: bytes, then: bytes, client: ScriptedClient, *, is_own: bool
    ) -> Exchange:
        """
        Send a request.

        @param name: method and target.
        @param then: what goes through a tunnel once it stands.
        @param is_own: the client's connection is for this exchange alone and closed behind it.
        """
        exchange = Exchange(name, client, request, settle=self.look, where=self._where)
        begun = len(self._probe.ended.get(client.address, ()))
        busy = sum(other.client is client for other in self._waiting)
        self._waiting[exchange] = _Asked(
            begun + busy, len(client.received), self._origin.came_so_far, then, is_own=is_own
        )
        if len(self._waiting) > 1:
            for asked in self._waiting.values():
                asked.is_alone = False
        client.send(request)
        self.look()
        return exchange

    def look(self) -> None:
        """Let everything happen, and finish the exchanges that have ended; harmless from within."""
        if self._looking:
            return
        self._looking = True
        try:
            moved = True
            while moved:
                self._settle()
                moved = False
                for exchange, asked in list(self._waiting.items()):
                    moved = self._go_on(exchange, asked) or moved
        finally:
            self._looking = False

    def _settle(self) -> None:
        if self._harness.network.ports:
            self._harness.settle()
        else:
            # A gateway that had to wait for its plugins greets when it is up.
            with contextlib.redirect_stdout(io.StringIO()):
                self._harness.settle()

    def _go_on(self, exchange: Exchange, asked: _Asked) -> bool:
        """Take an exchange a step further; tells whether anything was done."""
        client = exchange.client
        ended = self._probe.ended.get(client.address, ())
        if len(ended) > asked.index:
            del self._waiting[exchange]
            txn = ended[asked.index]
            lines = [line for line in self._harness.log if line["id"] == txn.id]
            self._finish(exchange, asked, txn, lines[0] if lines else {})
            return True
        if client.closed and not client.left and not client.received[asked.since :]:
            del self._waiting[exchange]
            self._finish(exchange, asked, None, {})
            return True
        if exchange.is_connect and not asked.sent and b"\r\n\r\n" in client.received[asked.since :]:
            asked.sent = True
            if 200 <= exchange.answer(asked.since)[0] < 300:
                if asked.then:
                    client.send(asked.then)
                client.end()
            return True
        return False

    def _finish(self, exchange: Exchange, asked: _Asked, txn: Any, line: dict[str, Any]) -> None:
        status, fields, content, complete = exchange.answer(asked.since)
        seen = Seen(
            None if txn is None else txn.outcome,
            status,
            fields,
            content,
            complete,
            {} if txn is None else dict(txn.notes),
            self._origin.reached(
                "" if asked.is_alone else exchange.name.partition(" ")[2], after=asked.reached
            ),
            line,
            txn,
        )
        if asked.is_own and not exchange.client.left:
            exchange.client.close()
        if not exchange.called:
            exchange.callback(seen)

    def _where(self) -> str:
        """Say what the gateway waits for."""
        calls = sorted(call.getTime() for call in self._clock.getDelayedCalls())
        due = f", the plugin's next call is due at {calls[0]:g} s" if calls else ""
        return f"it is {self._clock.seconds():g} s on the clock{due}"


@dataclass(slots=True)
class _Asked:
    """
    What is known of an exchange that has not ended.

    @ivar index: how many transactions its connection has before it.
    @ivar since: how many bytes the client had got before.
    @ivar reached: what had come to origins before.
    @ivar then: what goes through the tunnel.
    @ivar is_own: its connection is its own.
    @ivar sent: the tunnel was given its bytes, or refused.
    @ivar is_alone: no other was under way at the same time, so whatever came to an origin came of it.
    """

    index: int
    since: int
    reached: tuple[int, int]
    then: bytes
    is_own: bool
    sent: bool = False
    is_alone: bool = True
