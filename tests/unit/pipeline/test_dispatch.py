"""Tests of call plans: order, rules and the border between answers in hand and answers to come."""

from __future__ import annotations

import inspect
from types import CoroutineType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.answers import Challenge, ClientHello, Intercept, Tunnel
from gateway.api.content import (
    NONE,
    BodyFilter,
    Clean,
    Coverage,
    Infected,
    Need,
    ScanJob,
    Side,
    Unscannable,
    Whole,
)
from gateway.api.errors import PluginError
from gateway.api.hooks import HOOKS, Plugin
from gateway.api.transaction import Client, Identity
from gateway.api.verdicts import Allow, Block
from gateway.pipeline.dispatch import CallPlans
from gateway.pipeline.ledger import MOST_NUMBERS, ledger_of
from tests.unit.pipeline.builders import transaction
from tests.unit.pipeline.stepping import StepBench

BLOCK = Block("listed")
ALLOW = Allow("known")


class PlanTestCase(SynchronousTestCase):
    """With what plugins are made with, and a list of who was asked."""

    def setUp(self) -> None:
        """Make them."""
        self.bench = StepBench()
        self.asked: list[str] = []
        self.txn = transaction()

    def says(self, name: str, answer: Any) -> Any:
        """Make a hook that notes that it was asked and answers, or raises, this."""

        def hook(*args: object) -> Any:
            self.asked.append(name)
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return hook

    def awaited(self, answer: object) -> Deferred[Any]:
        """Drive what a plan gave, which must be a coroutine."""
        self.assertIs(type(answer), CoroutineType)
        return Deferred.fromCoroutine(answer)  # type: ignore[arg-type]


class CallPlansTests(PlanTestCase):
    """The set of plans."""

    def test_one_for_each_hook(self) -> None:
        """There is an attribute for each hook, and one for those that stored responses and that requests without content have for themselves."""
        self.assertEqual(set(CallPlans.__slots__), {*HOOKS, "bare_request_headers", "stored"})

    def test_nobody(self) -> None:
        """A hook that nobody implements has no plan at all."""
        plans = CallPlans()
        for name in HOOKS:
            self.assertIsNone(getattr(plans, name))

    def test_every_hook_can_be_called(self) -> None:
        """Each plan takes what its hook takes."""
        answers = {"content_need": NONE, "admin_pages": (), "counters": {}, "scan_patterns": "1"}
        for name in HOOKS:
            plan = self.bench.plan(name, self.says(name, answers.get(name)))
            count = len(inspect.signature(getattr(Plugin, name)).parameters) - 1
            plan(*[None] * count)
        self.assertEqual(self.asked, list(HOOKS))


