"""
C{check_plugin}: everything that a plugin's author would otherwise hear from the first operator.

It loads the plugin as the gateway would, starts and stops it in the orders in which that happens, with services that
work, that fail and that never answer, and asks each of its hooks with samples. Every finding is one sentence: where, what,
and how to mend it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from gateway.api.content import BodyFilter, Clean, ScanJob, Unpacked, Unscannable
from gateway.api.events import Event
from gateway.api.hooks import HOOKS, Plugin
from gateway.api.marks import IMPL_MARK, HookSpec
from gateway.api.review import Caution, SettingFault
from gateway.api.services import HttpFailed, Services, StoreFailed
from gateway.config.faults import ConfigError
from gateway.config.load import load, load_plugin_settings
from gateway.config.reading import fields_of
from gateway.pipeline.loaded import START_SECONDS, STOP_SECONDS
from gateway.pipeline.plugins import load_plugins
from gateway.pipeline.waiting import begin
from gateway.testing.clock import GatewayClock
from gateway.testing.declared import (
    name_findings,
    package_findings,
    place,
    settings_findings,
)
from gateway.testing.http import HttpScript
from gateway.testing.samples import SURROUNDINGS, asked
from gateway.testing.services import FakeServices, FakeStore

_PIECES = (b"<html>", b"hello", b"</html>")
#: More batches than any sample has members.
_MOST_BATCHES = 100

#: How long a thread may take to end after C{stop}, in real seconds.
_THREAD_SECONDS = 0.25


def check_plugin(
    cls: type[Plugin],
    settings: object = None,
    *,
    http: Mapping[str, HttpScript] | None = None,
) -> list[str]:
    """
    Look a plugin over.

    @param settings: an object of its C{Settings}, or a dictionary as in TOML; needed if a setting has no default.
    @param http: what answers the plugin's own requests; all others are answered with an empty 200.
    @return: what is wrong, each in one sentence that says where, what and how to mend it; empty if it is good.
    """
    if not (isinstance(cls, type) and issubclass(cls, Plugin)):
        return [f"{cls!r}: it is no plugin; give a subclass of gateway.api.Plugin."]
    findings = [*name_findings(cls)]
    if findings:
        return findings
    findings += settings_findings(cls)
    findings += package_findings(cls)
    table = dict(settings) if isinstance(settings, Mapping) else {}
    try:
        config = load(None, {f"plugins.{cls.name}": table, "plugins.enabled": [cls.name]}, {})
        if settings is None or isinstance(settings, Mapping):
            settings = load_plugin_settings(config, cls.name, cls.Settings, {})
        load_plugins(config, _Bench().equips, extra={cls.name: cls(settings, _Bench().given(cls))})
    except ConfigError as error:
        for fault in error.faults:
            path = fault.path if fault.path.startswith(f"plugins.{cls.name}") else ""
            what = ": ".join(part for part in (place(cls), path, fault.message) if part)
            findings.append(f"{what}; {fault.mend or 'see docs/hooks.md'}.")
        return findings
    except Exception as error:
        findings.append(
            f"{place(cls)}.__init__: it raises {_said(error)}; "
            "open nothing there, leave that to start()."
        )
        return findings
    check = _Check(cls, settings, http)
    check.run()
    return findings + check.findings


class _Bench:
    """A clock and services around one plugin object."""

    def __init__(self, http: Mapping[str, HttpScript] | None = None) -> None:
        self.time = Clock()
        self.clock = GatewayClock(self.time, self.time.advance)
        self.events: list[Event] = []
        self.equips = FakeServices(self.clock, self.events.append, http=http)

    def given(self, cls: type[Plugin], settings: object = None) -> Services:
        """Make the services of one plugin object."""
        return self.equips.for_plugin(cls.name, settings)

    def wait(self, call: Callable[[], Any], seconds: float) -> Any:
        """
        Make a call and let time go by until its answer is there.

        @raise TimeoutError: it is not there in time; it was cancelled.
        @raise Exception: what it raised.
        """
        answer = call()
        if isinstance(answer, Awaitable):
            answer = begin(answer)
        if not isinstance(answer, Deferred):
            return answer
        results: list[Any] = []
        failures: list[Any] = []
        answer.addCallbacks(results.append, failures.append)
        until = self.time.seconds() + seconds
        while not (results or failures) and self.time.calls:
            due = self.time.calls[0].getTime()
            if due > until:
                break
            self.time.advance(max(0.0, due - self.time.seconds()))
        if failures:
            failures[0].raiseException()
        if not results:
            answer.cancel()
            raise TimeoutError(f"no answer within {seconds:g} s")
        return results[0]

    def left(self) -> list[Any]:
        """Give the calls that are left on the clock once what is due now was done."""
        self.time.advance(0)
        return self.clock.getDelayedCalls()


class _Check:
    """One plugin under check."""

    def __init__(
        self, cls: type[Plugin], settings: object, http: Mapping[str, HttpScript] | None
    ) -> None:
        self.findings: list[str] = []
        self._cls = cls
        self._settings = settings
        self._http = http
        self._where = place(cls)

    def run(self) -> None:
        """Make it run through everything."""
        before = set(threading.enumerate())
        self._usual()
        self._review()
        self._never_started()
        self._broken_start()
        self._silent_start()
        self._cancelled_hooks()
        until = time.monotonic() + _THREAD_SECONDS
        for thread in set(threading.enumerate()) - before:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                self._find(
                    ".stop",
                    f"the thread {thread.name!r} still runs after it",
                    "end it there, or use services.threads",
                )

    def _find(self, where: str, what: str, mend: str) -> None:
        found = f"{self._where}{where}: {what}; {mend}."
        if found not in self.findings:
            self.findings.append(found)

    def _made(self) -> tuple[_Bench, Plugin, Services]:
        bench = _Bench(self._http)
        bench.equips.http.otherwise = b""
        services = bench.given(self._cls, self._settings)
        return bench, self._cls(self._settings, services), services

    def _usual(self) -> None:
        """Start, ask, stop, and stop once more."""
        bench, plugin, services = self._made()
        try:
            bench.wait(plugin.start, START_SECONDS)
        except Exception as error:
            self._find(
                ".start",
                f"it raises {_said(error)}, although every service answers",
                "give check_plugin the settings and the answers (http=...) that it needs, or mend it",
            )
        else:
            for hook, spec in HOOKS.items():
                if hook in vars(Plugin) and _is_overridden(self._cls, hook):
                    self._ask(bench, plugin, hook, spec)
        self._stop(bench, plugin, services, "")
        self._stop(bench, plugin, services, " a second time")

    def _review(self) -> None:
        """Ask what it says of its settings in several surroundings."""
        _, plugin, _ = self._made()
        mend = "look only at what is there, for nobody hears what it would have said"
        for sample, around in SURROUNDINGS:
            try:
                said = list(plugin.review(around))
            except Exception as error:
                self._find(".review", f"given {sample} it raises {_said(error)}", mend)
                continue
            for one in said:
                if not isinstance(one, Caution | SettingFault):
                    what = f"given {sample} it gives {one!r}, a {type(one).__name__}"
                    self._find(".review", what, "give Caution and SettingFault")
                elif not isinstance(one.key, tuple):
                    what = f"the key {one.key!r} is no tuple"
                    self._find(".review", what, f"write ({one.key!r},)")
                elif one.key[:1] and one.key[0] not in _keys(self._cls):
                    what = f"the key {one.key!r} begins with no setting of the plugin"
                    self._find(".review", what, "name one of its Settings, as in the file")

    def _never_started(self) -> None:
        """Stop what never got as far as being started: another plugin before it failed."""
        bench, plugin, services = self._made()
        self._stop(bench, plugin, services, " although it was never started")

    def _broken_start(self) -> None:
        """Start when every service fails, and stop after that, whether the start failed or not."""
        bench, plugin, services = self._made()
        bench.equips.http.otherwise = HttpFailed("connect", "nobody answers")
        bench.equips.threads.full.update(bench.equips.threads.pools)
        assert isinstance(services.store, FakeStore)
        services.store.failing = StoreFailed("failed", "the disk is gone")
        try:
            bench.wait(plugin.start, START_SECONDS)
        except Exception as error:
            # That is its good right; what matters is that it can be stopped then.
            del error
        self._stop(bench, plugin, services, " after a start that failed")

    def _silent_start(self) -> None:
        """Give up a start that waits for ever, and stop after that."""
        bench, plugin, services = self._made()
        bench.equips.http.otherwise = lambda request: Deferred()
        bench.equips.threads.hold()
        try:
            bench.wait(plugin.start, 0.0)
        except Exception as error:
            del error
        self._stop(bench, plugin, services, " after a start that was given up")

    def _stop(self, bench: _Bench, plugin: Plugin, services: Services, when: str) -> None:
        try:
            bench.wait(plugin.stop, STOP_SECONDS)
        except Exception as error:
            self._find(
                ".stop",
                f"it raises {_said(error)} when it is called{when}",
                "close only what is open, and forget it then",
            )
        bench.equips.stop_plugin(services)
        for call in bench.left():
            function = getattr(call.func, "__qualname__", repr(call.func))
            self._find(
                ".stop",
                f"it leaves a call of {function} on the clock{when and f' when it is called{when}'}",
                "keep what services.clock.callLater gives and cancel it, or use services.every, which ends by itself",
            )
            call.cancel()

    def _ask(self, bench: _Bench, plugin: Plugin, hook: str, spec: HookSpec) -> None:
        for sample, arguments in asked(hook):
            call: Any = getattr(plugin, hook)
            try:
                answer = bench.wait(lambda call=call, with_=arguments: call(*with_), 300.0)  # type: ignore[misc]
            except Exception as error:
                self._find(
                    f".{hook}",
                    f"asked with {sample} it raises {_said(error)}",
                    "a hook that raises refuses the request, or is left out where it fails open",
                )
                continue
            if not isinstance(answer, spec.answers):
                allowed = " | ".join(
                    "None" if kind is type(None) else kind.__name__ for kind in spec.answers
                )
                self._find(
                    f".{hook}",
                    f"asked with {sample} it answers {answer!r}, a {type(answer).__name__}",
                    f"answer {allowed}",
                )
            elif isinstance(answer, BodyFilter):
                self._filter(hook, answer)
            elif isinstance(answer, Clean):
                self._clean(hook, sample, arguments[0], answer)
            elif isinstance(answer, Unpacked):
                self._members(bench, hook, sample, answer)

    def _clean(self, hook: str, sample: str, job: object, answer: Clean) -> None:
        size = job.size if isinstance(job, ScanJob) else 0
        if answer.coverage.size != size:
            self._find(
                f".{hook}",
                f"asked with {sample} it says clean of {answer.coverage.size} bytes of {size}",
                "say it of what was looked at; less than all of it counts as unscanned",
            )

    def _members(self, bench: _Bench, hook: str, sample: str, answer: Unpacked) -> None:
        """Take what is packed in a sample, to its end."""
        where = f".{hook}"
        members = answer.members
        try:
            for _ in range(_MOST_BATCHES):
                batch = bench.wait(members.more, 300.0)
                if not batch:
                    break
                for member in batch:
                    if isinstance(member, ScanJob) and not (member.member and member.depth):
                        self._find(
                            where,
                            f"asked with {sample} it gives a member without a name or a depth",
                            "say what it is: ScanJob(..., member='a.zip/b.txt', depth=1)",
                        )
                    elif not isinstance(member, ScanJob | Unscannable):
                        self._find(
                            where,
                            f"asked with {sample} it gives {member!r} for a member",
                            "give ScanJob or Unscannable",
                        )
            else:
                self._find(where, f"the members of {sample} have no end", "give none at the end")
        except Exception as error:
            self._find(
                where,
                f"the members of {sample} raise {_said(error)}",
                "give Unscannable for what can't be unpacked",
            )
        try:
            members.close()
        except Exception as error:
            self._find(
                where,
                f"closing the members of {sample} raises {_said(error)}",
                "close only what is open",
            )

    def _filter(self, hook: str, subject: BodyFilter) -> None:
        given = sum(map(len, _PIECES))
        try:
            out = [subject.data(piece) for piece in _PIECES]
            out.append(subject.end())
        except Exception as error:
            self._find(
                f".{hook}",
                f"its filter raises {_said(error)} for a page of {given} bytes",
                "raise nothing but ContentRefused there",
            )
            return
        if not all(isinstance(piece, bytes) for piece in out):
            self._find(
                f".{hook}", "its filter gives what is no bytes", 'give b"" where nothing goes on'
            )
        elif not subject.changes_length and sum(map(len, out)) != given:
            self._find(
                f".{hook}",
                "its filter says changes_length = False and changes the length",
                "leave changes_length at True",
            )

    def _cancelled_hooks(self) -> None:
        """A hook that waits is cancelled when the client goes; that must get through."""
        bench, plugin, services = self._made()
        try:
            bench.wait(plugin.start, START_SECONDS)
        except Exception:
            return  # said already
        bench.equips.http.otherwise = lambda request: Deferred()
        bench.equips.threads.hold()
        for hook, spec in HOOKS.items():
            if not spec.waits or not _is_overridden(self._cls, hook):
                continue
            for _, arguments in asked(hook):
                self._cancel(bench, hook, getattr(plugin, hook), arguments)
        self._stop(bench, plugin, services, " after hooks that were cancelled")

    def _cancel(
        self, bench: _Bench, hook: str, call: Callable[..., Any], arguments: tuple[object, ...]
    ) -> None:
        try:
            answer = call(*arguments)
            answer = begin(answer) if isinstance(answer, Awaitable) else answer
        except Exception:
            return  # said already, if it is wrong
        if not isinstance(answer, Deferred):
            return
        results: list[Any] = []
        failures: list[Any] = []
        answer.addCallbacks(results.append, failures.append)
        # What is done by store and http in a later turn is waiting for them, too.
        bench.time.advance(0)
        if results or failures:
            return
        answer.cancel()
        if results or not failures or not failures[0].check(CancelledError):
            self._find(
                f".{hook}",
                "it goes on after CancelledError, although the client has gone",
                "write `except CancelledError: raise` before `except Exception`",
            )


def _keys(cls: type[Plugin]) -> set[str]:
    return {field.key for field in fields_of(cls.Settings)}


def _is_overridden(cls: type[Plugin], hook: str) -> bool:
    found = getattr(cls, hook)
    return found is not vars(Plugin)[hook] and hasattr(found, IMPL_MARK)


def _said(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return " ".join(text.split())
