"""
Reload when a file changes: the configuration, or the code of an enabled plugin; C{gateway run --watch}.

For those who write plugins. Files are looked at once a second, which works in every container and on every file
system; what is half written when it is looked at is refused by the reload and taken the next time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from gateway.config.layers import file_names
from gateway.pipeline.discovery import installed
from gateway.service import GatewayService

#: Seconds between two looks.
INTERVAL = 1.0

_SUFFIXES = (".py", ".toml", ".json", ".html", ".txt", ".css", ".js")


class Watch(Service):
    """
    Looks, and reloads.

    @ivar reloads: how many it asked for.
    """

    _log = Logger()

    def __init__(self, gateway: GatewayService, reactor: Any, config: str | None) -> None:
        """
        Look at nothing yet.

        @param config: path of the configuration file, if there is one.
        """
        self.reloads = 0
        self._gateway = gateway
        self._config = config
        self._seen: dict[str, tuple[int, int]] = {}
        self._looking = LoopingCall(self.look)
        self._looking.clock = reactor

    def startService(self) -> None:
        """Remember how the files are, and begin to look."""
        super().startService()
        self._seen = self._state()
        self._looking.start(INTERVAL, now=False)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()

    def look(self) -> None:
        """Compare, and reload if something differs."""
        now = self._state()
        if now == self._seen:
            return
        changed = sorted(
            name for name in {*now, *self._seen} if now.get(name) != self._seen.get(name)
        )
        self._seen = now
        self.reloads += 1
        self._log.info("changed: {names}; reloading", names=", ".join(changed))
        # How it ended is in the log.
        self._gateway.reload(fresh=True).addErrback(lambda _: None)

    def _state(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for name in self._files():
            try:
                state = os.stat(name)
            except OSError:
                continue
            found[name] = state.st_mtime_ns, state.st_size
        return found

    def _files(self) -> Iterator[str]:
        if self._config is not None:
            yield from file_names(self._config)
        enabled = set(self._gateway.config.plugins.enabled)
        for point in installed():
            if point.name in enabled:
                yield from _files_of(point.module.partition(".")[0])


def _files_of(package: str) -> Iterator[str]:
    """Name the files of a top-level package, or the one of a module."""
    module = sys.modules.get(package)
    folders = list(getattr(module, "__path__", ()))
    if not folders:
        name = getattr(module, "__file__", None)
        if name:
            yield name
    for folder in folders:
        for where, below, names in os.walk(folder):
            below[:] = [name for name in below if name != "__pycache__"]
            yield from (os.path.join(where, name) for name in names if name.endswith(_SUFFIXES))
