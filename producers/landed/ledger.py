"""What has become of each file, on disk: so that each is played once, whatever is killed when."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from producers.landed.stores import Found, StoreError
from runtime.errors import UserError

# waiting: finished, to be played. begun: some ticks may be at the broker. done: all are. aside: it
# can't be played, and why.
Status = Literal["waiting", "begun", "done", "aside"]

_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    camera TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    version TEXT NOT NULL,
    changed_us INTEGER NOT NULL,
    start_us INTEGER NOT NULL,  -- capture time of its first frame
    left_out_us INTEGER NOT NULL DEFAULT 0,  -- of its beginning
    last_seq INTEGER NOT NULL DEFAULT -1,  -- that the broker has
    reason TEXT NOT NULL DEFAULT '',
    untidy INTEGER NOT NULL DEFAULT 0,  -- to be moved or deleted
    PRIMARY KEY (camera, name)
);
CREATE INDEX IF NOT EXISTS by_status ON files (camera, status, start_us, name);
CREATE INDEX IF NOT EXISTS by_untidy ON files (camera) WHERE untidy;
CREATE TABLE IF NOT EXISTS notices (
    camera TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (camera, name)
);
CREATE TABLE IF NOT EXISTS cameras (camera TEXT PRIMARY KEY, last_us INTEGER NOT NULL);
"""
_COLUMNS = "name, version, changed_us, status, start_us, left_out_us, last_seq, reason"
_FILE = "ledger.sqlite3"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a camera. Times in µs since 1970."""

    found: Found
    status: Status
    start_us: int
    left_out_us: int = 0
    last_seq: int = -1
    reason: str = ""


class Ledger:
    """The files of one producer process. Used by several threads. Writing raises StoreError."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError where the folder can't be used, or another process has the ledger."""
        self._lock = threading.Lock()
        try:
            with ExitStack() as opened:
                folder.mkdir(parents=True, exist_ok=True)
                guard = opened.enter_context((folder / "lock").open("w"))
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._db = opened.enter_context(closing(_connected(folder)))
                for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                    self._db.execute(f"PRAGMA {pragma}")
                self._db.executescript(_TABLES)
                self._opened = opened.pop_all()
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"produce.ledger: {folder} can't be used: {error}; each producer needs one of its"
                " own, on a disk with room"
            ) from error

    def close(self) -> None:
        with self._lock:
            self._opened.close()

    # ------------------------------------------------------------ what there is to do

    def entry(self, camera: str, name: str) -> Entry | None:
        """What is known of a file."""
        rows = self._rows("camera = ? AND name = ?", (camera, name))
        return rows[0] if rows else None

    def next(self, camera: str) -> Entry | None:
        """The one that has been begun, else the earliest that waits."""
        order = "ORDER BY status, start_us, name LIMIT 1"  # begun before waiting
        rows = self._rows(f"camera = ? AND status IN ('begun', 'waiting') {order}", (camera,))
        return rows[0] if rows else None

    def noticed(self, camera: str) -> list[str]:
        """Names that somebody has told of, and nobody has looked at."""
        rows = self._ask("SELECT name FROM notices WHERE camera = ?", (camera,))
        return [name for (name,) in rows]

    def untidy(self, camera: str) -> list[Entry]:
        """Done or aside, and still lying where they landed."""
        return self._rows("camera = ? AND untidy", (camera,))

    def last_us(self, camera: str) -> int | None:
        """Capture time of the camera's last tick that the broker has, of all its files."""
        found = self._ask("SELECT last_us FROM cameras WHERE camera = ?", (camera,))
        return found[0][0] if found else None

    # ------------------------------------------------------------ what has happened

    def notice(self, camera: str, name: str) -> None:
        """It is said to be there, maybe anew."""
        self._do("INSERT OR IGNORE INTO notices VALUES (?, ?)", (camera, name))

    def looked_at(self, camera: str, name: str) -> None:
        """A notice has done what it is for."""
        self._do("DELETE FROM notices WHERE camera = ? AND name = ?", (camera, name))

    def add(self, camera: str, found: Found, start_us: int) -> None:
        """It is finished, and waits."""
        self._put(camera, found, "waiting", start_us, "", untidy=False)

    def begin(self, camera: str, name: str, left_out_us: int) -> None:
        """From now on ticks of it may be at the broker."""
        self._do(
            "UPDATE files SET status = 'begun', left_out_us = ? WHERE camera = ? AND name = ?",
            (left_out_us, camera, name),
        )

    def progress(self, camera: str, name: str, last_seq: int, last_us: int) -> None:
        """The broker has its ticks up to that one, captured at `last_us`."""
        with self._writing():
            self._db.execute(
                "UPDATE files SET last_seq = ? WHERE camera = ? AND name = ?",
                (last_seq, camera, name),
            )
            self._db.execute(
                "INSERT INTO cameras VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET last_us = max(last_us, excluded.last_us)",
                (camera, last_us),
            )

    def finish(self, camera: str, name: str, *, untidy: bool) -> None:
        """The broker has all of it."""
        self._do(
            "UPDATE files SET status = 'done', untidy = ? WHERE camera = ? AND name = ?",
            (untidy, camera, name),
        )

    def set_aside(self, camera: str, found: Found, reason: str, *, untidy: bool) -> None:
        """It can't be played, or not to its end."""
        self._put(camera, found, "aside", 0, reason, untidy=untidy)

    def forget(self, camera: str, names: Iterable[str]) -> None:
        """They are not there any more."""
        with self._writing():
            self._db.executemany(
                "DELETE FROM files WHERE camera = ? AND name = ?",
                [(camera, name) for name in names],
            )

    def prune(self, camera: str, there: Collection[str]) -> None:
        """Forget what is done or aside, and not among those that are there."""
        rows = self._ask(
            "SELECT name FROM files WHERE camera = ? AND status IN ('done', 'aside')", (camera,)
        )
        self.forget(camera, [name for (name,) in rows if name not in there])

    def _put(
        self, camera: str, found: Found, status: Status, start_us: int, reason: str, *, untidy: bool
    ) -> None:
        self._do(
            "INSERT OR REPLACE INTO files"
            " (camera, name, status, version, changed_us, start_us, reason, untidy)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (camera, found.name, status, found.version, found.changed_us, start_us, reason, untidy),
        )

    def _rows(self, where: str, values: Sequence[object]) -> list[Entry]:
        return _entries(self._ask(f"SELECT {_COLUMNS} FROM files WHERE {where}", values))  # noqa: S608

    def _ask(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()

    def _do(self, statement: str, values: Sequence[object]) -> None:
        with self._writing():
            self._db.execute(statement, values)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._lock, self._db:
                yield
        except sqlite3.Error as error:
            raise StoreError(f"the ledger of landed files can't be written: {error}") from error


def read_ledger(folder: Path) -> dict[str, list[Entry]]:
    """What a ledger holds, by camera, also while a producer uses it; empty where there is none."""
    if not (folder / _FILE).is_file():
        return {}
    try:
        with closing(_connected(folder)) as db:
            rows = db.execute(
                f"SELECT camera, {_COLUMNS} FROM files ORDER BY camera, start_us, name"  # noqa: S608
            ).fetchall()
    except sqlite3.Error as error:
        raise UserError(f"produce.ledger: {folder} can't be read: {error}") from error
    found: dict[str, list[Entry]] = {}
    for camera, *columns in rows:
        found.setdefault(camera, []).extend(_entries([columns]))
    return found


def retry_file(folder: Path, camera: str, name: str) -> bool:
    """Let a file that was set aside be looked at again, also while a producer uses the ledger.

    False where it is not set aside. Raises UserError.
    """
    if not (folder / _FILE).is_file():
        return False
    try:
        with closing(_connected(folder)) as db, db:
            gone = db.execute(
                "DELETE FROM files WHERE camera = ? AND name = ? AND status = 'aside'",
                (camera, name),
            ).rowcount
            if gone:
                db.execute("INSERT OR IGNORE INTO notices VALUES (?, ?)", (camera, name))
    except sqlite3.Error as error:
        raise UserError(f"produce.ledger: {folder} can't be written: {error}") from error
    return bool(gone)


def _connected(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(folder / _FILE, check_same_thread=False, timeout=1)


def _entries(rows: Iterable[Sequence[Any]]) -> list[Entry]:
    return [
        Entry(Found(name, version, changed), status, start, left_out, last_seq, reason)
        for name, version, changed, status, start, left_out, last_seq, reason in rows
    ]
