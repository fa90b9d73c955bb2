"""
GATEWAY-MIB as text (SMIv2: RFC 2578, 2579, 2580), made from the tree and the catalogue of events.

OIDs are written from C{iso} on and truth values are enumerated here, so that a receiver without the modules of the IETF,
such as Net-SNMP on a plain Debian, still knows every name.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from gateway.api.catalogue import CATALOGUE
from gateway.api.events import EventType
from gateway_snmp.tree import (
    ALARM,
    ALARM_OBJECTS,
    CHANNEL_OBJECTS,
    CHANNELS,
    CONFORMANCE,
    FAMILIES,
    NOTIFICATIONS,
    OBJECTS,
    PERFORMANCE,
    PERFORMANCE_FAMILY,
    PERFORMANCE_OBJECTS,
    PLAYPEN,
    SEVERITIES,
    STATE,
    STATE_OBJECTS,
    STATES,
    TYPES,
    Object,
    Oid,
    Syntax,
)

#: To be set to the day when anything in the module changes.
REVISION: Final = "202611220000Z"

_WIDTH: Final = 76

#: Arcs above the module that have names everywhere.
_ARCS: Final[Mapping[Oid, str]] = {
    (1,): "iso",
    (1, 3): "org",
    (1, 3, 6): "dod",
    (1, 3, 6, 1): "internet",
    (1, 3, 6, 1, 4): "private",
    (1, 3, 6, 1, 4, 1): "enterprises",
    (1, 3, 6, 1, 4, 1, 8072): "netSnmp",
    (1, 3, 6, 1, 4, 1, 8072, 9999): "netSnmpPlaypen",
}

_TRUTH: Final = "INTEGER { true(1), false(2) }"
_SYNTAX: Final[Mapping[Syntax, str]] = {
    "text": "GwText",
    "time": "GwTime",
    "oid": "OBJECT IDENTIFIER",
    "severity": "INTEGER { "
    + ", ".join(f"{severity.value}({number})" for severity, number in SEVERITIES.items())
    + " }",
    "state": "INTEGER { "
    + ", ".join(f"{name}({number})" for number, name in STATES.values())
    + " }",
    "truth": _TRUTH,
    "count": "Unsigned32",
    "gauge": "Gauge32",
    "counter64": "Counter64",
    "ticks": "TimeTicks",
    "index": "Unsigned32 (1..2147483647)",
}


def text(base: Oid = PLAYPEN, types: Iterable[EventType] | None = None) -> str:
    """
    Write the whole module.

    @param base: where its tree begins, below enterprises.
    @param types: of events; those of the catalogue by default. What has no number is left out.
    """
    known = sorted(
        (one for one in (CATALOGUE.values() if types is None else types) if one.number),
        key=lambda one: one.number,
    )
    parts = [
        _head(base),
        *_conventions(),
        *_nodes(),
        *(_scalar(one, "gwAlarm", "accessible-for-notify") for one in ALARM_OBJECTS),
        *(_scalar(one, "gwState", "read-only") for one in STATE_OBJECTS),
        *_table(),
        *(
            _scalar(one, "gwPerformanceObjects", "accessible-for-notify")
            for one in PERFORMANCE_OBJECTS
        ),
        *_notifications(known),
        *(_type(one) for one in known),
        *_conformance(),
        "END\n",
    ]
    return "\n\n".join(parts)


def type_name(name: str) -> str:
    """Give what the MIB calls an event's type: C{malware_found} is C{gwIsMalwareFound}."""
    return "gwIs" + "".join(part.capitalize() for part in name.split("_"))