class FirstTests(PlanTestCase):
    """The first answer that is not C{None}."""

    def test_order(self) -> None:
        """Plugins are asked in order until one has an opinion."""
        plan = self.bench.plan(
            "request_headers", self.says("a", None), self.says("b", BLOCK), self.says("c", ALLOW)
        )
        self.assertIs(plan(self.txn), BLOCK)
        self.assertEqual(self.asked, ["a", "b"])

    def test_no_opinion(self) -> None:
        """If nobody has one the answer is C{None}, at once."""
        plan = self.bench.plan("request_headers", self.says("a", None), self.says("b", None))
        self.assertIsNone(plan(self.txn))

    def test_arguments(self) -> None:
        """The hook gets what the plan gets."""
        plan = self.bench.plan(
            "page", lambda txn, name: None if (txn, name) == (self.txn, "blocked") else 1
        )
        self.assertIsNone(plan(self.txn, "blocked"))

    def test_coroutine_without_a_wait(self) -> None:
        """An async def that needs no wait leaves the plan an ordinary call."""

        async def hook(txn: object) -> Block:
            return BLOCK

        self.assertIs(
            self.bench.plan("request_headers", self.says("a", None), hook)(self.txn), BLOCK
        )

    def test_waits_in_order(self) -> None:
        """A plugin that has to be waited for keeps its place: those after it are asked when it has no opinion."""
        waiting: Deferred[Any] = Deferred()
        plan = self.bench.plan(
            "request_headers", self.says("a", None), self.says("b", waiting), self.says("c", BLOCK)
        )
        answer = self.awaited(plan(self.txn))
        self.assertEqual(self.asked, ["a", "b"])
        waiting.callback(None)
        self.assertIs(self.successResultOf(answer), BLOCK)
        self.assertEqual(self.asked, ["a", "b", "c"])

    def test_late_verdict(self) -> None:
        """A verdict that came late still ends the asking."""
        waiting: Deferred[Any] = Deferred()
        plan = self.bench.plan("request_headers", self.says("a", waiting), self.says("b", ALLOW))
        answer = self.awaited(plan(self.txn))
        waiting.callback(BLOCK)
        self.assertIs(self.successResultOf(answer), BLOCK)
        self.assertEqual(self.asked, ["a"])

    def test_several_waits(self) -> None:
        """Each plugin is waited for before the next is asked."""
        first: Deferred[Any] = Deferred()
        second: Deferred[Any] = Deferred()
        plan = self.bench.plan("request_headers", self.says("a", first), self.says("b", second))
        answer = self.awaited(plan(self.txn))
        first.callback(None)
        self.assertEqual(self.asked, ["a", "b"])
        second.callback(None)
        self.assertIsNone(self.successResultOf(answer))

    def test_closed(self) -> None:
        """A failing guard ends the asking with PluginError: nobody after it can let the request in."""
        plan = self.bench.plan("request_headers", self.says("a", KeyError()), self.says("b", ALLOW))
        error = self.assertRaises(PluginError, plan, self.txn)
        self.assertEqual((error.plugin, self.asked), ("p0", ["a"]))
        self.flushLoggedErrors(KeyError)

    def test_closed_late(self) -> None:
        """The same holds for one that fails after a wait, and for one that is asked after a wait."""
        waiting: Deferred[Any] = Deferred()
        plan = self.bench.plan(
            "request_headers", self.says("a", waiting), self.says("b", KeyError())
        )
        answer = self.awaited(plan(self.txn))
        waiting.callback(None)
        self.assertEqual(self.failureResultOf(answer, PluginError).value.plugin, "p1")
        self.flushLoggedErrors(KeyError)

    def test_open(self) -> None:
        """A failing plugin that fails open is passed over."""
        plan = self.bench.plan(
            "request_headers", self.says("a", KeyError()), self.says("b", BLOCK), fail="open"
        )
        self.assertIs(plan(self.txn), BLOCK)
        self.flushLoggedErrors(KeyError)

    def test_budget(self) -> None:
        """A wait ends with the plugin's budget."""
        plan = self.bench.plan("request_headers", self.says("a", Deferred()), budget_seconds=0.5)
        answer = self.awaited(plan(self.txn))
        self.bench.clock.advance(0.5)
        self.assertIsInstance(self.failureResultOf(answer, PluginError).value.cause, TimeoutError)
        self.flushLoggedErrors(TimeoutError)

    def test_cancelled(self) -> None:
        """When the client hangs up the wait is cancelled, nobody else is asked and nobody failed."""
        plan = self.bench.plan(
            "request_headers", self.says("a", Deferred()), self.says("b", BLOCK), fail="open"
        )
        answer = self.awaited(plan(self.txn))
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        self.assertEqual((self.asked, self.bench.clock.getDelayedCalls()), (["a"], []))


