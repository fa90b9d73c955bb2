"""
What differs between two configurations, and what it takes for each difference to have an effect.

Nearly everything holds from the next request on. What was settled when the process started (its user, the addresses of
its admin pages) needs a restart, and is named as such: a reload that leaves something out in silence is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from gateway.config.addresses import Listen
from gateway.config.describe import toml
from gateway.config.faults import Path, path_text
from gateway.config.kinds.parent_proxies import ParentKind
from gateway.config.kinds.secret import SecretKind
from gateway.config.reading import Field, fields_of, is_struct
from gateway.config.schema import Config
from gateway.config.sections.plugins import Rule

#: C{request}: from the next request on; C{listener}: a port is opened or closed; C{plugin}: a new object of that
#: plugin takes over; C{log}: from the next line on; C{event}: from the next event on; C{watch}: from the next reading on;
#: C{restart}: not before the process starts anew.
Effect: TypeAlias = Literal["request", "listener", "plugin", "log", "event", "watch", "restart"]

#: Settings that are looked at only when the process starts.
_AT_START: tuple[Path, ...] = (
    ("gateway", "user"),
    ("gateway", "group"),
    ("gateway", "state"),
    ("admin",),
)
_OTHERS: tuple[tuple[Path, Effect], ...] = (
    (("plugins",), "plugin"),
    (("log",), "log"),
    (("notify",), "event"),
    (("watch",), "watch"),
    (("cluster",), "watch"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """
    One setting that differs.

    @ivar path: dotted, as faults name it.
    @ivar effect: what it takes.
    @ivar before: the value before as TOML; empty if there was none, or if it may hold a secret.
    @ivar after: the value after, likewise.
    """

    path: str
    effect: Effect
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        """Write it for people: C{limits.upload: 2147483648 -> 1048576 (from the next request on)}."""
        values = f": {self.before or 'not set'} -> {self.after or 'not set'}"
        if not self.before and not self.after:
            values = " changed"
        return f"{self.path}{values} ({_MEANING[self.effect]})"


_MEANING: Mapping[Effect, str] = {
    "request": "from the next request on",
    "listener": "the port is opened or closed at once",
    "plugin": "a new object of the plugin takes over",
    "log": "from the next line on",
    "event": "from the next event on",
    "watch": "from the next reading on",
    "restart": "needs a restart",
}


def changes(before: Config, after: Config) -> list[Change]:
    """List every difference, in the order of the schema."""
    found = list(_listeners(before, after))
    found += _table(before, after, ())
    return [*found, *_plugins(before, after)]


def places(config: Config) -> dict[Listen, str]:
    """Give each place where clients connect, with the name of its mode."""
    found: dict[Listen, str] = {}
    if config.forward is not None:
        found.update(dict.fromkeys(config.forward.listen, "forward"))
    found.update(dict.fromkeys((listen for listen, _ in config.reverse_listeners), "reverse"))
    return found


def _listeners(before: Config, after: Config) -> Iterator[Change]:
    old = {str(place): mode for place, mode in places(before).items()}
    new = {str(place): mode for place, mode in places(after).items()}
    for place in {**old, **new}:
        was, will = old.get(place, ""), new.get(place, "")
        if was and will and was != will:
            yield Change(place, "restart", was, will)
        elif was != will:
            yield Change(place, "listener", was, will)


def _table(before: Any, after: Any, path: Path) -> Iterator[Change]:
    """Compare two structs of one class."""
    if before == after:
        return
    for field in fields_of(type(before)):
        at = (*path, field.key)
        was, will = getattr(before, field.name), getattr(after, field.name)
        if was == will or at == ("plugins",) or (field.key == "listen" and _moved(was, will)):
            continue
        if is_struct(type(was)) and type(was) is type(will) and field.kind is None:
            yield from _table(was, will, at)
        elif (
            field.kind is None
            and isinstance(was, tuple)
            and isinstance(will, tuple)
            and _of_structs((*was, *will))
        ):
            yield from _array(was, will, at)
        elif is_struct(type(was)) or is_struct(type(will)):
            yield Change(path_text(at), _effect(at), _there(was), _there(will))
        else:
            yield Change(path_text(at), _effect(at), _text(was, field), _text(will, field))


def _moved(was: Any, will: Any) -> bool:
    """Tell whether other places are listened on, which is said of each place by itself."""
    return {str(place) for place in was} != {str(place) for place in will}


def _there(value: object) -> str:
    return "" if value is None else "there"


def _array(was: tuple[Any, ...], will: tuple[Any, ...], path: Path) -> Iterator[Change]:
    for index in range(max(len(was), len(will))):
        at = (*path, index)
        if index >= len(was):
            yield Change(path_text(at), _effect(at), "", "there")
        elif index >= len(will):
            yield Change(path_text(at), _effect(at), "there", "")
        else:
            yield from _table(was[index], will[index], at)


def _plugins(before: Config, after: Config) -> Iterator[Change]:
    old, new = before.plugins, after.plugins
    if old.enabled != new.enabled:
        yield Change(
            "plugins.enabled", "plugin", ", ".join(old.enabled), ", ".join(new.enabled) or "none"
        )
    for name in sorted({*old.tables, *new.tables, *old.rules, *new.rules}):
        if old.rule(name) != new.rule(name):
            yield from _rule(old.rule(name), new.rule(name), name)
        was, will = old.tables.get(name, {}), new.tables.get(name, {})
        # Only the plugin knows which of its settings are secrets, so no value is shown.
        for key in sorted({*was, *will}):
            if was.get(key) != will.get(key):
                yield Change(path_text(("plugins", name, key)), "plugin")


def _rule(was: Rule, will: Rule, name: str) -> Iterator[Change]:
    yield from _table(was, will, ("plugins", name))


def _effect(path: Path) -> Effect:
    for start in _AT_START:
        if path[: len(start)] == start:
            return "restart"
    for start, effect in _OTHERS:
        if path[: len(start)] == start:
            return effect
    return "request"


def _of_structs(values: tuple[Any, ...]) -> bool:
    return bool(values) and all(is_struct(type(value)) for value in values)


def _text(value: Any, field: Field) -> str:
    """Write a value, unless it may hold a secret."""
    if value is None or isinstance(field.kind, SecretKind | ParentKind) or _has_parents(field):
        return ""
    try:
        return toml(value, field.hint, field.kind)
    except (TypeError, ValueError, AttributeError, IndexError):
        return str(value)


def _has_parents(field: Field) -> bool:
    return "Parent" in str(field.hint)
