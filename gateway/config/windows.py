"""
Times of maintenance: weekly, daily, or once; always in the local time of the machine.

A window over midnight belongs to the day on which it begins. Where clocks are put forward or back it begins and ends at what
the clock on the wall shows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from gateway.config.faults import BadValue, nearest

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ADVICE = (
    '"Sun 02:00-04:00", "Mon-Fri 22:00-02:00", "02:00-04:00" or "2026-12-01 22:00/2026-12-02 02:00"'
)
_TIMES = re.compile(r"(?:(\S.*?)\s+)?(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})")
_ONCE = re.compile(
    r"(\d{4}-\d{2}-\d{2})[ T](\d{1,2}:\d{2})\s*/\s*(?:(\d{4}-\d{2}-\d{2})[ T])?(\d{1,2}:\d{2})"
)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """
    A time that comes again, or only once.

    @ivar text: as it was written.
    @ivar days: 0 is Monday; none: it comes once.
    @ivar begin: on such a day, or the moment of the one time.
    @ivar lasts: how long by the clock on the wall.
    """

    text: str
    days: frozenset[int]
    begin: datetime | timedelta
    lasts: timedelta

    def end(self, at: float) -> float | None:
        """
        Say when the one ends that this moment is in; C{None}: it is in none.

        @param at: seconds since 1970.
        """
        try:
            local = datetime.fromtimestamp(at)
            for begin in self._begins(local.date()):
                if begin <= local < begin + self.lasts:
                    return max((begin + self.lasts).timestamp(), at + 1.0)
        except (ValueError, OverflowError, OSError):
            # A clock that shows no year there can be.
            return None
        return None

    def _begins(self, day: date) -> list[datetime]:
        """Give the beginnings that may still last on a day."""
        if isinstance(self.begin, datetime):
            return [self.begin]
        midnight = datetime.combine(day, time())
        return [
            start + self.begin
            for start in (midnight, midnight - _DAY)
            if start.weekday() in self.days
        ]

    def __str__(self) -> str:
        """Give it as it was written."""
        return self.text


def window(text: str) -> Window:
    """
    Read one.

    @raise BadValue: it is none; says what is wrong and how one is written.
    """
    text = text.strip()
    once = _ONCE.fullmatch(text)
    if once is not None:
        return _once(text, *once.groups())
    match = _TIMES.fullmatch(text)
    if match is None:
        raise BadValue(f'"{text}" is no time of maintenance', f"write it like {_ADVICE}")
    days, first, last = match.groups()
    begin, end = _clock(first), _clock(last)
    if begin >= _DAY:
        raise BadValue(f'"{text}" begins at 24:00', "the next day begins at 00:00")
    if begin == end:
        raise BadValue(f'"{text}" lasts no time', 'a whole day is "00:00-24:00"')
    lasts = end - begin if end > begin else end - begin + _DAY
    return Window(text, _days(days), begin, lasts)


def _once(text: str, day: str, first: str, last_day: str | None, last: str) -> Window:
    begin, end = _moment(day, first), _moment(last_day or day, last)
    if end <= begin:
        raise BadValue(f'"{text}" ends before it begins', "say the day on which it ends, too")
    return Window(text, frozenset(), begin, end - begin)


def _moment(day: str, clock: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day), time()) + _clock(clock)
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadValue):
            raise
        raise BadValue(f'"{day}" is no date', 'year, month and day: "2026-12-01"') from None


def _clock(text: str) -> timedelta:
    hours, minutes = map(int, text.split(":"))
    if minutes > 59 or hours > 24 or (hours == 24 and minutes):
        raise BadValue(f'"{text}" is no time of day', 'from "00:00" to "24:00"')
    return timedelta(hours=hours, minutes=minutes)


def _days(text: str | None) -> frozenset[int]:
    if text is None or text.lower() in ("daily", "every day"):
        return frozenset(range(7))
    found: set[int] = set()
    for part in re.split(r"\s*,\s*|\s+(?![-])(?<![-]\s)", text):
        first, is_range, last = part.partition("-")
        begin = _weekday(first.strip())
        end = _weekday(last.strip()) if is_range else begin
        # Sat-Mon goes over the end of the week.
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return frozenset(found)


def _weekday(text: str) -> int:
    name = text.lower()
    for names in (_DAYS, _LONG):
        if name in names:
            return names.index(name)
    near = nearest(name, (*_DAYS, *_LONG))
    known = "Mon, Tue, Wed, Thu, Fri, Sat, Sun"
    mend = (
        f'did you mean "{near.capitalize()}"? The days are {known}'
        if near
        else f"the days are {known}"
    )
    raise BadValue(f'"{text}" is no day of the week', mend)
