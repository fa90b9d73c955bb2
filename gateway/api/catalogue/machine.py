"""
Events about what the gateway runs on: the machine's resources, its own beginnings and ends, the other nodes.

A part of L{gateway.api.catalogue}, with the numbers from 100 on. Each of the states has hysteresis: it ends when the
reading is back by an eighth of its bound (C{docs/operations.md}).
"""

from __future__ import annotations

from typing import Final

from gateway.api.events import EventField, EventGroup, EventType, Notify, Severity

_BOUND: Final = EventField("bound", "The bound of the setting that it is held against.", "90 %")
_SHARE: Final = EventField("share", "How much of the bound's whole that is.", "91 %")
_LASTED: Final = EventField("seconds", "How long it lasted, in seconds.", "420")

_FOLDERS: Final = EventField("folders", "Which of our folders are on it.", "state, log")
_FREE: Final = EventField("free", "Free for the gateway's user, in bytes.", "2147483648")
_DISK_SIZE: Final = EventField("size", "Size of the file system, in bytes.", "21474836480")

DISK_SHORT: Final = EventType(
    name="disk_short",
    number=100,
    severity=Severity.ERROR,
    group=EventGroup.RESOURCE,
    title="little disk space",
    when=(
        "A file system that the gateway writes to has less room, or fewer free files (inodes), than watch.disk says. "
        "Once, until it has more again."
    ),
    act=(
        "Make room there, or let the setting that names the folder point elsewhere. When it is full, logs lose lines, "
        "large content can't be scanned and what is to outlast a restart does not."
    ),
    subject="the folder",
    fields=(_FOLDERS, _FREE, _DISK_SIZE, _SHARE, _BOUND),
    trap="gwResource",
    notify=Notify.FIRST,
)

DISK_FREE: Final = EventType(
    name="disk_free",
    number=101,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="disk space again",
    when="That file system has room again: an eighth more than the bound.",
    act="Nothing.",
    subject="the folder",
    fields=(_FOLDERS, _FREE, _DISK_SIZE, _SHARE, _BOUND, _LASTED),
    ends="disk_short",
    trap="gwResource",
    notify=Notify.FIRST,
)

_USED: Final = EventField(
    "used", "In use, in bytes; caches that give way not counted.", "858993459"
)
_LIMIT: Final = EventField("limit", "What there is, in bytes.", "1073741824")
_OWN: Final = EventField("own", "Held by the gateway itself, in bytes.", "524288000")

MEMORY_SHORT: Final = EventType(
    name="memory_short",
    number=102,
    severity=Severity.ERROR,
    group=EventGroup.RESOURCE,
    title="little memory",
    when=(
        "The machine, or the control group that the gateway runs in, has used more of its memory than watch.memory "
        "says. Once, until it is less."
    ),
    act=(
        "Compare what the gateway holds (own) with what is in use: if it is others, move them or give them a limit; if "
        "it is the gateway, lower limits.connections and scan.temp_limit or give it more. At the end the kernel kills the "
        "largest process."
    ),
    subject="machine, or the control group",
    fields=(_USED, _LIMIT, _OWN, _SHARE, _BOUND),
    trap="gwResource",
    notify=Notify.FIRST,
)

MEMORY_FREE: Final = EventType(
    name="memory_free",
    number=103,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="memory again",
    when="Memory is free again: the use is an eighth less than the bound.",
    act="Nothing.",
    subject="machine, or the control group",
    fields=(_USED, _LIMIT, _OWN, _SHARE, _BOUND, _LASTED),
    ends="memory_short",
    trap="gwResource",
    notify=Notify.FIRST,
)

_OPEN: Final = EventField("open", "How many are open.", "18200")
_MOST: Final = EventField("most", "How many there may be.", "20000")

