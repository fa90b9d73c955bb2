"""
Write the reference of all events as Markdown, C{docs/events.md}: from L{gateway.api.catalogue} alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from gateway.api.catalogue import CATALOGUE
from gateway.api.events import EventGroup, EventType, Notify

_HEAD = """# Events

This page is made from `gateway/api/catalogue/` by `make docs`; change it there. `gateway event list` and `gateway event show NAME`
say the same.

An event is something that operators may have to act on. Each has a line in the process log (but for those that have one
in the access log), goes to the hook [`event`](hooks.md#event) of plugins, and to the channels: traps, mail, syslog, webhooks.
How a channel tells of it is the last word of its row, unless `notify.events` or the channel's own settings say otherwise:

| notify | what a channel does |
| --- | --- |
| never | nothing: the event is only in the log |
| first | the first one is told at once, more of the same with the next digest |
| digest | with the next digest |
| always | each one, but not more often than the channel's limit; what comes within is counted |

- **States.** An event that another one *ends* begins a state, such as an outage. It is raised once, at the beginning; channels
  repeat it while it lasts (`notify.repeat`) and tell once when it is over. Beginning and end have the same subject.
- **Severity** is that of the type; the text of an event says where a single one has another.
- **Values** are always text. A field may be missing where there is nothing to say.
- **The number** is the event's arc in the MIB, the trap is the notification that it is sent as.
- **Plugins of others** describe theirs in `Plugin.event_types`; they have no number and are sent as gwOther.

## All events

"""

_GROUPS = {
    EventGroup.SECURITY: "security",
    EventGroup.SERVICE: "services",
    EventGroup.RESOURCE: "resources",
    EventGroup.UPDATE: "updates",
    EventGroup.IDENTITY: "identity",
    EventGroup.CERTIFICATE: "certificates and TLS",
    EventGroup.CONFIGURATION: "configuration",
    EventGroup.PLUGIN: "plugins",
}
_NOTIFY = {
    Notify.NEVER: "only logged",
    Notify.FIRST: "the first at once, more with the digest",
    Notify.DIGEST: "with the digest",
    Notify.ALWAYS: "each one",
}
#: Settings of the gateway itself, tables, metrics and commands.
_CODE = re.compile(
    r"\b(?:gateway|scan|tls|limits|log|network|notify|watch|cluster|admin|timeouts)(?:\.[a-z0-9_]+)+"
    r"|\bplugins\.enabled\b"
    r"|\bgateway (?:ca (?:rotate|show)|check|quarantine show|reload|tls pins --(?:bypass|forget))\b"
    r"|\[[a-z]+(?:\.[a-z]+)*\]"
    r"|\bgateway_[a-z_]+\b"
)


def events_page() -> str:
    """Write the whole page."""
    kinds = list(CATALOGUE.values())
    tables = "\n".join(_table(group, kinds) for group in EventGroup)
    return _HEAD + tables + "\n" + "".join(_section(one) for one in kinds)


def _table(group: EventGroup, kinds: Iterable[EventType]) -> str:
    rows = [_row(one) for one in kinds if one.group is group]
    if not rows:
        return ""
    head = (
        f"Of {_GROUPS[group]}:\n\n| event | severity | what | ends | notify |\n"
        "| --- | --- | --- | --- | --- |\n"
    )
    return head + "\n".join(rows) + "\n"


def _row(one: EventType) -> str:
    ends = f"[`{one.ends}`](#{one.ends})" if one.ends else ""
    return (
        f"| [`{one.name}`](#{one.name}) | {one.severity.value} | {one.title} | {ends} "
        f"| {one.notify.value} |"
    )


def _section(one: EventType) -> str:
    facts = [one.severity.value, one.group.value, _NOTIFY[one.notify]]
    if one.owner:
        facts.append(f"of the plugin {one.owner}")
    if not one.logged:
        facts.append("no line in the process log")
    facts.append(f"number {one.number}, trap {one.trap}")
    lines = [
        f"\n## {one.name}\n",
        f"*{one.title[:1].upper()}{one.title[1:]}* ({'; '.join(facts)}).\n",
    ]
    lines.append(f"**When**: {_coded(one.when)}\n")
    lines.append(f"**What to do**: {_coded(one.act)}\n")
    begun = next((other for other in CATALOGUE.values() if other.ends == one.name), None)
    if one.ends:
        lines.append(f"Ends the state that [`{one.ends}`](#{one.ends}) begins.\n")
    if begun is not None:
        lines.append(f"Begins a state; [`{begun.name}`](#{begun.name}) ends it.\n")
    lines.append(f"**Subject**: {_coded(one.subject) if one.subject else 'none'}.\n")
    if one.fields:
        lines.append("| value | meaning | example |\n| --- | --- | --- |")
        lines += [
            f"| `{field.name}` | {_coded(field.help)} | `{field.example.replace('|', chr(92) + '|')}` |"
            for field in one.fields
        ]
        lines.append("")
    return "\n".join(lines)


def _coded(text: str) -> str:
    """Put settings, metrics and commands into code."""
    if "`" in text:
        return text
    return _CODE.sub(lambda found: f"`{found.group()}`", text).replace("|", "\\|")
