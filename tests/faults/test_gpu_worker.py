"""Workers on a GPU, which is a fake, over a real Kafka: what they see, and what goes wrong."""

from __future__ import annotations

import json
import re
import sys
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from inference_worker.admission.trial import agree
from runtime.sender import Sender
from schemas.codec import decode_result, encode_frame
from schemas.messages import Inferred, Kept, Rejected, ResultRecord, Unchanged, frame_id, to_us
from tests.faults.conftest import NewLine
from tests.harness.fake_gpu_infer import NO_DRIVER, VARIABLE, Plan, Report, read_report
from tests.harness.faults import Condition, records, run, says
from tests.harness.line import Line, Program
from tests.harness.observed import Watch, messages
from tests.inference_worker.backends.fake_gpu.machine import MIB
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model
from tests.waiting import eventually
from vision.jpeg import encode_bgr

CAMERAS, TICKS = 4, 30
ALL = CAMERAS * TICKS
BEGAN_AT = datetime(2026, 11, 1, tzinfo=UTC)
CHANCE = np.random.default_rng(6)
GPU = {"backend": "tensorrt", "device": "cuda", "precision": "float32", "max_batch": 3}
DAZZLING = (1, 6)  # camera and tick: the model fails on this picture


def picture(camera: int, seq: int) -> bytes:
    if (camera, seq) == DAZZLING:
        return encode_bgr(np.full((48, 64, 3), 200, dtype=np.uint8), 95)
    small = CHANCE.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return encode_bgr(cv2.resize(small, (64 + 8 * camera, 48)), 90)


PICTURES = {(c, n): picture(c, n) for c in range(CAMERAS) for n in range(TICKS)}


def gated(camera: int, seq: int, part: int) -> Kept | Unchanged:
    """Each third tick equals the one before."""
    name, whole = f"camera-{camera}", part * TICKS + seq
    at = BEGAN_AT + timedelta(seconds=whole)
    tick = {"camera": name, "captured_at": at, "run": "r", "seq": whole, "raw_offset": whole}
    if seq % 3 < 2:
        jpeg, width = PICTURES[camera, seq], 64 + 8 * camera
        return Kept(**tick, width=width, height=48, jpeg=jpeg, because="changed")
    return Unchanged(**tick, same_as=frame_id(name, to_us(at - timedelta(seconds=1))))


def send(line: Line, part: int = 0) -> None:
    sender = Sender(line.settings.kafka)
    for seq in range(TICKS):
        for camera in range(CAMERAS):
            wire = encode_frame(gated(camera, seq, part), "gate")
            sender.send(line.topic("frames-gated"), wire, partition=camera)
    assert sender.flush(30.0) == 0


def worked_off(line: Line, part: int = 0) -> None:
    send(line, part)
    run(line, until=records("detections", (part + 1) * ALL))


def results(line: Line) -> dict[tuple[str, int], ResultRecord]:
    """By camera and tick: one for each, in order."""
    found = [decode_result(at.message) for at in messages(line, "detections")]
    by_camera: dict[str, list[int]] = {}
    for one in found:
        by_camera.setdefault(one.camera, []).append(one.seq)
    assert sorted(by_camera) == [f"camera-{number}" for number in range(CAMERAS)]
    for seqs in by_camera.values():
        assert seqs == list(range(len(seqs)))
    return {(one.camera, one.seq): one for one in found}


def what(one: ResultRecord) -> tuple[str, Any]:
    """What does not depend on the engine."""
    return type(one).__name__, one.reason if isinstance(one, Rejected) else None


def assert_alike(found: Mapping[Any, ResultRecord], expected: Mapping[Any, ResultRecord]) -> None:
    """The kernel's pictures may be a grey level off: boxes as near as admission wants them."""
    assert {at: what(one) for at, one in found.items()} == {
        at: what(one) for at, one in expected.items()
    }
    boxes = 0
    for at, one in expected.items():
        other = found[at]
        if isinstance(one, Inferred) and isinstance(other, Inferred):
            floor = 0.5  # of the manifest
            assert agree(one.boxes, other.boxes, floor), at
            assert agree(other.boxes, one.boxes, floor), at
            boxes += len(one.boxes)
    assert boxes > ALL


