"""A site's pool: who takes a request, who is taken out, and who waits."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.addresses import Origin
from gateway.config.sections.site import Balance, Health, Site
from gateway.modes.balance import (
    FIRST_OUTAGE,
    LONGEST_OUTAGE,
    NoOrigin,
    OriginState,
    Pool,
    PoolBusy,
)


class PoolCase(SynchronousTestCase):
    """What all tests of pools share."""

    def setUp(self) -> None:
        """Make a clock and a list of what happens."""
        self.clock = Clock()
        self.seen: list[object] = []

    def pool(
        self,
        count: int = 2,
        *,
        balance: Balance = "round_robin",
        max_connections: int = 0,
        queue: int = 1000,
        fall: int = 3,
    ) -> Pool:
        """Make a pool that tells its changes to C{seen}."""
        pool = Pool(
            "www.example.com",
            [Origin("http", f"10.0.1.{10 + i}", 8000) for i in range(count)],
            self.clock,
            balance=balance,
            max_connections=max_connections,
            queue=queue,
            fall=fall,
            id_of=lambda address: "id-" + address[14:16],
        )
        pool.on_change = lambda state, why: self.seen.append((state.id, state.up))
        return pool

    def acquire(
        self, pool: Pool, *, exclude: tuple[OriginState, ...] = (), sticky: str | None = None
    ) -> OriginState:
        """Take an origin that has to be there at once."""
        got = pool.acquire("198.51.100.7", exclude, sticky)
        assert isinstance(got, OriginState), got
        return got

    def wait(
        self, pool: Pool, *, exclude: tuple[OriginState, ...] = (), sticky: str | None = None
    ) -> Deferred[OriginState]:
        """Ask for an origin where there is no room."""
        got = pool.acquire("198.51.100.7", exclude, sticky)
        assert isinstance(got, Deferred), got
        return got

    def broken(self, pool: Pool, state: OriginState, times: int = 3) -> None:
        """Let requests to an origin fail."""
        for _ in range(times):
            pool.failed(state, "refused")


class ChoosingTests(PoolCase):
    """Which origin takes a request."""

    def test_settings(self) -> None:
        """A pool is made from a site's settings."""
        site = Site(
            host=("a", "b"),
            origins=(Origin("http", "10.0.1.10", 80), Origin("http", "10.0.1.11", 80)),
            balance="least_connections",
            max_connections=1,
            queue=0,
            health=Health(fall=1),
        )
        pool = Pool.of(site, self.clock)
        self.assertEqual(pool.name, "a")
        first = self.acquire(pool)
        self.assertIsNot(self.acquire(pool), first)
        self.assertRaises(PoolBusy, pool.acquire, "")
        pool.failed(first, "refused")
        self.assertFalse(first.up)
        self.assertEqual(first.id, first.address)

    def test_counted(self) -> None:
        """Transactions are counted while they are under way and for ever."""
        pool = self.pool(1)
        state = self.acquire(pool)
        self.acquire(pool)
        pool.release(state)
        self.assertEqual((state.open, state.served), (1, 2))

    def test_choosing_takes_nothing(self) -> None:
        """Asking who would be chosen changes no counter."""
        pool = self.pool(1)
        self.assertIs(pool.choose(""), pool.origins[0])
        self.assertEqual((pool.origins[0].open, pool.origins[0].served), (0, 0))

    def test_without_those_that_failed(self) -> None:
        """A request that is tried anew goes to another origin, until none is left."""
        pool = self.pool(2)
        first = self.acquire(pool)
        second = self.acquire(pool, exclude=(first,))
        self.assertIsNot(second, first)
        error = self.assertRaises(NoOrigin, pool.acquire, "", (first, second))
        self.assertEqual((error.status, error.begun), (502, False))

    def test_no_origins(self) -> None:
        """A site without origins has nobody to ask."""
        pool = self.pool(0)
        self.assertIsNone(pool.choose(""))
        self.assertRaises(NoOrigin, pool.acquire, "")

    def test_client_hash_keeps_to_who_has_room(self) -> None:
        """A client whose origin is full goes to another one while that has room."""
        pool = self.pool(2, balance="client_hash", max_connections=1)
        first = self.acquire(pool)
        self.assertIsNot(self.acquire(pool), first)

    def test_sticky(self) -> None:
        """A known id decides, whatever the balance; an unknown one is as none."""
        pool = self.pool(3)
        for _ in range(4):
            self.assertEqual(self.acquire(pool, sticky="id-11").id, "id-11")
        self.assertIsNotNone(pool.choose("", sticky="id-99"))

    def test_sticky_to_one_that_is_down(self) -> None:
        """A client whose origin is down, or failed it just now, goes to another one."""
        pool = self.pool(2)
        state = pool.origins[1]
        self.assertEqual(self.acquire(pool, exclude=(state,), sticky=state.id).id, "id-10")
        self.broken(pool, state)
        self.assertEqual(self.acquire(pool, sticky=state.id).id, "id-10")


