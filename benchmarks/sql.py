"""The SQL sink's process over a backlog of results, against a bare COPY of the same rows.

Both write to a new database each time. A third of the ticks are inferred, with three boxes on the
mean, so a record makes two rows. CPU is the client's, not the server's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.method import backlog
from benchmarks.method.metering import Work, compared
from benchmarks.method.pairing import interleaved
from benchmarks.method.results import Result
from benchmarks.method.site import Line, Site

RECORDS = 30_000
ROUNDS = 4

_BARE = "bare binary COPY of the same rows, made beforehand, in transactions of the same size"


def run(site: Site, rounds: int) -> list[Result]:
    """Records/s and CPU per record."""
    line = site.line("sql")
    count = site.sized(RECORDS)
    began_at = datetime.now(UTC) - timedelta(days=1)
    topic = line.settings.line.topic("detections")
    backlog.send(backlog.results(count, began_at), "infer", line.settings.kafka, topic)
    batch_rows = line.settings.sql.batch_rows

    def bare() -> Work:
        with site.database("bench_copy") as dsn:
            return site.bare(
                "copy_rows",
                dsn=dsn, count=count, began_at=began_at.isoformat(), batch_rows=batch_rows,
            )  # fmt: skip

    measured = interleaved(rounds, {"ours": lambda: _sink(site, line, count), "bare": bare})
    return compared("sql", measured, ("ours", "bare"), "record", _BARE)


def _sink(site: Site, line: Line, count: int) -> Work:
    site.forget(line, "sql")
    with site.database("bench_sql") as dsn:
        return line.metered(
            "sql", "sink", "sql",
            counter="onehertz_records_taken_total", total=count, overrides={"sql.dsn": dsn},
        )  # fmt: skip
