"""
What plugins say of their settings beside the rest of the configuration, as faults and cautions with file and line.

A plugin is given a view that was made for it (L{Surroundings}) and not the configuration. One whose review raises has said
nothing that may keep the gateway from starting, so that is a caution of its own.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.api.hooks import Plugin
from gateway.api.review import Caution, Listener, SettingFault, SettingPath, Surroundings
from gateway.config.faults import Fault, Path
from gateway.config.schema import Config
from gateway.config.tls import listener_tls

#: Things that one plugin may say; whoever says more is lost in his own text.
MOST = 100

#: Characters of one text that are shown.
_CHARACTERS = 1000


@dataclass(slots=True)
class Reviewed:
    """What plugins said, in their order: what keeps the gateway from starting, and what does not."""

    faults: list[Fault] = field(default_factory=list)
    cautions: list[Fault] = field(default_factory=list)


def surroundings(config: Config) -> Surroundings:
    """Give what plugins may know of a configuration."""
    listeners: list[Listener] = []
    if config.forward is not None:
        listeners += [
            Listener(
                str(place),
                "forward",
                place.kind,
                place.tls is not None,
                place.is_local,
                place.proxy_protocol,
            )
            for place in config.forward.listen
        ]
    listeners += [
        Listener(
            str(place),
            "reverse",
            place.kind,
            listener_tls(place, sites) is not None,
            place.is_local,
            place.proxy_protocol,
            tuple(dict.fromkeys(host for site in sites for host in site.host)),
        )
        for place, sites in config.reverse_listeners
    ]
    return Surroundings(
        config.tls.decrypt, tuple(listeners), tuple(map(str, config.network.trusted_proxies))
    )


def reviewed(config: Config, plugins: Mapping[str, Plugin]) -> Reviewed:
    """
    Ask each plugin.

    @param plugins: by name; all of them are enabled.
    """
    found = Reviewed()
    around = surroundings(config)
    for name, plugin in plugins.items():
        if type(plugin).review is Plugin.review:
            continue
        try:
            _ask(config, name, plugin, around, found)
        except (Exception, SystemExit) as error:  # a plugin must not end a gateway that reloads
            path = ("plugins", "enabled", config.plugins.enabled.index(name))
            what = f'"{name}" can\'t say whether its settings make sense: {_raised(error)}'
            mend = "that is a fault of the plugin; it runs all the same"
            found.cautions.append(config.sources.fault(path, _line(what), mend))
    return found


def _ask(config: Config, name: str, plugin: Plugin, around: Surroundings, found: Reviewed) -> None:
    """
    Ask one plugin.

    @raise TypeError: it gives something else than it should.
    """
    for count, said in enumerate(plugin.review(around)):
        if count == MOST:
            raise ValueError(f"it says more than {MOST} things")
        match said:
            case Caution(what, key, mend):
                found.cautions.append(_told(config, name, what, key, mend))
            case SettingFault(what, key, mend):
                found.faults.append(_told(config, name, what, key, mend))
            case _:
                raise TypeError(f"it gives {said!r}, which is no Caution and no SettingFault")


def _told(config: Config, name: str, what: str, key: SettingPath, mend: str) -> Fault:
    if not isinstance(key, tuple):
        raise TypeError(f"the key {key!r} is no tuple, such as ({key!r},)")
    path: Path = ("plugins", name, *key)
    return config.sources.fault(path, _line(what), _line(mend))


def _line(text: str) -> str:
    """Make it one line that a terminal can show."""
    joined = " ".join(str(text).split())
    return "".join(c if c.isprintable() else "?" for c in joined)[:_CHARACTERS]


def _raised(error: BaseException) -> str:
    """Say what was raised, and by which line."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__}: {error} ({os.path.basename(last.filename)}:{last.lineno})"