class ClientHelloTests(PlanTestCase):
    """What becomes of a TLS connection: the first answer, given the client and its first message."""

    CLIENT = Client("192.0.2.7", 40000, mode="forward")
    HELLO = ClientHello("www.example.com", ("http/1.1",))

    def test_arguments_and_order(self) -> None:
        """Plugins are asked in order, with client and message, until one has an opinion; it is the answer itself."""
        given: list[tuple[object, ...]] = []

        def first(*args: object) -> None:
            given.append(args)

        tunnel = Tunnel("private")
        plan = self.bench.plan(
            "client_hello", first, self.says("b", tunnel), self.says("c", Intercept())
        )
        self.assertIs(plan(self.CLIENT, self.HELLO), tunnel)
        self.assertEqual((given, self.asked), ([(self.CLIENT, self.HELLO)], ["b"]))

    def test_no_opinion(self) -> None:
        """If nobody has one, that is the answer, in hand at once."""
        plan = self.bench.plan("client_hello", self.says("a", None), self.says("b", None))
        self.assertIsNone(plan(self.CLIENT, self.HELLO))
        self.assertEqual(self.asked, ["a", "b"])

    def test_waits(self) -> None:
        """Whoever has to be waited for keeps its place, and the plan gives a coroutine."""
        waiting: Deferred[Any] = Deferred()
        plan = self.bench.plan("client_hello", self.says("a", waiting), self.says("b", BLOCK))
        answer = self.awaited(plan(self.CLIENT, self.HELLO))
        self.assertEqual(self.asked, ["a"])
        waiting.callback(None)
        self.assertIs(self.successResultOf(answer), BLOCK)

    def test_fails_closed(self) -> None:
        """A plugin that raises, or answers what is no answer here, refuses the connection; nobody else is asked."""
        for wrong in (KeyError(), ALLOW, True):
            self.asked.clear()
            plan = self.bench.plan("client_hello", self.says("a", wrong), self.says("b", None))
            error = self.assertRaises(PluginError, plan, self.CLIENT, self.HELLO)
            self.assertEqual((error.plugin, error.hook), ("p0", "client_hello"))
            self.assertEqual(self.asked, ["a"])
        self.flushLoggedErrors(KeyError, TypeError)

    def test_fails_open(self) -> None:
        """One that is told to fail open has no opinion then."""
        plan = self.bench.plan(
            "client_hello", self.says("a", KeyError()), self.says("b", BLOCK), fail="open"
        )
        self.assertIs(plan(self.CLIENT, self.HELLO), BLOCK)
        self.flushLoggedErrors(KeyError)

    def test_budget(self) -> None:
        """An answer may take five seconds, then the connection is refused."""
        plan = self.bench.plan("client_hello", self.says("a", Deferred()))
        answer = self.awaited(plan(self.CLIENT, self.HELLO))
        self.bench.clock.advance(4.9)
        self.assertNoResult(answer)
        self.bench.clock.advance(0.1)
        self.assertIsInstance(self.failureResultOf(answer, PluginError).value.cause, TimeoutError)
        self.flushLoggedErrors(TimeoutError)

    def test_cancelled(self) -> None:
        """A client that goes away meanwhile is nobody's error."""
        plan = self.bench.plan("client_hello", self.says("a", Deferred()), self.says("b", BLOCK))
        answer = self.awaited(plan(self.CLIENT, self.HELLO))
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        (first, _) = self.bench.steps
        self.assertEqual((self.asked, first.errors), (["a"], 0))

    def test_ledger(self) -> None:
        """Calls, answers by kind and errors stand in the ledger."""
        answers = iter((Intercept(), Tunnel(), Tunnel(), BLOCK, None))
        plan = self.bench.plan("client_hello", lambda *args: next(answers))
        for _ in range(5):
            plan(self.CLIENT, self.HELLO)
        # The iterator's end is the plugin's error.
        self.assertRaises(PluginError, plan, self.CLIENT, self.HELLO)
        self.flushLoggedErrors(StopIteration)
        found = ledger_of(self.bench.steps[0])
        self.assertEqual((found.calls, found.errors), (6, 1))
        self.assertEqual(found.verdicts, {"intercept": 1, "tunnel": 2, "block": 1})


class IdentityTests(PlanTestCase):
    """The first identity, else all challenges."""

    ALICE = Identity("alice")
    BASIC = Challenge(("Basic",))
    BEARER = Challenge(("Bearer",))

    def plan(self, *answers: Any) -> Any:
        """Make a plan of plugins with these answers."""
        return self.bench.plan(
            "authenticate", *(self.says(str(index), answer) for index, answer in enumerate(answers))
        )(self.txn)

    def test_identity_ends_the_asking(self) -> None:
        """The first identity is who it is."""
        self.assertIs(self.plan(None, self.ALICE, Identity("bob")), self.ALICE)
        self.assertEqual(self.asked, ["0", "1"])

    def test_counted(self) -> None:
        """Who is the only one to say who it is is counted each time, and what he says by its kind; what is none of that is judged."""
        answers: list[Any] = [*[self.ALICE] * 40, self.BASIC, None, *[self.ALICE] * 40]
        left = iter(answers)
        plan = self.bench.plan("authenticate", lambda _: next(left))
        self.assertEqual([plan(self.txn) for _ in answers], answers)
        step = self.bench.steps[-1]
        self.assertEqual(step.calls, 82)
        self.assertEqual(step.verdicts, {"identity": 80, "challenge": 1})

    def test_identity_beats_challenges(self) -> None:
        """A challenge does not keep a later plugin from knowing who it is."""
        self.assertIs(self.plan(self.BASIC, self.ALICE), self.ALICE)

    def test_challenges(self) -> None:
        """Without an identity all challenges become one."""
        self.assertEqual(self.plan(self.BASIC, None, self.BEARER), Challenge(("Basic", "Bearer")))

    def test_nobody_knows(self) -> None:
        """Without any opinion there is none."""
        self.assertIsNone(self.plan(None, None))

    def test_late_identity(self) -> None:
        """An identity may take its time."""
        waiting: Deferred[Any] = Deferred()
        answer = self.awaited(self.plan(self.BASIC, waiting, self.BEARER))
        waiting.callback(self.ALICE)
        self.assertIs(self.successResultOf(answer), self.ALICE)
        self.assertEqual(self.asked, ["0", "1"])

    def test_late_challenges(self) -> None:
        """Challenges before, after and by a wait all count."""
        first: Deferred[Any] = Deferred()
        second: Deferred[Any] = Deferred()
        answer = self.awaited(self.plan(self.BASIC, first, second, None))
        first.callback(self.BEARER)
        second.callback(Challenge(("Negotiate",)))
        self.assertEqual(self.successResultOf(answer), Challenge(("Basic", "Bearer", "Negotiate")))

    def test_late_nobody(self) -> None:
        """Without any opinion after a wait there is none."""
        waiting: Deferred[Any] = Deferred()
        answer = self.awaited(self.plan(waiting))
        waiting.callback(None)
        self.assertIsNone(self.successResultOf(answer))


