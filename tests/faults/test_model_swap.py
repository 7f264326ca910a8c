"""A worker that is given other models while it works: good ones serve, bad ones don't."""

from __future__ import annotations

import json
import signal
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from runtime.sender import Sender
from schemas.codec import decode_result, encode_frame
from schemas.messages import GatedRecord, Inferred, Kept, Unchanged, frame_id, to_us
from tests.faults.conftest import NewLine
from tests.harness.faults import records, run, says
from tests.harness.line import Line
from tests.harness.observed import messages
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model
from vision.jpeg import encode_bgr

CAMERAS = 4
TICKS = 40  # of each camera, in each part
BEGAN_AT = datetime(2026, 11, 1, tzinfo=UTC)
JPEG = encode_bgr(np.full((48, 64, 3), 90, dtype=np.uint8), 80)


def gated(camera: int, seq: int) -> GatedRecord:
    """Each third tick is kept, the others equal the one before."""
    name = f"camera-{camera}"
    at = BEGAN_AT + timedelta(seconds=seq)
    tick = {"camera": name, "captured_at": at, "run": "r", "seq": seq, "raw_offset": seq}
    if seq % 3 == 0:
        return Kept(**tick, width=64, height=48, jpeg=JPEG, because="changed")
    reference = BEGAN_AT + timedelta(seconds=seq - seq % 3)
    return Unchanged(**tick, same_as=frame_id(name, to_us(reference)))


def send(line: Line, part: int) -> None:
    sender = Sender(line.settings.kafka)
    for seq in range(part * TICKS, (part + 1) * TICKS):
        for camera in range(CAMERAS):
            wire = encode_frame(gated(camera, seq), "gate")
            sender.send(line.topic("frames-gated"), wire, partition=camera)
    assert sender.flush(30.0) == 0


def choose(line: Line, model: str) -> None:
    """Edit the settings that the worker runs by."""
    content = json.loads(line.config.read_text())
    content["infer"]["model"] = model
    line.config.write_text(json.dumps(content))


def worked_off(line: Line, part: int) -> None:
    send(line, part)
    run(line, until=records("detections", (part + 1) * TICKS * CAMERAS))


def test_models_are_swapped_or_refused_and_no_row_is_lost(
    new_line: NewLine, tmp_path: Path
) -> None:
    folder = tmp_path / "models"
    for name in ("first", "second", "dead"):
        add_model(folder, name, small_ssd())
    (folder / "dead" / "small.onnx").write_bytes(b"no graph at all")
    line = new_line(infer={"model": "first", "model_folders": [str(folder)], "max_batch": 3})
    line.start("infer")
    worker = line.processes["infer-1"]

    worked_off(line, 0)
    choose(line, "dead")
    run(line, until=says("infer-1", "first goes on serving"))
    worked_off(line, 1)
    choose(line, "second")
    send(line, 2)  # while it is loaded
    run(line, until=says("infer-1", "second serves in place of first"))
    worked_off(line, 3)
    worker.send(signal.SIGHUP)
    run(line, until=says("infer-1", "second serves in place of second"))
    (folder / "second" / "manifest.yaml").write_text("name: [")
    run(line, until=says("infer-1", "second goes on serving"))
    worked_off(line, 4)
    line.terminate_all()

    assert line.deaths == []
    by_camera = defaultdict(list)
    models = defaultdict(set)
    for at in messages(line, "detections"):
        record = decode_result(at.message)
        by_camera[record.camera].append(record.seq)
        if isinstance(record, Inferred):
            models[record.seq // TICKS].add(record.model)
    assert set(by_camera) == {f"camera-{number}" for number in range(CAMERAS)}
    assert all(seqs == list(range(5 * TICKS)) for seqs in by_camera.values())
    assert models[0] == models[1] == {"first"}
    assert models[2] <= {"first", "second"}
    assert models[3] == models[4] == {"second"}
