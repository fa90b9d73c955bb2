"""
Downloads that go on while their clients look at a progress page: who owns them, who may have what comes of them, and when they end.

The client of such a transaction has been answered, and its connection is free; a L{Fetch} stands in its place. When the
content may pass, the transaction waits for the client to ask for it under the page's address, and is delivered to that
request as it would have been to its own. What it holds counts like any held content, so it never waits for long.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError

from gateway.api.errors import UpstreamError
from gateway.api.messages import Response
from gateway.api.services import Clock
from gateway.api.transaction import Transaction
from gateway.pipeline.driver import Signal
from gateway.pipeline.exchange import Exchange
from gateway.pipeline.refreshing import Unheard
from gateway.pipeline.refusal import ClientGone, TimedOut
from gateway.pipeline.spool import SpooledContent

#: How many there may be at a time, of all clients and of one address.
MOST = 200
MOST_OF_ONE = 16
#: How long its client may leave one without asking how it goes.
IDLE_SECONDS = 60.0
#: How long one lives until its content is asked for.
LIFE_SECONDS = 900.0
#: How long nothing may come from upstream.
SILENT_SECONDS = 180.0
#: The beginning of the paths of all of them, on every host.
PREFIX = "/.gateway-scan-"

# How often it is looked whether one is due.
_LOOK_SECONDS = 5.0
# Tokens that are over and still known as such.
_MOST_OVER = 1000
# So much of a token names it; all of it has to be right.
_NAME_CHARS = 8


@dataclass(frozen=True, slots=True)
class Ticket:
    """
    What a request must bring to get at one of them.

    @ivar token: nobody can guess it.
    @ivar address: of the client.
    @ivar server: scheme, host and port that it is for.
    """

    token: str
    address: str
    server: tuple[str, str, int]

    @classmethod
    def of(cls, token: str, txn: Transaction) -> Ticket:
        """Make it of what a request brings."""
        request = txn.request
        return cls(token, txn.client.address, (request.scheme, request.host, request.port))

    @property
    def name(self) -> str:
        """What it is kept under: no secret."""
        return self.token[:_NAME_CHARS]

    def fits(self, other: Ticket) -> bool:
        """Tell whether two are the same; how long it takes says nothing of the token."""
        same = hmac.compare_digest(self.token.encode(), other.token.encode())
        return same and (self.address, self.server) == (other.address, other.server)


class Fetch(Unheard):
    """
    One of them, in the place of its client's side.

    @ivar ticket: what its client shows.
    @ivar x: the transaction that goes on.
    @ivar url: what was asked for.
    @ivar total: the declared length of the content, bytes; C{None}: nobody knows.
    @ivar ready: the content may pass, and waits to be asked for.
    @ivar page: what there is to say in its place, and field lines beside its own; C{None}: nothing yet.
    @ivar claimed: somebody gets it now.
    """

    __slots__ = (
        "_awaited",
        "_clock",
        "_content",
        "_over",
        "begun",
        "claimed",
        "moved",
        "page",
        "ready",
        "seen",
        "ticket",
        "total",
        "url",
        "watchers",
        "x",
    )

    def __init__(
        self, x: Exchange, content: SpooledContent, total: int | None, clock: Clock
    ) -> None:
        super().__init__()
        self.ticket = Ticket.of(secrets.token_urlsafe(30), x.txn)
        self.x = x
        self.url = x.txn.request.url
        self.total = total
        self.ready = False
        self.page: Response | None = None
        self.claimed = False
        self.begun = self.seen = self.moved = clock.seconds()
        self.watchers: deque[Signal[None]] = deque()
        self._clock = clock
        self._content = content
        self._awaited: Signal[None] = Signal()
        self._over: Signal[None] = Signal()

    # How it goes.

    @property
    def path(self) -> str:
        """Where its client finds it, with a slash at the end."""
        return f"{PREFIX}{self.ticket.token}/"

    @property
    def received(self) -> int:
        """Bytes of the content that have come."""
        return self._content.size

    @property
    def state(self) -> str:
        """C{receiving}, C{scanning}, C{ready}, or C{refused} when there is a page in its place."""
        if self.page is not None:
            return "refused"
        if self.ready:
            return "ready"
        download = self.x.download
        return "scanning" if download is None or download.ended else "receiving"

    @property
    def done(self) -> bool:
        """Whatever comes of it can be asked for."""
        return self.ready or self.page is not None

    def changed(self) -> None:
        """Tell those who wait for it that it is done, or over."""
        while self.watchers:
            self.watchers.popleft().fire(None)

    # What the transaction calls.

    def touch(self) -> None:
        """Something came."""
        self.moved = self._clock.seconds()

    async def awaited(self) -> None:
        """Wait until somebody asks for the content, which may pass; then C{x.down} is that client's side."""
        self.ready = True
        self.changed()
        await self._awaited

    def answer(self, response: Response, more: bytes = b"") -> None:
        """Take the page that is to be shown in the place of the content."""
        self.answerable = False
        self.page = response
        self.changed()

    # What the one who asks for the content calls.

    def claim(self, down: Any) -> Signal[None]:
        """
        Let the transaction go on with another client's side; once.

        @return: fires when the transaction has ended.
        """
        self.claimed = True
        self.x.down = down
        self._awaited.fire(None)
        return self._over

    def ended(self) -> None:
        """Learn that the transaction has."""
        self.changed()
        self._over.fire(None)


