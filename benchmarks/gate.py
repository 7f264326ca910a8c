"""The gate's process over a backlog of 30 kB frames, against a bare consume-and-produce loop.

`gate.forward`: with `gate.enabled: false`, so every frame is kept and forwarded.
`gate.shell`: the same against a bare loop that looks at each JPEG too (`inspect`, `decode_luma`),
which costs about five times as much CPU as forwarding it; so what is left is Faust, the codec and
the transactions.
`gate.decide`: with the gate at work, which forwards less and thinks more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from confluent_kafka.admin import NewTopic

from benchmarks.method import backlog
from benchmarks.method.metering import Work, compared
from benchmarks.method.pairing import interleaved
from benchmarks.method.results import Result
from benchmarks.method.site import Line, Site

FRAMES = 5_000
ROUNDS = 4

# A prototype with transactions took 0.51 ms of CPU a frame and the bare loop 0.08, both without
# the 0.35 ms of looking at it: (0.51 + 0.35) / (0.08 + 0.35).
_WANTED_SHELL_CPU = 2.0
_BARE = "bare confluent-kafka consume and produce of the same frames"
_LOOKING = "the bare loop, with the luma of each JPEG decoded"


def run(site: Site, rounds: int) -> list[Result]:
    """Frames/s and CPU per frame, gate off and on."""
    line = site.line("gate")
    frames = site.sized(FRAMES)
    topic = line.settings.line.topic("frames-raw")
    began_at = datetime.now(UTC) - timedelta(days=1)
    records = backlog.captured(backlog.pictures(), frames, began_at)
    backlog.send(records, "produce", line.settings.kafka, topic)
    measured = interleaved(
        rounds,
        {
            "off": lambda: _gate(site, line, frames, {"gate.enabled": "false"}),
            "bare": lambda: _bare(site, line, frames, look=False),
            "on": lambda: _gate(site, line, frames, {}),
            "looking": lambda: _bare(site, line, frames, look=True),
        },
    )
    return [
        *compared("gate.forward", measured, ("off", "bare"), "frame", _BARE),
        *compared(
            "gate.shell", measured, ("off", "looking"), "frame", _LOOKING,
            wanted_cpu=_WANTED_SHELL_CPU,
        ),
        *compared("gate.decide", measured, ("on", "bare"), "frame", _BARE),
    ]  # fmt: skip


def _gate(site: Site, line: Line, frames: int, overrides: Mapping[str, str]) -> Work:
    site.forget(line, "gate", ["frames-gated", "gate-state"])
    return line.metered(
        "gate", "gate", counter="onehertz_records_taken_total", total=frames, overrides=overrides
    )


def _bare(site: Site, line: Line, frames: int, *, look: bool) -> Work:
    settings = line.settings.line
    target = settings.topic("bare")
    [made] = site.admin.create_topics([NewTopic(target, settings.partitions)]).values()
    made.result()
    try:
        return site.bare(
            "forward",
            bootstrap_servers=line.settings.kafka.bootstrap_servers,
            source=settings.topic("frames-raw"),
            target=target,
            partitions=settings.partitions,
            count=frames,
            look=look,
        )
    finally:
        site.delete_topics([target])