class PassiveHealthTests(PoolCase):
    """Failures of requests take an origin out for a while."""

    def test_failures_in_a_row(self) -> None:
        """Only failures in a row count, and an origin that is out gets no request."""
        pool = self.pool(2)
        state = pool.origins[0]
        self.broken(pool, state, 2)
        pool.succeeded(state)
        self.broken(pool, state, 2)
        self.assertTrue(state.up)
        self.broken(pool, state, 1)
        self.assertEqual(self.seen, [("id-10", False)])
        self.assertEqual({self.acquire(pool).id for _ in range(4)}, {"id-11"})
        self.assertEqual(state.failed, 5)

    def test_back_after_a_while(self) -> None:
        """After its time out it gets requests again, and a success makes all good; it is told once more, then."""
        pool = self.pool(2)
        state = pool.origins[0]
        self.broken(pool, state)
        self.clock.advance(FIRST_OUTAGE - 0.1)
        self.assertEqual({self.acquire(pool).id for _ in range(4)}, {"id-11"})
        self.clock.advance(0.1)
        self.assertEqual({self.acquire(pool).id for _ in range(4)}, {"id-10", "id-11"})
        pool.succeeded(state)
        self.broken(pool, state, 2)
        pool.succeeded(state)
        self.assertTrue(state.up)
        self.assertEqual(self.seen, [("id-10", False), ("id-10", True), ("id-10", True)])

    def test_the_time_out_grows(self) -> None:
        """Each failure after a time out doubles the next one, up to a limit."""
        pool = self.pool(2)
        state = pool.origins[0]
        self.broken(pool, state)
        outages = [state.out_until]
        for _ in range(6):
            self.clock.advance(state.out_until - self.clock.seconds())
            pool.choose("")
            self.assertTrue(state.up)
            pool.failed(state, "refused")
            self.assertFalse(state.up)
            outages.append(state.out_until - self.clock.seconds())
        self.assertEqual(
            outages, [5.0, 10.0, 20.0, 40.0, LONGEST_OUTAGE, LONGEST_OUTAGE, LONGEST_OUTAGE]
        )

    def test_late_failures_do_not_prolong_it(self) -> None:
        """Requests that were under way when it was taken out say nothing new."""
        pool = self.pool(2)
        state = pool.origins[0]
        self.broken(pool, state, 10)
        self.assertEqual(state.out_until, FIRST_OUTAGE)
        self.assertEqual(self.seen, [("id-10", False)])

    def test_a_success_ends_it(self) -> None:
        """An answer to a request that was under way brings it back at once."""
        pool = self.pool(2)
        state = pool.origins[0]
        self.broken(pool, state)
        pool.succeeded(state)
        self.assertEqual({self.acquire(pool).id for _ in range(4)}, {"id-10", "id-11"})

    def test_all_down(self) -> None:
        """When all are down they are tried nevertheless, and one that answers is preferred at once."""
        pool = self.pool(2)
        for state in pool.origins:
            self.broken(pool, state)
        self.assertEqual({self.acquire(pool).id for _ in range(4)}, {"id-10", "id-11"})
        self.assertEqual(self.acquire(pool, sticky="id-11").id, "id-11")
        pool.succeeded(pool.origins[1])
        self.assertEqual({self.acquire(pool).id for _ in range(4)}, {"id-11"})

    def test_down_is_better_than_none(self) -> None:
        """A request that those which are up have failed goes to one that is down."""
        pool = self.pool(2)
        self.broken(pool, pool.origins[0])
        self.assertEqual(self.acquire(pool, exclude=(pool.origins[1],)).id, "id-10")