class Gpu:
    """A line of workers with fake GPUs, each start with a plan of its own."""

    def __init__(self, new_line: NewLine, folder: Path, **infer: Any) -> None:
        self.folder, self._starts = folder, 0
        for name in ("first", "second"):
            if not (folder / "models" / name).exists():
                add_model(folder / "models", name, small_ssd("dazzled"))
        models = {"model": "first", "model_folders": [str(folder / "models")]}
        cameras = {"camera-2": {"source": {"kind": "street"}, "tiles": "1x2"}}
        self.line = new_line(infer={**models, **GPU, **infer}, cameras=cameras)

    def start(self, **plan: Any) -> Path:
        """Where it reports."""
        self._starts += 1
        report = self.folder / f"report-{self._starts}.json"
        whole = msgspec.json.encode(Plan(str(report), **plan)).decode()
        environment = {VARIABLE: whole, "ONEHERTZ_CACHE": str(self.folder / "cache")}
        command = (sys.executable, "-m", "tests.harness.fake_gpu_infer")
        self.line.start("infer", program=Program(command, environment))
        return report

    @property
    def log(self) -> str:
        return self.line.log_of("infer-1")

    def exit_code(self) -> int:
        """Once it has ended by itself."""
        return self.line.processes["infer-1"].process.wait(30.0)

    def metrics(self) -> str:
        [*_, port] = re.findall(r"health on http://127.0.0.1:(\d+)/readyz", self.log)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            return str(answer.read(), "utf-8")

    def set(self, name: str, value: object) -> None:
        content = json.loads(self.line.config.read_text())
        content["infer"][name] = value
        self.line.config.write_text(json.dumps(content))

    def end(self, report: Path) -> Report:
        """What is reported of a clean end."""
        self.line.terminate_all()
        ended = read_report(report)
        assert (ended.misuse, ended.leaks, ended.used_bytes) == ([], [], 0), self.log
        return ended


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[Any, ResultRecord]]:
    """What the CPU makes of it; filled by the first test that asks."""
    return {}


def expected_of(
    new_line: NewLine, folder: Path, right: dict[str, Any]
) -> Mapping[Any, ResultRecord]:
    if not right:
        cpu = Gpu(new_line, folder, backend="onnxruntime", device="cpu")
        cpu.line.start("infer")
        worked_off(cpu.line)
        cpu.line.terminate_all()
        right.update(results(cpu.line))
    return right


def test_a_gpu_sees_what_a_cpu_sees_on_two_lanes_that_work_at_once(
    new_line: NewLine, tmp_path: Path, right: dict[str, Any]
) -> None:
    expected = expected_of(new_line, tmp_path, right)
    assert what(expected["camera-1", 6]) == ("Rejected", "failed")
    assert sum(what(one)[0] == "Rejected" for one in expected.values()) == 1
    gpu = Gpu(new_line, tmp_path)
    report = gpu.start(meets=True)
    worked_off(gpu.line)
    assert gpu.end(report).together == 2
    assert_alike(results(gpu.line), expected)


def test_a_device_that_is_lost_ends_the_worker_and_the_next_one_goes_on(
    new_line: NewLine, tmp_path: Path, right: dict[str, Any]
) -> None:
    expected = expected_of(new_line, tmp_path, right)
    gpu = Gpu(new_line, tmp_path)
    send(gpu.line)
    report = gpu.start(fails={"execute": {9: "LAUNCH_FAILED"}})
    assert gpu.exit_code() == 1
    assert read_report(report).builds == 1
    told = [line for line in gpu.log.splitlines() if "the GPU failed" in line]
    assert len(told) == 1, gpu.log
    assert "stopped: the GPU failed on a batch of" in told[0]
    assert "Traceback" not in gpu.log
    watch = Watch(gpu.line)
    published = watch.ends("detections")
    assert 0 < sum(published.values()) < ALL
    assert all(at <= published[n] for n, at in watch.committed("infer").items())
    report = gpu.start()
    run(gpu.line, until=committed(ALL))
    assert gpu.end(report).builds == 0  # the engine was kept
    once: dict[Any, ResultRecord] = {}
    for at in messages(gpu.line, "detections"):
        one = decode_result(at.message)
        once.setdefault((one.camera, one.seq), one)
    assert_alike(once, expected)


