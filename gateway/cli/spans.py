"""Spans of time as commands write them."""

from __future__ import annotations


def span(seconds: float) -> str:
    """Write a span of time with its two largest units."""
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h {whole % 3600 // 60}m"
    return f"{whole // 60}m {whole % 60}s" if whole >= 60 else f"{whole}s"