CONNECTIONS_SHORT: Final = EventType(
    name="connections_short",
    number=104,
    severity=Severity.WARNING,
    group=EventGroup.RESOURCE,
    title="nearly too many client connections",
    when=(
        "More client connections are open than watch.connections says of limits.connections, or of a listener's own "
        "max_connections. Once, until there are fewer."
    ),
    act=(
        "Look who has them (the access log, ss -tn): if it is honest traffic, raise the limit and LimitNOFILE or add a "
        "gateway; if it is one client, shut it out. Beyond the limit new connections are closed at once."
    ),
    subject="all, or the listener",
    fields=(_OPEN, _MOST, _SHARE, _BOUND),
    trap="gwResource",
    notify=Notify.FIRST,
)

CONNECTIONS_FREE: Final = EventType(
    name="connections_free",
    number=105,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="room for client connections again",
    when="There are fewer client connections again: an eighth less than the bound.",
    act="Nothing.",
    subject="all, or the listener",
    fields=(_OPEN, _MOST, _SHARE, _BOUND, _LASTED),
    ends="connections_short",
    trap="gwResource",
    notify=Notify.FIRST,
)

DESCRIPTORS_SHORT: Final = EventType(
    name="descriptors_short",
    number=106,
    severity=Severity.ERROR,
    group=EventGroup.RESOURCE,
    title="nearly out of file descriptors",
    when="More file descriptors are open than watch.descriptors says of the most there may be. Once, until it is fewer.",
    act=(
        "Raise LimitNOFILE= of the service (or ulimit -Hn) and restart, or lower limits.connections. Without descriptors "
        "new connections are shed and requests get 503."
    ),
    fields=(_OPEN, _MOST, _SHARE, _BOUND),
    trap="gwResource",
    notify=Notify.FIRST,
)

DESCRIPTORS_FREE: Final = EventType(
    name="descriptors_free",
    number=107,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="file descriptors again",
    when="There are free file descriptors again: an eighth less than the bound is in use.",
    act="Nothing.",
    fields=(_OPEN, _MOST, _SHARE, _BOUND, _LASTED),
    ends="descriptors_short",
    trap="gwResource",
    notify=Notify.FIRST,
)

_LAG: Final = EventField("lag", "The worst since the reading before, in milliseconds.", "730")

REACTOR_SLOW: Final = EventType(
    name="reactor_slow",
    number=108,
    severity=Severity.WARNING,
    group=EventGroup.RESOURCE,
    title="the gateway answers late",
    when="Timers were late by more than watch.lag in every reading of 30 seconds: something keeps all traffic waiting.",
    act=(
        "Look into the process log for plugins that kept the reactor (gateway_plugin_slow_total), and whether the "
        "processor is full or stolen. One process uses one core: a second one takes half of the load."
    ),
    fields=(_LAG, _BOUND),
    trap="gwResource",
    notify=Notify.FIRST,
)

REACTOR_QUICK: Final = EventType(
    name="reactor_quick",
    number=109,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="the gateway answers in time again",
    when="For 60 seconds no timer was late by more than seven eighths of the bound.",
    act="Nothing.",
    fields=(_LAG, _BOUND, _LASTED),
    ends="reactor_slow",
    trap="gwResource",
    notify=Notify.FIRST,
)

CPU_STOLEN: Final = EventType(
    name="cpu_stolen",
    number=110,
    severity=Severity.WARNING,
    group=EventGroup.RESOURCE,
    title="the hypervisor takes processor time",
    when="The hypervisor ran others for more of the time than watch.steal says, in every reading of 30 seconds.",
    act="Give the virtual machine reserved processors, or move it: connections are late through no fault of the gateway.",
    fields=(_SHARE, _BOUND),
    trap="gwResource",
    notify=Notify.FIRST,
)

CPU_RETURNED: Final = EventType(
    name="cpu_returned",
    number=111,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="processor time is there again",
    when="For 60 seconds less than seven eighths of the bound was stolen.",
    act="Nothing.",
    fields=(_SHARE, _BOUND, _LASTED),
    ends="cpu_stolen",
    trap="gwResource",
    notify=Notify.FIRST,
)

_OVERFLOWS: Final = EventField("count", "How many in the last minute.", "12")

