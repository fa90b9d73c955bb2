"""
What all the scans of one message found, made into one answer.

The content of a message is one piece; what is packed in it are others. Each is looked at by every plugin that scans.
The worst of all results counts, by what is configured to follow. Nobody's word that something is clean goes further than
what was looked at: what no engine saw to its last byte, and what nobody unpacked, is C{unscanned}, whoever says clean.
Neither plugins nor time are known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from gateway.api.content import Clean, Infected, ScanJob, ScanResult, Unscannable
from gateway.pipeline.judged import ACTIONS, why_of

#: Of what plugins say, which may come from peers, no more is kept.
MOST_TEXT = 200

_TOKEN = re.compile(r"[a-z0-9_]{1,32}(:[a-z0-9_]{1,32})?")
_NESTED = "nobody looked into what may be packed in it"
#: What no plugin can give for a reason, as it would mean something else.
_RESERVED = frozenset(
    (
        "clean",
        "infected",
        "suspicious",
        "failed",
        "made_here",
        "no_content",
        "not_judged",
        "not_needed",
        "tunnel",
    )
)
_BLOCK = ACTIONS.index("block")


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One answer of many.

    @ivar token: C{clean}, C{infected}, C{suspicious} or why it could not be scanned.
    @ivar why: one sentence for people; empty for what is clean.
    @ivar name: of what was found; empty: nothing.
    @ivar engine: who said it.
    @ivar patterns: the version of what that was said with, if that is known.
    @ivar member: what it was said of; empty: the content itself.
    """

    token: str
    why: str = ""
    name: str = ""
    engine: str = ""
    patterns: str = ""
    member: str = ""


class Findings:
    """
    Gathers results.

    @ivar decided: nothing that is still to come could make it worse.
    @ivar judged: somebody said something of some piece.
    @ivar members: how many pieces that were packed in the content were looked at.
    """

    def __init__(self, actions: Mapping[str, str]) -> None:
        """
        Begin with nothing.

        @param actions: what follows from each reason; what is not in there is blocked.
        """
        self.decided = False
        self.judged = False
        self.members = 0
        self._actions = actions
        self._worst: Finding | None = None
        self._rank = (-1, 0)
        self._clean: Clean | None = None
        self._ignored: str | None = None
        # Whether it is known that nothing is packed in the content that was not looked at; and whether that has to be.
        self._deep = False
        self._shallow = False

    def scanned(self, job: ScanJob, results: Sequence[ScanResult]) -> None:
        """
        Take what all plugins said of one piece.

        @param results: without those of plugins whose business it is not.
        """
        member = job.member
        if job.depth or member:
            self.members += 1
        if not results:
            if self._ignored is None and job.size:
                self._ignored = member
            return
        self.judged = True
        is_whole = False
        partial: Clean | None = None
        nested = False
        for result in results:
            match result:
                case Clean(coverage=coverage):
                    if coverage.size == job.size:
                        is_whole = True
                        nested = nested or coverage.nested
                        if self._clean is None or not member:
                            self._clean = result
                    else:
                        partial = result
                case Unscannable():
                    self.unscannable(result, member)
                case Infected():
                    self._infected(result, member)
                case _:
                    assert_never(result)
        if partial is not None and not is_whole:
            why = f"only {partial.coverage.size} of {job.size} bytes were looked at"
            self.unscannable(Unscannable("unscanned:partial", why, partial.engine), member)
        if not member and not job.depth:
            self._deep = self._deep or nested
            self._shallow = self._shallow or (is_whole and not nested)
        elif is_whole and not nested and job.notes.get("nested") == "unknown":
            self.unscannable(Unscannable("unscanned:nested", _NESTED), member)

    def unscannable(self, result: Unscannable, member: str = "") -> None:
        """Take that something could not be looked at."""
        token = result.reason
        reason = token.partition(":")[0]
        if reason in _RESERVED or not _TOKEN.fullmatch(token):
            token, reason = "unscanned:other", "unscanned"
        why = plain(result.why) or why_of(reason)
        if member:
            why = f"{why} ({plain(member)})"
        engine = plain(result.engine)
        self._take(Finding(token, why, "", engine, "", plain(member)), (self._follows(reason), 0))

    def unpacked(self) -> None:
        """
        Learn that all that is packed in the content, at every depth, was given out, or that nothing is.

        Also where it was not, and L{unscannable} was told why: that counts then, and what is configured for it.
        """
        self._deep = True

    def answer(self) -> Finding | None:
        """
        Make one answer of all.

        @return: C{None}: no plugin said anything of anything.
        """
        if not self.judged and self._worst is None:
            return None
        if self.judged and self._ignored is not None:
            self.unscannable(Unscannable("unscanned:no_engine"), self._ignored)
        if self._shallow and not self._deep:
            self.unscannable(Unscannable("unscanned:nested", _NESTED))
        if self._worst is not None:
            return self._worst
        clean = self._clean
        if clean is None:
            # Whatever came to this, nobody may call it clean.
            return Finding("unscanned:no_engine", why_of("unscanned"))
        return Finding("clean", "", "", plain(clean.engine), plain(clean.patterns))

    def _infected(self, found: Infected, member: str) -> None:
        token = "infected" if found.certain else "suspicious"
        name = plain(found.name) or "unnamed"
        where = f" in {plain(member)}" if member else ""
        why = f"{why_of(token)}: {name}{where}"
        rank = (self._follows(token), 2 if found.certain else 1)
        self._take(Finding(token, why, name, plain(found.engine), "", plain(member)), rank)
        if found.certain and rank[0] == _BLOCK:
            self.decided = True

    def _follows(self, reason: str) -> int:
        return ACTIONS.index(self._actions.get(reason, "block"))

    def _take(self, finding: Finding, rank: tuple[int, int]) -> None:
        # The first of equals.
        if rank > self._rank:
            self._rank = rank
            self._worst = finding


def plain(text: str) -> str:
    """Make what may come from a peer short and printable."""
    if text.isascii() and text.isprintable() and len(text) <= MOST_TEXT:
        return text
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape", "replace").decode("ascii")
        for char in text[:MOST_TEXT]
    )
    return shown if len(shown) <= MOST_TEXT else shown[: MOST_TEXT - 1] + "…"
