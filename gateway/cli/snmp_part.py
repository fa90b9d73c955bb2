"""What the commands of C{gateway snmp} take from the plugin, without a gateway that runs."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TextIO

#: The module that the plugin's entry point leads to. The core imports no plugin; only a command of this name does, when it runs.
_PACKAGE = "gateway_snmp"

DEFAULT_OID = "1.3.6.1.4.1.8072.9999.9999"


def part(name: str) -> ModuleType:
    """
    Import a module of the plugin.

    @raise ImportError: it is not installed.
    """
    return importlib.import_module(f"{_PACKAGE}.{name}")


def missing(err: TextIO, error: ImportError) -> None:
    """Say that there is no plugin."""
    err.write(f"the plugin snmp is not installed: {error}\n")