LISTEN_OVERFLOW: Final = EventType(
    name="listen_overflow",
    number=112,
    severity=Severity.WARNING,
    group=EventGroup.RESOURCE,
    title="connections are lost before they are accepted",
    when=(
        "The kernel refused connections since the queue of a listener was full: as many within a minute as "
        "watch.overflows says. It counts all programs of the machine or container together. Once, until none was "
        "refused for five minutes."
    ),
    act=(
        "Raise net.core.somaxconn to 1024 or more (we ask for 1024; Backlog= of a socket unit), and look at "
        "gateway_reactor_lag_max_seconds: who accepts late has full queues. ss -ltn shows whose queue it is."
    ),
    fields=(_OVERFLOWS, _BOUND),
    trap="gwResource",
    notify=Notify.FIRST,
)

LISTEN_CALM: Final = EventType(
    name="listen_calm",
    number=113,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="no connections are lost any more",
    when="No connection was refused by a full queue for five minutes.",
    act="Nothing.",
    fields=(_OVERFLOWS, _BOUND, _LASTED),
    ends="listen_overflow",
    trap="gwResource",
    notify=Notify.FIRST,
)

_STARTED: Final = EventField("started", "When that process had started.", "2026-01-31T08:00:00Z")
_LIKELY: Final = EventField(
    "likely",
    "What it points to: reboot (the machine started anew), memory (the kernel killed for lack of it), killed.",
    "memory",
)
_PID: Final = EventField("pid", "Its number.", "4711")

ABNORMAL_RESTART: Final = EventType(
    name="abnormal_restart",
    number=114,
    severity=Severity.ERROR,
    group=EventGroup.SERVICE,
    title="the gateway had ended without being stopped",
    when=(
        "The gateway starts, and a process before it has ended without a planned stop: it was killed, it crashed, or the "
        "machine did. Once for each such process, before all other events. It takes a folder for state (gateway.state)."
    ),
    act=(
        "Look what happened at that time: the process log, the kernel's (journalctl -k, for Out of memory), and "
        "journalctl -u gateway. Transactions of that moment were broken off."
    ),
    subject="gateway",
    fields=(_STARTED, _LIKELY, _PID),
    trap="gwServiceUp",
    notify=Notify.ALWAYS,
)

PLANNED_STOP: Final = EventType(
    name="planned_stop",
    number=115,
    severity=Severity.INFO,
    group=EventGroup.SERVICE,
    title="the gateway is being stopped",
    when="The gateway was told to stop, with notify.planned_stop = true only. Before it drains.",
    act="Nothing.",
    subject="gateway",
    fields=(_PID,),
    trap="gwServiceDown",
    notify=Notify.ALWAYS,
)

PLANNED_START: Final = EventType(
    name="planned_start",
    number=116,
    severity=Severity.INFO,
    group=EventGroup.SERVICE,
    title="the gateway was started",
    when="The gateway serves, and no process before it has ended abnormally; with notify.planned_stop = true only.",
    act="Nothing.",
    subject="gateway",
    fields=(_PID,),
    trap="gwServiceUp",
    notify=Notify.ALWAYS,
)

STOP_CUT_SHORT: Final = EventType(
    name="stop_cut_short",
    number=117,
    severity=Severity.WARNING,
    group=EventGroup.SERVICE,
    title="a planned stop was cut short",
    when=(
        "The gateway starts, and a process before it was killed while it drained after having been told to stop. It is in "
        "the log; channels tell of it only where they are told to."
    ),
    act=(
        "Give whoever stops it more time than timeouts.drain (TimeoutStopSec= of the service, the grace period of the "
        "container), or choose a shorter timeouts.drain."
    ),
    subject="gateway",
    fields=(_STARTED, _PID),
    trap="gwServiceUp",
    notify=Notify.NEVER,
)

_THEIRS: Final = EventField("theirs", "The beginning of the peer's hash.", "9b1c0e55d2aa")
_OURS: Final = EventField("ours", "The beginning of our own hash.", "3f2a77c04b19")
_NODE: Final = EventField("node", "What the peer calls itself.", "gw2.example.com")

