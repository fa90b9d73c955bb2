"""
What kind of answer a client wants to read (RFC 9110 section 12.5.1).

Only one question is asked here: shall a page made by the gateway be JSON or HTML.
"""

from __future__ import annotations

import re

#: Media ranges that are looked at; a list is rarely longer than ten.
_MAX_RANGES = 32

_QVALUE = re.compile(r";[ \t]*q[ \t]*=[ \t]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*(?:;|$)")


def prefers_json(accept: str | None) -> bool:
    """
    Tell whether a value of Accept prefers JSON to HTML.

    The higher quality wins; where both are equal, the more specific range does: C{application/json, */*} is a program
    and C{*/*} alone may be anybody, who gets HTML. Any media type with the suffix C{+json} counts as JSON.

    @param accept: all values of Accept joined by commas; C{None} without the field.
    """
    if not accept or "json" not in accept.lower():
        return False
    json = html = (0.0, 0)
    for part in accept.lower().split(",", _MAX_RANGES)[:_MAX_RANGES]:
        media_range, _, rest = part.partition(";")
        media_range = media_range.strip(" \t")
        # A quality that is none makes the range worthless, not the best of all.
        found = _QVALUE.search(";" + rest) if rest else None
        quality = float(found[1]) if found else 0.0 if "q=" in rest else 1.0
        if media_range == "*/*":
            json, html = _least(json, quality, 1), _least(html, quality, 1)
        elif media_range == "application/*":
            json = _least(json, quality, 2)
        elif media_range == "text/*":
            html = _least(html, quality, 2)
        elif media_range == "application/json" or media_range.endswith("+json"):
            json = _best(json, quality)
        elif media_range in ("text/html", "application/xhtml+xml"):
            html = _best(html, quality)
    return json[0] > 0 and json > html


_SPECIFIC = 3


def _least(known: tuple[float, int], quality: float, specific: int) -> tuple[float, int]:
    """Take a wildcard's quality where nothing more specific has spoken (RFC 9110 section 12.5.1)."""
    return known if known[1] > specific else (quality, specific)


def _best(known: tuple[float, int], quality: float) -> tuple[float, int]:
    """Take a named type's quality; of several names for one kind the best counts."""
    return max(known, (quality, _SPECIFIC)) if known[1] == _SPECIFIC else (quality, _SPECIFIC)
