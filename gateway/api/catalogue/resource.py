"""
Room and threads that become short in a part of the gateway; what is watched of the machine is in C{machine}.
"""

from __future__ import annotations

from typing import Final

from gateway.api.events import EventField, EventGroup, EventType, Notify, Severity

_ROOM = "whose room: scan (scan.temp_limit) or archive (plugins.archive.temp_limit)"
_USED = (EventField("used", "Bytes in use.", "1717986918"),)
_POOL = "the pool of threads, as in [threads]"
_STUCK = (EventField("stuck", "Threads that work for nobody any more and can't be stopped.", "4"),)

TEMP_SPACE_SHORT: Final = EventType(
    name="temp_space_short",
    number=40,
    severity=Severity.WARNING,
    group=EventGroup.RESOURCE,
    title="room for held content is short",
    when="80 % of the room for content that is held or unpacked are in use. At the beginning of it.",
    act=(
        "If it does not pass within minutes: look for very large or very slow downloads, and whether the scan engine keeps "
        "up. Raise the limit if the disk allows. When it is used up, content waits for 10 seconds and is then treated as "
        "scan.on.capacity says."
    ),
    subject=_ROOM,
    fields=_USED,
    trap="gwResource",
    notify=Notify.FIRST,
)

TEMP_SPACE_FREE: Final = EventType(
    name="temp_space_free",
    number=41,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="there is room for held content again",
    when="Less than 70 % of that room are in use again.",
    act="Nothing.",
    subject=_ROOM,
    fields=_USED,
    ends="temp_space_short",
    trap="gwResource",
    notify=Notify.FIRST,
)

POOL_FULL: Final = EventType(
    name="pool_full",
    number=42,
    severity=Severity.WARNING,
    group=EventGroup.RESOURCE,
    title="pool of threads is full",
    when="A pool of threads refused a call: all its threads work, and as many calls as may wait do so. At the beginning of it.",
    act=(
        "Look at what the pool works for (scan: the scan engines; directory: logins; disk: the disk): something is slow or "
        "there is more to do than before. More workers or a longer queue in [threads] help if the machine has room."
    ),
    subject=_POOL,
    fields=_STUCK,
    trap="gwResource",
    notify=Notify.FIRST,
)

POOL_ROOM: Final = EventType(
    name="pool_room",
    number=43,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="pool of threads has room again",
    when="A pool that refused calls has a thread without work again.",
    act="Nothing.",
    subject=_POOL,
    fields=_STUCK,
    ends="pool_full",
    trap="gwResource",
    notify=Notify.FIRST,
)

POOL_STUCK: Final = EventType(
    name="pool_stuck",
    number=44,
    severity=Severity.ERROR,
    group=EventGroup.RESOURCE,
    title="all threads of a pool are stuck",
    when="Every thread of a pool works on something that nobody waits for any more. At the beginning of it.",
    act=(
        "What the pool works for hangs: a scan engine, a directory, a disk over the network. Mend that; if the threads do "
        "not come back by themselves, restart the gateway. Until then every call for this pool is refused."
    ),
    subject=_POOL,
    fields=_STUCK,
    trap="gwResource",
    notify=Notify.FIRST,
)

POOL_FREE: Final = EventType(
    name="pool_free",
    number=45,
    severity=Severity.INFO,
    group=EventGroup.RESOURCE,
    title="pool has a free thread again",
    when="One of the threads of a pool that was stuck as a whole came back, or the pool was made larger.",
    act="Nothing, but do find out what hung.",
    subject=_POOL,
    fields=_STUCK,
    ends="pool_stuck",
    trap="gwResource",
    notify=Notify.FIRST,
)

TYPES: Final = (
    TEMP_SPACE_SHORT,
    TEMP_SPACE_FREE,
    POOL_FULL,
    POOL_ROOM,
    POOL_STUCK,
    POOL_FREE,
)
