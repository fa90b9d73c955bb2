"""
The keys and values of plugins: one SQLite file for all of them, a namespace for each.

The file is opened at the first use, and touched from one thread alone, which is not the reactor's: L{Store} hands
every call to a C{run} that keeps to that, and L{Table} is what happens there. It is a cache with a memory and never a
reason not to start: a file that is damaged is put aside and made anew, a folder that can't be written to means that
everything is kept in memory; both are told as an event, once.

Times to live are kept in wall-clock time, so that a restart does not prolong them. Nothing here knows what is kept.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from gateway.api.catalogue.service import STORE_DAMAGED, STORE_IN_MEMORY
from gateway.api.events import Event, EventType
from gateway.api.services import Overloaded, StoreFailed

T = TypeVar("T")

FILE = "plugins.sqlite"

#: Seconds between two looks for what has expired.
SWEEP_SECONDS = 60.0
#: Seconds to wait for another process that writes, such as the one that this one follows.
BUSY_SECONDS = 5.0

_VERSION = 1
_SCHEMA = f"""
CREATE TABLE entries (
    plugin TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, expires REAL,
    PRIMARY KEY (plugin, key)
);
CREATE INDEX entries_by_expiry ON entries (expires) WHERE expires IS NOT NULL;
PRAGMA user_version = {_VERSION};
"""
_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    How much one plugin may keep.

    @ivar key_bytes: of one key.
    @ivar value_bytes: of one value.
    @ivar keys: how many.
    @ivar total_bytes: of all its keys and values.
    """

    key_bytes: int = 1024
    value_bytes: int = 1 << 20
    keys: int = 100_000
    total_bytes: int = 64 << 20


class Run(Protocol):
    """Runs calls in a thread, one after the other."""

    def __call__(self, function: Callable[..., T], /, *args: object) -> Deferred[T]:
        """Run one; the Deferred fires in the reactor's thread, with L{Overloaded} if there is no room."""


