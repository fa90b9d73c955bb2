"""
The file of what waits for receivers: SQLite, for one thread that is not the reactor's.

It is a memory for the next process and never a reason not to start: a damaged file is put aside and made anew; what can't
be opened or written raises L{FileFailed}, and whoever called goes on without. The file is locked while it is open: two
processes with one queue would deliver everything twice.

Written in WAL mode with C{synchronous = NORMAL}: what was written outlives the end of the process however it ends. A cut
of power may take back what was written since the last checkpoint: the last notices are lost then, or ones that were
delivered come again under the same id. The file itself stays whole.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

FILE: Final = "alarms.sqlite"

#: Seconds between two looks for what nobody is configured for any more.
SWEEP_SECONDS = 3600.0
#: And until the first: channels that are there open theirs before.
FIRST_SWEEP_SECONDS = 60.0

_VERSION = 1
_SCHEMA = f"""
CREATE TABLE notices (
    channel TEXT NOT NULL, number INTEGER NOT NULL, id TEXT NOT NULL, rank INTEGER NOT NULL,
    stored REAL NOT NULL, events INTEGER NOT NULL, attempt INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (channel, number)
);
CREATE TABLE channels (
    channel TEXT PRIMARY KEY, stored REAL NOT NULL, down_since REAL NOT NULL DEFAULT 0,
    state BLOB NOT NULL DEFAULT x''
);
PRAGMA user_version = {_VERSION};
"""
_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))

#: A change: what to execute, and with what.
Change = tuple[str, tuple[Any, ...]]

PUT: Final = (
    "INSERT OR REPLACE INTO notices (channel, number, id, rank, stored, events, attempt, body)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
ATTEMPT: Final = "UPDATE notices SET attempt = ? WHERE channel = ? AND number = ?"
GONE: Final = "DELETE FROM notices WHERE channel = ? AND number = ?"
CLEAR: Final = "DELETE FROM notices WHERE channel = ?"
STATE: Final = (
    "INSERT INTO channels (channel, stored, state) VALUES (?, ?, ?)"
    " ON CONFLICT (channel) DO UPDATE SET stored = excluded.stored, state = excluded.state"
)
DOWN: Final = (
    "INSERT INTO channels (channel, stored, down_since) VALUES (?, ?, ?)"
    " ON CONFLICT (channel) DO UPDATE SET stored = excluded.stored, down_since = excluded.down_since"
)


class FileFailed(Exception):
    """
    The file could not be read or written; nothing of what was asked was done.

    @ivar is_new: a damaged one was put aside: the next call begins with an empty file.
    """

    def __init__(self, why: str, *, is_new: bool = False) -> None:
        super().__init__(why)
        self.is_new = is_new


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A notice as the file has it; see L{gateway.alarms.backlog.Row}."""

    number: int
    id: str
    rank: int
    stored: float
    events: int
    attempt: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """
    What the file has of one channel.

    @ivar down_since: since when it fails, in seconds since 1970; 0: it does not.
    @ivar state: what its gate keeps.
    """

    rows: tuple[StoredRow, ...] = ()
    down_since: float = 0.0
    state: bytes = b""


