"""
What kinds stored responses are of: they pass no filter when they are sent again, perhaps to somebody with other rules.
"""

from __future__ import annotations

from gateway.api import Fields

#: So many are remembered.
MOST = 10_000


class KnownKinds:
    """The kinds that were found, by URL and what tells one version of it from another; the oldest are forgotten."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], str | None] = {}

    def note(self, url: str, fields: Fields, kind: str) -> None:
        """Remember a kind; without a validator there is nothing to know it again by."""
        validator = _validator(fields)
        if not validator:
            return
        kinds = self._kinds
        before = kinds.pop((url, validator), kind)
        # Two kinds under one validator: nobody knows which of them is stored.
        kinds[url, validator] = kind if before == kind else None
        if len(kinds) > MOST:
            del kinds[next(iter(kinds))]

    def of(self, url: str, fields: Fields) -> str | None:
        """Give the kind; empty: it was looked at, and nobody can say; C{None}: it was not."""
        validator = _validator(fields)
        return self._kinds.get((url, validator)) if validator else None


def _validator(fields: Fields) -> str:
    said = fields.get("etag") or fields.get("last-modified") or ""
    if not said:
        return ""
    more = [fields.get(name) or "" for name in ("content-type", "content-encoding")]
    return "\n".join((said, *more))
