"""The gate's process against the same gate in a stock Faust agent, on frames with signatures.

`gate.stock`: both work through the same backlog of 30 kB frames in turn. The stock agent takes one
event after the other and sends with `await topic.send()`; it has no transactions.
`gate.share`: what the process takes per frame beyond the bare decisions on the same records.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.method import backlog
from benchmarks.method.metering import Work, compared
from benchmarks.method.pairing import Pair, interleaved
from benchmarks.method.results import Result, result
from benchmarks.method.site import Line, Site

FRAMES = 6_000
ROUNDS = 4

_WANTED_RATE = 1.5
_MOST_MS = 0.5  # of CPU a frame, for all that is not the decision
_STOCK = "the same gate in a stock Faust agent (`async for event`, `await topic.send()`)"
_SHARE = "the most that Faust, Kafka, messages and checkpoints may take of a frame"
_OUTPUTS = ["frames-gated", "gate-state"]


def run(site: Site, rounds: int) -> list[Result]:
    """Frames/s and CPU per frame of both, and what is not the decision itself."""
    line = site.line("stock")
    frames = site.sized(FRAMES)
    topic = line.settings.line.topic("frames-raw")
    began_at = datetime.now(UTC) - timedelta(days=1)
    jpegs = backlog.pictures()
    records = backlog.captured(jpegs, frames, began_at, signatures=backlog.signatures(jpegs))
    backlog.send(records, "produce", line.settings.kafka, topic)
    measured = interleaved(
        rounds,
        {
            "ours": lambda: _ours(site, line, frames),
            "stock": lambda: _loop(site, line, frames, "stock_agent"),
            "decisions": lambda: _loop(site, line, frames, "decide"),
        },
    )
    shares = [Pair(run["ours"].cpu_ms - run["decisions"].cpu_ms, _MOST_MS) for run in measured]
    return [
        *compared(
            "gate.stock", measured, ("ours", "stock"), "frame", _STOCK, wanted_rate=_WANTED_RATE
        ),
        result("gate.share.cpu", shares, "CPU ms/frame", _SHARE, 1.0),
    ]


def _ours(site: Site, line: Line, frames: int) -> Work:
    site.forget(line, "gate", _OUTPUTS)
    return line.metered("gate", "gate", counter="onehertz_records_taken_total", total=frames)


def _loop(site: Site, line: Line, frames: int, name: str) -> Work:
    site.forget(line, "stock", _OUTPUTS)
    settings = line.settings
    return site.bare(
        name,
        bootstrap_servers=settings.kafka.bootstrap_servers,
        prefix=settings.line.prefix,
        partitions=settings.line.partitions,
        count=frames,
    )
