"""
Messages as RFC 5424 says: priority, header, structured data and a text.

The event's own details are an element of their own, so that none of them can be taken for what the gateway says of the alarm.
Knows nothing of receivers and connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from gateway.api import Alarm, Notice, Severity
from gateway_syslog.texts import Room, encoded, stamp, visible

#: Numbers of facilities (RFC 5424 section 6.2.1) by the names that configurations of syslog servers use.
FACILITIES = {
    "user": 1,
    "daemon": 3,
    "auth": 4,
    "syslog": 5,
    "authpriv": 10,
    "audit": 13,
    "alert": 14,
    **{f"local{number}": 16 + number for number in range(8)},
}

# error, warning, informational (RFC 5424 section 6.2.1).
_SEVERITIES = {Severity.ERROR: 3, Severity.WARNING: 4, Severity.INFO: 6}
_APP_NAME = "gateway"
_NOT_PLAIN = re.compile(r"[^!-~]")
_NOT_NAME = re.compile(r'[^!-~]|[="\]]')
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Header:
    """
    What the head of every message of one receiver says.

    @ivar facility: number of the facility.
    @ivar process: our process id.
    @ivar sd_id: name of the element that says what the gateway knows of an alarm: C{name@enterprise}.
    """

    facility: int
    process: int
    sd_id: str

    def of(self, alarm: Alarm, node: str) -> bytes:
        """Write the head of an alarm's message, up to the space before the structured data."""
        priority = self.facility * 8 + _SEVERITIES[alarm.event.severity]
        host = _plain(node, 255)
        msgid = _plain(alarm.event.name, 32)
        return (
            f"<{priority}>1 {stamp(alarm.last)} {host} {_APP_NAME} {self.process} {msgid} "
        ).encode("ascii")

    def message(self, alarm: Alarm, notice: Notice, room: Room) -> bytes:
        """Write a whole message, the text of the event being its C{MSG}."""
        text = visible(room.cut(alarm.event.text))
        return b"%b%b %b%b" % (
            self.of(alarm, notice.node),
            self._structured(alarm, notice, room),
            _BOM,
            encoded(text),
        )

    def around(self, alarm: Alarm, node: str, text: bytes) -> bytes:
        """
        Write a message with a C{MSG} of another format and no structured data.

        Without a byte order mark: readers of CEF and JSON expect none.
        """
        return b"%b- %b" % (self.of(alarm, node), text)

    def _structured(self, alarm: Alarm, notice: Notice, room: Room) -> bytes:
        event = alarm.event
        about: list[tuple[str, str]] = [
            ("id", alarm.id[:64]),
            ("event", room.cut(event.name)),
            ("state", alarm.state.value),
            ("severity", event.severity.value),
            ("count", str(alarm.count)),
            ("first", stamp(alarm.first)),
            ("last", stamp(alarm.last)),
            ("attempt", str(notice.attempt)),
        ]
        if alarm.type is not None:
            about.insert(4, ("group", alarm.type.group.value))
        if event.subject:
            about.append(("subject", room.cut(event.subject)))
        if alarm.count > 1 and alarm.subjects and room.has_details:
            counted = "; ".join(f"{name} ({count})" for name, count in alarm.subjects.items())
            about.append(("subjects", room.cut(counted)))
        if alarm.is_test:
            about.append(("test", "true"))
        if room.is_short:
            about.append(("truncated", "true"))
        made = element(self.sd_id, about)
        if event.values and room.has_details:
            name, _, enterprise = self.sd_id.partition("@")
            details = ((key, room.cut(value)) for key, value in event.values.items())
            made += element(f"{name}-event@{enterprise}", details)
        return made


def element(sd_id: str, params: Iterable[tuple[str, str]]) -> bytes:
    """Write an element of structured data; what can't be in a name is C{_} there."""
    inner = "".join(f' {_name(name)}="{_value(value)}"' for name, value in params if name)
    return encoded(f"[{sd_id}{inner}]")


def _value(text: str) -> str:
    """Escape a value (RFC 5424 section 6.3.3)."""
    return visible(text).replace("\\", r"\\").replace('"', r"\"").replace("]", r"\]")


@lru_cache(256)
def _name(text: str) -> str:
    return _NOT_NAME.sub("_", text)[:32]


@lru_cache(256)
def _plain(text: str, most: int) -> str:
    """Give what a field of the header can hold; nothing is C{-}."""
    return _NOT_PLAIN.sub("_", text)[:most] or "-"
