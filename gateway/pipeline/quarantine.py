"""
Refused content is handed to the quarantine here: in the reactor's thread, at once, and never in the way of traffic.

Writing happens in the C{disk} pool, one piece of content after the other, so that it takes one thread of it at the
most. What waits is bounded in number and size: where more is refused than can be written, the rest is not kept, and
that is said. What comes of it can't change a verdict. How content lies on the disk is the business of
L{gateway.pipeline.quarantine_folder}.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.api.catalogue.security import CONTENT_QUARANTINED
from gateway.api.catalogue.service import QUARANTINE_FAILED, QUARANTINE_WORKS
from gateway.api.content import ScanJob
from gateway.api.events import Event
from gateway.api.services import Clock, Overloaded
from gateway.api.transaction import Transaction
from gateway.config.sections.quarantine import Quarantine as Settings

if TYPE_CHECKING:
    from gateway.pipeline.judged import Judged
    from gateway.pipeline.quarantine_folder import Folder

T = TypeVar("T")

#: Pieces of content that may wait to be written, and bytes of them; one may wait whatever its size is.
MOST_WAITING = 32
MOST_WAITING_BYTES = 128 << 20
#: Between two looks for what is too old.
SWEEP_SECONDS = 3600.0
#: How long the end of the process waits for what is being written.
STOP_SECONDS = 5.0

#: Of what came from peers no more is kept.
_MOST_TEXT = 500


class Run(Protocol):
    """Runs a call in another thread."""

    def __call__(self, function: Callable[..., T], /, *args: object) -> Deferred[T]:
        """Run one; the Deferred fires in the reactor's thread."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: ScanJob
    head: dict[str, Any]


