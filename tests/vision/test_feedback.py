"""Learning from the detector: what it can't see costs less, what it saw change is looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.messages import Box
from tests.vision.scenes import Field, seen, with_person, yard
from vision.feedback import Feedback
from vision.gate import Decision, Gate, GateRule

S = 1_000_000
LEARNING = GateRule(audit_rate=0.0, feedback=True)
FLAG = (600, 400)
SPOT = (1500, 600)


def box(x: float, y: float, *, score: float = 0.9, size: float = 0.1, label: str = "person") -> Box:
    return Box(label=label, score=score, x1=x, y1=y, x2=x + size, y2=y + size)


SOMEBODY = box(0.78, 0.55)


class Camera:
    """A gate whose kept frames are looked at at once by a detector that sees what it is told."""

    def __init__(self, rule: GateRule = LEARNING) -> None:
        self.gate = Gate(rule)
        self.seconds = 0

    def show(self, scene: Field, *boxes: Box) -> Decision:
        frame = f"yard@{self.seconds * S}"
        decision = self.gate.decide(seen(scene, self.seconds), frame, self.seconds * S)
        if decision.kept:
            self.gate.learn(frame, boxes)
        self.seconds += 1
        return decision


@pytest.fixture(scope="module")
def still() -> Field:
    return yard(mean=110, contrast=35)


def flying(scene: Field, number: int) -> Field:
    """A flag of 128x96 pixels: another shade every third second, so no tile learns it as noise."""
    return with_person(scene, *FLAG, (0.0, 22.0, -22.0)[number // 3 % 3], (128, 96))


def flagged(camera: Camera, still: Field, frames: int, *boxes: Box) -> int:
    return sum(camera.show(flying(still, camera.seconds), *boxes).kept for _ in range(frames))


def test_what_the_detector_can_not_see_costs_less_and_less(still: Field) -> None:
    deaf, learning = Camera(GateRule(audit_rate=0.0)), Camera()
    assert flagged(deaf, still, 60) >= 15
    flagged(learning, still, 60)
    assert flagged(learning, still, 60) <= flagged(deaf, still, 60) // 3


def test_somebody_beside_what_was_learnt_is_kept(still: Field) -> None:
    camera = Camera()
    flagged(camera, still, 60)
    person = with_person(flying(still, camera.seconds), *SPOT, 25, (30, 120))
    assert camera.show(person, SOMEBODY).because == "changed"


def test_boxes_that_change_make_the_tiles_under_them_keen_again(still: Field) -> None:
    camera = Camera()
    flagged(camera, still, 60)
    assert flagged(camera, still, 9) == 0, "else there is nothing to make keen"
    x, y = FLAG[0] / 1920, FLAG[1] / 1080
    bright = with_person(still, *FLAG, 110, (128, 96))
    assert camera.show(bright, box(x, y)).because == "changed"
    assert flagged(camera, still, 9) >= 1


def test_a_box_that_flickers_at_the_threshold_is_no_change(still: Field) -> None:
    camera = Camera()
    camera.show(still, SOMEBODY, box(0.1, 0.1, score=0.5))
    for _ in range(40):
        flickering = box(0.2, 0.2, score=0.58)
        shown = (SOMEBODY, flickering) if camera.seconds % 2 else (SOMEBODY,)
        flagged(camera, still, 3, *shown)
    assert flagged(camera, still, 30, SOMEBODY) <= 3, "as good as without the flicker"


def standing(scene: Field, shirt: float) -> Field:
    """Somebody of 320x640 pixels; his shirt, in his middle, changes its shade as he moves."""
    person = with_person(scene, 800, 300, -50, (320, 640))
    return with_person(person, 880, 500, shirt, (160, 200))


STANDING = Box(
    label="person", score=0.9, x1=800 / 1920, y1=300 / 1080, x2=1120 / 1920, y2=940 / 1080
)


def test_somebody_who_is_known_to_be_there_may_move_a_little(still: Field) -> None:
    for boxes, kept in (((STANDING,), False), ((), True)):
        camera = Camera()
        for _ in range(20):
            camera.show(standing(still, 0), *boxes)
        assert camera.show(standing(still, 11), *boxes).kept == kept


def test_somebody_who_is_known_to_be_there_and_leaves_is_kept(still: Field) -> None:
    camera = Camera()
    for _ in range(20):
        camera.show(standing(still, 0), STANDING)
    assert camera.show(still).because == "changed"


def test_somebody_who_comes_to_one_who_is_known_to_be_there_is_kept(still: Field) -> None:
    camera = Camera()
    for _ in range(20):
        camera.show(standing(still, 0), STANDING)
    joined = with_person(standing(still, 0), 1100, 400, 45, (100, 300))
    assert camera.show(joined, STANDING, box(0.55, 0.4)).because == "changed"


def test_a_reference_that_could_not_be_inferred_forces_the_next_keep(still: Field) -> None:
    gate = Gate(LEARNING)
    gate.decide(seen(still, 0), "yard@0", 0)
    assert not gate.decide(seen(still, 1), "yard@1", S).kept
    assert gate.learn("yard@0", None)
    assert gate.decide(seen(still, 2), "yard@2", 2 * S).because == "changed"
    assert not gate.decide(seen(still, 3), "yard@3", 3 * S).kept


def test_a_failed_frame_that_is_no_longer_the_reference_forces_nothing(still: Field) -> None:
    gate = Gate(LEARNING)
    gate.decide(seen(still, 0), "yard@0", 0)
    person = with_person(still, *SPOT, 40, (30, 120))
    assert gate.decide(seen(person, 1), "yard@1", S).kept
    assert gate.learn("yard@0", None)
    assert not gate.decide(seen(person, 2), "yard@2", 2 * S).kept


@pytest.mark.parametrize("frame", ["yard@1", "other@0", ""])
def test_an_answer_about_a_frame_that_nobody_remembers_changes_nothing(
    still: Field, frame: str
) -> None:
    gate = Gate(LEARNING)
    gate.decide(seen(still, 0), "yard@0", 0)
    gate.decide(seen(still, 1), "yard@1", S)
    before = gate.state()
    assert not gate.learn(frame, [SOMEBODY])
    assert not gate.learn(frame, None)
    assert gate.state() == before


def test_an_answer_that_comes_twice_counts_once(still: Field) -> None:
    gate = Gate(LEARNING)
    gate.decide(seen(still, 0), "yard@0", 0)
    assert gate.learn("yard@0", [SOMEBODY])
    before = gate.state()
    assert not gate.learn("yard@0", [SOMEBODY])
    assert gate.state() == before


def test_a_gate_without_feedback_learns_nothing_and_one_that_saw_nothing_neither(
    still: Field,
) -> None:
    gate = Gate(GateRule(audit_rate=0.0))
    assert not gate.learn("yard@0", [])
    gate.decide(seen(still, 0), "yard@0", 0)
    assert not gate.learn("yard@0", [])
    assert not Gate(LEARNING).learn("yard@0", [])


def test_a_worker_that_never_answers_is_remembered_in_part_only(still: Field) -> None:
    gate = Gate(LEARNING)
    for number in range(100):
        scene = with_person(still, (50 * number) % 1800, 500, 60, (60, 180))
        assert gate.decide(seen(scene, number), f"yard@{number}", number * S).kept
    assert len(gate.state()) < 40_000
    assert not gate.learn("yard@3", [])
    assert gate.learn("yard@99", [])


def test_feedback_can_be_turned_on_and_off_over_a_saved_state(still: Field) -> None:
    gate = Gate(GateRule(audit_rate=0.0))
    gate.decide(seen(still, 0), "yard@0", 0)
    learning = Gate(LEARNING, gate.state())
    assert not learning.learn("yard@0", []), "nobody knew then that it would matter"
    assert not learning.decide(seen(still, 1), "yard@1", S).kept
    assert learning.decide(seen(still, 60), "yard@60", 60 * S).because == "refresh"
    assert learning.learn("yard@60", [])
    deaf = Gate(GateRule(audit_rate=0.0), learning.state())
    assert not deaf.learn("yard@60", [])
    assert not deaf.decide(seen(still, 61), "yard@61", 61 * S).kept


def test_what_was_learnt_is_forgotten_slowly(still: Field) -> None:
    feedback = Feedback(np.full((4, 4), 69, np.uint8), "a@0")
    for number in range(1, 80):
        feedback = feedback.kept(f"a@{number}", None)
        feedback = feedback.answered(f"a@{number - 1}", [])
    assert feedback.dull.max() == 0
    assert feedback.kept("a@80", None).dull.size > 0


ANSWERS = st.lists(
    st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 3)), min_size=1, max_size=40
)


@settings(max_examples=60)
@given(ANSWERS, st.integers(0, 40))
def test_a_restored_gate_learns_exactly_as_the_one_that_went_on(
    still: Field, answers: list[tuple[int, bool, int]], at: int
) -> None:
    def go_on(gate: Gate, part: list[tuple[int, bool, int]], start: int) -> list[object]:
        done: list[object] = []
        for number, (which, failed, objects) in enumerate(part, start):
            scene = still[:540, :960] if which % 3 else still[540:, 960:]
            luma = seen(scene, number)
            done.append(gate.decide(luma, f"a@{number}", number * S))
            boxes = None if failed else [box(0.2 * one, 0.3) for one in range(objects)]
            done.append(gate.learn(f"a@{number - which % 4}", boxes))
        return done

    gate = Gate(LEARNING)
    go_on(gate, answers[:at], 0)
    restored = Gate(LEARNING, gate.state())
    assert go_on(restored, answers[at:], at) == go_on(gate, answers[at:], at)
    assert restored.state() == gate.state()
