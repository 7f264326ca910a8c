"""The worker's process with the default detector, against the same detector in a bare loop.

The bare loop's images are decoded beforehand, so the ratio says what everything around the engine
costs: Kafka, messages, JPEG decoding, batching, the order of the cameras.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.method import backlog
from benchmarks.method.metering import Work, compared
from benchmarks.method.pairing import interleaved
from benchmarks.method.results import Result
from benchmarks.method.site import Line, Site
from onehertz.assets import fetch

FRAMES = 480
ROUNDS = 3

_DETECTOR = ("ssd-mobilenetv2-oidv4", "ssd-mobilenetv2-oidv4-labels")
_BARE = "the bare detector on the same images, decoded beforehand, in the same batches"


def run(site: Site, rounds: int) -> list[Result]:
    """Images/s and CPU per image."""
    fetch(_DETECTOR)
    line = site.line("infer")
    frames = site.sized(FRAMES)
    jpegs = backlog.pictures()
    topic = line.settings.line.topic("frames-gated")
    records = backlog.kept(jpegs, frames, datetime.now(UTC) - timedelta(days=1))
    backlog.send(records, "gate", line.settings.kafka, topic)
    pictures = line.folder / "pictures"
    pictures.mkdir()
    for number, jpeg in enumerate(jpegs):
        (pictures / f"{number:02}.jpg").write_bytes(jpeg)
    measured = interleaved(
        rounds,
        {
            "ours": lambda: _worker(site, line, frames),
            "bare": lambda: site.bare("detect", folder=str(pictures), count=frames),
        },
    )
    return compared(
        "infer", measured, ("ours", "bare"), "image", _BARE, wanted_rate=0.8, wanted_cpu=1.25
    )


def _worker(site: Site, line: Line, frames: int) -> Work:
    site.forget(line, "infer")
    # Given, not taken: those taken may wait in the batcher for seconds.
    return line.metered("infer", "infer", counter="onehertz_records_given_total", total=frames)
