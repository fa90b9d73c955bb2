"""
What is looked at before a plugin runs: its name, the version it needs, its events, marks, pools and pairs of hooks.

A hook that would never be called, or that could let by what it must judge, is refused at load and not found out later.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

from gateway.api.catalogue import CATALOGUE
from gateway.api.events import EventType
from gateway.api.hooks import API_VERSION, HOOKS, NOT_CALLED_YET, Plugin
from gateway.api.marks import IMPL_MARK, Fail, HookMark, HookSpec
from gateway.config.faults import Fault, Path
from gateway.config.schema import Config
from gateway.pipeline.step import Step

_EVENT = re.compile(r"[a-z][a-z0-9_]{0,63}")


class Blame:
    """
    Gathers faults, so that all can be shown at once.

    @ivar faults: those so far.
    """

    def __init__(self, config: Config) -> None:
        self.faults: list[Fault] = []
        self._config = config

    def __call__(self, name: str, message: str, mend: str = "") -> None:
        """Blame a plugin, where it stands in the list of those enabled."""
        enabled = self._config.plugins.enabled
        self.at(("plugins", "enabled", enabled.index(name)), message, mend)

    def at(self, path: Path, message: str, mend: str = "") -> None:
        """Blame a setting."""
        self.faults.append(self._config.sources.fault(path, message, mend))


class Vetting:
    """Looks at plugins' classes."""

    def __init__(self, config: Config, blame: Blame) -> None:
        self._config = config
        self._blame = blame

    def check(self, name: str, found: type[Plugin] | Plugin) -> None:
        """Look for what pluggy does not see: names, versions, and hooks that would never be called."""
        if found.name != name:
            self._blame(
                name,
                f'"{name}" calls itself "{found.name}"',
                "its name and its entry point's must be the same",
            )
        major, minor = found.requires_api
        if major != API_VERSION[0] or minor > API_VERSION[1]:
            have = ".".join(map(str, API_VERSION))
            self._blame(
                name, f'"{name}" needs gateway.api {major}.{minor}, this gateway has {have}'
            )
        self._check_events(name, found)
        for hook, spec in HOOKS.items():
            if _static(found, hook) is vars(Plugin)[hook]:
                continue
            mark = mark_of(found, hook)
            if mark is None:
                self._blame(
                    name,
                    f'"{name}" overrides {hook} without @hookimpl()',
                    "it would never be called",
                )
            else:
                self._check_hook(name, hook, spec, mark, getattr(found, hook))

    def _check_events(self, name: str, found: type[Plugin] | Plugin) -> None:
        """Look whether what it says of its events can stand beside what the catalogue says."""
        names = {getattr(one, "name", None) for one in found.event_types}
        if len(names) < len(found.event_types):
            self._blame(name, f'"{name}" describes an event twice')
        for one in found.event_types:
            where = f'"{name}": the event type {getattr(one, "name", one)}'
            if not isinstance(one, EventType):
                self._blame(name, f"{where} is no EventType")
            elif not _EVENT.fullmatch(one.name):
                self._blame(
                    name,
                    f"{where} has no good name",
                    "lower-case letters, digits and _, 64 at most",
                )
            elif one.name in CATALOGUE:
                self._blame(name, f"{where} is in gateway.api.catalogue", "give yours another name")
            elif one.number:
                self._blame(name, f"{where} has a number", "numbers are for the gateway's own MIB")
            elif one.ends and one.ends not in names:
                self._blame(name, f"{where} ends {one.ends}, which is not among its event_types")

    def _check_hook(
        self, name: str, hook: str, spec: HookSpec, mark: HookMark, function: object
    ) -> None:
        where = f'"{name}"'
        if hook in NOT_CALLED_YET:
            self._blame(
                name, f"{where} implements {hook}, which this version of the gateway never calls"
            )
        if inspect.iscoroutinefunction(function) and not spec.waits:
            self._blame(
                name, f"{where}: the answer of {hook} can't wait", "write it as a plain function"
            )
        if mark.thread is not None:
            if not spec.threads:
                able = ", ".join(other for other, its in HOOKS.items() if its.threads)
                self._blame(
                    name,
                    f"{where}: {hook} can't run in a thread",
                    f"only {able} can; use services.threads",
                )
            elif inspect.iscoroutinefunction(function):
                self._blame(
                    name, f"{where}: {hook} runs in a thread", "write it as a plain function"
                )
            self._check_pool(name, hook, spec, mark)

    def _check_pool(self, name: str, hook: str, spec: HookSpec, mark: HookMark) -> None:
        """A pool that lets calls by when it is full must not be one that decides what is refused."""
        pools = self._config.threads.pools
        pool = mark.thread or ""
        if pool not in pools:
            self._blame(
                name,
                f'"{name}": {hook} runs in a thread pool "{pool}", which does not exist',
                f"one of {', '.join(pools)}",
            )
        elif pools[pool].overload == "bypass" and self._fail(name, spec, mark) == "closed":
            message = (
                f'"bypass" would let by what {hook} of "{name}" must judge, for it fails closed'
            )
            mend = f'"block" or "wait", or say fail = "open" in [plugins.{name}]'
            path = ("threads", pool, "overload")
            self._blame.at(path, message, mend)

    def _fail(self, name: str, spec: HookSpec, mark: HookMark) -> Fail:
        """Say which error rule holds for a hook of a plugin."""
        said = self._config.plugins.rule(name).fail or mark.fail
        return said if said and spec.closes else spec.fail

    def check_pair(self, steps: Mapping[str, list[Step]], hook: str, other: str, why: str) -> None:
        """Look for a hook that comes to nothing because no plugin at all implements another one."""
        if not steps[other] and not self._blame.faults:
            for step in steps[hook]:
                self._blame(
                    step.plugin, f'"{step.plugin}" implements {hook}, and no plugin {other}', why
                )


def mark_of(plugin: object, name: str) -> HookMark | None:
    """Find the mark on a method without running any property."""
    found = getattr(_static(plugin, name), IMPL_MARK, None)
    return found if isinstance(found, HookMark) else None


def _static(plugin: object, name: str) -> object:
    """Look an attribute up without running anything, as C{inspect} does, but quickly: each load asks for hundreds."""
    kind = plugin if isinstance(plugin, type) else type(plugin)
    own = getattr(plugin, "__dict__", {}) if kind is not plugin else {}
    for one in kind.__mro__:
        if name in one.__dict__:
            return inspect.getattr_static(plugin, name) if name in own else one.__dict__[name]
    return own.get(name)
