"""Tests of the store of plugins: in memory, in files, and what happens to both."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, execute, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.api.events import Event
from gateway.api.services import Overloaded, StoreFailed
from gateway.record.keyvalue import FILE, Bounds, Namespace, Store

SMALL = Bounds(key_bytes=10, value_bytes=100, keys=3, total_bytes=200)


class StoreTestCase(SynchronousTestCase):
    """Stores that do at once what they are asked."""

    def setUp(self) -> None:
        """Begin at a wall-clock time of 1000."""
        self.clock = Clock()
        self.clock.advance(1000)
        self.events: list[Event] = []

    def store(self, folder: str = "", bounds: Bounds | None = None) -> Store:
        """Open a store, which is closed after the test."""

        def run(function: Callable[..., Any], /, *args: object) -> Deferred[Any]:
            return execute(function, *args)

        made = Store(folder, run, self.events.append, now=self.clock.seconds, bounds=bounds)
        self.addCleanup(made.close)
        return made

    def folder(self) -> str:
        """Make a folder."""
        made: str = self.mktemp()
        os.mkdir(made)
        return made

    def get(self, own: Namespace, key: str) -> Any:
        """Read."""
        return self.successResultOf(own.get(key))

    def put(self, own: Namespace, key: str, value: bytes, ttl: float | None = None) -> None:
        """Write."""
        self.successResultOf(own.set(key, value, ttl))

    def refused(self, answer: Deferred[Any]) -> str:
        """Say why a call failed."""
        return str(self.failureResultOf(answer, StoreFailed).value.reason)


class KeptTests(StoreTestCase):
    """What is kept, and for whom."""

    def test_value(self) -> None:
        """A value is there until it is replaced or deleted."""
        own = self.store().of("a")
        self.assertIsNone(self.get(own, "x"))
        self.put(own, "x", b"\x00\xff")
        self.assertEqual(self.get(own, "x"), b"\x00\xff")
        self.put(own, "x", b"")
        self.assertEqual(self.get(own, "x"), b"")
        self.successResultOf(own.delete("x"))
        self.successResultOf(own.delete("x"))
        self.assertIsNone(self.get(own, "x"))

    def test_namespaces(self) -> None:
        """A plugin sees its own keys only."""
        store = self.store()
        self.put(store.of("a"), "x", b"1")
        self.assertIsNone(self.get(store.of("b"), "x"))
        self.successResultOf(store.of("b").delete("x"))
        self.assertEqual(self.successResultOf(store.of("b").keys()), [])
        self.assertEqual(self.get(store.of("a"), "x"), b"1")

    def test_keys(self) -> None:
        """Keys come sorted, and those with a prefix alone if there is one; no character is special."""
        own = self.store().of("a")
        for key in ("b%", "b_", "a", "ba", "c", "b\x00", "bé"):
            self.put(own, key, b"")
        self.assertEqual(self.successResultOf(own.keys("b")), ["b\x00", "b%", "b_", "ba", "bé"])
        self.assertEqual(self.successResultOf(own.keys("b%")), ["b%"])
        self.assertEqual(len(self.successResultOf(own.keys())), 7)

    def test_time_to_live(self) -> None:
        """What has expired is neither given nor listed."""
        own = self.store().of("a")
        self.put(own, "x", b"1", 10.0)
        self.clock.advance(9.9)
        self.assertEqual(self.get(own, "x"), b"1")
        self.clock.advance(0.2)
        self.assertIsNone(self.get(own, "x"))
        self.assertEqual(self.successResultOf(own.keys()), [])

    def test_replaced_time_to_live(self) -> None:
        """A value that is written anew has the new time, or none."""
        own = self.store().of("a")
        self.put(own, "x", b"1", 10.0)
        self.put(own, "x", b"2")
        self.clock.advance(1e9)
        self.assertEqual(self.get(own, "x"), b"2")

    def test_faults_of_the_caller(self) -> None:
        """What can't be meant is refused at once."""
        own = self.store().of("a")
        self.assertRaises(ValueError, own.set, "", b"")
        self.assertRaises(ValueError, own.set, "x", b"", 0.0)
        self.assertRaises(TypeError, own.set, "x", "text")
        self.failureResultOf(own.set("\ud800", b""), ValueError)

    def test_cancelled(self) -> None:
        """Who gives up waiting gets no answer, and the call is done all the same."""
        waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[object, ...]]] = []

        def run(function: Callable[..., Any], /, *args: object) -> Deferred[Any]:
            waiting.append((Deferred(), function, args))
            return waiting[-1][0]

        own = Store("", run, self.events.append).of("a")
        answer = own.set("x", b"1")
        answer.cancel()
        self.failureResultOf(answer, CancelledError)
        asked = own.get("x")
        for done, function, args in waiting:
            done.callback(function(*args))
        self.assertEqual(self.successResultOf(asked), b"1")


