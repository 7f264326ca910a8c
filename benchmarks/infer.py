"""The worker's whole loop against the bare engine on tensors that are ready.

The ratio says what everything around the engine costs: Kafka, messages, JPEG decoding, making
tensors, batching, boxes, the order of the cameras. Both sides have the same engine, precision,
threads and largest batch.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.method import backlog
from benchmarks.method.metering import Work, compared, cpu_seconds, thread_cpu_seconds
from benchmarks.method.pairing import Pair, interleaved
from benchmarks.method.results import Result, result
from benchmarks.method.shared_models import FEMTO, with_femto
from benchmarks.method.site import Line, Site
from inference_worker.backends.openvino import half_precisions
from inference_worker.choosing.cores import cores
from inference_worker.loop.engine import AROUND
from onehertz.assets import fetch

FRAMES = 640
ROUNDS = 3
INTERVAL_S = 0.5  # one look costs what ten frames' messages do
AROUND_MS = 3.0  # of CPU per frame: what all that is not the engine may cost

# Not to be chosen anew by each side: a thread for each image, as `auto` chooses for this model.
_WAY = {"backend": "openvino", "streams": cores()}
_DEFAULT = "ssd-mobilenet-v2"
_DETECTOR = ("ssd-mobilenetv2-oidv4", "ssd-mobilenetv2-oidv4-labels")


def run(site: Site, rounds: int) -> list[Result]:
    """Images/s, CPU per image, and what of that is not the engine's."""
    chosen = _model(site)
    found = _compared("infer", site, chosen | _WAY | {"precision": "float32"}, rounds)
    if half_precisions():
        way = chosen | _WAY | {"precision": half_precisions()[0]}
        found += _compared("infer.half", site, way, rounds)
    return found


def _compared(name: str, site: Site, chosen: dict[str, Any], rounds: int) -> list[Result]:
    line = site.line(name.replace(".", "-"), {"infer": chosen})
    frames = site.sized(FRAMES)
    jpegs = backlog.pictures()
    topic = line.settings.line.topic("frames-gated")
    records = backlog.kept(jpegs, frames, datetime.now(UTC) - timedelta(days=1))
    backlog.send(records, "gate", line.settings.kafka, topic)
    picture = line.folder / "picture.jpg"
    picture.write_bytes(jpegs[0])
    measured = interleaved(
        rounds,
        {
            "ours": lambda: _worker(site, line, frames),
            "around": lambda: _worker(site, line, frames, _around_cpu_seconds),
            "bare": lambda: site.bare("detect", picture=str(picture), count=frames, **chosen),
        },
    )
    how = f"{chosen['model']}, {chosen['precision']}"
    bare = f"the bare engine with {how}, on tensors made beforehand"
    around = [Pair(one["around"].cpu_ms, AROUND_MS) for one in measured]
    return [
        *compared(name, measured, ("ours", "bare"), "image", bare, wanted_rate=0.8),
        result(f"{name}.around", around, "CPU ms/image", "3 ms", 1.0),
    ]


def _model(site: Site) -> dict[str, Any]:
    """Settings: DEIMv2-femto where there is the shared data, else the default detector."""
    folder = site.folder / "models"
    if with_femto(folder) is None:
        site.say("infer: the default detector: no ../shared/data here")
        fetch(_DETECTOR)
        return {"model": _DEFAULT}
    return {"model": FEMTO, "model_folders": [str(folder)]}


def _worker(
    site: Site, line: Line, frames: int, cpu_of: Callable[[int], float] = cpu_seconds
) -> Work:
    site.forget(line, "infer")
    # Given, not taken: those taken may wait in the batcher for seconds.
    counter = "onehertz_records_given_total"
    return line.metered(
        "infer", "infer", counter=counter, total=frames, interval_s=INTERVAL_S, cpu_of=cpu_of
    )


def _around_cpu_seconds(process_id: int) -> float:
    """Of all threads but the engine's: the loop, those around the engine, Kafka's client."""
    return thread_cpu_seconds(
        process_id, lambda name, is_main: is_main or name == AROUND or name.startswith("rdk:")
    )
