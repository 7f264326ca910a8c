"""The whole line at a fixed moderate load: latency to the row, by stage, and everyone's memory.

Eight cameras give four ticks a second each, in real time. The floor that latencies are compared
with is what the settings make a tick wait at most: the gate's checkpoint interval, the worker's
batch wait and the sink's. On the mean a tick waits about half of each, so a median below the floor
is as it should be, and a p99 above it is work, queueing and Kafka.
The spread is that of consecutive parts of one run: a line can't be interleaved with itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import psycopg

from benchmarks.method.pairing import Pair, windows
from benchmarks.method.results import Result, result
from benchmarks.method.site import Line, Site
from benchmarks.method.timeline import Timeline, percentile, timeline
from onehertz.assets import AssetsUnavailable, fetch
from onehertz.processes import RoleProcess
from onehertz.stack.kafka_properties import KafkaSettings
from onehertz.stack.postgres import PostgresSettings
from onehertz.stack.processes import memory_bytes
from runtime.errors import FatalError
from runtime.kafka import reader, received
from runtime.reading import read_all
from schemas.codec import decode_result
from schemas.messages import FrameRecord

SECONDS = 40
ROUNDS = 4  # here: the parts that the run is cut into

_CAMERAS, _INTERVAL_S = 8, 0.25
_WARM_UP_S = 5.0  # first fetches, first transactions, first plans
_READY_S = 90.0
_DRAIN_S = 60.0
_ROLES = {
    "gate": ["gate", "--slot", "bench"],
    "infer": ["infer"],
    "sql": ["sink", "sql"],
    "alerts": ["sink", "alerts", "--slot", "bench"],
}
_MB = 1024 * 1024


def run(site: Site, rounds: int) -> list[Result]:
    """Latencies in ms against their floors, and PSS in MB."""
    seconds = max(15, site.sized(SECONDS))
    with (
        site.database("bench_line") as dsn,
        psycopg.connect(dsn, autocommit=True) as connection,
    ):
        # written_at is when the row's transaction began. COPY names its columns, so that this one
        # gets its default.
        connection.execute(
            "ALTER TABLE frames ADD COLUMN copied_at timestamptz DEFAULT clock_timestamp()"
        )
        line = site.line("line", _configuration(site, seconds, dsn))
        memory, idle = _played(site, line, connection, round(seconds * _CAMERAS / _INTERVAL_S))
        written = _written_us(connection)
    ticks = sorted(_timelines(line, written))
    steady = [tick for tick in ticks if tick[0] >= ticks[0][0] + _WARM_UP_S * 1e6]
    return [*_latencies(line, windows(steady, rounds)), *_memory(memory, idle)]


def _configuration(site: Site, seconds: int, dsn: str) -> dict[str, Any]:
    sources: list[dict[str, Any]] = [
        {"kind": "street", "seed": n, "activity": 0.5} for n in range(_CAMERAS)
    ]
    try:
        clip = str(fetch(["vtest"])["vtest"])
    except AssetsUnavailable as error:
        site.say(f"latency: all cameras are streets: {error}")
    else:
        sources[::2] = [{"kind": "video", "path": clip, "start_s": 10 * n} for n in range(4)]
    cameras = {
        f"cam{number}": {"source": source, "interval_s": _INTERVAL_S, "stop_after_s": seconds}
        for number, source in enumerate(sources)
    }
    rule = {"name": "somebody", "kind": "presence", "cameras": ["all"], "labels": ["person"]}
    return {"cameras": cameras, "rules": [rule | {"for_s": 2}], "sql": {"dsn": dsn}}


def _played(
    site: Site, line: Line, connection: psycopg.Connection, ticks: int
) -> tuple[dict[str, list[float]], float]:
    """Run the line until all ticks have their rows. Everyone's memory over time, and an idle
    client's, in MB."""
    with ExitStack() as stopping:
        roles = {
            name: stopping.enter_context(line.running(name, *words))
            for name, words in _ROLES.items()
        }
        _wait_ready(roles)
        produce = stopping.enter_context(line.running("produce", "produce"))
        process_ids = {name: role.process.pid for name, role in roles.items()}
        process_ids |= {"produce": produce.process.pid} | _servers(site)
        memory: dict[str, list[float]] = {name: [] for name in process_ids}
        while produce.is_running:
            for name, process_id in process_ids.items():
                memory[name].append(memory_bytes(process_id) / _MB)
            time.sleep(1.0)
        idle = site.bare_answer("idle", bootstrap_servers=line.settings.kafka.bootstrap_servers)
        _wait_for_rows(connection, ticks)
    # As a process begins or ends, it is not yet, or no more, what it is.
    return {name: [mb for mb in found[3:] if mb > 1] for name, found in memory.items()}, idle / _MB


