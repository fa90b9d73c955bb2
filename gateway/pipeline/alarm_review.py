"""
What the settings of alarms say that has no effect: events that nobody raises, and C{[notify]} where nobody is told.

Only with the plugins made this can be seen: they bring events of their own, and they are the channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.api.catalogue import CATALOGUE
from gateway.api.hooks import Plugin
from gateway.config.faults import Fault, nearest
from gateway.config.schema import Config


def alarm_cautions(config: Config, plugins: Mapping[str, Plugin]) -> Iterator[Fault]:
    """
    List what has no effect.

    @param plugins: all that are enabled, by name.
    """
    fault = config.sources.fault
    known = set(CATALOGUE)
    for plugin in plugins.values():
        known.update(one.name for one in plugin.event_types)
    for name in config.notify.events:
        if name not in known:
            near = nearest(name, known)
            yield fault(
                ("notify", "events", name),
                f"has no effect: there is no event {name}",
                f'did you mean "{near}"?' if near else '"gateway event list" shows all',
            )
    if config.sources.says(("notify",)) and not any(map(_has_channels, plugins.values())):
        yield fault(
            ("notify",),
            "nobody is told of any event: no plugin is enabled that tells",
            'add "mail", "snmp", "syslog" or "webhook" to plugins.enabled, and set it up',
        )


def _has_channels(plugin: Plugin) -> bool:
    # One that does without the constructor of its base class has no services.
    services = getattr(plugin, "services", None)
    return services is not None and bool(services.alarms.receivers)
