"""Ticks on disk until the broker has them: bounded, in order, and whole after a crash.

SQLite with a write-ahead log, synced at each commit: what `append` returned from survives kill -9
and a power cut. When there is too much, the oldest frames lose their bytes first: each becomes a
*missing* tick, so that ticks still add up.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from producers.given_up import REFERENCE_LOST, as_missing, has_picture, refers_to, without_picture
from runtime.errors import FatalError, UserError
from schemas.wire import Wire

log = logging.getLogger("onehertz.produce")

# What a row costs beside its value: headers, key, index.
_ROW_BYTES = 1000
_SHRINK_ROWS = 64  # looked at at once
_KEPT_BYTES = 16_000_000  # of an empty spool's file

_TABLE = """
CREATE TABLE IF NOT EXISTS ticks (
    id INTEGER PRIMARY KEY,
    camera TEXT NOT NULL,
    captured_us INTEGER NOT NULL,
    bytes INTEGER NOT NULL,  -- of `value`
    picture INTEGER NOT NULL,  -- whether it has one to lose
    headers BLOB NOT NULL,
    value BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_camera ON ticks (camera, captured_us, id);
CREATE INDEX IF NOT EXISTS by_age ON ticks (captured_us);
CREATE INDEX IF NOT EXISTS pictures ON ticks (captured_us) WHERE picture;
"""


@dataclass(frozen=True, slots=True)
class Tick:
    """A record ready to be sent."""

    camera: str
    captured_us: int
    wire: Wire

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return len(self.wire.value) + _ROW_BYTES

    @property
    def has_picture(self) -> bool:
        """Whether it is a captured one."""
        return has_picture(self.wire)


class Lost(NamedTuple):
    """A frame whose picture was given up."""

    camera: str
    captured_us: int


@dataclass(frozen=True, slots=True)
class Spooled:
    """A tick on disk."""

    id: int
    tick: Tick


class Spool:
    """The ticks of one producer process. Used by one thread."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Raises UserError where the folder can't be used, or another process has the spool."""
        self._max_bytes = max_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                folder / "ticks.sqlite3", isolation_level=None, check_same_thread=False, timeout=1
            )
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"produce.spool.path: {folder} can't be used: {error}; each producer needs one of"
                " its own, on a disk with room"
            ) from error
        found = self._db.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM ticks").fetchone()
        self.rows, value_bytes = found
        self.bytes = value_bytes + self.rows * _ROW_BYTES
        if not self.rows:
            self._give_back()  # killed before it could

    def _prepare(self) -> None:
        pragmas = (
            # Of a new file. By default 4096, 25 pages for a frame of 100 kB: to append it among
            # twenty takes a third longer, to delete it too; alone it makes no difference.
            "page_size=16384",
            "wal_autocheckpoint=500",  # 8 MB; by default 1000 pages
            "journal_mode=WAL",
            "synchronous=FULL",
            # Held for as long as it is open: two processes would send everything twice.
            "locking_mode=EXCLUSIVE",
            "journal_size_limit=16000000",
            # Some builds of SQLite write zeros over what is deleted: as much once more to write,
            # 0.4 ms instead of 0.05 for a frame of 100 kB.
            "secure_delete=OFF",
        )
        for pragma in pragmas:
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_TABLE)

    def waiting(self) -> dict[str, int]:
        """Ticks by camera."""
        return dict(self._db.execute("SELECT camera, count(*) FROM ticks GROUP BY camera"))

    def append(self, ticks: Sequence[Tick]) -> list[int]:
        """Keep them; on disk when it returns. Their ids. Raises FatalError: the disk refuses."""
        ids: list[int] = []
        with _Transaction(self._db):
            for tick in ticks:
                headers = msgspec.msgpack.encode(tick.wire.headers)
                done = self._db.execute(
                    "INSERT INTO ticks (camera, captured_us, bytes, picture, headers, value)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        tick.camera,
                        tick.captured_us,
                        len(tick.wire.value),
                        tick.has_picture,
                        headers,
                        tick.wire.value,
                    ),
                )
                ids.append(done.lastrowid or 0)
        self.rows += len(ticks)
        self.bytes += sum(tick.size for tick in ticks)
        return ids

    def read(self, camera: str, after_us: int, count: int) -> list[Spooled]:
        """A camera's oldest ticks that were captured later than that."""
        rows = self._db.execute(
            "SELECT id, captured_us, headers, value FROM ticks"
            " WHERE camera = ? AND captured_us > ? ORDER BY captured_us, id LIMIT ?",
            (camera, after_us, count),
        )
        return [
            Spooled(row, Tick(camera, captured_us, _wire(camera, headers, value)))
            for row, captured_us, headers, value in rows
        ]

    def delete(self, ids: Iterable[int]) -> None:
        """The broker has them."""
        with _Transaction(self._db):
            for row in ids:
                gone = self._db.execute(
                    "DELETE FROM ticks WHERE id = ? RETURNING bytes", (row,)
                ).fetchone()
                if gone is not None:
                    self.rows -= 1
                    self.bytes -= gone[0] + _ROW_BYTES
        if not self.rows:
            self._give_back()

    def _give_back(self) -> None:
        """The room of an outage, to the disk; what is small is kept for the next ticks."""
        ((pages,),) = self._db.execute("PRAGMA page_count")
        ((page_bytes,),) = self._db.execute("PRAGMA page_size")
        if pages * page_bytes <= _KEPT_BYTES:
            return
        try:
            # Of an empty table: 0.15 s for 300 MB, where freeing page by page takes 1 s.
            self._db.execute("VACUUM")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            log.warning("the spool's file stays as large as it is for now: %s", error)

    def shrink(self, oldest_us: int) -> list[Lost]:
        """Take the pictures of the oldest frames until it fits, and those from before a moment.

        The frames that have lost them; what is the same as one of those is known of no longer, and
        becomes a missing tick too. Where even what is left is too much, the oldest ticks go.
        """
        lost: list[Lost] = []
        while rows := self._oldest_pictures(oldest_us):
            with _Transaction(self._db):
                for row, camera, captured_us, headers, value in rows:
                    if self.bytes <= self._max_bytes and captured_us >= oldest_us:
                        break
                    self._replace(row, without_picture(_wire(camera, headers, value)), len(value))
                    self._forget_same(camera, captured_us)
                    lost.append(Lost(camera, captured_us))
        while self.bytes > self._max_bytes and self.rows:
            found = self._db.execute(
                "SELECT id FROM ticks ORDER BY captured_us LIMIT ?", (_SHRINK_ROWS,)
            )
            self.delete([row for (row,) in found.fetchall()])
        return lost

    def _oldest_pictures(self, oldest_us: int) -> list[tuple[int, str, int, bytes, bytes]]:
        """Some of those that have to go, if any."""
        until_us = 1 << 62 if self.bytes > self._max_bytes else oldest_us
        return self._db.execute(
            "SELECT id, camera, captured_us, headers, value FROM ticks"
            " WHERE picture AND captured_us < ? ORDER BY captured_us LIMIT ?",
            (until_us, _SHRINK_ROWS),
        ).fetchall()

    def _forget_same(self, camera: str, captured_us: int) -> None:
        """The unchanged ticks that refer to a frame: they come before the camera's next picture."""
        found = self._db.execute(
            "SELECT id, headers, value FROM ticks WHERE camera = ?1 AND captured_us > ?2"
            " AND captured_us < coalesce((SELECT min(captured_us) FROM ticks"
            " WHERE camera = ?1 AND captured_us > ?2 AND picture), ?3)",
            (camera, captured_us, 1 << 62),
        ).fetchall()
        for row, headers, value in found:
            wire = _wire(camera, headers, value)
            if refers_to(wire, camera, captured_us):
                self._replace(row, as_missing(wire, REFERENCE_LOST), 0)

    def _replace(self, row: int, wire: Wire, old_bytes: int) -> None:
        headers = msgspec.msgpack.encode(wire.headers)
        self._db.execute(
            "UPDATE ticks SET bytes = ?, picture = FALSE, headers = ?, value = ? WHERE id = ?",
            (len(wire.value), headers, wire.value, row),
        )
        self.bytes += len(wire.value) - old_bytes

    def close(self) -> None:
        self._db.close()


class _Transaction:
    """All or nothing. Raises FatalError where the disk refuses."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: object, _: object) -> None:
        try:
            self._db.execute("ROLLBACK" if kind else "COMMIT")
        except sqlite3.Error as failure:
            raise FatalError(f"the spool can't be written: {failure}") from failure
        if kind is not None and issubclass(kind, sqlite3.Error):
            raise FatalError(f"the spool can't be written: {error}")


def _wire(camera: str, headers: bytes, value: bytes) -> Wire:
    pairs = msgspec.msgpack.decode(headers, type=list[tuple[str, bytes]])
    return Wire(camera.encode(), value, pairs)
