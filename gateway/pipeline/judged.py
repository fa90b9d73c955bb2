"""
What was said of some content, and what each thing that can be said leads to.

The words are those of L{gateway.api.content}: a token such as C{infected} or C{limit:depth}, of which the part before
the colon is what C{scan.on} knows. How it came about is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.api.content import Side
from gateway.api.verdicts import Block

#: What may follow, the most lenient first.
ACTIONS = ("pass", "monitor", "warn", "block")

_WHY = {
    "infected": "malware was found",
    "suspicious": "it looks like malware",
    "encrypted": "it is encrypted, so it can't be scanned",
    "malformed": "it is malformed, so it can't be scanned",
    "limit": "it goes beyond the limits of what is scanned",
    "too_large": "it is larger than what is scanned",
    "extract_failed": "it could not be unpacked to be scanned",
    "engine_error": "it could not be scanned",
    "engine_timeout": "it could not be scanned in time",
    "capacity": "there is no room at present to scan it (scan capacity)",
    "unscanned": "not all of it was scanned",
}
#: Ours to mend, and soon over: 503. Everything else is about the content: 403.
_PAGES = {
    "infected": (403, "scan_infected"),
    "suspicious": (403, "scan_infected"),
    "forbidden": (403, "scan_forbidden"),
    "extract_failed": (503, "scan_failed"),
    "extract_failed:capacity": (503, "scan_capacity"),
    "engine_error": (503, "scan_failed"),
    "engine_timeout": (503, "scan_failed"),
    "capacity": (503, "scan_capacity"),
}
_OTHER_PAGE = (403, "scan_refused")


@dataclass(frozen=True, slots=True)
class Judged:
    """
    What was said of the content of one side of a transaction, and what follows.

    @ivar side: whose content.
    @ivar token: C{clean}, C{infected}, C{suspicious} or why it could not be scanned, such as C{limit:depth}.
    @ivar action: C{block}, C{warn}, C{monitor} or C{pass}; C{pass} for what is clean.
    @ivar why: one sentence for people; empty for what is clean.
    @ivar name: of what was found; empty: nothing.
    @ivar engine: who said it.
    @ivar patterns: the version of what that was said with, if that is known.
    @ivar member: what of the content it was said of, such as C{"a.zip/b.exe"}; empty: the content itself.
    @ivar found: when it was found, in seconds since 1970, if that was in an earlier transaction; 0.0: just now.
    @ivar said_by: engine and patterns, as the access log has them.
    """

    side: Side
    token: str
    action: str
    why: str = ""
    name: str = ""
    engine: str = ""
    patterns: str = ""
    member: str = ""
    found: float = 0.0
    said_by: str = field(init=False, compare=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "said_by", f"{self.engine} {self.patterns}")

    @property
    def reason(self) -> str:
        """The token without what says more: the key of C{scan.on}."""
        return self.token.partition(":")[0]

    @property
    def is_malware(self) -> bool:
        """Something was found, even if it is not certain."""
        return self.token in ("infected", "suspicious")

    @property
    def blocks(self) -> bool:
        """It must not pass."""
        return self.action == "block"

    def block(self) -> Block:
        """Make the verdict of what must not pass."""
        status, page = _PAGES.get(self.token) or _PAGES.get(self.reason, _OTHER_PAGE)
        return Block(self.why, f"scan_{self.reason}", status, page)


def why_of(reason: str) -> str:
    """Say in a sentence what a reason means."""
    return _WHY.get(reason, "it can't be scanned")