class ActiveHealthTests(PoolCase):
    """What the active checks say."""

    def test_opinion(self) -> None:
        """An unhealthy origin gets no requests until the checks change their mind."""
        pool = self.pool(2)
        state = pool.origins[0]
        pool.checked(state, healthy=False, why="status 503")
        pool.checked(state, healthy=False, why="status 503")
        self.clock.advance(1000)
        self.assertEqual({self.acquire(pool).id for _ in range(4)}, {"id-11"})
        pool.checked(state, healthy=True, why="good again")
        self.assertEqual({self.acquire(pool).id for _ in range(4)}, {"id-10", "id-11"})
        self.assertEqual(self.seen, [("id-10", False), ("id-10", True)])

    def test_good_checks_make_failures_good(self) -> None:
        """An origin that the checks bring back is not held by failures from before."""
        pool = self.pool(2)
        state = pool.origins[0]
        self.broken(pool, state)
        pool.checked(state, healthy=False, why="refused")
        pool.checked(state, healthy=True, why="good again")
        self.assertTrue(state.up)
        self.assertEqual(state.failures, 0)

    def test_both_opinions_count(self) -> None:
        """An origin is up only if neither the checks nor its failures speak against it."""
        pool = self.pool(2)
        state = pool.origins[0]
        self.broken(pool, state)
        pool.checked(state, healthy=False, why="refused")
        self.clock.advance(FIRST_OUTAGE)
        self.assertEqual(pool.choose(""), pool.origins[1])
        self.assertFalse(state.up)


