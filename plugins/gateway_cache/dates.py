"""
HTTP dates, read as a cache has to (RFC 9110 section 5.6.7, RFC 9111 section 4.2).

Names are read in any case; any zone but GMT, and whatever else is not one of the three forms, is no date. The clock is
the caller's.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, date, datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBERS = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}
_FIFTY_YEARS = 50 * 31_556_952
_LONGEST = 40

_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_MONTH = b"(" + "|".join(_MONTHS).encode() + b")"
_TIME = rb"([0-9]{2}):([0-9]{2}):([0-9]{2})"
_IMF = re.compile(_DAY + rb", ([0-9]{2}) " + _MONTH + rb" ([0-9]{4}) " + _TIME + b" GMT", re.I)
_RFC850 = re.compile(
    _LONG_DAY + rb", ([0-9]{2})-" + _MONTH + rb"-([0-9]{2}) " + _TIME + b" GMT", re.I
)
_ASCTIME = re.compile(_DAY + b" " + _MONTH + rb" ([ 0-9][0-9]) " + _TIME + rb" ([0-9]{4})", re.I)


# What was read of dates that mean the same at any time; an origin says the same one for all of a second.
_read: dict[bytes, int | None] = {}
_REMEMBERED = 1024


def read_date(value: bytes, now: float) -> int | None:
    """
    Read a date in any of the three forms.

    @param now: the present; a year of two digits that would lie more than 50 years ahead of it is one of the past.
    @return: seconds since the epoch; C{None} if it is no date.
    """
    if len(value) > _LONGEST:
        return None
    if value in _read:
        return _read[value]
    if found := _IMF.fullmatch(value):
        day, month, year, hour, minute, second = found.groups()
    elif found := _RFC850.fullmatch(value):
        day, month, year, hour, minute, second = found.groups()
        return _recent(int(year), month, day, (hour, minute, second), now)
    elif found := _ASCTIME.fullmatch(value):
        month, day, hour, minute, second, year = found.groups()
    else:
        return None
    if len(_read) >= _REMEMBERED:
        _read.clear()
    read = _read[value] = _seconds(int(year), month, day, (hour, minute, second))
    return read


def write_date(now: float) -> bytes:
    """
    Write an IMF-fixdate.

    @param now: not before the epoch; a fraction is cut off.
    """
    then = datetime.fromtimestamp(int(now), UTC)
    day = _DAYS[then.weekday()]
    return f"{day}, {then:%d} {_MONTHS[then.month - 1]} {then.year:04} {then:%H:%M:%S} GMT".encode()


def _recent(
    year: int, month: bytes, day: bytes, clock: tuple[bytes, bytes, bytes], now: float
) -> int | None:
    """Give the latest date of these digits that is not more than 50 years ahead."""
    this_year = datetime.fromtimestamp(int(now), UTC).year
    century = this_year - this_year % 100
    for candidate in (century + 100 + year, century + year, century - 100 + year):
        found = _seconds(candidate, month, day, clock)
        if found is not None and found <= now + _FIFTY_YEARS:
            return found
    return None


def _seconds(year: int, month: bytes, day: bytes, clock: tuple[bytes, bytes, bytes]) -> int | None:
    hour, minute, second = map(int, clock)
    if hour > 23 or minute > 59 or second > 60:
        return None
    number = _NUMBERS[month.lower()]
    try:
        date(year, number, int(day))
    except ValueError:
        return None
    # A leap second is the last of its minute: no clock here has another one.
    return timegm((year, number, int(day), hour, minute, min(second, 59), 0, 0, 0))