class Store:
    """
    What all plugins keep; what it gives for each is the plugin's C{services.store}.

    It outlives the plugin objects, so that a reload forgets nothing.
    """

    def __init__(
        self,
        folder: str,
        run: Run,
        tell: Callable[[Event], None],
        *,
        now: Callable[[], float] = time.time,
        bounds: Bounds | None = None,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """
        Prepare; nothing is opened.

        @param folder: empty: keep everything in memory.
        @param tell: where events go; called in the reactor's thread.
        @param now: wall-clock time, seconds.
        @param owner: user and group that the file is for, where the process is not that user yet.
        """
        self._run = run
        self._tell = tell
        self._closed = False
        self._was_used = False
        path = os.path.join(folder, FILE) if folder else ""
        self._table = Table(path, now, Bounds() if bounds is None else bounds, owner)

    def of(self, plugin: str) -> Namespace:
        """Give what one plugin keeps."""
        return Namespace(self, plugin)

    def close(self) -> Deferred[None]:
        """Close the file after the calls that wait; what is asked for later fails. Twice is no fault."""
        if self._closed:
            return succeed(None)
        self._closed = True
        if not self._was_used:
            return succeed(None)
        closing: Deferred[None] = Deferred()
        self._run(self._table.close).addBoth(lambda _: closing.callback(None))
        return closing

    def call(self, function: Callable[..., T], /, *args: object) -> Deferred[T]:
        """Do something with the table in its thread. For L{Namespace} only."""
        if self._closed:
            return fail(StoreFailed("closed", "the store is closed"))
        self._was_used = True
        # Cancelling gives up the answer and not the call: it is short, and a thread can't be stopped.
        answer: Deferred[T] = Deferred()

        def came(value: T) -> None:
            self._report()
            answer.callback(value)

        def failed(failure: Failure) -> None:
            self._report()
            if failure.check(Overloaded):
                failure = Failure(StoreFailed("busy", "too many calls wait for the store"))
            answer.errback(failure)

        self._run(function, *args).addCallbacks(came, failed)
        return answer

    @property
    def table(self) -> Table:
        """What happens in the thread. For L{Namespace} only."""
        return self._table

    def _report(self) -> None:
        """Tell what the thread has found since."""
        while self._table.findings:
            kind, text = self._table.findings.pop(0)
            self._tell(kind(text, "store"))


class Namespace:
    """What one plugin keeps; see L{gateway.api.KeyValue} for what the calls mean and raise."""

    def __init__(self, store: Store, plugin: str) -> None:
        self._store = store
        self._plugin = plugin

    def get(self, key: str) -> Deferred[bytes | None]:
        """Give a value."""
        return self._store.call(self._store.table.get, self._plugin, key)

    def set(self, key: str, value: bytes, ttl_seconds: float | None = None) -> Deferred[None]:
        """
        Keep a value.

        @raise ValueError: an empty key, or a time that is not more than 0.
        @raise TypeError: the value is no C{bytes}.
        """
        if not key:
            raise ValueError("a key is not empty")
        if not isinstance(value, bytes):
            raise TypeError(f"a value is bytes, not {type(value).__name__}")
        if ttl_seconds is not None and not ttl_seconds > 0:
            raise ValueError(f"a time to live is more than 0, not {ttl_seconds!r}")
        return self._store.call(self._store.table.set, self._plugin, key, value, ttl_seconds)

    def delete(self, key: str) -> Deferred[None]:
        """Forget a value."""
        return self._store.call(self._store.table.delete, self._plugin, key)

    def keys(self, prefix: str = "") -> Deferred[list[str]]:
        """Give the keys that begin so."""
        return self._store.call(self._store.table.keys, self._plugin, prefix)


class Table:
    """
    The table of entries; for one thread.

    @ivar findings: events to be told, by type and text; taken away by the reactor's thread.
    """

    def __init__(
        self,
        path: str,
        now: Callable[[], float],
        bounds: Bounds,
        owner: tuple[int, int] | None = None,
    ) -> None:
        """
        Prepare; nothing is opened.

        @param path: empty: in memory.
        """
        self.findings: list[tuple[EventType, str]] = []
        self._path = path
        self._now = now
        self._bounds = bounds
        self._owner = owner
        self._database: sqlite3.Connection | None = None
        # Keys and bytes of each plugin; counted anew with each sweep, for another process may write, too.
        self._used: dict[str, tuple[int, int]] = {}
        self._sweep_at = 0.0

    def get(self, plugin: str, key: str) -> bytes | None:
        """Read one."""
        with self._open() as database:
            row = database.execute(
                "SELECT value FROM entries WHERE plugin = ? AND key = ?"
                " AND (expires IS NULL OR expires > ?)",
                (plugin, key, self._now()),
            ).fetchone()
            return None if row is None else bytes(row[0])
        return None

    def set(self, plugin: str, key: str, value: bytes, ttl_seconds: float | None) -> None:
        """
        Write one.

        @raise StoreFailed: it is too large, or the plugin's share is used up.
        """
        bounds = self._bounds
        if len(key.encode()) > bounds.key_bytes:
            raise StoreFailed("too_large", f"the key is longer than {bounds.key_bytes} bytes")
        if len(value) > bounds.value_bytes:
            raise StoreFailed("too_large", f"the value is larger than {bounds.value_bytes} bytes")
        with self._open() as database:
            now = self._now()
            if now >= self._sweep_at:
                self._sweep(database, now)
            before = self._size(database, plugin, key)
            grown = self._grown(plugin, key, value, before)
            if grown is None and now >= self._sweep_at - SWEEP_SECONDS + 1.0:
                # Not with each call, though: it looks at everything.
                self._sweep(database, now)
                before = self._size(database, plugin, key)
                grown = self._grown(plugin, key, value, before)
            if grown is None:
                raise StoreFailed("full", f"the share of {plugin} is used up")
            expires = None if ttl_seconds is None else now + ttl_seconds
            database.execute(
                "INSERT OR REPLACE INTO entries (plugin, key, value, expires) VALUES (?, ?, ?, ?)",
                (plugin, key, value, expires),
            )
            self._used[plugin] = grown

    def delete(self, plugin: str, key: str) -> None:
        """Forget one."""
        with self._open() as database:
            size = self._size(database, plugin, key)
            if size is not None:
                database.execute("DELETE FROM entries WHERE plugin = ? AND key = ?", (plugin, key))
                keys, total = self._used.get(plugin, (0, 0))
                self._used[plugin] = (max(0, keys - 1), max(0, total - size))

    def keys(self, plugin: str, prefix: str) -> list[str]:
        """List them."""
        found: list[str] = []
        with self._open() as database:
            # In the order of code points, so those that begin with the prefix are next to each other.
            for (key,) in database.execute(
                "SELECT key FROM entries WHERE plugin = ? AND key >= ?"
                " AND (expires IS NULL OR expires > ?) ORDER BY key",
                (plugin, prefix, self._now()),
            ):
                if not key.startswith(prefix):
                    break
                found.append(key)
        return found

    def close(self) -> None:
        """Close the file; the next call would open it again."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """
        Give the database, opened if it was not, and turn its errors to ours.

        A damaged one is put aside, and the call that found it so fails; the next one begins with an empty file.
        """
        try:
            if self._database is None:
                self._database = self._opened()
            yield self._database
        except sqlite3.Error as error:
            if _is_damage(error):
                self._put_aside()
            raise StoreFailed("failed", f"the store: {error}") from error

    def _opened(self) -> sqlite3.Connection:
        if self._path:
            # A second time after the damaged file was put aside.
            for _ in range(2):
                try:
                    return self._connect(self._path)
                except (sqlite3.Error, OSError) as error:
                    if not _is_damage(error):
                        self._find_unwritable(error)
                        break
                    self._put_aside()
                    if not self._path:
                        break
        return self._connect(":memory:")

    def _connect(self, path: str) -> sqlite3.Connection:
        if path != ":memory:":
            # SQLite would make it readable for everybody that the umask lets; its further files follow this one.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                if self._owner is not None and os.geteuid() == 0:
                    os.fchown(descriptor, *self._owner)
            finally:
                os.close(descriptor)
        database = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute("PRAGMA journal_size_limit = 4194304")
            self._prepare(database)
            self._sweep(database, self._now())
        except BaseException:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version == 0:
            database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        elif version != _VERSION:
            error = sqlite3.DatabaseError(f"the file is of version {version}")
            error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
            raise error

    def _sweep(self, database: sqlite3.Connection, now: float) -> None:
        """Drop what has expired, and count what is left."""
        self._sweep_at = now + SWEEP_SECONDS
        database.execute("DELETE FROM entries WHERE expires <= ?", (now,))
        self._used = {
            plugin: (keys, total)
            for plugin, keys, total in database.execute(
                "SELECT plugin, COUNT(*), SUM(LENGTH(CAST(key AS BLOB)) + LENGTH(value))"
                " FROM entries GROUP BY plugin"
            )
        }

    def _size(self, database: sqlite3.Connection, plugin: str, key: str) -> int | None:
        row: Any = database.execute(
            "SELECT LENGTH(CAST(key AS BLOB)) + LENGTH(value) FROM entries"
            " WHERE plugin = ? AND key = ?",
            (plugin, key),
        ).fetchone()
        return None if row is None else int(row[0])

    def _grown(
        self, plugin: str, key: str, value: bytes, before: int | None
    ) -> tuple[int, int] | None:
        """Say what the plugin would use with an entry; C{None} if that is too much."""
        keys, total = self._used.get(plugin, (0, 0))
        keys += before is None
        total += len(key.encode()) + len(value) - (before or 0)
        if keys > self._bounds.keys or total > self._bounds.total_bytes:
            return None
        return keys, total

    def _find_unwritable(self, error: Exception) -> None:
        self.findings.append(
            (
                STORE_IN_MEMORY,
                f"{self._path} can't be used, so what plugins keep is lost at the end: {error}",
            )
        )

    def _put_aside(self) -> None:
        """Make room for a new file; one damaged file is kept for who wants to look at it."""
        self.close()
        self._used = {}
        aside = f"{self._path}.damaged"
        try:
            os.replace(self._path, aside)
            for end in ("-wal", "-shm"):
                # Those of the old file would be taken for the new one's.
                if os.path.exists(self._path + end):
                    os.remove(self._path + end)
        except OSError as error:
            self._find_unwritable(error)
            self._path = ""
            return
        self.findings.append(
            (STORE_DAMAGED, f"{self._path} was damaged; it is now {aside}, and a new one begins")
        )


def _is_damage(error: Exception) -> bool:
    # The lower byte is the kind; what is above tells the reason.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