class WaitingTests(PoolCase):
    """The queue for origins that are full."""

    def test_no_wait_while_there_is_room(self) -> None:
        """While any origin has room nobody waits, whoever's turn it is."""
        pool = self.pool(2, max_connections=2)
        taken = [self.acquire(pool).id for _ in range(4)]
        self.assertEqual(sorted(taken), ["id-10", "id-10", "id-11", "id-11"])
        self.assertEqual(pool.queue.waited, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_room_goes_to_who_came_first(self) -> None:
        """The first to come gets the first origin that is given back."""
        pool = self.pool(1, max_connections=1)
        state = self.acquire(pool)
        first, second = self.wait(pool), self.wait(pool)
        self.assertEqual(pool.queue.waiting, 2)
        self.clock.advance(1)
        pool.release(state)
        self.assertIs(self.successResultOf(first), state)
        self.assertNoResult(second)
        self.assertEqual(state.open, 1)
        pool.release(state)
        self.assertIs(self.successResultOf(second), state)
        self.assertEqual((pool.queue.waiting, pool.queue.waited), (0, 2))
        self.assertEqual(pool.queue.waited_seconds, 2.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_full_queue(self) -> None:
        """One more than may wait is refused at once, with a time to come again."""
        pool = self.pool(1, max_connections=1, queue=1)
        self.acquire(pool)
        waiting = self.wait(pool)
        error = self.assertRaises(PoolBusy, pool.acquire, "")
        self.assertEqual((error.status, error.page, error.retry_after), (503, "overloaded", 1))
        self.assertEqual(pool.queue.refused, 1)
        self.assertNoResult(waiting)

    def test_waiting_in_vain(self) -> None:
        """Who got no origin in time is refused; who came later still waits."""
        pool = self.pool(1, max_connections=1)
        state = self.acquire(pool)
        first = self.wait(pool)
        self.clock.advance(1)
        second = self.wait(pool)
        self.clock.advance(3.9)
        self.assertNoResult(first)
        self.clock.advance(0.1)
        self.assertEqual(self.failureResultOf(first, PoolBusy).value.status, 503)
        self.assertNoResult(second)
        self.clock.advance(1)
        self.failureResultOf(second, PoolBusy)
        self.assertEqual((pool.queue.refused, pool.queue.waiting), (2, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])
        pool.release(state)
        self.assertEqual(state.open, 0)

    def test_many_deadlines_are_looked_at_together(self) -> None:
        """However close together they came, a look through the queue comes at most every tenth of a second."""
        pool = self.pool(1, max_connections=1)
        self.acquire(pool)
        waiting = []
        for _ in range(100):
            waiting.append(self.wait(pool))
            self.clock.advance(0.001)
        looks: list[float] = []
        for _ in range(200):
            self.clock.advance(0.05)
            looks.append(sum(1 for deferred in waiting if deferred.called))
        self.assertEqual(len({count for count in looks if count}), 2)
        for deferred in waiting:
            self.failureResultOf(deferred, PoolBusy)

    def test_who_goes_away_leaves_the_queue(self) -> None:
        """A client that hangs up makes room for others in the queue and gets no origin."""
        pool = self.pool(1, max_connections=1, queue=1)
        state = self.acquire(pool)
        first = self.wait(pool)
        first.cancel()
        self.failureResultOf(first, CancelledError)
        second = self.wait(pool)
        pool.release(state)
        self.assertIs(self.successResultOf(second), state)

    def test_sticky_waits_for_its_own(self) -> None:
        """A client with a sticky id waits for its origin, and others' room is not its own."""
        pool = self.pool(2, max_connections=1)
        mine = self.acquire(pool, sticky="id-10")
        waiting = self.wait(pool, sticky="id-10")
        other = self.acquire(pool)
        pool.release(other)
        self.assertNoResult(waiting)
        pool.release(mine)
        self.assertIs(self.successResultOf(waiting), mine)

    def test_sticky_and_others_in_order(self) -> None:
        """Who waits for one origin alone and who waits for any are served in the order in which they came."""
        pool = self.pool(1, max_connections=1)
        state = self.acquire(pool)
        any_one = self.wait(pool)
        self.clock.advance(0.1)
        mine = self.wait(pool, sticky="id-10")
        self.clock.advance(0.1)
        last = self.wait(pool)
        for expected in (any_one, mine, last):
            self.assertNoResult(expected)
            pool.release(state)
            self.assertIs(self.successResultOf(expected), state)

    def test_sticky_to_one_that_goes_down(self) -> None:
        """Who waits for an origin that is taken out gets any other one."""
        pool = self.pool(2, max_connections=1)
        mine = self.acquire(pool, sticky="id-10")
        waiting = self.wait(pool, sticky="id-10")
        self.broken(pool, mine)
        self.assertEqual(self.successResultOf(waiting).id, "id-11")

    def test_one_that_comes_back_serves_the_queue(self) -> None:
        """An origin that is up again takes those who wait at once."""
        pool = self.pool(2, max_connections=1)
        pool.checked(pool.origins[1], healthy=False, why="refused")
        self.acquire(pool)
        waiting = self.wait(pool)
        pool.checked(pool.origins[1], healthy=True, why="good again")
        self.assertIs(self.successResultOf(waiting), pool.origins[1])

    def test_one_that_is_down_serves_nobody(self) -> None:
        """The room of an origin that was taken out meanwhile is not given to those who wait."""
        pool = self.pool(2, max_connections=1)
        first = self.acquire(pool)
        second = self.acquire(pool)
        waiting = self.wait(pool)
        self.broken(pool, first)
        pool.release(first)
        self.assertNoResult(waiting)
        pool.release(second)
        self.assertIs(self.successResultOf(waiting), second)

    def test_those_that_failed_are_not_waited_for(self) -> None:
        """A request that is tried anew doesn't get the origin that failed it."""
        pool = self.pool(2, max_connections=1)
        first, second = self.acquire(pool), self.acquire(pool)
        again = self.wait(pool, exclude=(first,))
        new = self.wait(pool)
        pool.release(first)
        self.assertNoResult(again)
        self.assertIs(self.successResultOf(new), first)
        pool.release(second)
        self.assertIs(self.successResultOf(again), second)

    def test_giving_back_at_once(self) -> None:
        """However many give their origin back as soon as they get it, the stack does not grow."""
        pool = self.pool(1, max_connections=1, queue=5000)
        state = self.acquire(pool)

        def give_back(got: OriginState) -> None:
            self.seen.append(got)
            pool.release(got)

        for _ in range(5000):
            self.wait(pool).addCallback(give_back)
        pool.release(state)
        self.assertEqual(len(self.seen), 5000)
        self.assertEqual((state.open, pool.queue.waiting, pool._roomy), (0, 0, []))

    def test_coming_back_and_leaving_while_being_refused(self) -> None:
        """Who is told that the time is over may come again, or end another's waiting, without harm."""
        pool = self.pool(1, max_connections=1, queue=2)
        self.acquire(pool)
        first, second = self.wait(pool), self.wait(pool)
        again: list[Deferred[OriginState]] = []

        def refused(failure: Failure) -> None:
            failure.trap(PoolBusy)
            second.cancel()
            again.append(self.wait(pool))

        first.addErrback(refused)
        self.clock.advance(5)
        self.failureResultOf(second, CancelledError)
        self.assertNoResult(again[0])
        self.assertEqual((pool.queue.waiting, pool.queue.refused), (1, 2))

    def test_closing(self) -> None:
        """At the end all who wait are refused, nobody else may wait, and nothing is left on the clock."""
        pool = self.pool(2, max_connections=1)
        state = self.acquire(pool)
        self.acquire(pool)
        waiting = [self.wait(pool), self.wait(pool, sticky="id-10")]
        pool.close()
        for deferred in waiting:
            self.failureResultOf(deferred, PoolBusy)
        self.assertRaises(PoolBusy, pool.acquire, "")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        pool.release(state)
        self.acquire(pool)

    def test_counters_agree_whatever_happens(self) -> None:
        """After any mix of events what is open is what was taken and not given back."""
        pool = self.pool(3, max_connections=2, queue=4, balance="least_connections")
        held: list[OriginState] = []
        waiting: list[Deferred[OriginState]] = []

        def take(step: int) -> None:
            try:
                got = pool.acquire(str(step), sticky="id-11" if step % 3 else None)
            except PoolBusy:
                return
            if isinstance(got, OriginState):
                held.append(got)
            else:
                waiting.append(got)
                got.addCallbacks(
                    held.append, lambda failure: failure.trap(PoolBusy, CancelledError)
                )

        def give(step: int) -> None:
            if held:
                pool.release(held.pop(step % len(held)))

        def leave(step: int) -> None:
            if waiting:
                waiting.pop(step % len(waiting)).cancel()

        actions: list[Callable[[int], object]] = [
            take,
            take,
            give,
            leave,
            lambda step: pool.failed(pool.origins[step % 3], "refused"),
            lambda step: pool.succeeded(pool.origins[step % 3]),
            lambda step: pool.checked(pool.origins[step % 3], healthy=step % 2 == 0, why=""),
            lambda step: self.clock.advance(step % 7 / 4),
        ]
        for step in range(4000):
            actions[step * step // 7 % len(actions)](step * 31 // 5)
            self.assertEqual(sum(state.open for state in pool.origins), len(held))
            self.assertTrue(all(0 <= state.open <= 2 for state in pool.origins))
            self.assertTrue(0 <= pool.queue.waiting <= 4)
        while held:
            give(0)
        self.assertEqual(sum(state.open for state in pool.origins), 0)
