"""Where measurements are kept: once per machine and model, whoever starts."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from inference_worker.choosing.measured import Measured, MeasuredStore, this_processor
from inference_worker.choosing.plans import Plan
from tests.waiting import eventually

ONE = Plan("openvino", "cpu", "float32", 2, 0)
OTHER = Plan("onnxruntime", "cpu", "float32", 2, 0)
MACHINE = {"model": "a processor", "cores": "2"}


class Trying:
    """Counts how often it was asked; the times are the number of that."""

    def __init__(self) -> None:
        self.asked: list[list[Plan]] = []

    def __call__(self, wanted: Sequence[Plan]) -> list[Measured]:
        self.asked.append(list(wanted))
        took = float(len(self.asked))
        return [Measured(plan, {1: took}, {1: took}) for plan in wanted]


def store(folder: Path, machine: dict[str, str] | None = None, model: str = "a") -> MeasuredStore:
    return MeasuredStore(folder, machine or MACHINE, [model.encode()])


def test_what_was_measured_is_not_measured_again(tmp_path: Path):
    trying = Trying()
    first = store(tmp_path).rows([ONE, OTHER], trying)
    assert store(tmp_path).rows([ONE, OTHER], trying) == first
    assert len(trying.asked) == 1


def test_part_of_what_was_measured_is_not_measured_again(tmp_path: Path):
    trying = Trying()
    both = store(tmp_path).rows([ONE, OTHER], trying)
    assert store(tmp_path).rows([OTHER], trying) == both[1:]
    assert len(trying.asked) == 1


def test_with_a_new_way_all_of_them_are_measured_so_that_they_compare(tmp_path: Path):
    trying = Trying()
    store(tmp_path).rows([ONE], trying)
    rows = store(tmp_path).rows([ONE, OTHER], trying)
    assert [row.batch_ms for row in rows] == [{1: 2.0}, {1: 2.0}]


@pytest.mark.parametrize(
    ("machine", "model"), [({"model": "a processor", "cores": "4"}, "a"), (MACHINE, "b")]
)
def test_another_machine_or_model_is_measured_for_itself(
    tmp_path: Path, machine: dict[str, str], model: str
):
    trying = Trying()
    store(tmp_path).rows([ONE], trying)
    store(tmp_path, machine, model).rows([ONE], trying)
    store(tmp_path).rows([ONE], trying)
    assert len(trying.asked) == 2


@pytest.mark.parametrize(
    "content", [b"", b"no JSON", b"{}", b'{"form":0,"machine":{},"measured":[]}']
)
def test_a_file_of_no_use_is_measured_anew(tmp_path: Path, content: bytes):
    trying = Trying()
    store(tmp_path).rows([ONE], trying)
    (kept,) = (tmp_path / "measured").glob("*.json")
    kept.write_bytes(content)
    assert store(tmp_path).rows([ONE], trying)[0].batch_ms == {1: 2.0}
    assert store(tmp_path).rows([ONE], trying)[0].batch_ms == {1: 2.0}


def test_a_file_of_another_form_is_measured_anew(tmp_path: Path):
    trying = Trying()
    store(tmp_path).rows([ONE], trying)
    (kept,) = (tmp_path / "measured").glob("*.json")
    kept.write_text(re.sub(r'"form": *\d+', '"form": 0', kept.read_text()))
    assert store(tmp_path).rows([ONE], trying)[0].batch_ms == {1: 2.0}


def test_what_is_measured_again_takes_the_place_of_what_was_kept(tmp_path: Path):
    trying = Trying()
    for _ in range(3):
        store(tmp_path).keep(trying([ONE]))
    (kept,) = (tmp_path / "measured").glob("*.json")
    assert kept.read_text().count('"openvino"') == 1
    assert store(tmp_path).rows([ONE], trying)[0].batch_ms == {1: 3.0}


def test_an_image_costs_what_it_does_in_the_largest_batch_that_may_be():
    measured = Measured(ONE, {1: 4.0, 8: 8.0}, {1: 9.0, 8: 8.0})
    assert measured.cost(8) == 1.0
    assert measured.cost(4) == 6.0  # the geometric mean of 4 ms and 9 ms of CPU


def test_of_workers_that_start_at_once_one_measures(tmp_path: Path):
    trying, rows = Trying(), []
    together = threading.Barrier(4)

    def start() -> None:
        together.wait()
        rows.append(store(tmp_path).rows([ONE], trying))

    workers = [threading.Thread(target=start) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(trying.asked) == 1
    assert rows == [rows[0]] * 4


def test_who_waits_for_another_process_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    trying, inside = Trying(), threading.Event()

    def slowly(wanted: Sequence[Plan]) -> list[Measured]:
        inside.set()
        eventually(lambda: bool(caplog.messages), 10.0)
        return trying(wanted)

    first = threading.Thread(target=lambda: store(tmp_path).rows([ONE], slowly))
    with caplog.at_level(logging.INFO, "inference_worker.choosing.measured"):
        first.start()
        assert inside.wait(10.0)
        store(tmp_path).rows([ONE], trying)
    first.join()
    assert caplog.messages == [
        "another process is trying the ways to run the model: waiting for it"
    ]
    assert len(trying.asked) == 1


def test_a_folder_that_cannot_be_written_is_an_os_error_before_anything_is_tried(tmp_path: Path):
    (tmp_path / "measured").write_text("a file, no folder")
    trying = Trying()
    with pytest.raises(OSError, match="measured"):
        store(tmp_path).rows([ONE], trying)
    assert trying.asked == []


def test_a_processor_is_told_by_its_model_its_flags_its_cores_and_the_engines():
    found = this_processor()
    assert int(found["cores"]) >= 1
    assert found["flags"]
    assert found["openvino"]
    assert found["onnxruntime"]
