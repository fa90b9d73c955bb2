"""
What rules that match say about content: by their metadata, C{action} before C{severity}.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from gateway.api import Infected

Meaning: TypeAlias = Literal["infected", "suspicious", "ignore"]

_BY_ACTION: Mapping[str, Meaning] = {
    "infected": "infected",
    "block": "infected",
    "suspicious": "suspicious",
    "monitor": "suspicious",
    "ignore": "ignore",
    "pass": "ignore",
}
_BY_SEVERITY: Mapping[str, Meaning] = {
    "critical": "infected",
    "high": "infected",
    "medium": "suspicious",
    "low": "suspicious",
    "info": "ignore",
    "informational": "ignore",
}


def meaning(metadata: Mapping[str, object], otherwise: Meaning) -> Meaning:
    """Say what a rule stands for; words that nobody knows say nothing."""
    action = str(metadata.get("action", "")).lower()
    severity = str(metadata.get("severity", "")).lower()
    return _BY_ACTION.get(action) or _BY_SEVERITY.get(severity) or otherwise


def result(found: Sequence[Sequence[Any]], otherwise: Meaning, engine: str) -> Infected | None:
    """
    Make one result of all rules that match.

    @param found: name, tags and metadata of each rule, in the order of the rules.
    @return: C{None}: all of them are to be ignored.
    """
    certain: list[str] = []
    uncertain: list[str] = []
    for name, tags, metadata in found:
        says = meaning(metadata, otherwise)
        shown = f"{name} [{', '.join(tags)}]" if tags else str(name)
        if says == "infected":
            certain.append(shown)
        elif says == "suspicious":
            uncertain.append(shown)
    names = certain + uncertain
    if not names:
        return None
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return Infected(names[0] + more, engine, certain=bool(certain))