_NOBODY = Unheard()


class Fetches:
    """
    All of them, over all snapshots of the configuration.

    @ivar living: by the beginning of their tokens.
    """

    def __init__(self, clock: Clock, *, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self.living: dict[str, Fetch] = {}
        self._clock = clock
        self._most = most
        self._most_of_one = most_of_one
        self._over: OrderedDict[str, Ticket] = OrderedDict()
        self._call: Any = None

    @property
    def running(self) -> set[Any]:
        """The transactions that go on."""
        return {fetch.x for fetch in self.living.values() if not fetch.x.over}

    def has_room(self, x: Exchange) -> bool:
        """Tell whether there may be one more of this client."""
        if len(self.living) >= self._most:
            return False
        address = x.txn.client.address
        mine = [one for one in self.living.values() if one.x.txn.client.address == address]
        return len(mine) < self._most_of_one

    def begin(self, x: Exchange, content: SpooledContent, total: int | None) -> Fetch:
        """
        Take over a transaction whose client is about to be answered.

        @param content: where its content is being held.
        """
        fetch = Fetch(x, content, total, self._clock)
        self.living[fetch.ticket.name] = fetch
        finished = x.finished

        def ended() -> None:
            if finished is not None:
                finished()
            if fetch.page is None or fetch.claimed:
                self._forget(fetch)
            fetch.ended()
            # Neither is to keep the other.
            x.down = _NOBODY

        x.finished = ended
        x.down = fetch
        if self._call is None:
            self._call = self._clock.callLater(_LOOK_SECONDS, self._look)
        return fetch

    def find(self, token: str, txn: Transaction) -> Fetch | None:
        """
        Give the one that a client asks for by its token; it counts as seen.

        @return: C{None}: there never was one, or it is not this client's or not this server's.
        @raise LookupError: it is over.
        """
        shown = Ticket.of(token, txn)
        fetch = self.living.get(shown.name)
        ticket = self._over.get(shown.name) if fetch is None else fetch.ticket
        if ticket is None or not ticket.fits(shown):
            return None
        if fetch is None or fetch.claimed:
            raise LookupError(shown.name)
        fetch.seen = self._clock.seconds()
        return fetch

    def stop(self) -> None:
        """End all that nobody gets now."""
        for fetch in list(self.living.values()):
            if not fetch.claimed:
                self._end(fetch, CancelledError())
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._call = None
        now = self._clock.seconds()
        for fetch in list(self.living.values()):
            if fetch.claimed:
                continue
            if fetch.state == "receiving" and not fetch.x.scanning:
                if now - fetch.moved >= SILENT_SECONDS:
                    late = UpstreamError(
                        "the server was silent for too long", status=504, page="upstream_timeout"
                    )
                    fetch.x.interrupt(TimedOut(late))
            else:
                fetch.moved = now
            if now - fetch.seen >= IDLE_SECONDS:
                self._end(fetch, ClientGone("the client asked no more how the download goes"))
            elif now - fetch.begun >= LIFE_SECONDS:
                self._end(fetch, ClientGone("the download took too long for its progress page"))
        if self.living:
            self._call = self._clock.callLater(_LOOK_SECONDS, self._look)

    def _end(self, fetch: Fetch, why: BaseException) -> None:
        self._forget(fetch)
        fetch.x.interrupt(why)
        fetch.changed()

    def _forget(self, fetch: Fetch) -> None:
        ticket = fetch.ticket
        if self.living.pop(ticket.name, None) is not None:
            self._over[ticket.name] = ticket
            if len(self._over) > _MOST_OVER:
                self._over.popitem(last=False)
