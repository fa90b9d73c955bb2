"""
Which rule a kind of file falls under: those of the configuration in their order, then what is built in.

A rule for an exception stands before what is general: the first one that matches decides, also for letting pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gateway.api import TYPE_GROUPS, TYPES, Identity, Side
from gateway_filetype.settings import UNKNOWN, Action, FiletypeSettings, Rule

_LOOKED_AT = frozenset(("image", "audio", "video", "font", "text"))


@dataclass(frozen=True, slots=True)
class Asked:
    """
    Whose content it is.

    @ivar host: where it comes from, or is sent to.
    """

    side: Side
    host: str
    identity: Identity | None


@dataclass(frozen=True, slots=True)
class Found:
    """
    What follows for some content.

    @ivar setting: the one that says so.
    @ivar kind: of the file; empty: unknown.
    @ivar why: one sentence for people; empty if it may pass.
    """

    action: Action
    setting: str
    kind: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """
    A rule in the form in which it is asked.

    @ivar kinds: those it names; what nobody knows is the empty one.
    @ivar others: it is about all but these.
    """

    rule: Rule
    setting: str
    kinds: frozenset[str]
    others: bool


class Rules:
    """
    All rules of a configuration.

    @ivar by_who: what is said of some content depends on who asks, on the host, or on the side.
    """

    def __init__(self, settings: FiletypeSettings) -> None:
        lines = [
            _line(rule, f"plugins.filetype.rule[{index}]")
            for index, rule in enumerate(settings.rule)
        ]
        self._lines = tuple(lines)
        last = []
        if settings.block:
            last.append(_line(Rule(types=settings.block), "plugins.filetype.block"))
        if settings.allow:
            last.append(_line(Rule(other_than=settings.allow), "plugins.filetype.allow"))
        self._last = tuple(last)
        self._settings = settings
        self.by_who = any(
            rule.users or rule.groups or rule.side != "both" or rule.hosts.patterns != ("*",)
            for rule in settings.rule
        )

    def of(self, asked: Asked) -> Applying | None:
        """Give the rules that some content is held to; C{None}: to none, so it need not be looked at."""
        lines = [line for line in self._lines if _concerns(line.rule, asked)]
        if not lines and not self._last and self._settings.mismatch == "pass":
            return None
        return Applying(lines, self._last, self._settings)


class Applying:
    """
    The rules that one content is held to.

    @ivar blocks: some of them refuses what it names.
    """

    __slots__ = ("_first", "_last", "_settings", "blocks")

    def __init__(
        self, first: Sequence[_Line], last: Sequence[_Line], settings: FiletypeSettings
    ) -> None:
        self._first = first
        self._last = last
        self._settings = settings
        self.blocks = any(line.rule.action == "block" for line in (*first, *last))

    def judge(self, kind: str, declared: str, what: str, *, is_all: bool = True) -> Found | None:
        """
        Say what follows for content of a kind.

        @param kind: of L{true_type<gateway.api.true_type>}; empty: unknown.
        @param declared: the declared media type, in lower case and without parameters.
        @param what: it in words, such as C{"The file a.zip"}.
        @param is_all: more of it would not change the kind. If not, only what shows itself beyond doubt is judged.
        @return: C{None}: nothing is said of it, or it may pass.
        """
        found = self._find(self._first, kind, is_all)
        if found is None and self._settings.mismatch != "pass" and _is_disguised(kind, declared):
            found = Found(self._settings.mismatch, "plugins.filetype.mismatch", kind)
        if found is None:
            found = self._find(self._last, kind, is_all)
        if found is None or found.action == "pass":
            return None
        says = f", declared as {declared}" if declared else ""
        words = TYPES[kind].what if kind else "of an unknown kind"
        name = f" ({kind})" if kind else ""
        why = f"{what} is {words}{name}{says}, which is not let through (setting {found.setting})."
        return Found(found.action, found.setting, kind, why)

    def partial(self) -> Found | None:
        """Say what follows for content that does not begin with the first byte of a file."""
        why = "A part of a file does not show of what kind it is"
        return self._beyond(self._settings.partial, "partial", why)

    def unreadable(self, why: str) -> Found | None:
        """Say what follows for content of which the kind can't be told."""
        return self._beyond(self._settings.unreadable, "unreadable", why)

    def _beyond(self, action: Action, setting: str, why: str) -> Found | None:
        if action == "pass" or not self.blocks:
            return None
        setting = f"plugins.filetype.{setting}"
        return Found(action, setting, "", f"{why} (setting {setting}).")

    def _find(self, lines: Iterable[_Line], kind: str, is_all: bool) -> Found | None:
        for line in lines:
            if (kind in line.kinds) == line.others:
                continue
            if not is_all and (line.others or not kind):
                # More of it may show that it is something else.
                return None
            return Found(line.rule.action, line.setting, kind)
        return None


def _line(rule: Rule, setting: str) -> _Line:
    names = rule.types or rule.other_than
    kinds: set[str] = set()
    for name in names:
        kinds |= {""} if name == UNKNOWN else TYPE_GROUPS.get(name, frozenset((name,)))
    return _Line(rule, setting, frozenset(kinds), not rule.types)


def _concerns(rule: Rule, asked: Asked) -> bool:
    """Tell whether a rule is about such content, its kind aside."""
    if rule.side != "both" and (rule.side == "upload") != (asked.side is Side.REQUEST):
        return False
    if asked.host not in rule.hosts:
        return False
    if not rule.users and not rule.groups:
        return True
    identity = asked.identity
    if identity is None:
        return False
    return identity.user.casefold() in rule.users or any(
        group.casefold() in rule.groups for group in identity.groups
    )


def _is_disguised(kind: str, declared: str) -> bool:
    """Tell whether a program is declared as something that is only looked at."""
    if not kind or "executable" not in TYPES[kind].groups or declared in TYPES[kind].media_types:
        return False
    main = declared.partition("/")[0]
    return main in _LOOKED_AT or declared in _DECLARED_AS_LOOKED_AT


_DECLARED_AS_LOOKED_AT = frozenset(
    media
    for info in TYPES.values()
    if info.groups & _LOOKED_AT and "executable" not in info.groups
    for media in info.media_types
)
