"""
Looks after one clamd: pings it, tries it out when it comes up and when its signatures change, and says loudly what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from gateway.api import Clock, Event, EventType, Log
from gateway.api.catalogue.scanning import (
    CLAMD_DOWN,
    CLAMD_UP,
    SCAN_ENGINE_FAILS_CLOSED,
    SCAN_ENGINE_FAILS_OPEN,
    SCAN_ENGINE_SAFE,
    SCAN_ENGINE_UNSAFE,
)
from gateway_clamd import trials
from gateway_clamd.age import Age
from gateway_clamd.contents import Place
from gateway_clamd.engine import Engine, Standing
from gateway_clamd.session import Lost, Session, Silent, TookTooLong
from gateway_clamd.settings import ClamdSettings

#: How often a clamd has to find the test file.
CANARY_SECONDS = 3600.0
#: Signatures of one's own have no version: for so long, at the most, a result stands for the same ones.
SAME_SECONDS = 3600.0


class Watch:
    """
    Looks after one clamd.

    @ivar engine: which.
    """

    def __init__(
        self,
        engine: Engine,
        settings: ClamdSettings,
        clock: Clock,
        log: Log,
        tell: Callable[[Event], None],
        wall: Callable[[], float],
    ) -> None:
        self.engine = engine
        self._settings = settings
        self._clock = clock
        self._log = log
        self._tell = tell
        self._said: trials.Version | None = None
        self._age = Age(engine.name, settings.stale, tell, wall)
        # States that were told of, and are not over.
        self._open: set[EventType] = set()
        self._version_due = 0.0
        self._canary_due = 0.0
        self._returns = 0
        self._pulse: Session | None = None
        # What is known is known of the one at the other end of the pulse.
        self._is_sure = False
        self._looking = self._stopped = False
        self._soon: Any = None
        self._look: Deferred[None] | None = None

    async def look(self) -> None:
        """Look once; to be called again and again. It fails with nothing but its cancellation."""
        if self._looking or self._stopped:
            return
        self._looking = True
        try:
            # Who is silent has had time enough: whether it hangs has to be known soon.
            while await self._looked() and not self._stopped:
                pass
        finally:
            self._looking = False

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True
        if self._soon is not None and self._soon.active():
            self._soon.cancel()
        if self._look is not None:
            self._look.cancel()
        pulse, self._pulse = self._pulse, None
        if pulse is not None:
            pulse.close()

    async def _looked(self) -> bool:
        """Look, and tell whether to look again at once."""
        engine = self.engine
        try:
            await self._beat()
            await self._look_closely()
            # If it has ended meanwhile, nobody knows of whom that was.
            return self._pulse is None
        except Lost as lost:
            was_down = engine.standing is Standing.DOWN
            self.trouble(str(lost))
            return (
                isinstance(lost, Silent) and not was_down and engine.standing is not Standing.DOWN
            )

    async def _beat(self) -> None:
        """
        Ping, on a connection that stays: when it ends, clamd has, and may be another one when it is back.

        @raise Lost: it does not answer.
        """
        seconds = self._settings.connect_timeout
        if self._pulse is None:
            made = await self.engine.listen(self._pulse_ended)
            if self._stopped or not made.alive:
                made.close()
                raise Lost("the connection was lost")
            self._pulse = made
        try:
            said = await self._pulse.ping(seconds)
        except TookTooLong:
            raise Silent(f"it does not answer within {seconds:g} s") from None
        if said != "PONG":
            raise Lost(f"it answers a ping with {said[:100]!r}")

    def _pulse_ended(self, session: Session) -> None:
        if session is not self._pulse:
            return
        self._pulse = None
        self._is_sure = False
        if self._stopped or isinstance(session.why, TookTooLong):
            return
        self._returns += 1
        if self.engine.standing is Standing.READY:
            # Nothing is known of whoever comes now.
            self.engine.stand(Standing.UNKNOWN, "it has ended the connection")
        if not self._looking:
            self._look_soon()

    def _look_soon(self) -> None:
        """Look when everything that ended together has ended."""

        self._soon = self._clock.callLater(0, self._look_now)

    def _look_now(self) -> None:
        self._look = Deferred.fromCoroutine(self.look())
        self._look.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure(
                "looking after clamd at {address} failed", failure, address=self.engine.name
            )

    def trouble(self, why: str) -> None:
        """Take note that it gave no answer."""
        if self.engine.failed(why):
            text = f"clamd at {self.engine.name} does not work: {why}"
            self._log.error(
                "clamd at {address} does not work: {why}", address=self.engine.name, why=why
            )
            self._begins(CLAMD_DOWN, text)

    async def _look_closely(self) -> None:
        engine = self.engine
        now = self._clock.seconds()
        is_ready = engine.standing is Standing.READY and self._is_sure
        if not is_ready or now >= self._version_due:
            said = await trials.version(engine)
            self._version_due = now + self._settings.version
            self._age.look(said)
            if said != self._said or not is_ready:
                self._said = said
                self._name(said)
                await self._try_out(said)
                return
            self._name(said)
        if self._settings.canary and now >= self._canary_due:
            await self._finds()
        engine.worked()

    def _name(self, said: trials.Version) -> None:
        """Name the patterns: results that were found with others are not to be believed any more."""
        known = self.engine.known
        patterns = ""
        if said.text:
            more = [said.signatures or "-", str(int(self._clock.seconds() // SAME_SECONDS))]
            if self._returns:
                # It was away, and may be configured otherwise now.
                more.append(f"back {self._returns}")
            if known.gaps:
                more.append("fails open")
            patterns = f"clamd {said.text} ({', '.join(more)})"
        self.engine.learn(replace(known, version=said.text, patterns=patterns))

    async def _try_out(self, said: trials.Version) -> None:
        engine, settings = self.engine, self._settings
        if not await self._finds():
            return
        mark = f"{self._clock.seconds():.6f}".encode()
        found = await trials.known(engine, settings, said, mark, as_file=engine.reads(Place.MEMORY))
        if self._pulse is None:
            raise Lost("it has ended the connection")
        self._is_sure = True
        news = found.gaps != engine.known.gaps or found.most_bytes != engine.known.most_bytes
        engine.learn(replace(found, patterns=engine.known.patterns))
        before = engine.standing
        self._name(said)
        engine.worked()
        if before is not Standing.READY:
            engine.stand(Standing.READY)
            self._log.info(
                "clamd at {address} is ready: {version}", address=engine.name, version=said.text
            )
            text = f"clamd at {engine.name} is ready: {said.text or 'unknown version'}"
            self._is_over(CLAMD_DOWN, CLAMD_UP, text)
            self._is_over(SCAN_ENGINE_UNSAFE, SCAN_ENGINE_SAFE, text)
        if not found.gaps:
            text = f"clamd at {engine.name} says so where it did not look"
            self._is_over(SCAN_ENGINE_FAILS_OPEN, SCAN_ENGINE_FAILS_CLOSED, text)
        elif news or SCAN_ENGINE_FAILS_OPEN not in self._open:
            self._fails_open()

    def _fails_open(self) -> None:
        known = self.engine.known
        what = "; ".join(known.gaps)
        text = (
            f"clamd at {self.engine.name} fails open: it says OK without a word of {what}. Content over "
            f"{known.most_bytes} bytes is not given to it, and it is not believed of what is packed in content; "
            "put these settings into clamd.conf"
        )
        self._log.warn(
            "clamd at {address} fails open: it says OK without a word of {what}; content over {most} bytes is "
            "not given to it, and it is not believed of what is packed in content",
            address=self.engine.name,
            what=what,
            most=known.most_bytes,
        )
        self._begins(SCAN_ENGINE_FAILS_OPEN, text, is_news=True)

    async def _finds(self) -> bool:
        """
        See whether it finds the test file, and let nobody use it if not.

        @raise Lost: it gives no answer.
        """
        engine = self.engine
        if not self._settings.canary:
            return True
        try:
            if engine.reads(Place.MEMORY):
                try:
                    await trials.finds(engine, as_file=True)
                except Lost:
                    await trials.finds(engine, as_file=False)
                    self.sends(Place.MEMORY)
            else:
                await trials.finds(engine, as_file=False)
        except trials.NotFound as error:
            if engine.standing is not Standing.UNSAFE:
                engine.stand(Standing.UNSAFE, f"it does not find what it has to: {error}")
                text = f"clamd at {engine.name} is not safe, and not used: {error}"
                self._log.error(
                    "clamd at {address} is not safe, and not used: {why}",
                    address=engine.name,
                    why=str(error),
                )
                self._begins(SCAN_ENGINE_UNSAFE, text)
            return False
        self._canary_due = self._clock.seconds() + CANARY_SECONDS
        return True

    def sends(self, place: Place) -> None:
        """Have content sent for a while that would go as a file of this kind, as it can't be read."""
        self.engine.send_only(place)
        self._log.warn(
            "clamd at {address} can't read {files} that are passed to it open, as AppArmor or SELinux may forbid it; "
            "such content is sent for now, which is slower",
            address=self.engine.name,
            files=place.value,
        )

    def _begins(self, kind: EventType, text: str, *, is_news: bool = False) -> None:
        if kind in self._open and not is_news:
            return
        self._open.add(kind)
        self._tell(kind(text, self.engine.name, address=self.engine.name))

    def _is_over(self, begun: EventType, kind: EventType, text: str) -> None:
        if begun in self._open:
            self._open.remove(begun)
            self._tell(kind(text, self.engine.name, address=self.engine.name))
