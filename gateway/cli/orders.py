"""Orders to the running gateway or to one of its plugins, as commands give them."""

from __future__ import annotations

import argparse
from typing import Any


def asked(options: argparse.Namespace, name: str, /, **said: object) -> dict[str, Any]:
    """Give an order to the plugin, and its answer, also if nobody answers: C{ok} says that."""
    from gateway.cli.control import Unreachable, plugin_order

    try:
        return plugin_order(options, name, **said)
    except Unreachable as error:
        return {"ok": False, "why": str(error)}


def answered(options: argparse.Namespace, name: str, /, **said: object) -> dict[str, Any]:
    """Give an order to the gateway itself, and its answer, also if nobody answers: C{ok} says that."""
    from gateway.cli.control import Unreachable, order

    try:
        return order(options, name, **said)
    except Unreachable as error:
        return {"ok": False, "why": str(error)}
