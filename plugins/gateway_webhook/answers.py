"""
What an answer means: delivered, not now, or never.

What is about the content will not change by another attempt. What is about the receiver or the configuration (a wrong token, a wrong
path, a redirect) will be mended by somebody who hears of it, and then nothing shall be missing; the queue has a bound and an
end by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from gateway.api import DeliveryFailed, HttpAnswer

#: Refused for what it is, or told never to come again (RFC 9110 section 15.5).
FINAL = frozenset((400, 410, 413, 422))

#: The longest time that a receiver may put off the next attempt.
MOST_AFTER_SECONDS = 3600.0


def judged(name: str, answer: HttpAnswer, now: Callable[[], float] = time.time) -> None:
    """
    Look at an answer.

    @param name: what the receiver is called.
    @raise DeliveryFailed: it is none that the receiver took the notice with.
    """
    status = answer.status
    if 200 <= status < 300:
        return
    if status in FINAL:
        raise DeliveryFailed(f"{name} refuses the notice: status {status}", is_final=True)
    why = f"{name} answers with status {status}"
    if 300 <= status < 400:
        why += ": it wants to be asked elsewhere, which is not done"
    elif status in (401, 403, 404):
        why += ": look at the URL, the key and the fields"
    raise DeliveryFailed(why, after_seconds=after(answer.fields.get("retry-after"), now))


def failed(name: str, reason: str, said: str) -> DeliveryFailed:
    """
    Say that there was no answer.

    @param reason: of an L{HttpFailed<gateway.api.HttpFailed>}.
    @param said: its text, without secrets.
    """
    if reason == "too_large":
        # It was taken or not, and would be answered the same way again.
        return DeliveryFailed(f"{name}: the answer is too long to be read", is_final=True)
    return DeliveryFailed(f"{name} can't be asked: {said}")


def after(text: str | None, now: Callable[[], float]) -> float | None:
    """Read C{Retry-After} (RFC 9110 section 10.2.3): seconds from now, an hour at most; C{None}: it says nothing."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(MOST_AFTER_SECONDS, float(text[:9]))
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return min(MOST_AFTER_SECONDS, max(0.0, moment - now()))