class BoundTests(StoreTestCase):
    """What a plugin can't do to the disk."""

    def test_too_large(self) -> None:
        """A key or value that is too large is refused."""
        own = self.store(bounds=SMALL).of("a")
        self.assertEqual(self.refused(own.set("x" * 11, b"")), "too_large")
        self.assertEqual(self.refused(own.set("x", bytes(101))), "too_large")

    def test_keys(self) -> None:
        """So many keys and no more; replacing one is no new key, and another plugin has its own share."""
        store = self.store(bounds=SMALL)
        own = store.of("a")
        for key in "xyz":
            self.put(own, key, b"1")
        self.assertEqual(self.refused(own.set("w", b"1")), "full")
        self.put(own, "x", b"2")
        self.put(store.of("b"), "w", b"1")
        self.successResultOf(own.delete("y"))
        self.put(own, "w", b"1")

    def test_bytes(self) -> None:
        """So many bytes and no more, keys included."""
        own = self.store(bounds=SMALL).of("a")
        self.put(own, "x", bytes(99))
        self.assertEqual(self.refused(own.set("y", bytes(100))), "full")
        self.put(own, "y", bytes(99))
        self.put(own, "y", bytes(9))
        self.put(own, "z", bytes(89))

    def test_expired_make_room(self) -> None:
        """What has expired does not count."""
        own = self.store(bounds=SMALL).of("a")
        for key in "xyz":
            self.put(own, key, b"1", 5.0)
        self.clock.advance(6)
        self.put(own, "w", b"1")

    def test_swept(self) -> None:
        """What has expired is deleted from the file in time."""
        folder = self.folder()
        own = self.store(folder).of("a")
        self.put(own, "x", b"1", 5.0)
        self.clock.advance(100)
        self.put(own, "y", b"1")
        with sqlite3.connect(os.path.join(folder, FILE)) as other:
            self.assertEqual(other.execute("SELECT key FROM entries").fetchall(), [("y",)])
        other.close()

    def test_busy(self) -> None:
        """A queue without room is told as such."""
        store = Store("", lambda *_: fail(Overloaded("store", "full")), self.events.append)
        self.assertEqual(self.refused(store.of("a").get("x")), "busy")


