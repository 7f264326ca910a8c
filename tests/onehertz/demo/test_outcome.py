"""What comes of a demo, in numbers that are worked by hand."""

from __future__ import annotations

import pytest

from onehertz.demo.outcome import Outcome, Saving
from onehertz.demo.report import outcome_lines, saving_lines
from onehertz.demo.watch import CameraView, View

# 200 ticks, 50 inferred: 75 % not inferred. 2 s / 50 = 40 ms; 1.6 s / 200 = 8 ms.
SAVING = Saving(ticks=200, inferred=50, inference_cpu_s=2.0, gate_cpu_s=1.6)
NORTH = CameraView(
    {"inferred": 2, "unchanged": 5, "rejected": 1, "missing": 2},
    {"person": 3, "car": 4},
    None,
    [10.04, 20.06],
)
YARD = CameraView({"unchanged": 1}, {"person": 2}, None, [30.0])
VIEW = View({"yard": YARD, "north": NORTH}, {})


def outcome(captured: dict[str, int] | None = None, saving: Saving | None = SAVING) -> Outcome:
    alerts = {"raised": 2, "updated": 5, "cleared": 1}
    return Outcome(captured or {"north": 10, "yard": 1}, VIEW, alerts, saving)


def test_the_terms_of_the_saving() -> None:
    assert SAVING.share_not_inferred == pytest.approx(0.75)
    assert SAVING.inference_ms == pytest.approx(40.0)
    assert SAVING.gate_ms == pytest.approx(8.0)
    assert SAVING.saved_ms_per_tick == pytest.approx(0.75 * 40 - 8)


def test_a_gate_that_costs_more_than_it_spares_saves_less_than_nothing() -> None:
    assert Saving(100, 100, 1.0, 0.5).saved_ms_per_tick == pytest.approx(-5.0)


def test_the_saving_is_told_with_each_of_its_terms() -> None:
    text = " ".join(saving_lines(SAVING))
    assert "150 of 200" in text
    assert "22.0 ms = 75.0 % not inferred x 40.0 ms per inference     - 8.0 ms of gate" in text


@pytest.mark.parametrize(
    ("saving", "told"),
    [
        (None, "not measured"),
        (Saving(0, 0, 1.0, 1.0), "nothing was inferred"),
        (Saving(9, 0, 1.0, 1.0), "nothing was inferred"),
    ],
)
def test_a_saving_that_is_not_known_is_not_invented(saving: Saving | None, told: str) -> None:
    (line,) = saving_lines(saving)
    assert told in line


def test_json_has_exactly_the_keys_of_the_interface() -> None:
    assert outcome().as_json() == {
        "cameras": {
            "north": {
                "captured": 10,
                "rows": 10,
                "inferred": 2,
                "unchanged": 5,
                "rejected": 1,
                "missing": 2,
            },
            "yard": {
                "captured": 1,
                "rows": 1,
                "inferred": 0,
                "unchanged": 1,
                "rejected": 0,
                "missing": 0,
            },
        },
        "detections": {"person": 5, "car": 4},
        "alerts": {"raised": 2, "cleared": 1},
        "latency_ms": {"p50": 20.1, "p99": 30.0},
        "equal": True,
    }


def test_json_of_a_demo_in_which_nothing_happened() -> None:
    ended = Outcome({"north": 0}, View({"north": CameraView()}, {}), {}, None)
    assert outcome_lines(ended) == ["No tick was captured"]
    nothing = ended.as_json()
    assert nothing["latency_ms"] == {"p50": None, "p99": None}
    assert nothing["alerts"] == {"raised": 0, "cleared": 0}
    assert nothing["equal"] is False


@pytest.mark.parametrize(
    "captured",
    [
        {"north": 11, "yard": 1},
        {"north": 9, "yard": 1},
        {"north": 10},
        {"north": 10, "yard": 1, "gone": 1},
    ],
)
def test_a_tick_without_its_row_and_a_row_without_its_tick_are_not_equal(
    captured: dict[str, int],
) -> None:
    found = outcome(captured)
    assert not found.is_equal
    assert "NO" in outcome_lines(found)[0]


def test_a_camera_that_gave_nothing_and_has_nothing_is_equal() -> None:
    assert outcome({"north": 10, "yard": 1, "silent": 0}).is_equal