def _head(base: Oid) -> str:
    above = [_ARCS.get(base[: length + 1], f"gwArc{length}") for length in range(len(base) - 1)]
    named = [f"{name}({arc})" for name, arc in zip(above[1:], base[1:], strict=False)]
    path = " ".join(("iso", *named, str(base[-1])))
    return f"""\
GATEWAY-MIB DEFINITIONS ::= BEGIN

-- Made from the gateway's catalogue of events by 'gateway snmp mib'.

IMPORTS
    MODULE-IDENTITY, OBJECT-IDENTITY, OBJECT-TYPE, NOTIFICATION-TYPE,
    Counter64, Gauge32, TimeTicks, Unsigned32
        FROM SNMPv2-SMI
    TEXTUAL-CONVENTION
        FROM SNMPv2-TC
    MODULE-COMPLIANCE, NOTIFICATION-GROUP, OBJECT-GROUP
        FROM SNMPv2-CONF;

gatewayMIB MODULE-IDENTITY
    LAST-UPDATED "{REVISION}"
    ORGANIZATION "The gateway project"
    CONTACT-INFO
        "Whoever operates the gateway."
    DESCRIPTION
{_described("What the gateway tells of and what can be read from it.")}
    REVISION     "{REVISION}"
    DESCRIPTION
{_described("As of this version of the gateway.")}
    ::= {{ {path} }}"""


def _conventions() -> Iterator[str]:
    yield f"""\
GwText ::= TEXTUAL-CONVENTION
    DISPLAY-HINT "255t"
    STATUS       current
    DESCRIPTION
{_described("Text for people in UTF-8, on one line; a longer one is cut and ends in an ellipsis.")}
    SYNTAX       OCTET STRING (SIZE (0..255))"""
    yield f"""\
GwTime ::= TEXTUAL-CONVENTION
    DISPLAY-HINT "2d-1d-1d,1d:1d:1d.1d,1a1d:1d"
    STATUS       current
    DESCRIPTION
{_described("A date and a time, encoded as DateAndTime of RFC 2579, always in UTC.")}
    SYNTAX       OCTET STRING (SIZE (11))"""


def _nodes() -> Iterator[str]:
    nodes = (
        ("gwNotifications", "gatewayMIB", NOTIFICATIONS),
        ("gwObjects", "gatewayMIB", OBJECTS),
        ("gwConformance", "gatewayMIB", CONFORMANCE),
        ("gwEventTypes", "gatewayMIB", TYPES),
        ("gwAlarm", "gwObjects", ALARM),
        ("gwState", "gwObjects", STATE),
        ("gwChannels", "gwObjects", CHANNELS),
        ("gwPerformanceObjects", "gwObjects", PERFORMANCE),
        ("gwGroups", "gwConformance", 1),
        ("gwCompliances", "gwConformance", 2),
    )
    yield "\n".join(
        f"{name:<20} OBJECT IDENTIFIER ::= {{ {parent} {number} }}"
        for name, parent, number in nodes
    )


def _scalar(one: Object, parent: str, access: str) -> str:
    units = f'    UNITS       "{one.units}"\n' if one.units else ""
    return f"""\
{one.name} OBJECT-TYPE
    SYNTAX      {_SYNTAX[one.syntax]}
{units}    MAX-ACCESS  {access}
    STATUS      current
    DESCRIPTION
{_described(one.help)}
    ::= {{ {parent} {one.number} }}"""


def _table() -> Iterator[str]:
    yield f"""\
gwChannelTable OBJECT-TYPE
    SYNTAX      SEQUENCE OF GwChannelEntry
    MAX-ACCESS  not-accessible
    STATUS      current
    DESCRIPTION
{_described("How those fare who are told of events: a row for each receiver.")}
    ::= {{ gwChannels 1 }}"""
    index = CHANNEL_OBJECTS[0]
    yield f"""\
gwChannelEntry OBJECT-TYPE
    SYNTAX      GwChannelEntry
    MAX-ACCESS  not-accessible
    STATUS      current
    DESCRIPTION
{_described("One receiver.")}
    INDEX       {{ {index.name} }}
    ::= {{ gwChannelTable 1 }}"""
    columns = ",\n".join(
        f"    {one.name:<18} {_SYNTAX[one.syntax].partition(' (')[0]}" for one in CHANNEL_OBJECTS
    )
    yield f"GwChannelEntry ::= SEQUENCE {{\n{columns}\n}}"
    yield _scalar(index, "gwChannelEntry", "not-accessible")
    for one in CHANNEL_OBJECTS[1:]:
        yield _scalar(one, "gwChannelEntry", "read-only")


