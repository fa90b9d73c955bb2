"""
HTTP dates (RFC 9110 section 5.6.7): written once a second, read in all three forms.

The clock is the caller's.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import date

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}
_SECONDS_A_DAY = 86400
_FIFTY_YEARS = 50 * 31_556_952
_EPOCH = date(1970, 1, 1).toordinal()
_LAST = date.max.toordinal()

_TIME = r"([0-2][0-9]):([0-5][0-9]):([0-6][0-9])"
_MONTH = "(" + "|".join(_MONTHS) + ")"
_IMF = re.compile(rf"(?:{'|'.join(_DAYS)}), ([0-3][0-9]) {_MONTH} ([0-9]{{4}}) {_TIME} GMT")
_RFC850 = re.compile(
    rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, ([0-3][0-9])-{_MONTH}-([0-9]{{2}}) {_TIME} GMT"
)
_ASCTIME = re.compile(rf"(?:{'|'.join(_DAYS)}) {_MONTH} ([ 0-3][0-9]) {_TIME} ([0-9]{{4}})")

_second = -1
_written = b""


def http_date(seconds: float) -> bytes:
    """
    Write an IMF-fixdate; the same object for the whole of a second.

    @param seconds: since the epoch, not before it; a fraction is cut off.
    """
    global _second, _written
    whole = int(seconds)
    if whole != _second:
        _written = _format(whole)
        _second = whole
    return _written


def parse_http_date(value: bytes | str, now: float) -> int | None:
    """
    Read a date in any of the three forms.

    The name of the day is not checked against the date: the date is what counts.

    @param now: the present, seconds since the epoch. A two-digit year that would lie more than 50 years
        ahead of it is one of the past (RFC 9110 section 5.6.7).
    @return: seconds since the epoch (less than 0 before it); C{None} if it is no valid date.
    """
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if found := _IMF.fullmatch(text):
        day, month, year, *clock = found.groups()
    elif found := _RFC850.fullmatch(text):
        day, month, year, *clock = found.groups()
        return _recent(int(year), month, int(day), clock, now)
    elif found := _ASCTIME.fullmatch(text):
        month, day, *clock, year = found.groups()
    else:
        return None
    return _seconds(int(year), month, int(day), clock)


def _format(whole: int) -> bytes:
    days, left = divmod(whole, _SECONDS_A_DAY)
    ordinal = days + _EPOCH
    if not 0 < ordinal <= _LAST:
        raise ValueError("no date has more than four digits in its year")
    day = date.fromordinal(ordinal)
    minutes, second = divmod(left, 60)
    hour, minute = divmod(minutes, 60)
    return (
        f"{_DAYS[day.weekday()]}, {day.day:02} {_MONTHS[day.month - 1]} {day.year:04}"
        f" {hour:02}:{minute:02}:{second:02} GMT"
    ).encode("ascii")


def _recent(year: int, month: str, day: int, clock: list[str], now: float) -> int | None:
    """Give the latest date of these digits that is not more than 50 years ahead."""
    this_year = date.fromordinal(int(now // _SECONDS_A_DAY) + _EPOCH).year
    year += this_year - this_year % 100
    for candidate in (year + 100, year, year - 100):
        found = _seconds(candidate, month, day, clock)
        if found is not None and found <= now + _FIFTY_YEARS:
            return found
    return None


def _seconds(year: int, month: str, day: int, clock: list[str]) -> int | None:
    hour, minute, second = map(int, clock)
    if hour > 23 or second > 60:
        return None
    number = _MONTH_NUMBERS[month]
    try:
        date(year, number, day)
    except ValueError:
        return None
    # A leap second is the last of its minute: no clock here has another one.
    return timegm((year, number, day, hour, minute, min(second, 59), 0, 0, 0))
