"""C{[watch]} and C{[cluster]}: what the gateway watches of itself, its machine and its like."""

from __future__ import annotations

from typing import Annotated

from gateway.config.addresses import Origin, origin
from gateway.config.kind import Help
from gateway.config.kinds.numbers import DurationKind, WholeKind
from gateway.config.kinds.shares import Room, RoomKind, ShareKind
from gateway.config.kinds.texts import FilePath, TextKind
from gateway.config.sections.section import Section

#: Readings that come more often than this cost more than they tell.
SHORTEST = 1.0
#: So many nodes can be asked each minute without anybody's noticing.
MOST_PEERS = 32


class Watch(Section, frozen=True, kw_only=True):
    """
    Bounds whose crossing raises an event, so that people hear of what runs short before it is gone.

    Each of them has hysteresis: a state ends when the reading is back by an eighth of the bound (over "80%", it ends under
    70 %; under "10%" of disk space, over 11.25 %), and is told at its beginning and its end only.
    """

    every: Annotated[
        float,
        DurationKind(zero="nothing is watched"),
        Help("Time between two readings, of all that is watched; at least a second."),
    ] = 10.0
    disk: Annotated[
        Room,
        RoomKind(),
        Help(
            "Free space of the file systems with `gateway.state`, the access log, the quarantine, and `scan.temp_dir` if a "
            "plugin wants content: an event when there is no more than this, for a minute. A share is held against free "
            "inodes, too.",
            '"2GiB"',
        ),
    ] = Room(share=0.1)
    folders: Annotated[
        tuple[FilePath, ...],
        Help(
            "More folders whose file systems are watched so, such as that of a cache.",
            '["/var/cache/gateway"]',
        ),
    ] = ()
    memory: Annotated[
        float,
        ShareKind(),
        Help(
            "Memory in use, of the machine and of each limit of a control group above the process (`memory.max`, version 2), "
            "each by itself: an event when it is so much, for a minute. Caches that give way do not count."
        ),
    ] = 0.8
    connections: Annotated[
        float,
        ShareKind(),
        Help(
            "Client connections, of `limits.connections` and of a listener's `max_connections`: an event at one reading of so many."
        ),
    ] = 0.9
    descriptors: Annotated[
        float,
        ShareKind(),
        Help(
            "File descriptors, of as many as the process may have: an event at one reading of so many."
        ),
    ] = 0.9
    lag: Annotated[
        float,
        DurationKind(zero="off"),
        Help(
            "How late the reactor may come to a timer: an event when the worst of every reading is so late, for 30 seconds; it "
            "ends after 60 seconds in time."
        ),
    ] = 0.5
    steal: Annotated[
        float,
        ShareKind(),
        Help(
            "Processor time that the hypervisor gives to others: an event when every reading has so much, for 30 seconds; "
            "it ends after 60 seconds with less."
        ),
    ] = 0.1
    overflows: Annotated[
        int,
        WholeKind(zero="off"),
        Help(
            "Connections that the kernel refused within a minute since the queue of a listener was full, those of all "
            "programs in the network namespace: an event at so many; it ends after five minutes without one."
        ),
    ] = 1

    def __post_init__(self) -> None:
        """Refuse to read all the time."""
        if 0 < self.every < SHORTEST:
            raise ValueError("readings are at least a second apart")


class Cluster(Section, frozen=True, kw_only=True):
    """Other gateways that are to be configured like this one."""

    peers: Annotated[
        tuple[Annotated[Origin, TextKind("URL", origin)], ...],
        Help(
            "The health listeners (`admin.health`) of other nodes. Each minute every one is asked, at `/config-hash`, for "
            "a hash of its settings; one that differs for five minutes raises an event. What `node.toml` and the command "
            "line say does not count, nor do secrets. Nodes may have one list with all of them in it: a gateway knows "
            "itself. Without peers there is no `/config-hash`.",
            '["http://10.0.0.2:8081"]',
        ),
    ] = ()

    def __post_init__(self) -> None:
        """Refuse what would be no cluster."""
        if len(self.peers) > MOST_PEERS:
            raise ValueError(f"there are at most {MOST_PEERS} peers")