def committed(count: int) -> Condition:
    return Condition(
        f"{count} records are committed",
        lambda watch: sum(watch.committed("infer").values()) >= count,
    )


def test_a_model_takes_another_ones_place_and_its_memory_is_given_back(
    new_line: NewLine, tmp_path: Path
) -> None:
    gpu = Gpu(new_line, tmp_path)
    report = gpu.start()
    worked_off(gpu.line)
    alone = read_report(report).used_bytes
    assert alone > 0
    gpu.set("model", "second")
    send(gpu.line, 1)  # while it is loaded
    run(gpu.line, until=says("infer-1", "second serves in place of first"))
    worked_off(gpu.line, 2)
    eventually(lambda: read_report(report).used_bytes == alone)
    assert read_report(report).peak_bytes > 1.5 * alone  # both were there at once
    add_model(tmp_path / "models", "bad", small_ssd("dead"))
    gpu.set("model", "bad")
    run(gpu.line, until=says("infer-1", "second goes on serving"))
    eventually(lambda: read_report(report).used_bytes == alone)
    gpu.set("model", "first")
    run(gpu.line, until=says("infer-1", "first serves in place of second"))
    worked_off(gpu.line, 3)
    ended = gpu.end(report)
    assert ended.builds == 2  # "first" and "second" are one file, "bad" another
    found = results(gpu.line)
    assert len(found) == 4 * ALL
    inferred = [one for one in found.values() if isinstance(one, Inferred)]
    models = [{one.model for one in inferred if one.seq // TICKS == part} for part in range(4)]
    assert (models[0], models[2], models[3]) == ({"first"}, {"second"}, {"first"})
    assert "Traceback" not in gpu.log


def test_a_stop_does_not_wait_for_an_engine_that_is_built_and_neither_does_the_next_start(
    new_line: NewLine, tmp_path: Path
) -> None:
    gpu = Gpu(new_line, tmp_path)
    report = gpu.start(builds_once=str(tmp_path / "never"))
    eventually(lambda: read_report(report).is_building, 30.0)
    assert gpu.line.processes["infer-1"].stop(10.0) == 0
    assert "stopped as asked" in gpu.log
    report = gpu.start(builds_once=str(tmp_path / "never"))
    eventually(lambda: read_report(report).is_building, 30.0)
    gpu.line.kill("infer-1")
    report = gpu.start()
    worked_off(gpu.line)
    assert "was left by a worker that is gone: taken over" in gpu.log
    assert gpu.end(report).builds == 1


def test_memory_that_runs_out_makes_batches_smaller_and_loses_no_row(
    new_line: NewLine, tmp_path: Path, right: dict[str, Any]
) -> None:
    expected = expected_of(new_line, tmp_path, right)
    gpu = Gpu(new_line, tmp_path)
    fails = {"enqueueV3": dict.fromkeys((3, 5, 8), "OUT_OF_MEMORY")}
    report = gpu.start(memory_bytes=30 * MIB, fails=fails)  # the frames of three take 19 MB a lane
    worked_off(gpu.line)
    assert gpu.end(report).together == 1
    assert "the GPU has memory for 1 of 2 batches at once only" in gpu.log
    assert "the GPU has no memory left for a batch of" in gpu.log
    assert_alike(results(gpu.line), expected)


def test_without_a_driver_the_worker_refuses_or_serves_on_the_cpu_and_says_so(
    new_line: NewLine, tmp_path: Path
) -> None:
    gpu = Gpu(new_line, tmp_path, backend="auto", device="auto", streams=0)
    gpu.start(has_driver=False)
    assert gpu.exit_code() == 2
    assert f"no device can be used: {NO_DRIVER}; mend that" in gpu.log
    gpu.set("cpu_fallback", True)
    report = gpu.start(has_driver=False)
    worked_off(gpu.line)
    assert re.search(r'onehertz_model_info{.*device="cpu".*} 1.0', gpu.metrics())
    gpu.end(report)
    assert re.search(rf"ERROR +no GPU can be used: {re.escape(NO_DRIVER)}; the CPU", gpu.log)
