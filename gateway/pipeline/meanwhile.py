"""
What a client gets while the download that it asked for is being held and scanned: nothing, a little of it, or a page.

Chosen for each transaction when it turns out to be large or to take long, and not sooner: as long as nothing was sent the
client can still be told in words what became of it. How each of them is done is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.api.messages import Response
from gateway.api.verdicts import Block, Verdict
from gateway.pipeline.body import BodyPipe
from gateway.pipeline.deferred import Fetch
from gateway.pipeline.exchange import WHOLE, Exchange, LateBlock
from gateway.pipeline.hold import Hold
from gateway.pipeline.navigation import Navigations, is_file
from gateway.pipeline.progress_page import progress_page
from gateway.pipeline.scan_means import Scanning
from gateway.pipeline.spool import SpooledContent
from gateway.pipeline.trickle import Trickle

#: So long everything is waited for, however large: the verdict may be there by then. A client has its first byte within 1 s.
PATIENCE_SECONDS = 0.5


class Choices:
    """Chooses by what one configuration says."""

    def __init__(self, scanning: Scanning, start: Callable[[Exchange, Response], None]) -> None:
        """
        Take what there is to choose from.

        @param start: sends the head of an answer whose content is kept by a hold.
        """
        settings = scanning.settings.large_file
        self.scanning = scanning
        self.start = start
        self.over = settings.over
        self.after = settings.after
        self.holds = settings.mode == "hold"
        self.is_navigation = Navigations(settings).is_one
        self._shows = settings.mode == "progress"

    def shows_page(self, x: Exchange, head: Response) -> bool:
        """Tell whether the client of this answer gets a page."""
        return (
            self._shows
            and x.upload is None
            and x.upstream.shares
            and is_file(head)
            and self.is_navigation(x.txn.request)
            and self.scanning.fetches.has_room(x)
        )


class Meanwhile:
    """
    Sees to one client, from the head of the answer to the verdict.

    @ivar hold: what keeps the content; set as soon as there is one.
    """

    __slots__ = (
        "_call",
        "_choices",
        "_fetch",
        "_head",
        "_large",
        "_since",
        "_total",
        "_trickles",
        "_x",
        "hold",
    )

    def __init__(self, choices: Choices, x: Exchange, head: Response) -> None:
        """Begin to wait."""
        self.hold: Hold | None = None
        self._choices = choices
        self._x = x
        self._head = head
        self._trickles = False
        self._fetch: Fetch | None = None
        download = x.download
        if download is not None and download.filtered:
            self._total = None
        elif x.content is not None:
            self._total = len(x.content)
        elif x.stored is not None and x.stored.file is not None:
            self._total = x.stored.file.length
        else:
            self._total = head.length
        if self._total is None:
            # It may become as large as it likes. What people go to usually does not, and they can be told of a refusal.
            self._large = not choices.is_navigation(x.txn.request)
        else:
            self._large = self._total > choices.over
        clock = choices.scanning.clock
        self._since = clock.seconds()
        seconds = PATIENCE_SECONDS if self._large else max(PATIENCE_SECONDS, choices.after)
        self._call: Any = clock.callLater(seconds, self._due)

    def touch(self) -> None:
        """Learn that content came."""
        self._x.down.touch()
        hold = self.hold
        if not self._large and hold is not None and hold.content.size > self._choices.over:
            self._large = True
            call = self._call
            if call is not None:
                wait = self._since + PATIENCE_SECONDS - self._choices.scanning.clock.seconds()
                call.reset(max(0.0, wait))

    def stop(self) -> None:
        """Choose no more."""
        # It refers to us.
        self.hold = None
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def broke(self) -> None:
        """Learn that there will be no verdict; what was sent must not look like all there is."""
        self.stop()
        if self._trickles:
            self._cut()

    async def judged(self, verdict: Verdict | None) -> Verdict | None:
        """
        Learn the verdict.

        @return: what is left to be done: C{None} if the content is to be delivered.
        @raise LateBlock: it must not pass, and the client has a part of it.
        """
        self.stop()
        if verdict is None:
            if self._fetch is not None:
                await self._fetch.awaited()
        elif self._trickles:
            assert isinstance(verdict, Block)
            self._cut()
            raise LateBlock(verdict)
        return verdict

    def _cut(self) -> None:
        """End what was begun so that nobody takes it for the whole."""
        x = self._x
        x.trickle.stop()
        x.down.reset()

    def _due(self) -> None:
        """The client has waited long enough."""
        self._call = None
        if not self._hold_it():
            # There is no room. Either it comes soon, or the client is told that there is none.
            clock = self._choices.scanning.clock
            self._call = clock.callLater(PATIENCE_SECONDS, self._due)
        elif self._choices.shows_page(self._x, self._head):
            self._show()
        else:
            self._trickle()

    def _hold_it(self) -> bool:
        """Let a hold keep the content, which may have come at once; tell whether one does."""
        if self.hold is not None:
            return not self.hold.waits
        x = self._x
        content = x.content
        if content is None:
            return False
        scanning = self._choices.scanning
        if not scanning.budget.fits(len(content)):
            return False
        x.content = None
        pipe = x.download = BodyPipe(WHOLE, x.ended_with)
        pipe.write(bytes(content))
        pipe.end(x.trailers)
        self.hold = Hold(
            pipe,
            SpooledContent(scanning.budget, scanning.settings.temp_dir),
            len(content),
            scanning.clock,
            touch=self.touch,
            waits=x.scans,
            lost=x.interrupt,
        )
        return True

    def _trickle(self) -> None:
        x = self._x
        assert self.hold is not None
        self._trickles = True
        x.txn.notes["scan_delivery"] = "trickle"
        self._choices.start(x, self._head)
        x.trickle = Trickle(x.down, self.hold, self._choices.scanning.clock)

    def _show(self) -> None:
        x = self._x
        assert self.hold is not None
        down = x.down
        x.txn.notes["scan_delivery"] = "progress"
        fetch = self._choices.scanning.fetches.begin(x, self.hold.content, self._total)
        self._fetch = fetch
        page = progress_page(fetch)
        x.txn.status = page.status
        down.part(page, x.upstream.amended(page))
