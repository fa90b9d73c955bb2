"""
The code of plugins' packages, read anew while the process runs; for those who write plugins.

The unit is a whole top-level package with everything below it, for a module that kept a name of its neighbour's old
version would be worse than none. Objects made before go on with the code they were made of. No compiled file is read or
written meanwhile: within one second those of an old and a new version can't be told apart.
"""

from __future__ import annotations

import importlib
import linecache
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType

#: Never taken out: all plugins would lose what they are made of.
_OURS = "gateway"


class Replaced:
    """
    Modules that were taken out, to be put back if their new version is no good.

    @ivar packages: the names of the top-level packages.
    """

    def __init__(self, modules: Iterable[str]) -> None:
        """
        Take packages out; the next import reads their files.

        @param modules: names of modules; the top-level package of each goes, and all that is below it.
        """
        tops = {name.partition(".")[0] for name in modules}
        self.packages = frozenset(tops - {_OURS})
        self._before: dict[str, ModuleType] = dict(self._loaded())
        self._take_out()
        importlib.invalidate_caches()
        linecache.checkcache()

    def put_back(self) -> None:
        """Undo it: from here on the names mean again what they meant before."""
        self._take_out()
        sys.modules.update(self._before)

    def _take_out(self) -> None:
        for name, _ in self._loaded():
            del sys.modules[name]

    def _loaded(self) -> list[tuple[str, ModuleType]]:
        return [
            (name, module)
            for name, module in list(sys.modules.items())
            if name.partition(".")[0] in self.packages
        ]


@contextmanager
def from_source() -> Iterator[None]:
    """Import from source files only."""
    before = sys.dont_write_bytecode, sys.pycache_prefix
    sys.dont_write_bytecode = True
    # Nothing is written, so nothing will ever be there.
    sys.pycache_prefix = os.path.join(os.devnull, "none")
    try:
        yield
    finally:
        sys.dont_write_bytecode, sys.pycache_prefix = before
