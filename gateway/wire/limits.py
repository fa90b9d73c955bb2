"""Bounds of what a parser takes in before it refuses."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """
    Limits of one message.

    @ivar head: bytes of start line and header section together.
    @ivar target: bytes of a request target.
    @ivar fields: field lines in a header section, and in a trailer section.
    @ivar trailers: bytes of a trailer section.
    @ivar interim: 1xx responses before the final one.
    """

    head: int = 65536
    target: int = 16384
    fields: int = 200
    trailers: int = 8192
    interim: int = 64


#: What holds where nobody said otherwise.
DEFAULT_LIMITS = HeadLimits()
