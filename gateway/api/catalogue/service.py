"""
What the gateway leans on or offers: origins, stores, the cache, the quarantine, plugins, channels of alarms.
"""

from __future__ import annotations

from typing import Final

from gateway.api.events import EventField, EventGroup, EventType, Notify, Severity

_ORIGIN = "the site and the origin's address"
_ORIGIN_FIELDS = (
    EventField("site", "Name of the site.", "www.example.com"),
    EventField("address", "The origin.", "http://10.0.1.10:8000"),
    EventField("up", "How many origins of the site work now.", "1"),
    EventField("origins", "How many it has.", "2"),
)
_PLUGIN_FIELDS = (
    EventField("plugin", "Name of the plugin.", "url_filter"),
    EventField("hook", "Where it fails.", "request_headers"),
    EventField("errors", "How many errors it had there since it was started.", "5"),
)

ORIGIN_DOWN: Final = EventType(
    name="origin_down",
    number=30,
    severity=Severity.WARNING,
    group=EventGroup.SERVICE,
    title="origin down",
    when=(
        "An origin failed its health checks or its requests and gets none any more. At the beginning of it; an error, not a "
        "warning, if the site has no other one that works."
    ),
    act=(
        "Look at the server that the text names and why it fails. While others of its site work, clients notice "
        "nothing; with none left they get 502 or 503."
    ),
    subject=_ORIGIN,
    fields=_ORIGIN_FIELDS,
    trap="gwServiceDown",
    notify=Notify.FIRST,
)

ORIGIN_UP: Final = EventType(
    name="origin_up",
    number=31,
    severity=Severity.INFO,
    group=EventGroup.SERVICE,
    title="origin up again",
    when="An origin that was down works and gets requests again.",
    act="Nothing.",
    subject=_ORIGIN,
    fields=_ORIGIN_FIELDS,
    ends="origin_down",
    trap="gwServiceUp",
    notify=Notify.FIRST,
)

CACHE_ASIDE: Final = EventType(
    name="cache_aside",
    number=32,
    severity=Severity.WARNING,
    group=EventGroup.SERVICE,
    title="cache stores nothing",
    when="The disk of the cache is full or broken, so nothing is stored for now. At the beginning of it.",
    act=(
        "Make room on the disk of plugins.cache.path, or look whether it is broken. What is stored already is still "
        "answered from there; it is tried again every 30 seconds."
    ),
    subject="the cache's folder",
    trap="gwServiceDown",
    notify=Notify.FIRST,
    owner="cache",
)

CACHE_BACK: Final = EventType(
    name="cache_back",
    number=33,
    severity=Severity.INFO,
    group=EventGroup.SERVICE,
    title="cache stores again",
    when="The cache could write to its disk again after it could not.",
    act="Nothing.",
    subject="the cache's folder",
    ends="cache_aside",
    trap="gwServiceUp",
    notify=Notify.FIRST,
    owner="cache",
)

QUARANTINE_FAILED: Final = EventType(
    name="quarantine_failed",
    number=34,
    severity=Severity.WARNING,
    group=EventGroup.SERVICE,
    title="quarantine does not work",
    when=(
        "Refused content could not be put into the quarantine, or what is too old not be deleted. At the beginning of it. "
        "The content is refused all the same."
    ),
    act="Look at room and rights of the folder scan.quarantine.path; the text says what is wrong.",
    subject="always quarantine",
    trap="gwServiceDown",
    notify=Notify.FIRST,
)

QUARANTINE_WORKS: Final = EventType(
    name="quarantine_works",
    number=35,
    severity=Severity.INFO,
    group=EventGroup.SERVICE,
    title="quarantine works again",
    when="What failed before was done: content was kept, or the folder cleaned up. Also when it is switched off.",
    act="Nothing. What was refused meanwhile was not kept.",
    subject="always quarantine",
    ends="quarantine_failed",
    trap="gwServiceUp",
    notify=Notify.FIRST,
)

STORE_IN_MEMORY: Final = EventType(
    name="store_in_memory",
    number=36,
    severity=Severity.WARNING,
    group=EventGroup.SERVICE,
    title="what is kept will be lost at the end",
    when=(
        "The file for what plugins keep, or for alarms that wait, can't be written, so all of it is in memory and ends with "
        "the process. Once, at the first use."
    ),
    act="Look at room and rights of the state folder (gateway.state, or systemd's StateDirectory), then restart the gateway.",
    subject="which file: store or alarms",
    trap="gwServiceDown",
    notify=Notify.FIRST,
)