class AllTests(PlanTestCase):
    """Everybody is asked."""

    def test_filters(self) -> None:
        """Filters come as a list in the configured order."""
        one, two = BodyFilter(), BodyFilter()
        plan = self.bench.plan(
            "request_filters", self.says("a", one), self.says("b", None), self.says("c", two)
        )
        self.assertEqual(plan(self.txn), [one, two])

    def test_filters_fail_closed(self) -> None:
        """Content that some plugin wanted to filter does not pass when that plugin fails."""
        plan = self.bench.plan("request_filters", self.says("a", KeyError()))
        self.assertRaises(PluginError, plan, self.txn)
        self.flushLoggedErrors(KeyError)

    def test_needs(self) -> None:
        """The largest need counts, whatever the order."""
        plan = self.bench.plan(
            "content_need",
            self.says("a", Whole(10)),
            self.says("b", Whole(30)),
            self.says("c", NONE),
        )
        self.assertEqual(plan(self.txn, Side.REQUEST), Whole(30))

    def test_no_need(self) -> None:
        """If nobody needs anything, nothing is held."""
        plan = self.bench.plan("content_need", self.says("a", NONE), self.says("b", Need()))
        self.assertEqual(plan(self.txn, Side.RESPONSE), NONE)

    def test_numbers(self) -> None:
        """Numbers come with their plugins' names; one that fails has none."""
        plan = self.bench.plan("counters", self.says("a", {"x": 1.0}), self.says("b", KeyError()))
        self.assertEqual(plan(), [("p0", {"x": 1.0})])
        self.flushLoggedErrors(KeyError)

    def test_numbers_that_are_none(self) -> None:
        """A plugin that tells what is no number, or under a name that is none, fails and tells nothing this time."""
        for bad in ({"a": "1"}, {"a": True}, {"A b": 1.0}, {1: 1.0}, {"calls_total": 1.0}):
            plan = self.bench.plan("counters", self.says("a", bad), self.says("b", {"x": 2}))
            self.assertEqual(plan(), [("p1", {"x": 2.0})])
            self.assertEqual(self.bench.steps[0].errors, 1)
            self.assertEqual(len(self.flushLoggedErrors(ValueError, TypeError)), 1)

    def test_numbers_are_wrong_again_and_again(self) -> None:
        """Five wrong ones in a row make the plugin unhealthy, as with any error."""
        plan = self.bench.plan("counters", self.says("a", {"A b": 1.0}))
        for _ in range(5):
            self.assertEqual(plan(), [])
        self.assertEqual([event.name for event in self.bench.events], ["plugin_unhealthy"])
        self.flushLoggedErrors(ValueError)

    def test_too_many_numbers(self) -> None:
        """A plugin tells no more numbers than so many."""
        many = {f"n{index}": 1.0 for index in range(MOST_NUMBERS)}
        plan = self.bench.plan("counters", self.says("a", many))
        self.assertEqual(plan(), [("p0", many)])
        many["one_more"] = 1.0
        self.assertEqual(plan(), [])
        self.flushLoggedErrors(ValueError)

    def test_end_of_a_transaction(self) -> None:
        """All are told of a transaction's end, whoever fails, is cancelled or answers nonsense."""
        plan = self.bench.plan(
            "transaction_complete",
            self.says("a", KeyError()),
            self.says("b", CancelledError()),
            self.says("c", "thanks"),
            self.says("d", None),
        )
        self.assertIsNone(plan(self.txn))
        self.assertEqual(self.asked, ["a", "b", "c", "d"])
        self.flushLoggedErrors(KeyError, TypeError)

    def test_events(self) -> None:
        """All are told of an event at the same time; nobody waits for them, and their failures are only logged."""
        slow: Deferred[Any] = Deferred()
        broken: Deferred[Any] = Deferred()
        plan = self.bench.plan(
            "event", self.says("a", slow), self.says("b", broken), self.says("c", None)
        )
        self.assertIsNone(plan(None))
        self.assertEqual(self.asked, ["a", "b", "c"])
        broken.errback(KeyError())
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.bench.clock.advance(30)
        self.assertEqual(len(self.flushLoggedErrors(TimeoutError)), 1)

    def test_counts(self) -> None:
        """Each plugin's calls are counted, those too that are not looked at, and none that was not made."""
        wants: list[Any] = [NONE]

        def second(*args: object) -> Any:
            self.asked.append("b")
            if isinstance(wants[0], BaseException):
                raise wants[0]
            return wants[0]

        plan = self.bench.plan("content_need", self.says("a", NONE), second, self.says("c", NONE))
        for want in (NONE, Whole(5), NONE):
            wants[0] = want
            for _ in range(25):
                self.assertEqual(plan(self.txn, Side.REQUEST), want)
        wants[0] = KeyError("no")
        for _ in range(3):
            self.assertRaises(PluginError, plan, self.txn, Side.REQUEST)
        wants[0] = NONE
        for _ in range(50):
            plan(self.txn, Side.REQUEST)
        self.assertEqual(
            [step.calls for step in self.bench.steps],
            [self.asked.count(name) for name in "abc"],
        )
        self.assertEqual([step.errors for step in self.bench.steps], [0, 3, 0])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 3)

    def test_errors(self) -> None:
        """A wrong answer is an error in each round; where the plugin fails open the others count."""
        for fail, expected in (("closed", None), ("open", Whole(7))):
            wrong = self.says("a", None)
            plan = self.bench.plan("content_need", wrong, self.says("b", Whole(7)), fail=fail)
            for _ in range(40):
                if expected is None:
                    self.assertRaises(PluginError, plan, self.txn, Side.REQUEST)
                else:
                    self.assertEqual(plan(self.txn, Side.REQUEST), expected)
            self.assertEqual(self.bench.steps[0].errors, 40)
            self.flushLoggedErrors(TypeError)