class AlarmFile:
    """
    The file; opened with the first call.

    @ivar findings: texts of damage that was found; taken away by the reactor's thread.
    @ivar busy_seconds: how long to wait for another process that is about to end.
    """

    def __init__(
        self, folder: str, now: Callable[[], float], owner: tuple[int, int] | None = None
    ) -> None:
        """
        Prepare; nothing is opened.

        @param now: wall-clock time, seconds.
        @param owner: user and group that the file is for, where the process is not that user yet.
        """
        self.findings: list[str] = []
        self.busy_seconds = 2.0
        self.path = os.path.join(folder, FILE)
        self._now = now
        self._owner = owner
        self._database: sqlite3.Connection | None = None
        # Channels of this process: how old their rows may become is counted by who delivers them.
        self._known: set[str] = set()
        self._sweep_at = 0.0

    def load(self, channel: str) -> Loaded:
        """
        Read what there is of a channel.

        @raise FileFailed: it can't be read.
        """
        self._known.add(channel)
        try:
            database = self._open()
            rows = database.execute(
                "SELECT number, id, rank, stored, events, attempt, body FROM notices"
                " WHERE channel = ? ORDER BY number",
                (channel,),
            ).fetchall()
            of_channel = database.execute(
                "SELECT down_since, state FROM channels WHERE channel = ?", (channel,)
            ).fetchone()
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from error
        down_since, state = of_channel or (0.0, b"")
        return Loaded(tuple(StoredRow(*row) for row in rows), down_since, bytes(state))

    def write(self, changes: Sequence[Change], keep_seconds: float) -> None:
        """
        Make changes, all or none.

        @param keep_seconds: how long rows of channels stay that this process knows nothing of.
        @raise FileFailed: it can't be written.
        """
        try:
            database = self._open()
            database.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in changes:
                    database.execute(statement, values)
                self._sweep(database, keep_seconds)
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Close the file, and let others have it; the next call would open it again."""
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _sweep(self, database: sqlite3.Connection, keep_seconds: float) -> None:
        now = self._now()
        # A clock that was set back must not put this off for ever.
        if self._sweep_at - SWEEP_SECONDS <= now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_SECONDS
        places = ", ".join("?" * len(self._known))
        for table in ("notices", "channels"):
            database.execute(
                f"DELETE FROM {table} WHERE stored < ? AND channel NOT IN ({places})",  # noqa: S608
                (now - keep_seconds, *self._known),
            )

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            try:
                self._database = self._connect()
            except sqlite3.Error as error:
                if not _is_damage(error):
                    raise
                self._put_aside(error)
                self._database = self._connect()
            self._sweep_at = self._now() + FIRST_SWEEP_SECONDS
        return self._database

    def _connect(self) -> sqlite3.Connection:
        # SQLite would make it readable for everybody that the umask lets; its further files follow this one.
        descriptor = os.open(
            self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
        try:
            if self._owner is not None and os.geteuid() == 0:
                os.fchown(descriptor, *self._owner)
        finally:
            os.close(descriptor)
        database = sqlite3.connect(
            self.path, timeout=self.busy_seconds, isolation_level=None, check_same_thread=False
        )
        try:
            _run(
                database,
                "PRAGMA locking_mode = EXCLUSIVE",
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = NORMAL",
                "PRAGMA journal_size_limit = 4194304",
            )
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                database.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
            elif version != _VERSION:
                error = sqlite3.DatabaseError(f"the file is of version {version}")
                error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
                raise error
            # The lock is taken with the first write, and given back when the file is closed.
            _run(database, "BEGIN IMMEDIATE", "COMMIT")
        except BaseException:
            database.close()
            raise
        return database

    def _failed(self, error: Exception) -> FileFailed:
        """Make ours of an error; a damaged file is put aside."""
        if _is_damage(error):
            try:
                self._put_aside(error)
            except OSError as other:
                error = other
            else:
                return FileFailed(str(error), is_new=True)
        return FileFailed(str(error) or type(error).__name__)

    def _put_aside(self, error: Exception) -> None:
        """Make room for a new file; one damaged file is kept for who wants to look at it."""
        self.close()
        aside = f"{self.path}.damaged"
        os.replace(self.path, aside)
        for end in ("-wal", "-shm"):
            # Those of the old file would be taken for the new one's.
            if os.path.exists(self.path + end):
                os.remove(self.path + end)
        self.findings.append(
            f"{self.path} was damaged ({error}); it is now {aside}, and a new one begins"
        )


def _run(database: sqlite3.Connection, *statements: str) -> None:
    for statement in statements:
        database.execute(statement)


def _is_damage(error: Exception) -> bool:
    # The lower byte is the kind; what is above tells the reason.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def clearing(channel: str, changes: Iterable[Change]) -> list[Change]:
    """Give the changes that make the rows of a channel what they are in memory."""
    return [(CLEAR, (channel,)), *changes]