STORE_DAMAGED: Final = EventType(
    name="store_damaged",
    number=37,
    severity=Severity.WARNING,
    group=EventGroup.SERVICE,
    title="a file of the gateway was damaged",
    when=(
        "The file for what plugins keep, or for alarms that wait, was damaged: it was put aside, and a new one begun. "
        "Once, when it is found."
    ),
    act=(
        "Look at the disk: damage after anything but a loss of power is a bad sign. The damaged file lies beside the new "
        "one, for who wants to look at it, and can be deleted. Users may have to log in anew."
    ),
    subject="which file: store or alarms",
    trap="gwServiceDown",
    notify=Notify.FIRST,
)

PLUGIN_UNHEALTHY: Final = EventType(
    name="plugin_unhealthy",
    number=85,
    severity=Severity.ERROR,
    group=EventGroup.PLUGIN,
    title="plugin fails",
    when="A plugin failed five times in a row in one hook. At the beginning of it.",
    act=(
        "The process log has its errors. Where it fails closed, requests are refused with 503 or 502 until it works: fix "
        "what it leans on, let it fail open (fail in its table) or take it out of plugins.enabled and reload."
    ),
    subject="the plugin and the hook",
    fields=_PLUGIN_FIELDS,
    trap="gwPlugin",
    notify=Notify.FIRST,
)

PLUGIN_HEALTHY: Final = EventType(
    name="plugin_healthy",
    number=86,
    severity=Severity.INFO,
    group=EventGroup.PLUGIN,
    title="plugin works again",
    when="A plugin gave a good answer in the hook in which it had failed all the time.",
    act="Nothing.",
    subject="the plugin and the hook",
    fields=_PLUGIN_FIELDS,
    ends="plugin_unhealthy",
    trap="gwPlugin",
    notify=Notify.FIRST,
)

CHANNEL_DOWN: Final = EventType(
    name="channel_down",
    number=90,
    severity=Severity.WARNING,
    group=EventGroup.SERVICE,
    title="alarms can't be delivered",
    when=(
        "A receiver of alarms took none for several attempts. At the beginning of it, and told to the other receivers only."
    ),
    act=(
        "Look at the receiver and at the way there: the text says what went wrong. Alarms wait for it, bounded in number "
        "and age (notify.queue, notify.keep), and are delivered when it takes them again."
    ),
    subject="the plugin and the receiver",
    fields=(
        EventField("why", "What the last attempt failed with.", "connection refused"),
        EventField("failures", "How many attempts failed in a row.", "5"),
        EventField("queued", "How many notices wait for it.", "12"),
    ),
    trap="gwServiceDown",
    notify=Notify.FIRST,
)

CHANNEL_UP: Final = EventType(
    name="channel_up",
    number=91,
    severity=Severity.INFO,
    group=EventGroup.SERVICE,
    title="alarms are delivered again",
    when="A receiver that took no alarms has taken one.",
    act="Nothing: what waited for it is on its way.",
    subject="the plugin and the receiver",
    fields=(
        EventField("seconds", "For how long it took none, in seconds.", "1800"),
        EventField("queued", "How many notices wait for it still.", "11"),
    ),
    ends="channel_down",
    trap="gwServiceUp",
    notify=Notify.FIRST,
)

ALARMS_DROPPED: Final = EventType(
    name="alarms_dropped",
    number=92,
    severity=Severity.WARNING,
    group=EventGroup.SERVICE,
    title="alarms were dropped",
    when=(
        "More alarms waited for a receiver than notify.queue allows, or longer than notify.keep, and the oldest were dropped; "
        "or the receiver refused some for good. Told to that receiver itself, when it takes alarms again."
    ),
    act=(
        "The process log of the gateway has every event, those that were dropped too. Raise notify.queue or notify.keep if "
        "the receiver is often away for that long; of what was refused the process log has the reason."
    ),
    subject="the plugin and the receiver",
    fields=(
        EventField("notices", "How many notices were dropped.", "25"),
        EventField("events", "How many events they stood for.", "4120"),
    ),
    trap="gwServiceDown",
    notify=Notify.ALWAYS,
)

TYPES: Final = (
    ORIGIN_DOWN,
    ORIGIN_UP,
    CACHE_ASIDE,
    CACHE_BACK,
    QUARANTINE_FAILED,
    QUARANTINE_WORKS,
    STORE_IN_MEMORY,
    STORE_DAMAGED,
    PLUGIN_UNHEALTHY,
    PLUGIN_HEALTHY,
    CHANNEL_DOWN,
    CHANNEL_UP,
    ALARMS_DROPPED,
)
