"""
From a name in C{[plugins] enabled} to a plugin's class: entry points, and everything that can be wrong with a package.

Only what is named is imported. Nothing here runs because it is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from typing import TypeAlias

from gateway.api.hooks import Plugin
from gateway.config.faults import nearest
from gateway.pipeline.vetting import Blame

#: The group of entry points that plugins are found by.
GROUP = "gateway.plugins"

Found: TypeAlias = type[Plugin] | Plugin


class Discovery:
    """Finds plugins."""

    def __init__(self, installed: EntryPoints, extra: Mapping[str, object], blame: Blame) -> None:
        """
        Look at nothing yet.

        @param extra: plugins by name beside the installed ones, before which they come.
        """
        self._installed = installed
        self._extra = extra
        self._blame = blame

    def find(self, name: str) -> Found | None:
        """Give a plugin's class, or the object in its place; C{None} if somebody or something is to blame."""
        if name in self._extra:
            return self._plugin(name, self._extra[name])
        points = {point.value: point for point in self._installed if point.name == name}
        if not points:
            near = nearest(name, [*self._installed.names, *self._extra])
            known = ", ".join(sorted({*self._installed.names, *self._extra})) or "none"
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
