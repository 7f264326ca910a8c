"""A model on trial beside the one that serves: the line ends as if it were not there."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import yaml

from inference_worker.store import packaged_models
from onehertz.processes import RoleProcess
from schemas.codec import decode_gated, decode_result
from schemas.messages import Inferred, Kept
from tests.faults.conftest import NewLine
from tests.harness.compare import Ending, broken_promises, differences, ending
from tests.harness.faults import run
from tests.harness.line import Line
from tests.harness.load import Load
from tests.harness.observed import messages
from tests.waiting import eventually

SHARE = 0.4
SECONDS = 60.0


def rival_model(folder: Path) -> Path:
    """The default detector by another name, which takes for real what that one doubts."""
    made = folder / "models" / "rival"
    made.mkdir(parents=True)
    shutil.copytree(packaged_models() / "ssd-mobilenet-v2", made, dirs_exist_ok=True)
    manifest = yaml.safe_load((made / "manifest.yaml").read_text())
    manifest |= {"name": "rival", "score_threshold": 0.2}
    (made / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    return made.parent


def challenger(line: Line, number: int) -> RoleProcess:
    name = f"challenger-{number}"
    arguments = ["infer", "--challenger", "next", "--model", "rival", "--share", str(SHARE)]
    process = RoleProcess(name, [*arguments, "--config", str(line.config)], line.config.parent)
    line.processes[name] = process
    process.start()
    return process


def drawn_frames(line: Line) -> set[str]:
    """Frames that a challenger called next is to look at, worked out without its code."""
    frames = set()
    for one in messages(line, "frames-gated"):
        record = decode_gated(one.message)
        digest = hashlib.blake2b(f"next:{record.frame}".encode(), digest_size=8).digest()
        if isinstance(record, Kept) and int.from_bytes(digest, "big") / 2**64 < SHARE:
            frames.add(record.frame)
    return frames


def of_the_line(end: Ending) -> Ending:
    """Without the boxes of the model on trial."""
    boxes = {key: box for key, box in end.detections.items() if box["model"] != "rival"}
    return replace(end, detections=boxes)


def looked_at(line: Line) -> set[str]:
    with line.connect() as connection:
        rows = connection.execute(
            "SELECT camera || '@' || (extract(epoch FROM captured_at) * 1000000)::bigint"
            " FROM challenger_frames WHERE model = 'rival' AND challenger = 'next'"
        ).fetchall()
    return {frame for (frame,) in rows}


def test_rows_order_and_alerts_are_the_same_with_a_challenger_that_is_killed_too(
    new_line: NewLine, load: Load, reference: Ending, tmp_path: Path
) -> None:
    line = new_line(
        line={"challengers": ["next"]}, infer={"model_folders": [str(rival_model(tmp_path))]}
    )
    challenger(line, 1)
    first = challenger(line, 2)
    line.start_all("gate", "infer", "sql", "alerts")
    eventually(line.all_ready, SECONDS, why="all are ready")
    load.produce(line)
    eventually(lambda: len([*messages(line, "detections-next")]) > 20, SECONDS, why="it challenges")
    line.kill("challenger-2")
    run(line)
    expected = drawn_frames(line)
    kept = sum(row["status"] == "inferred" for row in reference.frames.values())
    assert SHARE - 0.15 < len(expected) / kept < SHARE + 0.15
    eventually(lambda: looked_at(line) >= expected, SECONDS, why="all drawn frames have a row")
    line.terminate_all()
    assert not first.is_running
    assert looked_at(line) == expected
    assert broken_promises(line) == []
    assert differences(reference, of_the_line(ending(line))) == []
    _check_boxes(line, expected)


def _check_boxes(line: Line, expected: set[str]) -> None:
    """In SQL lie the boxes that the challenger's topic has, and nothing else is on that topic."""
    told: dict[str, int] = {}
    for one in messages(line, "detections-next"):
        record = decode_result(one.message)
        assert isinstance(record, Inferred), msgspec.to_builtins(record)
        assert record.model == "rival"
        told[record.frame] = len(record.boxes)
    assert set(told) == expected
    with line.connect() as connection:
        boxes = connection.execute("SELECT count(*) FROM detections WHERE model = 'rival'")
        seen = connection.execute("SELECT sum(boxes) FROM challenger_frames")
        compared = connection.execute(
            "SELECT count(DISTINCT (camera, captured_at)) FROM challenger_comparison"
        )
        assert boxes.fetchone() == seen.fetchone() == (sum(told.values()),)
        assert compared.fetchone() == (len(expected),)
    assert sum(told.values()) > 0
