"""After a rebalance two writers may hold the same records: both write them, at once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from schemas.messages import ResultRecord
from sinks.sql.connection import connect
from sinks.sql.ranking import Delivery
from sinks.sql.writer import WriteOutcome, Writer
from tests.sinks.sql.reference import actual, expected
from tests.sinks.sql.ticks import inferred, missing, rejected, unchanged

pytestmark = pytest.mark.stack

CAMERAS = ["east", "north", "south", "west"]


def wait_until_blocked(
    watcher: psycopg.Connection, blocked: psycopg.Connection, write: Future[WriteOutcome]
) -> None:
    """Returns when `blocked` waits for a lock of another session."""
    query = "SELECT cardinality(pg_blocking_pids(%s)) > 0"
    for _ in range(100_000):
        row = watcher.execute(query, [blocked.info.backend_pid]).fetchone()
        if row and row[0]:
            return
        if write.done():
            write.result()
            break
    pytest.fail("nothing was waited for")


def history(rng: random.Random, ticks: int) -> list[Delivery]:
    """Two or three deliveries of most ticks, that disagree."""
    deliveries = []
    for offset in range(ticks * 5 // 2):
        camera = rng.choice(CAMERAS)
        second = rng.randrange(ticks // 2)
        labels = rng.choices(["person", "car"], k=rng.randrange(3))
        records: list[ResultRecord] = [
            inferred(second, *labels, camera=camera),
            unchanged(second, same_as=0, camera=camera),
            rejected(second, camera=camera),
            missing(second, camera=camera),
        ]
        record = rng.choice(records)
        deliveries.append(Delivery(record, CAMERAS.index(camera), offset))
    return deliveries


def write_all(dsn: str, batches: Sequence[Sequence[Delivery]]) -> int:
    with connect(dsn) as connection:
        writer = Writer(connection)
        return sum(writer.write(batch).repeated for batch in batches)


@pytest.mark.parametrize("seed", range(3))
def test_writers_of_the_same_records_end_in_the_same_tables(database: str, seed: int) -> None:
    rng = random.Random(seed)
    deliveries = history(rng, ticks=120)
    work = []
    for _ in range(3):
        shuffled = rng.sample(deliveries, len(deliveries))
        work.append([shuffled[i : i + 17] for i in range(0, len(shuffled), 17)])
    with ThreadPoolExecutor(len(work)) as pool:
        repeated = sum(pool.map(write_all, [database] * len(work), work))
    assert repeated > len(deliveries)  # each is delivered three times
    with connect(database) as connection:
        assert actual(connection) == expected(deliveries)


def test_a_writer_waits_for_another_of_its_camera_and_then_sees_its_rows(database: str) -> None:
    batch = [Delivery(missing(0), 0, 4)]
    better = [Delivery(inferred(0, "person"), 0, 5), Delivery(inferred(20), 0, 6)]
    with (
        connect(database) as first,
        connect(database) as second,
        connect(database) as watcher,
        ThreadPoolExecutor(1) as pool,
    ):
        Writer(watcher).write([Delivery(inferred(10), 0, 0)])
        with first.transaction():
            # Holds the camera's lock, as a writer in mid-transaction does.
            first.execute("SELECT FROM cameras WHERE camera = 'north' FOR UPDATE")
            write = pool.submit(Writer(second).write, better)
            wait_until_blocked(watcher, second, write)
            first.execute(
                "INSERT INTO frames (camera, captured_at, status, run, seq, width, height,"
                " partition, detections_offset, reason)"
                " SELECT 'north', captured_at - interval '10 s', 'missing', 'run', 0, 0, 0, 0, 4,"
                " 'stalled' FROM frames"
            )
            first.execute("UPDATE camera_minutes SET missing = missing + 1")
        assert write.result() == (1, 1, 0)
        deliveries = [Delivery(inferred(10), 0, 0), *batch, *better]
        assert actual(watcher) == expected(deliveries)


def test_a_writer_that_dies_in_mid_transaction_leaves_nothing(database: str) -> None:
    batch = [Delivery(inferred(0, "person", camera=camera), 0, 0) for camera in CAMERAS]
    with (
        connect(database) as first,
        connect(database) as second,
        connect(database) as watcher,
        ThreadPoolExecutor(1) as pool,
    ):
        Writer(watcher).write([Delivery(missing(9, camera="west"), 0, 0)])
        with first.transaction():
            # The last in order: the writer already holds the others when it comes to it.
            first.execute("SELECT FROM cameras WHERE camera = 'west' FOR UPDATE")
            write = pool.submit(Writer(second).write, batch)
            wait_until_blocked(watcher, second, write)
            watcher.execute("SELECT pg_terminate_backend(%s)", [second.info.backend_pid])
            with pytest.raises(psycopg.OperationalError):
                write.result()
        assert Writer(watcher).write(batch) == (4, 0, 0)


def test_cameras_in_opposite_order_do_not_deadlock(database: str) -> None:
    forwards = [Delivery(missing(0, camera=camera), 0, 0) for camera in CAMERAS]
    with (
        connect(database) as first,
        connect(database) as second,
        connect(database) as watcher,
        ThreadPoolExecutor(1) as pool,
    ):
        Writer(watcher).write(forwards)
        with first.transaction():
            first.execute("SELECT FROM cameras WHERE camera = 'east' FOR UPDATE")
            later = [Delivery(missing(1, camera=c), 0, 1) for c in reversed(CAMERAS)]
            write = pool.submit(Writer(second).write, later)
            wait_until_blocked(watcher, second, write)
            # Had it begun at the other end, it would hold this row by now, and each wait.
            first.execute("SELECT FROM cameras WHERE camera = 'west' FOR UPDATE NOWAIT")
        assert write.result() == (4, 0, 0)


def test_partitions_made_by_two_at_once_are_made_once(database: str) -> None:
    def write(camera: str) -> int:
        with connect(database) as connection:
            return Writer(connection).write([Delivery(missing(0, camera=camera), 0, 0)]).inserted

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, CAMERAS)) == [1, 1, 1, 1]
