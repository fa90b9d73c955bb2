"""
What the ways to a receiver have in common: messages go there together, and time goes by on the plugin's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Protocol, TypeAlias

from twisted.internet.defer import Deferred

from gateway.api import DeliveryFailed

#: Writes the messages of a notice, each when it is asked for. What it is given is added to the number of the attempt that
#: they tell of.
Written: TypeAlias = Callable[[int], Iterable[bytes]]

#: So many messages are written in one turn of the reactor: some thousandths of a second would be felt by requests.
PIECE = 16


class Way(Protocol):
    """Brings messages to one receiver."""

    async def send(self, written: Written) -> None:
        """
        Send messages, all of them or, after a failure, again from the first.

        Cancelled, or failed, it leaves nothing behind that could be taken for a part of what is sent next.

        @raise DeliveryFailed: they did not all get there, as far as that can be known.
        """

    def close(self) -> None:
        """Let go of everything; nothing is sent any more."""


class Unreachable(DeliveryFailed):
    """The receiver can't be reached now."""


def pieces(messages: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Have messages written in pieces, each when it is asked for."""
    left = iter(messages)
    while piece := list(islice(left, PIECE)):
        yield piece


def later(clock: Any, seconds: float) -> Deferred[None]:
    """Fire after a while; in the next turn at the earliest, when what came meanwhile was read."""
    waiting: Deferred[None] = Deferred(lambda _: call.cancel())
    call = clock.callLater(seconds, waiting.callback, None)
    return waiting
