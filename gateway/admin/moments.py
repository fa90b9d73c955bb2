"""Moments as orders and pages tell them."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: float) -> str:
    """
    Write a moment as RFC 3339 has it, in whole seconds.

    @param seconds: since 1970.
    """
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