class Quarantine:
    """
    The quarantine of one process; off until L{follow} names a folder.

    @ivar waiting: how many pieces of content wait or are being written.
    """

    _log = Logger()

    def __init__(
        self,
        clock: Clock,
        run: Run,
        tell: Callable[[Event], None],
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        Prepare; nothing is looked at.

        @param run: runs a call in the C{disk} pool.
        @param tell: where events go: C{content_quarantined}, C{quarantine_failed}, C{quarantine_works}.
        @param wall: seconds since 1970.
        """
        self._clock = clock
        self._run = run
        self._tell = tell
        self._wall = wall
        self._folder: Folder | None = None
        self._settings = Settings()
        self._started = False
        self._queue: deque[_Waiting] = deque()
        self._queued_bytes = 0
        self._running = False
        self._idle: Deferred[None] | None = None
        # What failed last, and was told of: to keep something, or to clean up; empty: nothing.
        self._failed = ""
        self._sweep_call: Any = None

    @property
    def waiting(self) -> int:
        """How many pieces of content wait or are being written."""
        return len(self._queue) + self._running

    def follow(self, settings: Settings) -> None:
        """Do as another configuration says, from the next piece of content on."""
        if settings == self._settings:
            return
        self._settings = settings
        self._folder = None
        if settings.path:
            # What encrypts is imported where a quarantine is configured.
            from gateway.pipeline.quarantine_folder import Folder

            self._folder = Folder.of(settings, self._wall)
        else:
            self._works("there is no quarantine any more")
        if self._started:
            self._sweep()

    def start(self) -> None:
        """Clean up after a crash, and throw out what is too old from now on."""
        self._started = True
        self._sweep()

    def stop(self) -> Deferred[None]:
        """
        Take nothing more.

        @return: fires when what was being written is, or after L{STOP_SECONDS}; what waited is not kept.
        """
        self._started = False
        self._folder = None
        self._queue.clear()
        self._queued_bytes = 0
        if self._sweep_call is not None and self._sweep_call.active():
            self._sweep_call.cancel()
        if not self._running:
            return succeed(None)
        self._idle = Deferred()
        return self._idle.addTimeout(STOP_SECONDS, self._clock, lambda *_: None)  # type: ignore[arg-type]

    def keep(self, job: ScanJob, judged: Judged, txn: Transaction) -> None:
        """
        Keep content that was refused; returns at once and raises nothing.

        @param job: the content as a whole; what it has in a file is kept there until it is written.
        """
        if self._folder is None:
            return
        waits = len(self._queue)
        if waits >= MOST_WAITING or (waits and self._queued_bytes + job.size > MOST_WAITING_BYTES):
            self._fails("keep", "more content is refused than can be written to it")
            return
        self._queue.append(_Waiting(job, head_of(job, judged, txn, self._wall())))
        self._queued_bytes += job.size
        txn.notes["quarantine"] = job.sha256[:ID_LENGTH]
        self._next()

    def _next(self) -> None:
        folder = self._folder
        if self._running or not self._queue or folder is None:
            return
        one = self._queue.popleft()
        self._queued_bytes -= one.job.size
        self._running = True
        writing = self._run(folder.keep, one.head, one.job.open)
        # It has the job's file until then.
        writing.addCallbacks(self._kept, self._not_kept, (one,)).addBoth(self._done)

    def _kept(self, is_new: bool, one: _Waiting) -> None:
        head = one.head
        self._works("refused content is kept again")
        if is_new:
            text = f"refused content of {head['host']} is kept: {head['reason']}"
            names = ("id", "size", "sha256", "reason", "name", "request")
            values = {name: str(head[name]) for name in names}
            self._tell(CONTENT_QUARANTINED(text, "quarantine", **values))

    def _not_kept(self, failure: Failure, what: str = "keep") -> None:
        error = failure.value
        if not isinstance(error, OSError | Overloaded):
            self._log.failure("content could not be kept", failure)
        self._fails(what, str(error))

    def _done(self, _: object) -> None:
        self._running = False
        if self._idle is not None:
            idle, self._idle = self._idle, None
            idle.callback(None)
        self._next()

    def _fails(self, what: str, why: str) -> None:
        """Say it once, until it works again."""
        if not self._failed:
            said = "refused content is not kept" if what == "keep" else "it can't be cleaned up"
            self._tell(QUARANTINE_FAILED(f"{said}: {why}", "quarantine"))
        if self._failed != "keep":
            # Where nothing can be kept, cleaning up may work all the same.
            self._failed = what

    def _works(self, text: str) -> None:
        if self._failed:
            self._failed = ""
            self._tell(QUARANTINE_WORKS(text, "quarantine"))

    def _swept(self, _: object) -> None:
        if self._failed == "sweep":
            self._works("it could be cleaned up again")

    def _sweep(self) -> None:
        if self._sweep_call is not None and self._sweep_call.active():
            self._sweep_call.cancel()
        folder = self._folder
        if folder is None:
            return
        self._sweep_call = self._clock.callLater(SWEEP_SECONDS, self._sweep)
        self._run(folder.sweep).addCallbacks(self._swept, self._not_kept, errbackArgs=("sweep",))


#: How much of the SHA-256, in hexadecimal, names content in the quarantine.
ID_LENGTH = 32


def head_of(job: ScanJob, judged: Judged, txn: Transaction, now: float) -> dict[str, Any]:
    """Say what content is, for its head: what people need who look at it, and no query, which may hold secrets."""
    identity = txn.identity
    head = {
        "reason": judged.token,
        "why": judged.why,
        "name": judged.name,
        "engine": judged.engine,
        "patterns": judged.patterns,
        "member": judged.member,
        "side": judged.side.value,
        "url": txn.request.url.partition("?")[0],
        "host": txn.request.host,
        "method": txn.request.method,
        "media_type": job.media_type,
        "client": txn.client.address,
        "user": "" if identity is None else identity.user,
        "request": txn.id,
        "sha256": job.sha256,
    }
    return {
        "id": job.sha256[:ID_LENGTH],
        "time": now,
        "size": job.size,
        **{name: value[:_MOST_TEXT] for name, value in head.items()},
    }
