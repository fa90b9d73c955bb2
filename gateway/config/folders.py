"""
Where the gateway keeps what outlives it, as the configuration and systemd say; nothing is looked at or made here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.config.schema import Config
    from gateway.config.sections.tls import Tls


def state_folder(config: Config, environ: Mapping[str, str]) -> str:
    """Say where state is kept: the setting, else what systemd gives; empty is nowhere."""
    if config.gateway.state:
        return config.gateway.state
    # Several folders are joined by colons; the first is ours (systemd.exec(5)).
    return environ.get("STATE_DIRECTORY", "").split(":")[0]


def ca_folder(tls: Tls, state: str) -> str:
    """
    Say where the CA is: its own setting, else below the folder for state; empty is nowhere.

    @param state: what L{state_folder} said, when the process started if it is one that runs.
    """
    if tls.ca:
        return tls.ca
    return os.path.join(state, "ca") if state else ""
