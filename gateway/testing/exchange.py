"""
One request to a gateway in memory, from its first byte to the end of its transaction, and what there was to see of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred

from gateway.api.errors import PluginError
from gateway.api.transaction import Failed, Outcome, Transaction
from gateway.api.verdicts import Verdict
from gateway.message.fields import Fields
from gateway.testing.messages import read_responses
from gateway.testing.peers import ScriptedClient


@dataclass(frozen=True, slots=True)
class Seen:
    """
    What came of a request, seen from everywhere around the gateway.

    @ivar outcome: how the transaction ended; C{None} if none began, as when C{client_connected} closed the connection.
    @ivar status: what the client got; 0: nothing.
    @ivar fields: what the client got.
    @ivar content: what the client got; of a tunnel, the bytes that came through it.
    @ivar complete: the client got all of it, to the end of the message.
    @ivar notes: C{txn.notes}.
    @ivar reached_origin: some of the request, or a tunnel's first byte, really came to an origin; of several requests under
        way at the same time, those for the same URL are not told apart.
    @ivar log: the line of the access log, by column.
    @ivar transaction: as it was at its end.
    """

    outcome: Outcome | None
    status: int
    fields: Fields
    content: bytes
    complete: bool
    notes: Mapping[str, str]
    reached_origin: bool
    log: Mapping[str, Any]
    transaction: Transaction | None

    def __repr__(self) -> str:
        """Show what a failing test is about, in a line."""
        outcome = repr(self.outcome)
        if isinstance(self.outcome, Failed) and isinstance(self.outcome.error, PluginError):
            error = self.outcome.error
            outcome = f"Failed({error}: {error.cause!r})"
        content = repr(self.content[:60]) + ("..." if len(self.content) > 60 else "")
        return (
            f"<Seen {self.status} {outcome}, {len(self.content)} bytes of content {content}, "
            f"reached_origin={self.reached_origin}, notes={dict(self.notes)}>"
        )

    @property
    def verdict(self) -> Verdict | None:
        """The verdict that decided, if one did."""
        return None if self.transaction is None else self.transaction.verdict

    @property
    def text(self) -> str:
        """The content as UTF-8."""
        return self.content.decode("utf-8", "replace")


class Exchange(Deferred[Seen]):
    """
    A request under way: fires with L{Seen} when its transaction has ended and is logged.

    Whoever adds a callback or asks for its result lets the gateway first do what it can without time going by, so that
    C{successResultOf} is right even after a test has fired some Deferred of its own. Cancelling it is to L{hang_up}; it
    fires with what is seen of that.

    @ivar client: the client's side of the connection.
    @ivar name: method and target, for messages.
    """

    def __init__(
        self,
        name: str,
        client: ScriptedClient,
        request: bytes,
        *,
        settle: Callable[[], None],
        where: Callable[[], str],
    ) -> None:
        """
        Note a request that was sent; the gateway under test makes these.

        @param settle: lets the gateway do what it can.
        @param where: says what the gateway waits for.
        """
        super().__init__(lambda _: self.hang_up())
        self.name = name
        self.client = client
        self._method = request.partition(b" ")[0]
        self._settle = settle
        self._where = where

    def seen(self) -> Seen:
        """
        Give what came of it, for tests without trial's C{successResultOf}.

        @raise AssertionError: it has not ended; the message says what it waits for.
        """
        found: list[Any] = []

        def keep(result: Any) -> Any:
            found.append(result)
            return result

        self.addBoth(keep)
        if not found:
            raise AssertionError(
                f"{self.name} has not ended: {self._where()}. Let time go by with gw.clock.advance(), "
                "fire the Deferred that the plugin waits for, or see gw.origin and gw.http for what is never answered."
            )
        if not isinstance(found[0], Seen):
            found[0].raiseException()
        result: Seen = found[0]
        return result

    def hang_up(self) -> None:
        """Break the client's connection off: closing it in order would only say that nothing more is sent."""
        if not self.client.left:
            self.client.reset()
        self._settle()

    def addCallbacks(self, *args: Any, **kwargs: Any) -> Any:
        """Let the gateway do what it can, then add callbacks as to any Deferred."""
        self._catch_up()
        return super().addCallbacks(*args, **kwargs)

    def addBoth(self, *args: Any, **kwargs: Any) -> Any:
        """As L{addCallbacks}."""
        self._catch_up()
        return super().addBoth(*args, **kwargs)

    def addCallback(self, *args: Any, **kwargs: Any) -> Any:
        """As L{addCallbacks}."""
        self._catch_up()
        return super().addCallback(*args, **kwargs)

    def addErrback(self, *args: Any, **kwargs: Any) -> Any:
        """As L{addCallbacks}."""
        self._catch_up()
        return super().addErrback(*args, **kwargs)

    def _catch_up(self) -> None:
        if not self.called:
            self._settle()

    def __str__(self) -> str:
        """Name the request, and what came of it so far."""
        result = getattr(self, "result", None)
        return f"<{self.name}: {result if self.called else self._where()}>"

    __repr__ = __str__

    # For the gateway under test.

    @property
    def is_connect(self) -> bool:
        """It asks for a tunnel."""
        return self._method == b"CONNECT"

    def answer(self, since: int) -> tuple[int, Fields, bytes, bool]:
        """
        Take apart what the client got: status, fields, content, and whether that was all.

        @param since: where in the client's bytes the answer begins.
        """
        data = self.client.received[since:]
        messages = read_responses(data, [self._method], ended=self.client.closed == "fin")
        # What has no field may still be a whole head: "200 Connection established".
        final = [each for each in messages if (each.fields or each.complete) and each.status >= 200]
        if not final:
            return 0, Fields(), b"", False
        last = final[-1]
        fields = Fields([name + b": " + value for name, value in last.fields])
        content = last.content
        if self.is_connect and last.status < 300:
            content = data.partition(b"\r\n\r\n")[2]
        return last.status, fields, content, last.complete