def _notifications(types: Iterable[EventType]) -> Iterator[str]:
    for one in FAMILIES:
        events = ", ".join(kind.name for kind in types if kind.trap == one.name)
        told = f" Sent for: {events}." if events else ""
        yield _notification(one.name, one.number, one.help + told, ALARM_OBJECTS)
    last = PERFORMANCE_FAMILY
    yield _notification(last.name, last.number, last.help, PERFORMANCE_OBJECTS)


def _notification(name: str, number: int, help: str, objects: Iterable[Object]) -> str:
    return f"""\
{name} NOTIFICATION-TYPE
    OBJECTS {{
{_listed(one.name for one in objects)}
    }}
    STATUS      current
    DESCRIPTION
{_described(help)}
    ::= {{ gwNotifications {number} }}"""


def _type(one: EventType) -> str:
    about = [
        f"{one.name}: {one.title}. Usually of the severity {one.severity.value}, sent as {one.trap}.",
        one.when,
        f"What to do: {one.act}",
    ]
    if one.ends:
        about.append(f"It ends {one.ends}.")
    if one.subject:
        about.append(f"The subject is {one.subject}.")
    if one.fields:
        told = "; ".join(f"{field.name}: {field.help.rstrip('.')}" for field in one.fields)
        about.append(f"Details: {told}.")
    return f"""\
{type_name(one.name)} OBJECT-IDENTITY
    STATUS      current
    DESCRIPTION
{_described(*about)}
    ::= {{ gwEventTypes {one.number} }}"""


def _conformance() -> Iterator[str]:
    groups = (
        ("gwAlarmGroup", 1, "What notifications of events carry.", ALARM_OBJECTS),
        ("gwStateGroup", 2, "What can be read.", STATE_OBJECTS),
        ("gwChannelGroup", 3, "What can be read of channels.", CHANNEL_OBJECTS[1:]),
        ("gwPerformanceGroup", 4, "What gwPerformance carries.", PERFORMANCE_OBJECTS),
    )
    for name, number, help, objects in groups:
        yield f"""\
{name} OBJECT-GROUP
    OBJECTS {{
{_listed(one.name for one in objects)}
    }}
    STATUS      current
    DESCRIPTION
{_described(help)}
    ::= {{ gwGroups {number} }}"""
    yield f"""\
gwNotificationGroup NOTIFICATION-GROUP
    NOTIFICATIONS {{
{_listed(one.name for one in (*FAMILIES, PERFORMANCE_FAMILY))}
    }}
    STATUS      current
    DESCRIPTION
{_described("All notifications.")}
    ::= {{ gwGroups 5 }}"""
    yield f"""\
gwCompliance MODULE-COMPLIANCE
    STATUS      current
    DESCRIPTION
{_described("What the gateway does.")}
    MODULE
        MANDATORY-GROUPS {{
{_listed((*(name for name, _, _, _ in groups), "gwNotificationGroup"))}
        }}
    ::= {{ gwCompliances 1 }}"""


def _listed(names: Iterable[str]) -> str:
    return ",\n".join(f"        {name}" for name in names)


def _described(*paragraphs: str) -> str:
    """Write a text between quotes; what is no ASCII, or a quote, can't stand there (RFC 2578 section 3.1.1)."""
    lines: list[str] = []
    for paragraph in paragraphs:
        plain = paragraph.replace('"', "'").replace("…", "...").replace("–", "-").replace("—", "-")
        plain = plain.encode("ascii", "replace").decode()
        lines += textwrap.wrap(
            plain, _WIDTH - 9, break_long_words=False, break_on_hyphens=False
        ) or [""]
    return '        "' + "\n         ".join(lines) + '"'
