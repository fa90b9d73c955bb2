"""
Where everything of GATEWAY-MIB has its place: notifications, what they carry, what can be read, and the types of events.

The MIB, the notifications and the agent are made from these tables, so that they can't tell different stories. A number that
was given once is never given to anything else. Nothing here knows where the tree begins; that is C{base_oid}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from gateway.api import Severity
from gateway.api.alarms import AlarmState

Oid: TypeAlias = tuple[int, ...]

#: The playpen that Net-SNMP leaves to everybody; until the gateway has a number of its own.
PLAYPEN: Final[Oid] = (1, 3, 6, 1, 4, 1, 8072, 9999, 9999)

# The first level.
NOTIFICATIONS: Final = 0
OBJECTS: Final = 1
CONFORMANCE: Final = 2
TYPES: Final = 3

# Below the objects.
ALARM: Final = 1
STATE: Final = 2
CHANNELS: Final = 3
PERFORMANCE: Final = 4

#: SMI's way to write "of no type", C{zeroDotZero}.
NO_TYPE: Final[Oid] = (0, 0)

#: A text has so many bytes at the most, as C{SnmpAdminString} (RFC 3411) and the MIB say.
MOST_TEXT_BYTES: Final = 255


@dataclass(frozen=True, slots=True)
class Family:
    """A notification: one arc, which several types of events share."""

    number: int
    name: str
    help: str


FAMILIES: Final[tuple[Family, ...]] = (
    Family(1, "gwMalware", "Malware was found, or what may be malware."),
    Family(2, "gwPolicyViolation", "A request, an upload or a response was against the rules."),
    Family(3, "gwUpdate", "Patterns or rules were updated, could not be, or are old."),
    Family(4, "gwServiceDown", "The gateway, a part of it, or what it depends on does not work."),
    Family(5, "gwServiceUp", "What did not work does again."),
    Family(6, "gwResource", "Something runs short, or does no longer: memory, disk, connections."),
    Family(7, "gwAuthBackend", "What knows the users does not answer, or does again."),
    Family(8, "gwSmartScanState", "Reserved: the state of a reputation service; not sent yet."),
    Family(9, "gwCertExpiry", "A certificate is about to expire, or has."),
    Family(10, "gwConfiguration", "The configuration was changed, refused, or differs."),
    Family(11, "gwScanEngine", "A scan engine does not do what it should, or does again."),
    Family(12, "gwPlugin", "A plugin does nothing but fail, or works again."),
    Family(13, "gwTls", "Something about TLS connections with clients or servers."),
    Family(14, "gwOther", "Any other event."),
)

#: The notification of numbers, sent again and again where C{metrics_every} says so.
PERFORMANCE_FAMILY: Final = Family(
    15, "gwPerformance", "How busy the gateway is, sent in regular intervals if that is configured."
)

_BY_NAME: Final[Mapping[str, Family]] = {family.name: family for family in FAMILIES}
_OTHER: Final = _BY_NAME["gwOther"]


def family(name: str) -> Family:
    """Give a notification by its name; what is unknown is sent as C{gwOther}."""
    return _BY_NAME.get(name, _OTHER)


Syntax: TypeAlias = Literal[
    "text",
    "time",
    "oid",
    "severity",
    "state",
    "truth",
    "count",
    "gauge",
    "counter64",
    "ticks",
    "index",
]


@dataclass(frozen=True, slots=True)
class Object:
    """
    Something with a value.

    @ivar number: its arc below its parent.
    @ivar units: empty: none.
    @ivar metric: what C{/metrics} calls it; empty: it is no number of these, or of several.
    @ivar labels: of the samples that are summed up; the others are not.
    @ivar scale: what a sample is multiplied by.
    """

    number: int
    name: str
    syntax: Syntax
    help: str
    units: str = ""
    metric: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    scale: float = 1.0


#: What each notification but C{gwPerformance} carries, in this order.
ALARM_OBJECTS: Final[tuple[Object, ...]] = (
    Object(1, "gwEventName", "text", "The stable name of the event, such as malware_found."),
    Object(
        2,
        "gwEventType",
        "oid",
        "The type of the event: one of those below gwEventTypes, or 0.0 for an event of a plugin that has no number.",
    ),
    Object(3, "gwEventSeverity", "severity", "How much it matters to the people on duty."),
    Object(4, "gwEventText", "text", "What happened, in one sentence."),
    Object(
        5,
        "gwEventSubject",
        "text",
        "What it is about; may be empty. Two events of one name and one subject are about the same thing.",
    ),
    Object(6, "gwEventState", "state", "Whether a state began, goes on or is over."),
    Object(7, "gwEventCount", "count", "How many events this notification stands for."),
    Object(8, "gwEventFirst", "time", "When the first of these events was."),
    Object(9, "gwEventLast", "time", "When the last of these events was."),
    Object(
        10,
        "gwEventId",
        "text",
        "Names this alarm: the same whenever it is sent again, for every receiver.",
    ),
    Object(
        11,
        "gwEventDetails",
        "text",
        "More about the last event, as name=value with semicolons between; and what most of several events were about.",
    ),
    Object(12, "gwNode", "text", "The name of the machine."),
    Object(13, "gwEventTest", "truth", "Whether an operator only tried whether it arrives."),
)

#: What can be read, apart from the table.
STATE_OBJECTS: Final[tuple[Object, ...]] = (
    Object(
        1,
        "gwRunning",
        "truth",
        "Whether the gateway answers; if it does not, nothing else here has a value.",
    ),
    Object(2, "gwVersion", "text", "The version of the gateway."),
    Object(
        3,
        "gwUptime",
        "ticks",
        "For how long the process has run.",
        "",
        "gateway_start_time_seconds",
    ),
    Object(
        4,
        "gwRequests",
        "counter64",
        "Transactions that ended since the start.",
        "transactions",
        "gateway_requests_total",
    ),
    Object(
        5,
        "gwConnections",
        "gauge",
        "Connections of clients that are open.",
        "connections",
        "gateway_client_connections_open",
    ),
    Object(6, "gwTunnels", "gauge", "Tunnels that are open.", "tunnels", "gateway_tunnels_open"),
    Object(
        7,
        "gwReceivedBytes",
        "counter64",
        "Content and tunnel bytes received from clients.",
        "bytes",
        "gateway_client_received_bytes_total",
    ),
    Object(
        8,
        "gwSentBytes",
        "counter64",
        "Bytes sent to clients.",
        "bytes",
        "gateway_client_sent_bytes_total",
    ),
    Object(
        9,
        "gwCpuTime",
        "counter64",
        "Processor time of the process.",
        "centiseconds",
        "gateway_cpu_seconds_total",
        (),
        100,
    ),
    Object(
        10,
        "gwMemory",
        "gauge",
        "Memory of the process.",
        "kibibytes",
        "gateway_resident_memory_bytes",
        (),
        1 / 1024,
    ),
    Object(
        11,
        "gwTempSpace",
        "gauge",
        "What held content takes of scan.temp_limit.",
        "kibibytes",
        "gateway_scan_room_bytes",
        (),
        1 / 1024,
    ),
    Object(
        12,
        "gwReactorLag",
        "gauge",
        "How late a timer was at the worst within the last minute.",
        "milliseconds",
        "gateway_reactor_lag_max_seconds",
        (),
        1000,
    ),
    Object(
        13,
        "gwMalwareDownloads",
        "counter64",
        "Downloads in which malware was found.",
        "messages",
        "gateway_scan_messages_total",
        (("side", "response"), ("result", "infected")),
    ),
    Object(
        14,
        "gwMalwareUploads",
        "counter64",
        "Uploads in which malware was found.",
        "messages",
        "gateway_scan_messages_total",
        (("side", "request"), ("result", "infected")),
    ),
    Object(
        15,
        "gwDescriptors",
        "gauge",
        "File descriptors that are open.",
        "descriptors",
        "gateway_open_fds",
    ),
    Object(
        16,
        "gwUpstreamConnections",
        "gauge",
        "Connections to servers, idle ones too.",
        "connections",
        "gateway_upstream_connections",
    ),
    Object(
        17,
        "gwConfigHash",
        "text",
        "The hash of the configuration in use; two nodes that have the same one are configured alike. Only a gateway that has peers in [cluster] has one.",
    ),
)

#: Columns of the table of channels; the first one is its index.
CHANNEL_OBJECTS: Final[tuple[Object, ...]] = (
    Object(
        1,
        "gwChannelIndex",
        "index",
        "Follows from the name of the channel alone, so it stays the same over restarts.",
    ),
    Object(
        2,
        "gwChannelName",
        "text",
        "The name of the channel: the plugin, a slash, and the receiver.",
    ),
    Object(
        3,
        "gwChannelSent",
        "counter64",
        "Notices that were delivered.",
        "notices",
        "gateway_alarm_sent_total",
    ),
    Object(
        4,
        "gwChannelFailed",
        "counter64",
        "Attempts to deliver a notice that failed.",
        "attempts",
        "gateway_alarm_failed_total",
    ),
    Object(
        5,
        "gwChannelQueued",
        "gauge",
        "Notices that wait to be delivered.",
        "notices",
        "gateway_alarm_queued",
    ),
    Object(
        6,
        "gwChannelDropped",
        "counter64",
        "Notices that were given up.",
        "notices",
        "gateway_alarm_dropped_total",
    ),
)

#: What C{gwPerformance} carries.
PERFORMANCE_OBJECTS: Final[tuple[Object, ...]] = (
    Object(1, "gwCpuPercent", "gauge", "Processor time of the process.", "percent"),
    Object(2, "gwMemoryUsed", "gauge", "Memory of the process.", "kibibytes"),
    Object(
        3,
        "gwDiskPercent",
        "gauge",
        "How full the disk with the folder for temporary files is.",
        "percent",
    ),
    Object(4, "gwOpenConnections", "gauge", "Connections of clients that are open.", "connections"),
    Object(
        5, "gwThroughput", "gauge", "What goes to and comes from clients.", "kilobits per second"
    ),
    Object(6, "gwRequestRate", "gauge", "Transactions that end.", "transactions per minute"),
)

SEVERITIES: Final[Mapping[Severity, int]] = {
    Severity.INFO: 1,
    Severity.WARNING: 2,
    Severity.ERROR: 3,
}

STATES: Final[Mapping[AlarmState, tuple[int, str]]] = {
    AlarmState.SINGLE: (1, "single"),
    AlarmState.BEGUN: (2, "begun"),
    AlarmState.GOES_ON: (3, "goesOn"),
    AlarmState.OVER: (4, "over"),
}


def oid_text(oid: Oid) -> str:
    """Write an OID with dots."""
    return ".".join(map(str, oid))
