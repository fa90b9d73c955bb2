"""
Messages in the Common Event Format, version 0.

Details that CEF has a key for stand under it (C{src}, C{request}, C{fname}); the next six are C{cs1} to C{cs6} with their names as
labels, and what is left has keys of its own, C{gateway} and the name. Knows nothing of receivers and connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from ipaddress import IPv4Address, ip_address

from gateway.api import Alarm, Notice, Severity
from gateway_syslog.texts import Room, encoded, visible

_VENDOR = "gateway"
_PRODUCT = "secure web gateway"

#: Of 0 to 10: medium is from 4, high from 7 on.
_SEVERITIES = {Severity.INFO: 3, Severity.WARNING: 6, Severity.ERROR: 8}

#: Details by the key that CEF has for them.
_KEYS = {
    "action": "act",
    "host": "dhost",
    "member": "fname",
    "method": "requestMethod",
    "reason": "reason",
    "url": "request",
    "user": "suser",
}
_CUSTOM = 6
_HEADER = re.compile(r"([\\|])")
_NOT_KEY = re.compile(r"[^A-Za-z0-9]")
_LINE_ENDS = re.compile(r"\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")


def message(alarm: Alarm, notice: Notice, room: Room) -> bytes:
    """Write an alarm, without a head of syslog."""
    event = alarm.event
    title = event.name if alarm.type is None else alarm.type.title
    severity = str(_SEVERITIES[event.severity])
    head = (_VENDOR, _PRODUCT, _version(), room.cut(event.name), room.cut(title), severity)
    escaped = "|".join(_HEADER.sub(r"\\\1", visible(part)) for part in head)
    values = " ".join(f"{key}={_value(value)}" for key, value in _extension(alarm, notice, room))
    return encoded(f"CEF:0|{escaped}|{values}")


def _extension(alarm: Alarm, notice: Notice, room: Room) -> Iterator[tuple[str, str]]:
    event = alarm.event
    yield "rt", _milliseconds(alarm.last)
    yield "start", _milliseconds(alarm.first)
    yield "end", _milliseconds(alarm.last)
    yield "cnt", str(alarm.count)
    yield "externalId", alarm.id[:64]
    yield "dvchost", notice.node[:255]
    yield "outcome", alarm.state.value
    if alarm.type is not None:
        yield "cat", alarm.type.group.value
    yield from _details(alarm, room)
    if notice.attempt > 1:
        yield "gatewayAttempt", str(notice.attempt)
    if alarm.is_test:
        yield "gatewayTest", "true"
    if room.is_short:
        yield "gatewayTruncated", "true"
    # Last, as is usual: readers that look for the next " key=" can't go wrong in it.
    yield "msg", room.cut(event.text)


def _details(alarm: Alarm, room: Room) -> Iterator[tuple[str, str]]:
    event = alarm.event
    taken: set[str] = set()
    labelled: list[tuple[str, str]] = []
    if event.subject:
        key = _address_key(event.subject) if _is_client(alarm) else ""
        if key:
            taken.add(key)
            yield from _address(key, event.subject)
        else:
            labelled.append(("subject", event.subject))
    if not room.has_details:
        yield from _custom(labelled, room)
        return
    for name, value in event.values.items():
        key = _address_key(value) if name == "client" else _KEYS.get(name, "")
        if not key or key in taken:
            labelled.append((name, value))
            continue
        taken.add(key)
        if name == "client":
            yield from _address(key, value)
        else:
            yield key, room.cut(value)
    # What is scanned without being in an archive is known by the last part of its URL.
    if "fname" not in taken and (name := _file_name(event.values.get("url", ""))):
        yield "fname", room.cut(name)
    yield from _custom(labelled, room)


def _custom(labelled: list[tuple[str, str]], room: Room) -> Iterator[tuple[str, str]]:
    for number, (name, value) in enumerate(labelled, 1):
        if number <= _CUSTOM:
            yield f"cs{number}Label", room.cut(name)
            yield f"cs{number}", room.cut(value)
        elif key := _NOT_KEY.sub("", name)[:56]:
            yield f"gateway{key[0].upper()}{key[1:]}", room.cut(value)


def _is_client(alarm: Alarm) -> bool:
    return alarm.type is not None and "client" in alarm.type.subject


def _address_key(text: str) -> str:
    """Give the key of a client's address; empty: it is none."""
    try:
        return "src" if isinstance(ip_address(text), IPv4Address) else "c6a2"
    except ValueError:
        return ""


def _address(key: str, text: str) -> Iterator[tuple[str, str]]:
    if key == "c6a2":
        yield "c6a2Label", "Source IPv6 Address"
    yield key, text


def _file_name(url: str) -> str:
    _, _, path = url.partition("://")
    _, slash, name = path.partition("?")[0].rpartition("/")
    return name if slash else ""


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))


def _value(text: str) -> str:
    r"""Escape a value; a line's end is C{\n}, and other control characters are made visible."""
    if text.isprintable():
        return _escaped(text)
    return r"\n".join(_escaped(visible(line)) for line in _LINE_ENDS.split(text))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("=", r"\=")


@cache
def _version() -> str:
    try:
        return version("gateway")
    except PackageNotFoundError:
        return "0"
