"""
One clamd: its connections, whether it can be used, and what it is good for.

Everything that is decided here is decided by what it does: it answers pings, it finds what it has to find, it says when it did
not look. After some failures in a row nobody waits for it any more until it does so again.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.defer import TimeoutError as DeferTimeoutError
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.protocol import Protocol

from gateway.api import Clock, ScanJob
from gateway_clamd.answers import Trust
from gateway_clamd.connecting import Connect, Question
from gateway_clamd.contents import Place, Stream, descriptor, place_of
from gateway_clamd.session import Lost, Session, Silent
from gateway_clamd.settings import Address, ClamdSettings

#: For so long content is sent to a clamd that did not get at a file; then it is tried again.
SENDING_SECONDS = 600.0


class Standing(enum.Enum):
    """Whether a clamd can be used."""

    UNKNOWN = "unknown"
    """Nobody has looked yet."""
    READY = "ready"
    DOWN = "down"
    """It does not answer."""
    UNSAFE = "unsafe"
    """It answers, and does not find what it has to find."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """
    What is known of a clamd.

    @ivar version: of itself and its patterns; empty: not known.
    @ivar patterns: like C{version}, and changes with whatever else was seen to change; empty: not known.
    @ivar most_bytes: it is given nothing longer.
    @ivar most_sent: it takes no more than this where content is sent.
    @ivar gaps: what it says nothing of although it did not look, each in words; none: its C{OK} covers everything.
    """

    version: str = ""
    patterns: str = ""
    most_bytes: int = 0
    most_sent: int = 0
    gaps: tuple[str, ...] = ()

    @property
    def trust(self) -> Trust:
        """Give how far it can be believed."""
        return Trust(self.version or "unknown", not self.gaps)


class Engine:
    """
    One clamd.

    @ivar name: its address, for people.
    @ivar standing: whether it can be used.
    @ivar known: what was found out.
    @ivar why: why it can't be used.
    @ivar failures: in a row.
    @ivar era: another one each time that it ceases to be ready; what was begun in one is not believed in the next.
    """

    def __init__(
        self,
        address: Address,
        settings: ClamdSettings,
        clock: Clock,
        connect: Connect,
        changed: Callable[[], None],
    ) -> None:
        """
        Know nothing yet.

        @param changed: is called when there may be room, or when its standing is another one.
        """
        self.name = str(address)
        self.standing = Standing.UNKNOWN
        self.known = Knowledge()
        self.why = ""
        self.failures = 0
        self.era = 0
        self._address = address
        self._settings = settings
        self._clock = clock
        self._connect = connect
        self._changed = changed
        self._sessions: set[Session] = set()
        self._idle: list[Session] = []
        self._opening = 0
        # Until when it is not tried again.
        self._unread: dict[Place, float] = {}

    @property
    def connections(self) -> int:
        """Count the connections, those that are made included."""
        return len(self._sessions) + self._opening

    @property
    def busy(self) -> int:
        """Count what is under way."""
        return self.connections - len(self._idle)

    @property
    def has_room(self) -> bool:
        """Tell whether another scan can begin."""
        return self.busy < self._settings.connections

    def reads(self, place: Place | None) -> bool:
        """Tell whether it is worth while to pass it a file of this kind open."""
        if place is None or not (self._address.path and self._settings.descriptors):
            return False
        until = self._unread.get(place)
        return until is None or self._clock.seconds() >= until

    def takes(self, job: ScanJob) -> bool:
        """Tell whether it may be given some content."""
        known = self.known
        if job.size > known.most_bytes:
            return False
        return job.size <= known.most_sent or self.reads(place_of(job))

    @property
    def most(self) -> int:
        """Give the most that it may be given."""
        known = self.known
        # All that is large is held in files.
        return (
            known.most_bytes if self.reads(Place.HELD) else min(known.most_bytes, known.most_sent)
        )

    async def scan(self, job: ScanJob, seconds: float, *, as_file: bool, fresh: bool) -> str:
        """
        Have content scanned.

        @param as_file: pass it as an open file, do not send it.
        @param fresh: on a connection that was not used before.
        @return: its answer.
        @raise Lost: there is none.
        @raise TookTooLong: nor in time.
        @raise OSError: the content can't be opened.
        """
        until = self._clock.seconds() + seconds
        session = await self._session(fresh)
        left = max(until - self._clock.seconds(), 0.1)
        try:
            if not as_file:
                return await session.send(Stream.of(job), left)
            file = descriptor(job)
            try:
                answer = session.pass_on(file, left)
            finally:
                os.close(file)
            return await answer
        finally:
            self._unused(session)

    def send_only(self, place: Place) -> None:
        """Pass no files of a kind for a while, because it can't read them."""
        self._unread[place] = self._clock.seconds() + SENDING_SECONDS

    async def ask(self, question: Question) -> str:
        """
        Give an order on a connection of its own.

        @raise Lost: there is no connection, or no answer in time.
        """
        seconds = self._settings.connect_timeout
        await self._connected(question)
        clock: Any = self._clock
        question.answer.addTimeout(seconds, clock)
        try:
            return await question.answer
        except (TimeoutError, DeferTimeoutError):
            raise Silent(f"it does not answer within {seconds:g} s") from None

    async def listen(self, ended: Callable[[Session], None]) -> Session:
        """
        Make a connection that shows when clamd ends: it is not used for scans.

        @param ended: is told when it ends, by whomever.
        @raise Lost: there is no connection.
        """
        session = Session(self._clock, self._settings.health * 3, _nothing, ended)
        await self._connected(session)
        return session

    async def try_out(self, stream: Stream | int, seconds: float) -> str:
        """
        Have something scanned on a connection of its own, whatever the standing is.

        @param stream: what is sent, or a descriptor that is passed, and stays the caller's.
        @raise Lost: there is no answer.
        @raise TookTooLong: nor in time.
        """
        session = Session(self._clock, seconds + 1.0, _nothing, _nothing)
        await self._connected(session)
        try:
            if isinstance(stream, Stream):
                return await session.send(stream, seconds)
            return await session.pass_on(stream, seconds)
        finally:
            session.close()

    def failed(self, why: str) -> bool:
        """
        Count a failure.

        @return: it is one too many, and nobody is to wait for it now.
        """
        self.failures += 1
        self.why = why
        if self.standing is Standing.DOWN:
            return False
        if self.standing is not Standing.UNKNOWN and self.failures < self._settings.failures:
            return False
        self.stand(Standing.DOWN, why)
        return True

    def worked(self) -> None:
        """It did what it was asked to."""
        self.failures = 0

    def stand(self, standing: Standing, why: str = "") -> None:
        """Stand differently from now on; what is under way fails unless it is good."""
        self.standing = standing
        self.why = why
        if standing is Standing.READY:
            self.failures = 0
        else:
            self.era += 1
            self.close(why)
        self._changed()

    def learn(self, known: Knowledge) -> None:
        """Take what was found out about it."""
        self.known = known
        self._changed()

    def close(self, why: str) -> None:
        """End all connections."""
        for session in list(self._sessions):
            session.close(why)

    async def _session(self, fresh: bool) -> Session:
        """Give a connection that is free, or a new one."""
        while self._idle and not fresh:
            session = self._idle.pop()
            if session.alive:
                return session
        session = Session(self._clock, self._settings.idle, self._freed, self._ended)
        self._opening += 1
        try:
            await self._connected(session)
        finally:
            self._opening -= 1
            if session.alive:
                self._sessions.add(session)
        return session

    async def _connected(self, protocol: Protocol) -> None:
        """
        Connect.

        @raise Lost: it can't be done.
        """
        try:
            await self._connect(self._address, protocol)
        except (CancelledError, ConnectingCancelledError):
            raise CancelledError from None
        except Lost:
            raise
        except Exception as error:
            said = " ".join(str(error).split()) or type(error).__name__
            raise Lost(f"can't connect: {said}") from None

    def _unused(self, session: Session) -> None:
        """Keep a connection on which nothing was begun after all, as the content could not be opened."""
        if session.alive and not session.busy and session not in self._idle:
            self._freed(session)

    def _freed(self, session: Session) -> None:
        if self.standing in (Standing.DOWN, Standing.UNSAFE):
            session.close("it is not used now")
            return
        self._idle.append(session)
        self._changed()

    def _ended(self, session: Session) -> None:
        self._sessions.discard(session)
        if session in self._idle:
            self._idle.remove(session)
        self._changed()


def _nothing(session: Session) -> None:
    """Nobody keeps it."""