def _servers(site: Site) -> dict[str, int]:
    running = {"kafka": site.stack.kafka.process(), "postgresql": site.stack.postgres.process()}
    return {name: server.pid for name, server in running.items() if server is not None}


def _wait_ready(roles: Mapping[str, RoleProcess]) -> None:
    for role in roles.values():
        _wait(role.is_ready, _READY_S, role.last_lines)


def _wait_for_rows(connection: psycopg.Connection, ticks: int) -> None:
    def rows() -> int:
        [(count,)] = connection.execute("SELECT count(*) FROM frames").fetchall()
        return int(count)

    _wait(lambda: rows() >= ticks, _DRAIN_S, lambda: f"{rows()} of {ticks} ticks have their rows")


def _wait(done: Callable[[], bool], within_s: float, said: Callable[[], str]) -> None:
    deadline_s = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline_s:
            raise FatalError(f"not done in {within_s:g} s: {said()}")
        time.sleep(0.1)


def _written_us(connection: psycopg.Connection) -> dict[str, int]:
    """When each tick's row was written, µs since 1970, by the tick's identity."""
    cursor = connection.execute(
        "SELECT camera || '@' || (extract(epoch FROM captured_at) * 1000000)::bigint,"
        " (extract(epoch FROM copied_at) * 1000000)::bigint FROM frames"
    )
    return dict(cursor.fetchall())


def _timelines(line: Line, written_us: Mapping[str, int]) -> Iterator[Timeline]:
    for record in _results(line):
        row_us = written_us[record.frame]
        yield timeline(record.captured_at_us, record.stages, row_us)


def _results(line: Line) -> Iterator[FrameRecord]:
    settings = line.settings
    consumer = reader(settings.kafka)
    try:
        for partition in range(settings.line.partitions):
            topic = settings.line.topic("detections")
            for message in read_all(consumer, topic, partition):
                yield decode_result(received(message))
    finally:
        consumer.close()


def _latencies(line: Line, parts: Sequence[Sequence[Timeline]]) -> list[Result]:
    settings = line.settings
    floors = {
        "gate": (1000 * settings.checkpoint.interval_s, "the checkpoint interval"),
        "infer": (settings.infer.max_wait_ms, "the wait for a batch"),
        "sql": (float(settings.sql.batch_wait_ms), "the wait for a transaction"),
    }
    floors["total"] = (sum(ms for ms, _ in floors.values()), "the sum of the configured waits")
    floors["produce"] = (1000 * _INTERVAL_S, "the time between two ticks, its limit")
    return [
        result(
            f"latency.{stage}.p{round(100 * share)}",
            [Pair(percentile([getattr(t, stage) for t in part], share), floor) for part in parts],
            "ms",
            about,
        )
        for stage, (floor, about) in sorted(floors.items())
        for share in (0.5, 0.99)
    ]


def _memory(memory: Mapping[str, Sequence[float]], idle: float) -> list[Result]:
    floors = {
        "kafka": (float(KafkaSettings().heap_mb), "its heap as configured"),
        "postgresql": (float(PostgresSettings().shared_buffers_mb), "its shared buffers"),
    }
    about_idle = (idle, "a Python process with an idle Kafka client")
    return [
        result(
            f"memory.{name}",
            [Pair(mb, floors.get(name, about_idle)[0]) for mb in found],
            "MB (PSS)",
            floors.get(name, about_idle)[1],
        )
        for name, found in sorted(memory.items())
    ]
