"""Prices, accuracies and what is advised, on figures that are worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from onehertz.cost.accuracy import NOT_MEASURED, accuracy_of, read_accuracies
from onehertz.cost.advice import advice
from onehertz.cost.arithmetic import Use
from onehertz.cost.prices import Prices, machine_named, read_prices
from onehertz.cost.pricing import Priced, doubts, priced, refusals
from onehertz.cost.speeds import Speed, best_ways, read_speeds
from runtime.errors import UserError
from tests.onehertz.cost.making import PRICES, speed

EXAMPLE = Path(__file__).parents[3] / "docs" / "prices.example.yaml"
FULL = Use(utilisation=1)


def rows(*speeds: Speed, known: dict[tuple[str, str, str], str] | None = None) -> list[Priced]:
    return priced(speeds, PRICES, FULL, known or {})


def test_the_example_of_a_price_file_is_one_and_says_that_its_prices_are_examples():
    assert len(read_prices(EXAMPLE).machines) > 2
    assert "EXAMPLES" in EXAMPLE.read_text()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("machines: {a: {dollars_per_hour: 0, device: cpu}}", r"p\.yaml:1: .*dollars_per_hour"),
        ("machines: {a: {dollars_per_hour: 1}}", "device"),
        ("machines:\n  a: {dollars_per_hour: 1, device: cpu, euros: 2}", r"p\.yaml:2: .*euros"),
        ("machines: {}", "machines"),
        ("", "machines"),
        ("machines: {a: {dollars_per_hour: .inf, device: cpu}}", "dollars_per_hour"),
    ],
)
def test_a_price_file_is_read_strictly(tmp_path: Path, text: str, wrong: str):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=wrong):
        read_prices(path)


def test_a_machine_of_several_must_be_named_and_have_a_price():
    only = Prices.model_validate({"machines": {"a": {"dollars_per_hour": 1, "device": "cpu"}}})
    assert machine_named(None, only, "host") == "a"
    assert machine_named("large", PRICES, "host") == "large"
    assert machine_named(None, None, "host") == "host"
    with pytest.raises(UserError, match=r"--machine small\|large"):
        machine_named(None, PRICES, "host")
    with pytest.raises(UserError, match="'other' has no price; the price file has: small, large"):
        machine_named("other", PRICES, "host")


def test_the_cheapest_is_first_and_the_refused_are_last():
    found = rows(speed(50, batch=1), speed(100), speed(900, batch=4, refusal="it sees nothing"))
    assert [one.speed.images_per_s for one in found] == [100, 50, 900]
    assert found[0].dollars_per_million == pytest.approx(1.0)  # see test_arithmetic
    assert found[0].cameras == 100


def test_of_threads_and_streams_the_fastest_counts_and_none_that_is_refused():
    slow, fast = speed(50, threads=1), speed(90, streams=2)
    assert best_ways([slow, fast]) == best_ways([fast, slow]) == [fast]
    assert best_ways([slow, speed(200, refusal="no")]) == [slow]
    assert len(best_ways([slow, speed(50, batch=1), speed(50, int8=True)])) == 3


def test_a_gpu_that_is_priced_as_another_is_doubted():
    measured = speed(100, machine="large", device="cuda", gpu="NVIDIA H100 80GB")
    assert (
        "measured on NVIDIA H100 80GB, the price file says NVIDIA L4" in doubts(rows(measured))[0]
    )
    assert doubts(rows(speed(100), speed(100, machine="large", gpu="nvidia l4"))) == []
    assert doubts(rows(speed(100, machine="large", gpu="NVIDIA L4 24GB"))) == []  # says more
    assert doubts(rows(speed(100, machine="large", gpu="L4"))) == []  # says less
    assert "large was measured on cpu, the" in doubts(rows(speed(100, machine="large")))[0]


def test_figures_of_a_machine_that_carries_no_camera_have_no_price_of_one():
    (full, nothing) = rows(speed(100), speed(0.5, machine="large"))
    assert full.figures["dollars_per_camera_month"] == 2.628  # $ 0.36 for 730 hours, by 100
    assert nothing.figures["cameras"] == 0
    assert nothing.figures["dollars_per_camera_month"] is None


def test_the_advice_names_what_batches_bits_and_machines_cost():
    found = rows(
        speed(100, int8=True),
        speed(50, int8=True, batch=1),
        speed(80),
        speed(500, machine="large", device="cuda", gpu="NVIDIA L4"),
        known={("mine", "openvino", "float32"): "AP50 0.377 (64 pictures)"},
    )
    text = advice(found, Use(1, 0.5), 300)
    assert text.startswith(
        "Cheapest within 300 ms a batch: mine on small by openvino (INT8, float32) in batches of 8,"
        " $1 per million frames at 100 % use"
    )
    assert "of which the gate drops 50 %" in text
    assert "batches of 1 instead cost $2, 100 % more" in text
    assert "(float32) in batches of 8) costs $1.25, 25 % more" in text
    assert "accuracy: AP50 0.377 (64 pictures), in float32 AP50 0.377 (64 pictures)" in text
    # $3.6 an hour for 500 images/s: 1.8 million an hour, so $2 a million.
    assert "the larger machine large ($3.6 an hour) costs $2, 100 % more and carries" in text


def test_the_advice_says_that_an_accuracy_is_not_known():
    text = advice(rows(speed(100, precision="bfloat16"), speed(80)), FULL, 300)
    assert "was not measured" in text
    assert "evaluate model mine --set infer.backend=openvino --set infer.precision=bfloat16" in text


def test_where_float32_is_the_cheapest_fewer_bits_are_said_to_cost_more():
    text = advice(rows(speed(100), speed(50, int8=True)), FULL, 300)
    assert "INT8 at its best (mine on small by openvino (INT8, float32) in batches of 8)" in text
    assert "costs $2, 100 % more" in text
    assert "not measured" not in text


def test_the_advice_says_of_int8_that_it_was_not_measured_or_may_not_be_used():
    assert "INT8 was not measured: `models quantize NAME`" in advice(rows(speed(100)), FULL, 300)
    refused = advice(rows(speed(100), speed(300, int8=True, refusal="no")), FULL, 300)
    assert "INT8: refused, or too slow" in refused


def test_what_is_not_dearer_is_not_called_so():
    text = advice(rows(speed(1000), speed(999, batch=1)), FULL, 300)
    assert "batches of 1 instead cost $0.1, as much" in text


def test_what_is_refused_is_said_once_with_its_reason():
    (line,) = refusals(rows(speed(100, refusal="no"), speed(90, batch=1, refusal="no"), speed(80)))
    assert line == "mine on small by openvino (float32) is refused: no"


def test_a_batch_that_takes_too_long_is_not_advised():
    late = speed(200, latency_p95_ms=301.0)
    assert "$1 per million" in advice(rows(late, speed(100, batch=4)), FULL, 300)
    assert advice(rows(late), FULL, 300).startswith(
        "No way that may be used has its batches within"
    )


def test_a_refused_way_is_not_advised():
    assert advice(rows(speed(200, refusal="no")), FULL, 300).startswith("No way")


def test_saved_results_come_back_as_they_were(tmp_path: Path):
    saved = [speed(100, int8=True, watts=70.5), speed(50, batch=1)]
    lines = [msgspec.json.encode(one).decode() for one in saved]
    others = [{"model": "mine", "refusal": "x"}, {"model": "mine", "choice": "y"}]
    path = tmp_path / "a.json"
    path.write_text("\n".join([*lines, "", *map(json.dumps, others)]))
    assert read_speeds(path) == saved


@pytest.mark.parametrize("text", ["", '{"model": "mine", "choice": "x"}'])
def test_results_without_a_batch_are_refused(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match=r"a\.json: holds no measured batch"):
        read_speeds(tmp_path / "a.json")


def test_a_line_that_is_none_is_named_by_its_number(tmp_path: Path):
    good = msgspec.json.encode(speed(1)).decode()
    (tmp_path / "a.json").write_text(f'{good}\n{{"batch": 8}}\n')
    with pytest.raises(UserError, match=r"a\.json:2: is no line of models bench"):
        read_speeds(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"b\.json: can't be read"):
        read_speeds(tmp_path / "b.json")


EVALUATED = {"model": "mine", "engine": "openvino", "precision": "float32", "images": 64}
CHECKED = {
    "model": "mine",
    "engines": [
        {"engine": "openvino", "precision": one, "parity": parity}
        for one, parity in (
            ("float32", {"boxes": 9, "matched": 9, "moved": 0}),
            ("bfloat16", {"boxes": 9, "matched": 8, "moved": 1}),
            ("float16", None),
        )
    ],
}


def test_average_precision_is_told_before_what_the_admission_test_saw(tmp_path: Path):
    (tmp_path / "ap.json").write_text(json.dumps(EVALUATED | {"ap50": 0.3771, "more": 1}))
    (tmp_path / "check.json").write_text(json.dumps(CHECKED))
    known = read_accuracies([tmp_path / "ap.json", tmp_path / "check.json"])
    assert accuracy_of(speed(1), known) == "AP50 0.377 (64 pictures)"
    assert accuracy_of(speed(1, precision="bfloat16"), known) == "8 of 9 boxes, 1 moved"
    for other in ({"precision": "float16"}, {"model": "other"}, {"engine": "onnxruntime"}):
        assert accuracy_of(speed(1, **other), known) == NOT_MEASURED


def test_an_accuracy_that_names_no_engine_is_refused(tmp_path: Path):
    (tmp_path / "ap.json").write_text(json.dumps({"model": "mine", "ap50": 0.4}))
    with pytest.raises(UserError, match=r"ap\.json:1: is no line of `evaluate model"):
        read_accuracies([tmp_path / "ap.json"])