class TogetherTests(PlanTestCase):
    """The results of a scan."""

    JOB = ScanJob.of(b"content")
    CLEAN = Clean("one", "1", Coverage(7, True))
    BAD = Infected("EICAR", "two")
    CLOSED = Unscannable("encrypted")

    def plan(self, *answers: Any, **options: Any) -> Any:
        """Make a plan of plugins with these answers."""
        functions = (self.says(str(index), answer) for index, answer in enumerate(answers))
        return self.bench.plan("scan_content", *functions, **options)

    def test_all_count(self) -> None:
        """All are asked, and all that they say is given on."""
        self.assertEqual(
            self.plan(self.CLEAN, None, self.BAD, self.CLOSED)(self.JOB),
            [self.CLEAN, self.BAD, self.CLOSED],
        )
        self.assertEqual(len(self.asked), 4)

    def test_nobody_looked(self) -> None:
        """If nobody looked, nobody calls it clean."""
        self.assertEqual(self.plan(None, None)(self.JOB), [])

    def test_at_the_same_time(self) -> None:
        """All are asked before the first is waited for."""
        first: Deferred[Any] = Deferred()
        second: Deferred[Any] = Deferred()
        answer = self.awaited(self.plan(first, self.CLEAN, second)(self.JOB))
        self.assertEqual(self.asked, ["0", "1", "2"])
        second.callback(self.BAD)
        self.assertNoResult(answer)
        first.callback(None)
        self.assertEqual(self.successResultOf(answer), [self.CLEAN, self.BAD])

    def test_failure_forsakes_the_others(self) -> None:
        """When one fails closed the waits of the others are cancelled."""
        cancelled: list[object] = []
        first: Deferred[Any] = Deferred()
        second: Deferred[Any] = Deferred(cancelled.append)
        answer = self.awaited(self.plan(first, second)(self.JOB))
        first.errback(KeyError())
        self.failureResultOf(answer, PluginError)
        self.assertEqual((len(cancelled), self.bench.clock.getDelayedCalls()), (1, []))
        self.flushLoggedErrors(KeyError)

    def test_failure_at_once(self) -> None:
        """The same holds when one fails while they are being asked."""
        cancelled: list[object] = []
        plan = self.plan(Deferred(cancelled.append), KeyError())
        self.assertRaises(PluginError, plan, self.JOB)
        self.assertEqual(len(cancelled), 1)
        self.flushLoggedErrors(KeyError)

    def test_open(self) -> None:
        """One that fails open counts as not having looked."""
        self.assertEqual(
            self.plan(KeyError(), succeed(self.CLEAN), fail="open")(self.JOB), [self.CLEAN]
        )
        self.flushLoggedErrors(KeyError)
