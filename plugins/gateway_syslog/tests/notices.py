"""Alarms and notices for tests, with as little said as a test needs; and readers of what is written, by the RFCs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.api import Alarm, AlarmState, Event, EventGroup, EventType, Notice, Severity

#: 2023-11-14T22:13:20 UTC.
THEN = 1_700_000_000.0

KIND = EventType(
    name="file_refused",
    severity=Severity.WARNING,
    group=EventGroup.SECURITY,
    title="a file was refused",
    when="Each time.",
    act="Look.",
    subject="the client's address",
)


def alarm(
    text: str = "a file was refused",
    subject: str = "192.0.2.7",
    *,
    name: str = "file_refused",
    severity: Severity = Severity.WARNING,
    kind: EventType | None = KIND,
    state: AlarmState = AlarmState.SINGLE,
    count: int = 1,
    subjects: Mapping[str, int] | None = None,
    is_test: bool = False,
    id: str = "7f3a-1",
    values: Mapping[str, str] | None = None,
    **more: str,
) -> Alarm:
    """Make an alarm; its details as a mapping, or by name."""
    event = Event(name, severity, text, subject, {**(values or {}), **more})
    about = {subject: count} if subjects is None else subjects
    return Alarm(id, event, kind, state, count, THEN - 2, THEN, about, is_test)


def notice(*alarms: Alarm, attempt: int = 1, node: str = "gw1.example.com") -> Notice:
    """Make a notice."""
    return Notice("n-1", alarms or (alarm(),), False, attempt, node, THEN - 2, THEN)


@dataclass
class Read:
    """A message as a reader of RFC 5424 takes it."""

    priority: int
    time: str
    host: str
    app: str
    process: str
    msgid: str
    elements: dict[str, dict[str, str]]
    text: bytes


_HEAD = re.compile(rb"<(\d{1,3})>1 (\S+) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32}) ")
_NAME = re.compile(rb'[^= \]"]{1,32}')


def read(message: bytes) -> Read:
    """
    Read a message by the grammar of RFC 5424 section 6, without any mercy.

    @raise AssertionError: it does not keep to it.
    """
    head = _HEAD.match(message)
    assert head is not None, message
    at = head.end()
    elements: dict[str, dict[str, str]] = {}
    if message[at : at + 1] == b"-":
        at += 1
    else:
        while message[at : at + 1] == b"[":
            at, name, params = _element(message, at + 1)
            assert name not in elements, "an element is there twice"
            elements[name] = params
        assert elements, message
    rest = message[at:]
    assert not rest or rest[:1] == b" ", message
    priority, time, host, app, process, msgid = (part.decode("ascii") for part in head.groups())
    return Read(int(priority), time, host, app, process, msgid, elements, rest[1:])


def _element(message: bytes, at: int) -> tuple[int, str, dict[str, str]]:
    found = _NAME.match(message, at)
    assert found is not None, message
    name, at = found[0].decode("ascii"), found.end()
    params: dict[str, str] = {}
    while message[at : at + 1] == b" ":
        found = _NAME.match(message, at + 1)
        assert found is not None, message
        at = found.end()
        assert message[at : at + 2] == b'="', message
        value, at = bytearray(), at + 2
        while message[at : at + 1] != b'"':
            assert at < len(message), "a value has no end"
            assert message[at : at + 1] != b"]", "a bracket is not escaped"
            at += message[at : at + 1] == b"\\"
            value += message[at : at + 1]
            at += 1
        at += 1
        params[found[0].decode("ascii")] = value.decode("utf-8")
    assert message[at : at + 1] == b"]", message
    return at + 1, name, params
