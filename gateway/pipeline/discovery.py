"""
From a name in C{[plugins] enabled} to a plugin's class: entry points, and everything that can be wrong with a package.

Only what is named is imported. Nothing here runs because it is installed.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import TypeAlias

from gateway.api.hooks import Plugin
from gateway.config.faults import nearest
from gateway.pipeline.vetting import Blame

#: The group of entry points that plugins are found by.
GROUP = "gateway.plugins"

Found: TypeAlias = type[Plugin] | Plugin

#: What the places are like that packages are imported from: a place's path, and the notes in it with their times.
_State: TypeAlias = tuple[tuple[str, frozenset[tuple[str, int]]], ...]


def installed() -> EntryPoints:
    """
    Give the entry points of all plugins that are installed now.

    Reading the notes of every package takes milliseconds, for which a reload would hold up the traffic; so they are read
    again only after something was installed, removed or noted anew.
    """
    return _as_of(tuple((place, _notes(place)) for place in sys.path))


@lru_cache(maxsize=1)
def _as_of(state: _State) -> EntryPoints:
    # Its own cache goes by the time of a folder, which two installations within a moment may share.
    importlib.invalidate_caches()
    return entry_points(group=GROUP)


def _notes(place: str) -> frozenset[tuple[str, int]]:
    """Give what tells that the packages in a place are others: the times of their lists of entry points, or its own."""
    found = []
    try:
        with os.scandir(place or ".") as entries:
            for entry in entries:
                if entry.name.endswith((".dist-info", ".egg-info")):
                    found.append(
                        (entry.name, _changed(os.path.join(entry.path, "entry_points.txt")))
                    )
    except NotADirectoryError:
        found.append(("", _changed(place)))  # an archive
    except OSError:
        pass
    return frozenset(found)


def _changed(path: str) -> int:
    """Give a file's time in nanoseconds, -1 if it is not there."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1


class Discovery:
    """Finds plugins."""

    def __init__(
        self, look: Callable[[], EntryPoints], extra: Mapping[str, object], blame: Blame
    ) -> None:
        """
        Look at nothing yet.

        @param look: finds what is installed; asked once, and only if the others do not do.
        @param extra: plugins by name beside the installed ones, before which they come.
        """
        self._look = look
        self._extra = extra
        self._blame = blame

    @cached_property
    def installed(self) -> EntryPoints:
        """The installed plugins as they are at this load."""
        return self._look()

    def find(self, name: str) -> Found | None:
        """Give a plugin's class, or the object in its place; C{None} if somebody or something is to blame."""
        if name in self._extra:
            return self._plugin(name, self._extra[name])
        points = {point.value: point for point in self.installed if point.name == name}
        if not points:
            near = nearest(name, [*self.installed.names, *self._extra])
            known = ", ".join(sorted({*self.installed.names, *self._extra})) or "none"
            self._blame(
                name,
                f'no plugin "{name}" is installed',
                f'did you mean "{near}"?' if near else f"installed: {known}",
            )
            return None
        if len(points) > 1:
            self._blame(
                name,
                f'two packages bring a plugin "{name}": {" and ".join(sorted(points))}',
                "remove one",
            )
            return None
        return self._import(name, *points.values())

    def _import(self, name: str, point: EntryPoint) -> Found | None:
        try:
            return self._plugin(name, point.load())
        except ModuleNotFoundError as error:
            if error.name == point.module:
                self._blame(
                    name,
                    f'"{name}": there is no module {error.name}',
                    "its package is not whole: install it anew",
                )
            else:
                self._blame(
                    name,
                    f'"{name}" needs {error.name}, which is not installed',
                    f"pip install {error.name}",
                )
        except AttributeError:
            self._blame(name, f'"{name}": {point.module} names no {point.attr}')
        except (Exception, SystemExit) as error:  # a plugin must not end a gateway that reloads
            self._blame(name, f'"{name}" can\'t be imported: {type(error).__name__}: {error}')
        return None

    def _plugin(self, name: str, found: object) -> Found | None:
        if isinstance(found, Plugin) or (isinstance(found, type) and issubclass(found, Plugin)):
            return found
        self._blame(name, f'"{name}" is no plugin: {found!r} is no subclass of gateway.api.Plugin')
        return None
