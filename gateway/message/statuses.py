"""Status codes and reason phrases (RFC 9110 section 15, RFC 9112 section 4)."""

from __future__ import annotations

import re

_REASON = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


def is_final(status: int) -> bool:
    """Tell whether the final answer to a request can have a status: it has three digits, and is no interim one."""
    return 200 <= status <= 999


def phrase(reason: bytes) -> bytes:
    """Give a reason phrase as it may be sent: what is none, and would become a line of its own, is empty."""
    return reason if _REASON.fullmatch(reason) else b""
