"""
An alarm as a notification: its OID and what it carries, within the bounds of texts and of a datagram.

Plain values, so that nothing here needs the library that sends them; which version they are sent by is not known here.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.api.alarms import Alarm
from gateway.api.events import EventGroup
from gateway_snmp.tree import (
    ALARM,
    ALARM_OBJECTS,
    MOST_TEXT_BYTES,
    NO_TYPE,
    NOTIFICATIONS,
    OBJECTS,
    PERFORMANCE,
    PERFORMANCE_FAMILY,
    PERFORMANCE_OBJECTS,
    SEVERITIES,
    STATES,
    TYPES,
    Oid,
    Syntax,
    family,
)

Value: TypeAlias = "bytes | int | Oid"

#: What IWSVA sends: malware, other security events, numbers.
IWSVA_VIRUS: Final[Oid] = (1, 3, 6, 1, 4, 1, 6101, 1, 8, 8, 2, 3)
IWSVA_SECURITY: Final[Oid] = (1, 3, 6, 1, 4, 1, 6101, 1, 8, 8, 2, 4)
IWSVA_PERFORMANCE: Final[Oid] = (1, 3, 6, 1, 4, 1, 6101, 1, 8, 8, 2, 7, 0)

#: For the head of a message, of whatever version, and what its encryption adds.
_HEAD_BYTES: Final = 200
_MOST_COUNT: Final = (1 << 32) - 1
_TRUE, _FALSE = 1, 2
#: What is cut first where a datagram would be too long.
_CUT_FIRST: Final = ("gwEventDetails", "gwEventText", "gwEventSubject")
_LEAST_BYTES: Final = 32
_MARK: Final = "…"


@dataclass(frozen=True, slots=True)
class Varbind:
    """One value of a notification."""

    oid: Oid
    syntax: Syntax
    value: Value

    @property
    def size(self) -> int:
        """Give how many bytes it takes at the most, encoded."""
        value = len(self.value) * 5 if isinstance(self.value, tuple) else 9
        if isinstance(self.value, bytes):
            value = len(self.value) + 4
        # The lengths of the pair and of the name; an arc takes five bytes at the most, a small one takes one.
        return 4 + 2 + sum(1 + (arc > 127) + (arc > 16383) * 3 for arc in self.oid) + value


@dataclass(frozen=True, slots=True)
class Notification:
    """
    What is sent.

    @ivar oid: C{snmpTrapOID}.
    """

    oid: Oid
    varbinds: tuple[Varbind, ...]

    @property
    def size(self) -> int:
        """Give how many bytes its message takes at the most."""
        return _HEAD_BYTES + sum(one.size for one in self.varbinds)


def of_alarm(
    alarm: Alarm, node: str, base: Oid, *, is_iwsva: bool = False, most_bytes: int = 65000
) -> Notification:
    """
    Make the notification of an alarm.

    @param node: the name of the machine.
    @param base: where the MIB's tree begins.
    @param is_iwsva: sent as what IWSVA would send, if that has something for it.
    @param most_bytes: of the message; texts are cut for it.
    """
    values = _values(alarm, node, base)
    carried = {
        one.name: Varbind((*base, OBJECTS, ALARM, one.number, 0), one.syntax, values[one.name])
        for one in ALARM_OBJECTS
    }
    trap: Oid = (*base, NOTIFICATIONS, family(alarm.type.trap if alarm.type else "").number)
    if is_iwsva and alarm.type is not None and alarm.type.group is EventGroup.SECURITY:
        trap = IWSVA_VIRUS if alarm.type.trap == "gwMalware" else IWSVA_SECURITY
    made = Notification(trap, tuple(carried.values()))
    for name in _CUT_FIRST:
        excess = made.size - most_bytes
        if excess <= 0:
            break
        one = carried[name]
        assert isinstance(one.value, bytes)
        room = max(_LEAST_BYTES, len(one.value) - excess)
        carried[name] = Varbind(one.oid, one.syntax, _cut(one.value, room))
        made = Notification(trap, tuple(carried.values()))
    return made


def of_numbers(numbers: Mapping[str, int], base: Oid, *, is_iwsva: bool = False) -> Notification:
    """
    Make the notification of how busy the gateway is.

    @param numbers: by the names of the objects; those that are not known are left out.
    """
    trap: Oid = (*base, NOTIFICATIONS, PERFORMANCE_FAMILY.number)
    return Notification(
        IWSVA_PERFORMANCE if is_iwsva else trap,
        tuple(
            Varbind(
                (*base, OBJECTS, PERFORMANCE, one.number, 0),
                one.syntax,
                min(max(numbers[one.name], 0), _MOST_COUNT),
            )
            for one in PERFORMANCE_OBJECTS
            if one.name in numbers
        ),
    )


def text_bytes(text: str, most: int = MOST_TEXT_BYTES) -> bytes:
    """
    Encode a text on one line, cut at a character if it is too long.

    What can't be seen, as escape sequences for the terminals of those who read it, or signs that turn the direction of
    text, becomes a question mark: clients have a say in what events tell.
    """
    line = " ".join(text.split())
    visible = line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)
    return _cut(visible.encode(errors="replace"), most)


def date_and_time(seconds: float) -> bytes:
    """Write a time as C{DateAndTime} (RFC 2579), in UTC."""
    at = time.gmtime(seconds)
    tenths = int(seconds * 10) % 10
    return struct.pack(
        ">HBBBBBBcBB",
        at.tm_year,
        at.tm_mon,
        at.tm_mday,
        at.tm_hour,
        at.tm_min,
        at.tm_sec,
        tenths,
        b"+",
        0,
        0,
    )


def _values(alarm: Alarm, node: str, base: Oid) -> dict[str, Value]:
    event = alarm.event
    number = alarm.type.number if alarm.type else 0
    return {
        "gwEventName": text_bytes(event.name),
        "gwEventType": (*base, TYPES, number) if number else NO_TYPE,
        "gwEventSeverity": SEVERITIES[event.severity],
        "gwEventText": text_bytes(event.text),
        "gwEventSubject": text_bytes(event.subject),
        "gwEventState": STATES[alarm.state][0],
        "gwEventCount": min(alarm.count, _MOST_COUNT),
        "gwEventFirst": date_and_time(alarm.first),
        "gwEventLast": date_and_time(alarm.last),
        "gwEventId": text_bytes(alarm.id),
        "gwEventDetails": text_bytes(_details(alarm)),
        "gwNode": text_bytes(node),
        "gwEventTest": _TRUE if alarm.is_test else _FALSE,
    }


def _details(alarm: Alarm) -> str:
    parts = [f"{name}={value}" for name, value in alarm.event.values.items() if value]
    if len(alarm.subjects) > 1:
        often = sorted(alarm.subjects.items(), key=lambda one: (-one[1], one[0]))
        parts.insert(0, "most about " + ", ".join(f"{name} ({count})" for name, count in often[:5]))
    return "; ".join(parts)


def _cut(encoded: bytes, most: int) -> bytes:
    if len(encoded) <= most:
        return encoded
    mark = _MARK.encode()
    return encoded[: most - len(mark)].decode(errors="ignore").encode() + mark