CONFIG_DRIFT: Final = EventType(
    name="config_drift",
    number=118,
    severity=Severity.WARNING,
    group=EventGroup.CONFIGURATION,
    title="two nodes are configured differently",
    when=(
        "A node of cluster.peers has had another configuration than this one for five minutes; what node.toml and the "
        "command line say does not count. Once for each peer, until they are alike again."
    ),
    act=(
        "Compare the files of both nodes (gateway.toml and conf.d), put the right ones on both, and gateway reload "
        "where it was not done: what counts is what runs."
    ),
    subject="the peer, as in cluster.peers",
    fields=(_NODE, _OURS, _THEIRS),
    trap="gwConfiguration",
)

CONFIG_ALIKE: Final = EventType(
    name="config_alike",
    number=119,
    severity=Severity.INFO,
    group=EventGroup.CONFIGURATION,
    title="two nodes are configured alike again",
    when="That node has the same configuration as this one again.",
    act="Nothing.",
    subject="the peer, as in cluster.peers",
    fields=(_NODE, _OURS, _LASTED),
    ends="config_drift",
    trap="gwConfiguration",
)

_WHY: Final = EventField("why", "What became of the last attempt.", "connect: refused")

PEER_UNREACHABLE: Final = EventType(
    name="peer_unreachable",
    number=120,
    severity=Severity.WARNING,
    group=EventGroup.CONFIGURATION,
    title="a node can't be asked",
    when=(
        "A node of cluster.peers has not said for five minutes how it is configured: whether it differs is not known. "
        "Once for each peer, until it answers."
    ),
    act=(
        "See whether it runs, whether its admin.health is open to this node, and whether it has [cluster] peers too. "
        "Whether it serves its clients this does not tell."
    ),
    subject="the peer, as in cluster.peers",
    fields=(_WHY,),
    trap="gwConfiguration",
)

PEER_REACHABLE: Final = EventType(
    name="peer_reachable",
    number=121,
    severity=Severity.INFO,
    group=EventGroup.CONFIGURATION,
    title="a node can be asked again",
    when="That node has answered again.",
    act="Nothing.",
    subject="the peer, as in cluster.peers",
    fields=(_NODE, _LASTED),
    ends="peer_unreachable",
    trap="gwConfiguration",
)

DISK_UNREADABLE: Final = EventType(
    name="disk_unreadable",
    number=122,
    severity=Severity.ERROR,
    group=EventGroup.RESOURCE,
    title="a folder does not answer",
    when=(
        "The file system of a folder that the gateway writes to fails, or has not answered for a minute, as one on "
        "another machine may do. Once, until it answers."
    ),
    act="Look at the mount (mount, dmesg): whatever the gateway writes there waits or fails.",
    subject="the folder",
    fields=(_FOLDERS, EventField("why", "What is wrong with it.", "Stale file handle")),
    trap="gwResource",
    notify=Notify.FIRST,
)

DISK_READABLE: Final = EventType(
    name="disk_readable",
    number=123,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="a folder answers again",
    when="That file system answers again.",
    act="Nothing.",
    subject="the folder",
    fields=(_FOLDERS, _LASTED),
    ends="disk_unreadable",
    trap="gwResource",
    notify=Notify.FIRST,
)

#: All of them, in the order of their numbers.
TYPES: Final[tuple[EventType, ...]] = (
    DISK_SHORT,
    DISK_FREE,
    MEMORY_SHORT,
    MEMORY_FREE,
    CONNECTIONS_SHORT,
    CONNECTIONS_FREE,
    DESCRIPTORS_SHORT,
    DESCRIPTORS_FREE,
    REACTOR_SLOW,
    REACTOR_QUICK,
    CPU_STOLEN,
    CPU_RETURNED,
    LISTEN_OVERFLOW,
    LISTEN_CALM,
    ABNORMAL_RESTART,
    PLANNED_STOP,
    PLANNED_START,
    STOP_CUT_SHORT,
    CONFIG_DRIFT,
    CONFIG_ALIKE,
    PEER_UNREACHABLE,
    PEER_REACHABLE,
    DISK_UNREADABLE,
    DISK_READABLE,
)