class FileTests(StoreTestCase):
    """The file, and what can be wrong with it."""

    def test_lazy(self) -> None:
        """Nothing is written before something is kept; the file is nobody else's to read."""
        folder = self.folder()
        store = self.store(folder)
        own = store.of("a")
        self.assertEqual(os.listdir(folder), [])
        self.put(own, "x", b"1")
        mode = stat.S_IMODE(os.stat(os.path.join(folder, FILE)).st_mode)
        self.assertEqual(mode, 0o600)

    def test_restart(self) -> None:
        """What was kept is there after a restart, for as long as it was meant to be, and counts."""
        folder = self.folder()
        first = self.store(folder, SMALL)
        self.put(first.of("a"), "x", b"1", 10.0)
        self.put(first.of("a"), "y", b"2")
        self.put(first.of("a"), "z", b"3")
        self.successResultOf(first.close())
        second = self.store(folder, SMALL).of("a")
        self.assertEqual(self.get(second, "x"), b"1")
        self.assertEqual(self.refused(second.set("w", b"4")), "full")
        self.clock.advance(11)
        self.assertIsNone(self.get(second, "x"))
        self.assertEqual(self.get(second, "y"), b"2")
        self.assertEqual(self.events, [])

    def test_two_at_once(self) -> None:
        """Two processes may share the file, as during a change from one to the next."""
        folder = self.folder()
        one, two = self.store(folder).of("a"), self.store(folder).of("a")
        self.put(one, "x", b"1")
        self.assertEqual(self.get(two, "x"), b"1")
        self.put(two, "x", b"2")
        self.assertEqual(self.get(one, "x"), b"2")

    def test_closed(self) -> None:
        """After the end nothing is kept any more, and it says so."""
        store = self.store()
        self.put(store.of("a"), "x", b"1")
        self.successResultOf(store.close())
        self.assertEqual(self.refused(store.of("a").get("x")), "closed")

    def test_no_database(self) -> None:
        """A file that is something else is put aside with an event, and a new one begins."""
        folder = self.folder()
        path = os.path.join(folder, FILE)
        with open(path, "wb") as file:
            file.write(b"not a database at all, but long enough to be read as one" * 100)
        own = self.store(folder).of("a")
        self.put(own, "x", b"1")
        self.assertEqual(self.get(own, "x"), b"1")
        self.assertEqual([event.name for event in self.events], ["store_damaged"])
        with open(f"{path}.damaged", "rb") as file:
            self.assertTrue(file.read().startswith(b"not a database"))

    def test_damaged_in_use(self) -> None:
        """Damage found later fails that call, and the next one has a new file."""
        folder = self.folder()
        store = self.store(folder)
        own = store.of("a")
        for number in range(300):
            self.put(own, f"key {number:04}", bytes(900))
        self.successResultOf(store.close())
        path = os.path.join(folder, FILE)
        size = os.path.getsize(path)
        with open(path, "r+b") as file:
            file.seek(4096 * 3)
            file.write(b"\xa5" * (size - 4096 * 3))
        again = self.store(folder).of("a")
        # Which call meets the damage depends on where it is; in the end everything works.
        for number in range(300):
            again.set(f"key {number:04}", b"new").addErrback(lambda failure: None)
        self.put(again, "x", b"1")
        self.assertEqual(self.get(again, "x"), b"1")
        self.assertEqual([event.name for event in self.events], ["store_damaged"])

    def test_newer_version(self) -> None:
        """A file of a version that we don't know is put aside, not changed."""
        folder = self.folder()
        path = os.path.join(folder, FILE)
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA user_version = 99")
        other.close()
        self.put(self.store(folder).of("a"), "x", b"1")
        self.assertEqual([event.name for event in self.events], ["store_damaged"])

    def test_no_folder(self) -> None:
        """Without the folder everything is kept in memory, and that is said once."""
        store = self.store(os.path.join(self.mktemp(), "missing"))
        self.put(store.of("a"), "x", b"1")
        self.put(store.of("b"), "y", b"2")
        self.assertEqual(self.get(store.of("a"), "x"), b"1")
        (event,) = self.events
        self.assertEqual((event.name, event.subject), ("store_in_memory", "store"))

    def test_link(self) -> None:
        """A link in place of the file is not followed."""
        folder = self.folder()
        os.symlink("/dev/null", os.path.join(folder, FILE))
        self.put(self.store(folder).of("a"), "x", b"1")
        self.assertEqual([event.name for event in self.events], ["store_in_memory"])

    def test_any_thread(self) -> None:
        """The file may be opened in one thread and closed in another: the pool's thread may be a new one."""
        store = self.store(self.folder())
        thread = threading.Thread(target=store.table.set, args=("a", "x", b"1", None))
        thread.start()
        thread.join()
        self.assertEqual(self.get(store.of("a"), "x"), b"1")
