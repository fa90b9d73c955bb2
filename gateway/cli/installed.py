"""
Whether the plugins that a configuration enables are installed, and take their settings.

Plugins are found by the entry points of C{gateway.plugins}, only those that are enabled are imported, and none is made
or started here.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points

from gateway.config.faults import ConfigError, Fault, nearest
from gateway.config.load import load_plugin_settings
from gateway.config.schema import Config

GROUP = "gateway.plugins"


def plugin_faults(config: Config, found: Mapping[str, EntryPoint] | None = None) -> list[Fault]:
    """
    List what is wrong with the enabled plugins.

    @param found: the entry points to look in, by name; those that are installed by default.
    """
    points = {point.name: point for point in entry_points(group=GROUP)} if found is None else found
    faults: list[Fault] = []
    for index, name in enumerate(config.plugins.enabled):
        if not name.isidentifier() or name in config.plugins.enabled[:index]:
            continue  # a fault already
        path = ("plugins", "enabled", index)
        if name not in points:
            near = nearest(name, points)
            mend = (
                f'did you mean "{near}"?'
                if near
                else f"install it, or leave it out; installed: {', '.join(sorted(points)) or 'none'}"
            )
            faults.append(config.sources.fault(path, f'no plugin "{name}" is installed', mend))
            continue
        try:
            plugin = points[name].load()
            load_plugin_settings(config, name, plugin.Settings)
        except ConfigError as error:
            faults += error.faults
        except Exception as error:  # a stranger's module may raise anything when it is imported
            faults.append(
                config.sources.fault(path, f'the plugin "{name}" cannot be loaded: {error!r}')
            )
    return faults
