"""Status codes (RFC 9110 section 15)."""

from __future__ import annotations


def is_final(status: int) -> bool:
    """Tell whether the final answer to a request can have a status: it has three digits, and is no interim one."""
    return 200 <= status <= 999
