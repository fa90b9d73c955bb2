"""
What is posted: a JSON object with alarms, or a text for chat servers that understand Slack's incoming webhooks.

Much of an event was chosen by strangers: a URL, a file's name. In JSON that is no matter; in a chat it stands as code, where nothing
is a link, a mention or a format. Knows no receiver.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from gateway.api import Alarm, AlarmState, Notice

#: Grows when a member goes or means something else; members are added without.
VERSION = 1

#: The longest content; texts of longer ones are cut.
MOST_BYTES = 256 * 1024
#: What chat servers take, in characters, with some room.
MOST_CHAT = 12_000

_CUT = "..."
# How long texts may be where all is too long; at last without the details of events.
_BOUNDS = (4096, 1024, 256, 64)


def generic(notice: Notice) -> bytes:
    """
    Write a notice as C{docs/webhook.md} describes it.

    The same at each attempt, so that nothing of it says how often it was tried.
    """
    made = _written(notice, None, has_fields=True)
    for bound in _BOUNDS:
        if len(made) <= MOST_BYTES:
            return made
        made = _written(notice, bound, has_fields=True)
    if len(made) > MOST_BYTES:
        made = _written(notice, _BOUNDS[-1], has_fields=False)
    return made


def slack(notice: Notice) -> bytes:
    """Write a notice as a text for a chat."""
    lines = []
    if notice.is_digest:
        lines.append(f"*{_bare(notice.node)}*: {len(notice.alarms)} kinds of events")
    most = MOST_CHAT // max(1, len(notice.alarms))
    for alarm in notice.alarms:
        lines += _lines(alarm, notice.node, most)
    return json.dumps({"text": "\n".join(lines)}).encode("ascii")


def _written(notice: Notice, most: int | None, *, has_fields: bool) -> bytes:
    def cut(text: str) -> str:
        if most is None or len(text) <= most:
            return text
        return text[: most - len(_CUT)] + _CUT

    made: dict[str, Any] = {
        "version": VERSION,
        "id": notice.id,
        "node": notice.node,
        "digest": notice.is_digest,
        "since": _stamp(notice.since),
        "until": _stamp(notice.until),
        "alarms": [_alarm(alarm, cut, has_fields=has_fields) for alarm in notice.alarms],
    }
    if most is not None:
        made["truncated"] = True
    return json.dumps(made, separators=(",", ":")).encode("ascii")


def _alarm(alarm: Alarm, cut: Callable[[str], str], *, has_fields: bool) -> dict[str, Any]:
    event, kind = alarm.event, alarm.type
    made: dict[str, Any] = {
        "id": alarm.id,
        "event": cut(event.name),
        "state": alarm.state.value,
        "severity": event.severity.value,
        "group": None if kind is None else kind.group.value,
        "title": None if kind is None else cut(kind.title),
        "act": None if kind is None else cut(kind.act),
        "subject": cut(event.subject),
        "text": cut(event.text),
        "count": alarm.count,
        "first": _stamp(alarm.first),
        "last": _stamp(alarm.last),
        "test": alarm.is_test,
    }
    if has_fields:
        made["fields"] = {name: cut(value) for name, value in event.values.items()}
        made["subjects"] = {cut(name): count for name, count in alarm.subjects.items()}
    return made


def _lines(alarm: Alarm, node: str, most: int) -> list[str]:
    event = alarm.event
    title = event.name if alarm.type is None else alarm.type.title
    what = f"{event.severity.value}: {title}"
    match alarm.state:
        case AlarmState.OVER:
            what = f"over: {title}"
        case AlarmState.GOES_ON:
            what += ", goes on"
    if alarm.is_test:
        what = f"test, {what}"
    times = f", {alarm.count} times" if alarm.count > 1 else ""
    when = datetime.fromtimestamp(alarm.last, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    head = f"*{_bare(what)}* on {_bare(node)}{times}, {when}"
    text = _visible(" ".join(event.text.split())).replace("`", "'")
    if len(text) > most:
        text = text[: most - len(_CUT)] + _CUT
    return [head, f"`{_escaped(text)}`"] if text else [head]


def _visible(text: str) -> str:
    """Put a question mark where a sign is none: what turns the direction of writing makes another name of a name."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def _bare(text: str) -> str:
    """Take out what a chat formats by."""
    return _escaped("".join(c if c.isalnum() or c in " .,:-_()" else " " for c in text)[:300])


def _escaped(text: str) -> str:
    """Escape as Slack wants it; without that C{<!channel>} would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
