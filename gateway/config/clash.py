"""What a check finds: settings that do not go together."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.faults import Path


@dataclass(frozen=True, slots=True)
class Clash:
    """Two settings that do not go together, or one that makes no sense as things are."""

    path: Path
    message: str
    mend: str = ""
