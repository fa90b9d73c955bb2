"""Tests of the start and the stop of plugins, and of what is counted of them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from gateway.api import (
    Maybe,
    Plugin,
    Transaction,
    hookimpl,
)
from gateway.pipeline.loaded import (
    START_SECONDS,
    STOP_SECONDS,
    PluginStartError,
)
from tests.unit.pipeline.builders import transaction
from tests.unit.pipeline.plugin_loading import Guard, Limited, LoadTestCase


class StartTests(LoadTestCase):
    """Starting and stopping."""

    def setUp(self) -> None:
        """Make three plugins that note what happens to them."""
        super().setUp()
        self.seen: list[str] = []
        self.answers: dict[str, Any] = {}
        seen, answers = self.seen, self.answers

        class Noting(Plugin):
            def start(self) -> Maybe[None]:
                return self.note("start")

            def stop(self) -> Maybe[None]:
                return self.note("stop")

            def note(self, what: str) -> Maybe[None]:
                call = f"{what} {self.name}"
                seen.append(call)
                answer = answers.get(call)
                if isinstance(answer, BaseException):
                    raise answer
                assert answer is None or isinstance(answer, Awaitable)
                return answer

        classes = [type(name, (Noting,), {"name": name}) for name in ("a", "b", "c")]
        self.loaded = self.load(*classes)

    def test_order(self) -> None:
        """They start in order and stop the other way round."""
        self.successResultOf(Deferred.fromCoroutine(self.loaded.start()))
        self.successResultOf(Deferred.fromCoroutine(self.loaded.stop()))
        self.assertEqual(self.seen, ["start a", "start b", "start c", "stop c", "stop b", "stop a"])

    def test_one_after_the_other(self) -> None:
        """A plugin starts when those before it are up."""
        waiting: Deferred[None] = Deferred()
        self.answers["start a"] = waiting
        started = Deferred.fromCoroutine(self.loaded.start())
        self.assertEqual(self.seen, ["start a"])
        waiting.callback(None)
        self.successResultOf(started)

    def test_up_at_once(self) -> None:
        """A start that waited for nothing after all is as good as a plain one."""
        self.answers["start a"] = succeed(None)
        self.successResultOf(Deferred.fromCoroutine(self.loaded.start()))
        self.assertEqual(self.seen, ["start a", "start b", "start c"])

    def test_failure(self) -> None:
        """When one fails to start, it and those before it are stopped, and who it was is said."""
        self.answers["start b"] = RuntimeError("port taken")
        started = Deferred.fromCoroutine(self.loaded.start())
        error = self.failureResultOf(started, PluginStartError).value
        self.assertEqual(
            (error.plugin, str(error)), ("b", "plugin b did not start: RuntimeError: port taken")
        )
        self.assertEqual(self.seen, ["start a", "start b", "stop b", "stop a"])

    def test_too_long(self) -> None:
        """A start that never ends is a failure."""
        self.answers["start a"] = Deferred()
        started = Deferred.fromCoroutine(self.loaded.start())
        self.bench.clock.advance(START_SECONDS)
        self.failureResultOf(started, PluginStartError)

    def test_given_up(self) -> None:
        """A start that is broken off from outside stops what was started and is no plugin's fault."""
        self.answers["start b"] = Deferred()
        coroutine = self.loaded.start()
        coroutine.send(None)
        self.assertRaises(KeyboardInterrupt, coroutine.throw, KeyboardInterrupt())
        self.assertEqual(self.seen[-2:], ["stop b", "stop a"])

    def test_stop_goes_on(self) -> None:
        """One that does not stop, or too slowly, keeps no other from stopping."""
        self.answers["stop c"] = RuntimeError("no")
        self.answers["stop b"] = Deferred()
        stopped = Deferred.fromCoroutine(self.loaded.stop())
        self.bench.clock.advance(STOP_SECONDS)
        self.successResultOf(stopped)
        self.assertEqual(self.seen, ["stop c", "stop b", "stop a"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError, TimeoutError)), 2)


class LedgerTests(LoadTestCase):
    """What is kept of each plugin."""

    def test_summed(self) -> None:
        """Calls and errors of all its hooks are summed, and a hook that only fails is named."""

        class Failing(Guard):
            name = "failing"

            @hookimpl(fail="open")
            def response_headers(self, txn: Transaction) -> None:
                raise KeyError("no")

        loaded = self.load(Guard, Failing)
        plans = loaded.plans
        assert plans.request_headers is not None and plans.response_headers is not None
        plans.request_headers(transaction())
        for _ in range(5):
            plans.response_headers(transaction())
        first, second = loaded.ledgers()
        self.assertEqual(
            (first.plugin, first.calls, first.errors, first.unhealthy), ("guard", 1, 0, ())
        )
        self.assertEqual(
            (second.calls, second.errors, second.unhealthy), (5, 5, ("response_headers",))
        )
        self.flushLoggedErrors(KeyError)

    def test_without_hooks(self) -> None:
        """A plugin without a hook has a ledger of nothing."""
        (ledger,) = self.load(Limited).ledgers()
        self.assertEqual(
            (ledger.calls, ledger.worst_seconds, ledger.worst_wait_seconds), (0, 0.0, 0.0)
        )
