"""
Sizes and durations: C{"2GiB"} to bytes, C{"500ms"} to seconds, and back.

The unit always stands with the number, so that nobody has to remember which key counts in what. A bare number is
taken for bytes (there is nothing smaller to mean); for a duration it is refused, for 30 might be either.
"""

from __future__ import annotations

import re

from gateway.config.faults import BadValue

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "TiB": 1024**4,
}
KIB, MIB, GIB = 1024, 1024**2, 1024**3

MAX_SECONDS = 3650 * 86400.0
MAX_BYTES = 2**60

_NUMBER = re.compile(r"([0-9]{1,19})(?:\.([0-9]{1,9}))?[ ]?([A-Za-z]*)")


def duration(text: str) -> float:
    """
    Turn C{"500ms"}, C{"1.5s"}, C{"5m"}, C{"2h"} or C{"1d"} into seconds.

    @raise BadValue: for anything else, and for more than ten years.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise BadValue(
            f'"{text}" is not a duration', 'write it like "30s", "500ms", "5m", "2h" or "1d"'
        )
    whole, fraction, unit = match.groups()
    if unit not in SECONDS:
        if not unit:
            if int(whole) == 0 and not int(fraction or 0):
                return 0.0
            raise BadValue(f'"{text}" has no unit', f'"{text}s" for seconds')
        raise BadValue(f'"{unit}" is not a unit of time', f"the units are {', '.join(SECONDS)}")
    if unit == "ms":
        # Divided, not multiplied: 500 / 1000 is exact where 500 * 0.001 need not be.
        seconds = float(f"{whole}.{fraction or 0}") / 1000
    else:
        seconds = float(f"{whole}.{fraction or 0}") * SECONDS[unit]
    if seconds > MAX_SECONDS:
        raise BadValue(f'"{text}" is more than ten years')
    return seconds


def size(text: str) -> int:
    """
    Turn C{"64KiB"}, C{"10MB"} or C{"512"} into bytes.

    @raise BadValue: for anything else, for parts of a byte and for more than an exbibyte.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise BadValue(f'"{text}" is not a size', 'write it like "64KiB", "10MB" or "2GiB"')
    whole, fraction, unit = match.group(1), match.group(2) or "", match.group(3)
    factor = BYTES.get(unit or "B")
    if factor is None:
        raise BadValue(f'"{unit}" is not a unit of size', _size_advice(whole, unit))
    parts: int = 10 ** len(fraction)
    scaled, rest = divmod(int(whole + fraction) * factor, parts)
    if rest:
        raise BadValue(f'"{text}" is not a whole number of bytes')
    if scaled > MAX_BYTES:
        raise BadValue(f'"{text}" is more than 1024 PiB')
    return scaled


def duration_text(seconds: float) -> str:
    """Write seconds the short way; L{duration} reads it back to the same value."""
    if seconds == 0:
        return "0s"
    # Minutes only from ten on: "180s" and "300s" are what the other documents say.
    for unit, least in (("d", 86400.0), ("h", 3600.0), ("m", 600.0), ("s", 1.0)):
        if seconds >= least and seconds % SECONDS[unit] == 0:
            return f"{int(seconds / SECONDS[unit])}{unit}"
    milliseconds = round(seconds * 1000, 6)
    return f"{milliseconds:.6f}".rstrip("0").rstrip(".") + "ms"


def size_text(count: int) -> str:
    """Write bytes the short way; L{size} reads it back to the same value."""
    for unit in ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "kB"):
        if count and count % BYTES[unit] == 0:
            return f"{count // BYTES[unit]}{unit}"
    return str(count)


def _size_advice(number: str, unit: str) -> str:
    if unit[:1].upper() in ("K", "M", "G", "T"):
        letter = unit[0].upper()
        return f'"{number}{letter}iB" counts in 1024, "{number}{letter}B" in 1000'
    return "the units are B, kB, MB, GB, TB and KiB, MiB, GiB, TiB"
