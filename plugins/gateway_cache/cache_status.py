"""
C{Cache-Status}: how this cache dealt with a request (RFC 9211).

The line goes behind those of caches further up; what clients chose never gets into it.
"""

from __future__ import annotations

import re
from typing import Literal

#: Why a request went on to the origin (RFC 9211 section 2.2).
Why = Literal["bypass", "method", "uri-miss", "vary-miss", "miss", "request", "stale", "partial"]

_REMEMBERED = 1024
# Lines of requests that went on: there are not many different ones.
_forward: dict[tuple[str, Why, int | None, int | None, bool, bool, str], bytes] = {}
_passed: dict[tuple[str, Why, str, bool], bytes] = {}

_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")


def hit_line(name: str, ttl: float, detail: str = "") -> bytes:
    """
    Write the line of a response that came out of the cache.

    @param ttl: for how many seconds it is fresh yet; below 0: for how long it isn't.
    """
    return (
        f"Cache-Status: {_word(name)}; hit; ttl={int(ttl // 1)}"
        f"{'; detail=' + _word(detail) if detail else ''}"
    ).encode("ascii")


def forward_line(
    name: str,
    why: Why,
    *,
    status: int | None = None,
    ttl: float | None = None,
    stored: bool = False,
    collapsed: bool = False,
    detail: str = "",
) -> bytes:
    """
    Write the line of a response that the origin was asked for.

    @param status: what it answered, where that is not the status sent on: a 304 that confirmed what is stored.
    @param collapsed: the request waited for the answer to another one.
    """
    seconds = None if ttl is None else int(ttl // 1)
    said = (name, why, status, seconds, stored, collapsed, detail)
    line = _forward.get(said)
    if line is None:
        if len(_forward) >= _REMEMBERED:
            _forward.clear()
        line = _forward[said] = _forward_line(*said)
    return line


def passed_line(name: str, why: Why, detail: str, collapsed: bool) -> bytes:
    """
    Write the line of one that is not stored: the same as L{forward_line}, known again by less.

    @param detail: why it is not; empty: nobody says.
    """
    said = (name, why, detail, collapsed)
    line = _passed.get(said)
    if line is None:
        if len(_passed) >= _REMEMBERED:
            _passed.clear()
        line = _passed[said] = forward_line(name, why, collapsed=collapsed, detail=detail)
    return line


def _forward_line(
    name: str,
    why: Why,
    status: int | None,
    seconds: int | None,
    stored: bool,
    collapsed: bool,
    detail: str,
) -> bytes:
    parts = [f"Cache-Status: {_word(name)}; fwd={why}"]
    if status is not None:
        parts.append(f"fwd-status={status}")
    if seconds is not None:
        parts.append(f"ttl={seconds}")
    if stored:
        parts.append("stored")
    if collapsed:
        parts.append("collapsed")
    if detail:
        parts.append("detail=" + _word(detail))
    return "; ".join(parts).encode("ascii")


def _word(text: str) -> str:
    """Write a token where it is one, else a string (RFC 8941 section 3.3)."""
    if _TOKEN.fullmatch(text):
        return text
    kept = "".join(char if " " <= char <= "~" else "?" for char in text)
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'
