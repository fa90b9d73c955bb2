"""
Events made fit for what remembers, stores and counts them: texts with an end, and nothing in them that can't be written.

Producers see to that themselves, as a rule; but one text of a hundred kilobytes for each of thousands of clients, or one name
that is no UTF-8, must not cost the alarms of all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from itertools import islice

from gateway.api.events import Event

#: Characters of a text, and of each detail.
MOST_TEXT = 4000
#: Characters of a subject, which is counted, and remembered while a state lasts.
MOST_SUBJECT = 500
#: Details of one event, and characters of their names.
MOST_VALUES = 50
_MOST_NAME = 100


def fitted(event: Event) -> Event:
    """Give an event within all bounds; as a rule itself."""
    return event if _is_plain(event) else _made(event)


def _is_plain(event: Event) -> bool:
    """Tell, quickly, whether there is nothing to be done."""
    text, subject, values = event.text, event.subject, event.values
    try:
        if not (text.isascii() and subject.isascii()):
            return False
        if len(text) > MOST_TEXT or len(subject) > MOST_SUBJECT or len(values) > MOST_VALUES:
            return False
        for name, value in values.items():
            if len(value) > MOST_TEXT or len(name) > _MOST_NAME:
                return False
            if not (value.isascii() and name.isascii()):
                return False
    except (AttributeError, TypeError):
        # A plugin has put in something else.
        return False
    return True


def _made(event: Event) -> Event:
    return replace(
        event,
        text=_cut(event.text, MOST_TEXT),
        subject=_subject(event.subject),
        values=_values(event.values),
    )


def _values(values: Mapping[str, str]) -> dict[str, str]:
    return {
        _cut(name, _MOST_NAME): _cut(value, MOST_TEXT)
        for name, value in islice(values.items(), MOST_VALUES)
    }


def _subject(subject: object) -> str:
    """Cut a subject so that two long ones stay two."""
    text = str(subject)
    if len(text) > MOST_SUBJECT:
        digest = blake2b(text.encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
        text = f"{text[: MOST_SUBJECT - 100]}…{digest}"
    return _cut(text, MOST_SUBJECT)


def _cut(text: object, most: int) -> str:
    """Cut a text, of whatever a plugin has put there; what can't be encoded is written as its number."""
    said = str(text)[:most].encode("utf-8", "backslashreplace").decode()
    return said if len(said) <= most and len(str(text)) <= most else f"{said[: most - 1]}…"
