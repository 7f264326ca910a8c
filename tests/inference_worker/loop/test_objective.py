"""When the log says that results come too late."""

from __future__ import annotations

from inference_worker.loop.objective import Objective


def lines(objective: Objective, begin_s: int, end_s: int, late: int) -> list[str]:
    """Of ten frames a second, `late` of each hundred come late."""
    said = []
    for number in range(begin_s * 10, end_s * 10):
        took_ms = 500.0 if number % 100 < late else 100.0
        said.append(objective.came(took_ms, number / 10))
    return [line for line in said if line]


def test_one_late_frame_in_twenty_is_what_was_asked_for():
    assert lines(Objective(300.0), 0, 200, late=5) == []


def test_an_objective_that_is_missed_is_told_once_and_once_when_it_is_held_again():
    objective = Objective(300.0)
    [missed] = lines(objective, 0, 200, late=20)
    assert missed.startswith("infer.p95_ms: 300 is not held: 60 of 300 frames in 30 s were later;")
    assert lines(objective, 200, 240, late=20) == []
    [held] = lines(objective, 240, 400, late=0)
    assert held == "infer.p95_ms: 300 is held again: 0 of 300 frames in 30 s were later"


def test_a_few_late_frames_far_apart_are_no_reason_to_say_anything():
    objective = Objective(300.0)
    assert [objective.came(500.0, 60.0 * number) for number in range(20)] == [""] * 20
    assert "20 of 20 frames" in objective.came(500.0, 1_200.0)


def test_changes_of_every_second_are_told_twice_a_minute_at_most():
    objective = Objective(300.0)
    said = []
    for second in range(600):
        said += lines(objective, second, second + 1, late=100 * (second // 30 % 2))
    assert 2 <= len(said) <= 20
