"""
Notices as bytes, for what keeps them: JSON, so that a file that is left behind can be read.

Types of events are not kept, only their names: what a type says is the running gateway's business, and a notice that an
older one left is told in the words of today's. Nothing here knows where the bytes go.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway.api.alarms import Alarm, AlarmState, Notice
from gateway.api.events import Event, EventType, Severity


class Unreadable(Exception):
    """These bytes are no notice."""


class _Alarm(msgspec.Struct, omit_defaults=True):
    id: str
    name: str
    severity: Severity
    text: str
    count: int
    first: float
    last: float
    state: AlarmState = AlarmState.SINGLE
    subject: str = ""
    values: dict[str, str] = {}
    subjects: dict[str, int] = {}
    is_test: bool = False


class _Notice(msgspec.Struct, omit_defaults=True):
    id: str
    alarms: list[_Alarm]
    node: str
    since: float
    until: float
    is_digest: bool = False


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Notice)


def to_bytes(notice: Notice) -> bytes:
    """Give a notice as bytes, all but the number of its attempt."""
    return _ENCODER.encode(
        _Notice(
            id=_text(notice.id),
            alarms=[_plain(alarm) for alarm in notice.alarms],
            node=_text(notice.node),
            since=notice.since,
            until=notice.until,
            is_digest=notice.is_digest,
        )
    )


def to_notice(body: bytes, attempt: int, types: Callable[[str], EventType | None]) -> Notice:
    """
    Give the notice that bytes are.

    @param types: gives the type of this name.
    @raise Unreadable: they are none.
    """
    try:
        read = _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Unreadable(str(error)) from error
    return Notice(
        id=read.id,
        alarms=tuple(_whole(alarm, types) for alarm in read.alarms),
        is_digest=read.is_digest,
        attempt=attempt,
        node=read.node,
        since=read.since,
        until=read.until,
    )


def rank(notice: Notice) -> int:
    """Say how much a notice matters: as its worst alarm, from 0 to 2."""
    return max((alarm.event.severity.rank for alarm in notice.alarms), default=0)


def events(notice: Notice) -> int:
    """Say how many events a notice stands for."""
    return sum(alarm.count for alarm in notice.alarms)


def is_of_states(notice: Notice) -> bool:
    """Tell whether it says of a state that it begins, goes on or ends: such notices make no sense in another order."""
    return any(alarm.state is not AlarmState.SINGLE for alarm in notice.alarms)


def _plain(alarm: Alarm) -> _Alarm:
    event = alarm.event
    return _Alarm(
        id=_text(alarm.id),
        name=_text(event.name),
        severity=event.severity,
        text=_text(event.text),
        subject=_text(event.subject),
        values={_text(name): _text(value) for name, value in event.values.items()},
        state=alarm.state,
        count=alarm.count,
        first=alarm.first,
        last=alarm.last,
        subjects={_text(subject): count for subject, count in alarm.subjects.items()},
        is_test=alarm.is_test,
    )


def _whole(alarm: _Alarm, types: Callable[[str], EventType | None]) -> Alarm:
    return Alarm(
        id=alarm.id,
        event=Event(alarm.name, alarm.severity, alarm.text, alarm.subject, alarm.values),
        type=types(alarm.name),
        state=alarm.state,
        count=alarm.count,
        first=alarm.first,
        last=alarm.last,
        subjects=alarm.subjects,
        is_test=alarm.is_test,
    )


def _text(value: object) -> str:
    """Make text that can be written: a plugin may have put in a number, or a name that is no UTF-8."""
    return str(value).encode("utf-8", "backslashreplace").decode()
