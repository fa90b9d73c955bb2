"""Tests of L{gateway.net.pool}: what is kept, for how long, and for whom."""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from gateway.net.deadlines import Deadlines
from gateway.net.faults import UpstreamClosed, UpstreamProtocolError
from gateway.net.owner import Owner, OwnKey
from gateway.net.pool import Pool
from gateway.wire.limits import HeadLimits
from tests.unit.net.upstream_ends import GET, HELLO, Asking, UpstreamCase


class PoolTests(UpstreamCase):
    """L{Pool}."""

    def test_bound_of_keys(self) -> None:
        """For one server too many the connections of another are closed, which nobody has used for longest."""
        self.pool = Pool(Deadlines(self.clock), idle_seconds=30.0, keys=3, limits=HeadLimits())
        wires = {}
        for key in "abc":
            _, wires[key] = self.kept(key)
            self.clock.advance(1)
        used = self.pool.take("a")
        assert used is not None
        used.ask(b"GET", GET, Asking())
        used.dataReceived(HELLO)
        _, wires["d"] = self.kept("d")
        self.assertEqual([key for key in "abcd" if self.pool.keeps(key)], ["a", "c", "d"])
        self.assertEqual([key for key, wire in wires.items() if wire.done], ["b"])
        self.assertEqual(self.pool.idle, 3)

    def test_bound_of_keys_and_those_in_use(self) -> None:
        """A server whose connections are all in use gives its place away and takes another when it gets one back."""
        self.pool = Pool(Deadlines(self.clock), idle_seconds=30.0, keys=1, limits=HeadLimits())
        self.kept("a")
        used = self.pool.take("a")
        assert used is not None
        used.ask(b"GET", GET, Asking())
        _, wire = self.kept("b")
        self.assertEqual(wire.done, [])
        used.dataReceived(HELLO)
        self.assertEqual(wire.done, ["close"])
        self.assertTrue(self.pool.keeps("a"))

    def test_last_used_first(self) -> None:
        """The one used last is given first, and only to whoever goes to the same next hop."""
        first, second = self.kept()[0], self.kept()[0]
        self.assertIsNone(self.pool.take("b"))
        self.assertIs(self.pool.take("a"), second)
        self.assertIs(self.pool.take("a"), first)
        self.assertIsNone(self.pool.take("a"))
        self.assertEqual((self.pool.made, self.pool.reused), (2, 2))

    def test_at_most(self) -> None:
        """More than so many for one next hop are not kept."""
        kept = [self.kept() for _ in range(3)]
        self.assertEqual([wire.done for _, wire in kept], [[], [], ["close"]])
        self.assertEqual((self.pool.idle, len(self.pool)), (2, 2))

    def test_idle_for_too_long(self) -> None:
        """One that was not used for so long is closed in order."""
        connection, wire = self.kept()
        self.clock.pump([0.25] * 118)
        self.assertEqual(wire.done, [])
        self.clock.pump([0.25] * 5)
        self.assertEqual(wire.done, ["close"])
        self.assertIsNone(self.pool.take("a"))
        self.assertEqual(len(self.pool), 0)

    def test_in_use(self) -> None:
        """While it is used that time does not run, and after it the whole of it does."""
        connection, wire = self.kept()
        self.clock.pump([0.25] * 80)
        self.assertIs(self.pool.take("a"), connection)
        connection.ask(b"GET", GET, self.asking)
        self.clock.pump([0.25] * 400)
        self.assertEqual(wire.done, [])
        connection.dataReceived(HELLO)
        self.assertEqual(self.asking.told[-1], "end")
        self.clock.pump([0.25] * 118)
        self.assertEqual(wire.done, [])
        self.clock.pump([0.25] * 5)
        self.assertEqual(wire.done, ["close"])

    def test_lost_while_kept(self) -> None:
        """One that the server closes is forgotten, with its time limit."""
        connection, wire = self.kept()
        connection.readConnectionLost()
        connection.connectionLost(Failure(ConnectionDone()))
        self.assertIsNone(self.pool.take("a"))
        self.assertEqual(len(self.pool), 0)
        self.clock.pump([0.25] * 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closed(self) -> None:
        """Closing the pool closes those that wait; those in use go on."""
        _, idle = self.kept()
        _, busy = self.asked()
        self.pool.close()
        self.assertEqual((idle.done, busy.done), (["close"], []))

    def test_faults(self) -> None:
        """The two faults of this module are what their names say, and gateway's own."""
        self.assertEqual(
            (UpstreamClosed("x").status, UpstreamProtocolError("x").status), (502, 502)
        )


class OwnerTests(UpstreamCase):
    """Connections that serve one client alone."""

    def setUp(self) -> None:
        super().setUp()
        self.owner = Owner()
        self.key = OwnKey("a", "192.0.2.7", self.owner)

    def test_nobody_else(self) -> None:
        """They are found by their owner, for the same client, and by nobody else."""
        kept, _ = self.kept(self.key)
        for other in ("a", OwnKey("a", "192.0.2.7", Owner()), OwnKey("a", "", self.owner)):
            self.assertIsNone(self.pool.take(other))
        self.assertIs(self.pool.take(OwnKey("a", "192.0.2.7", self.owner)), kept)

    def test_leaves(self) -> None:
        """When the owner is gone idle ones are closed at once, twice is once, and nothing of them is left."""
        _, wire = self.kept(self.key)
        _, other = self.kept()
        self.owner.leave()
        self.owner.leave()
        self.assertEqual((wire.done, other.done), (["close"], []))
        self.assertFalse(self.pool.keeps(self.key))
        self.assertEqual((self.pool.idle, len(self.pool)), (1, 1))
        # The two know one another: a cycle that must not be left to the collector.
        self.assertEqual(self.owner._connections, set())

    def test_leaves_while_in_use(self) -> None:
        """One in use is closed when its exchange ends, the first as well as a later one."""
        for first in (True, False):
            connection, wire = self.connection(self.key) if first else self.kept(self.key)
            if not first:
                self.assertIs(self.pool.take(self.key), connection)
            asking = Asking()
            connection.ask(b"GET", GET, asking)
            owner, self.owner = self.owner, Owner()
            owner.leave()
            self.key = OwnKey("a", "", self.owner)
            self.assertEqual(wire.done, [])
            connection.dataReceived(HELLO)
            self.assertEqual((asking.told, wire.done), ([200, b"hello", "end"], ["close"]))
        self.assertEqual((self.pool.idle, len(self.pool)), (0, 0))

    def test_closed_before(self) -> None:
        """One that is gone already is no business of its owner's."""
        connection, wire = self.kept(self.key)
        connection.connectionLost(Failure(ConnectionDone()))
        self.owner.leave()
        self.assertEqual(wire.done, [])

    def test_tainted(self) -> None:
        """A shared one that was authenticated serves its exchange and nobody after that; an owned one stays its owner's."""
        first, wire = self.kept()
        self.assertIs(self.pool.take("a"), first)
        first.taint()
        self.assertFalse(self.pool.keeps("a"))
        first.ask(b"GET", GET, self.asking)
        first.dataReceived(HELLO)
        self.assertEqual((self.asking.told[0], wire.done), (200, ["close"]))
        self.assertEqual((self.pool.take("a"), len(self.pool)), (None, 0))
        own, _ = self.connection(self.key)
        own.taint()
        self.assertEqual(own.key, self.key)


class IdleTests(UpstreamCase):
    """How long a connection is kept."""

    def test_since_its_last_use(self) -> None:
        """A connection is closed when nobody has used it for long enough, however old it is."""
        connection, wire = self.kept()
        for _ in range(5):
            self.clock.pump([1.0] * 20)
            self.assertEqual((wire.done, self.pool.idle), ([], 1))
            taken = self.pool.take("a")
            self.assertIs(taken, connection)
            connection.ask(b"GET", GET, Asking())
            connection.dataReceived(HELLO)
        self.clock.pump([1.0] * 29)
        self.assertEqual((wire.done, self.pool.idle), ([], 1))
        self.clock.pump([1.0] * 3)
        self.assertEqual((wire.done, self.pool.idle), (["close"], 0))

    def test_in_use(self) -> None:
        """One that is in use for longer is not closed, and kept for as long as any other afterwards."""
        connection, wire = self.kept()
        self.pool.take("a")
        connection.ask(b"GET", GET, Asking())
        self.clock.pump([1.0] * 100)
        self.assertEqual(wire.done, [])
        connection.dataReceived(HELLO)
        self.clock.pump([1.0] * 29)
        self.assertEqual((wire.done, self.pool.idle), ([], 1))
        self.clock.pump([1.0] * 3)
        self.assertEqual((wire.done, self.pool.idle), (["close"], 0))
