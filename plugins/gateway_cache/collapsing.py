"""
Collapsed forwarding: of many requests for one thing that is not stored, one goes upstream and the others wait for it.

The one is the leader. When what it brings is stored, those who wait look again and find it. When it can't be stored they
all go at once, and for a while nobody waits for that key. When the leader fails, or its client leaves, the next in line
becomes the leader. Nobody waits longer than allowed: who has waited that long goes upstream on his own.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum

from twisted.internet.defer import CancelledError, Deferred

from gateway.api import Clock

#: Keys that are remembered as not storable.
MOST_PASSED = 10_000
#: How long, seconds.
PASSED_SECONDS = 60.0
#: How many may wait for one leader; who comes then goes on his own.
MOST_WAITING = 10_000


class Turn(Enum):
    """What a wait ended with."""

    LOOK = "look again"
    LEAD = "go upstream, for the others too"
    ALONE = "go upstream for yourself"


# An attribute of an enumeration is looked up by its metaclass each time: twenty times as dear as a name.
_ALONE = Turn.ALONE
_LOOK = Turn.LOOK


class Flight:
    """
    One leader's request, and who waits for it.

    @ivar key: of what it will bring.
    @ivar waiting: the others, the first to come first.
    """

    __slots__ = ("key", "waiting")

    def __init__(self, key: bytes) -> None:
        self.key = key
        # Nearly always nobody ever waits, and a list without members costs next to nothing.
        self.waiting: list[Deferred[Turn]] = []


class Flights:
    """
    All requests that others may wait for, of one plugin object.

    @ivar collapsed: how many have waited for another's answer so far.
    """

    def __init__(self, clock: Clock, seconds: float) -> None:
        """
        Begin with none.

        @param seconds: the longest that anybody waits; 0: nobody does.
        """
        self._clock = clock
        self._seconds_now = clock.seconds
        self._seconds = seconds
        self._flights: dict[bytes, Flight] = {}
        self._passed: OrderedDict[bytes, float] = OrderedDict()
        self.collapsed = 0

    def __len__(self) -> int:
        """Tell how many leaders there are."""
        return len(self._flights)

    def join(self, key: bytes) -> Flight | Deferred[Turn] | None:
        """
        Take a request that nothing stored answers.

        @return: a flight, of which it is the leader; a wait, to be followed by what it says; or C{None}: it is nobody's
            business but its own.
        """
        if not self._seconds or (key in self._passed and self._is_passed(key)):
            return None
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = Flight(key)
            return flight
        if len(flight.waiting) >= MOST_WAITING:
            return None
        self.collapsed += 1
        return self._wait(flight)

    def led(self, key: bytes) -> Flight:
        """Give the flight of one who was told to lead."""
        return self._flights[key]

    def landed(self, flight: Flight) -> None:
        """What the leader brought is stored: all look again."""
        self._end(flight, _LOOK)

    def not_stored(self, flight: Flight, *, remember: bool = True) -> None:
        """
        What it brought is for nobody else: all go at once.

        @param remember: so do those who come in the next while.
        """
        key = flight.key
        if remember:
            passed = self._passed
            if key in passed:
                passed.move_to_end(key)
            passed[key] = self._seconds_now() + PASSED_SECONDS
            if len(passed) > MOST_PASSED:
                passed.popitem(last=False)
        flights = self._flights
        if flight.waiting:
            self._end(flight, _ALONE)
        elif flights.get(key) is flight:
            del flights[key]

    def failed(self, flight: Flight) -> None:
        """The leader brought nothing: the next in line leads."""
        if self._flights.get(flight.key) is not flight:
            return
        if flight.waiting:
            flight.waiting.pop(0).callback(Turn.LEAD)
        else:
            del self._flights[flight.key]

    def stop(self) -> None:
        """Let everybody go on his own."""
        for flight in list(self._flights.values()):
            self._end(flight, _ALONE)

    def _end(self, flight: Flight, turn: Turn) -> None:
        flights = self._flights
        key = flight.key
        if flights.get(key) is flight:
            del flights[key]
        waiting = flight.waiting
        if waiting:
            flight.waiting = []
            for one in waiting:
                one.callback(turn)

    def _wait(self, flight: Flight) -> Deferred[Turn]:
        waiting: Deferred[Turn] = Deferred(lambda cancelled: self._left(flight, cancelled))
        flight.waiting.append(waiting)
        limit = self._clock.callLater(self._seconds, self._late, flight, waiting)

        def over(given: Turn) -> Turn:
            if limit.active():
                limit.cancel()
            return given

        return waiting.addBoth(over)

    def _left(self, flight: Flight, waiting: Deferred[Turn]) -> None:
        """Its client has gone."""
        if waiting in flight.waiting:
            flight.waiting.remove(waiting)
        waiting.errback(CancelledError())

    def _late(self, flight: Flight, waiting: Deferred[Turn]) -> None:
        if waiting in flight.waiting:
            flight.waiting.remove(waiting)
            waiting.callback(Turn.ALONE)

    def _is_passed(self, key: bytes) -> bool:
        """Tell whether one that is remembered is so still."""
        if self._passed[key] > self._seconds_now():
            return True
        del self._passed[key]
        return False
