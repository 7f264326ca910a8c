"""What holds for any sequence of frames."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.gate import Decision, Gate, GateRule, UnreadableState
from vision.jpeg import Luma

# The machine may be busy: no time is a failure.
CALM = settings(max_examples=50)
S = 1_000_000
RULE = GateRule(audit_rate=0.1, refresh_us=20 * S)


def _luma(kind: tuple[int, int, int]) -> Luma:
    """One of a few scenes, lit and noisy: kinds that are alike, and kinds that are not."""
    scene, light, noise = kind
    shape = ((40, 64), (41, 66))[scene == 3]
    base = np.random.default_rng(scene).integers(40, 180, (10, 16))
    luma = np.kron(base, np.ones((5, 5)))[: shape[0], : shape[1]] * (1 + 0.1 * light)
    luma = luma + np.random.default_rng((9, noise)).normal(0, 1.5, luma.shape)
    return np.asarray(np.clip(luma, 0, 255), np.uint8)


KINDS = st.tuples(st.integers(0, 3), st.integers(-1, 1), st.integers(0, 50))
# Each frame: what it shows, and the seconds since the one before.
FRAMES = st.lists(st.tuples(KINDS, st.integers(1, 30)), min_size=1, max_size=25)


def _run(gate: Gate, frames: list[tuple[tuple[int, int, int], int]], at: int = 0) -> list[Decision]:
    decisions = []
    for kind, after in frames:
        at += after
        decisions.append(gate.decide(_luma(kind), f"cam@{at * S}", at * S))
    return decisions


@CALM
@given(FRAMES, st.integers(0, 25))
def test_a_restored_gate_decides_exactly_as_the_one_that_went_on(
    frames: list[tuple[tuple[int, int, int], int]], at: int
) -> None:
    gate = Gate(RULE)
    _run(gate, frames[:at])
    restored = Gate(RULE, gate.state())
    start = sum(after for _, after in frames[:at])
    assert _run(restored, frames[at:], start) == _run(gate, frames[at:], start)
    assert restored.state() == gate.state()


@CALM
@given(FRAMES)
def test_the_same_frames_lead_to_the_same_decisions(
    frames: list[tuple[tuple[int, int, int], int]],
) -> None:
    assert _run(Gate(RULE), frames) == _run(Gate(RULE), frames)


@CALM
@given(FRAMES)
def test_a_shallow_copy_is_a_checkpoint(
    frames: list[tuple[tuple[int, int, int], int]],
) -> None:
    gate = Gate(RULE)
    _run(gate, frames)
    before = gate.state()
    _run(copy.copy(gate), frames, 10_000)
    assert gate.state() == before


@CALM
@given(FRAMES, KINDS)
def test_a_frame_equal_to_the_last_kept_one_scores_exactly_zero(
    frames: list[tuple[tuple[int, int, int], int]], kind: tuple[int, int, int]
) -> None:
    gate = Gate(GateRule(audit_rate=1.0))  # each frame becomes the reference
    _run(gate, [*frames, (kind, 1)])
    again = _run(gate, [(kind, 1)], 10_000)[0]
    assert again.score == 0.0


@CALM
@given(FRAMES)
def test_no_two_kept_frames_are_further_apart_than_the_refresh_interval_allows(
    frames: list[tuple[tuple[int, int, int], int]],
) -> None:
    kept_at, at = 0, 0
    for (_, after), decision in zip(frames, _run(Gate(RULE), frames), strict=True):
        at += after
        if decision.kept:
            kept_at = at
        assert at - kept_at < 20
        assert decision.kept == (decision.because is not None)
        assert (decision.because == "changed") == (decision.score > RULE.threshold)


@CALM
@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_damaged_state_is_refused(noise: bytes, at: int) -> None:
    gate = Gate(RULE)
    _run(gate, [((0, 0, 0), 1), ((0, 0, 1), 1)])
    good = gate.state()
    bad = good[:at] + noise
    try:
        Gate(RULE, bad)
    except UnreadableState:
        return
    assert bad == good or len(bad) < 40, "only a state of no frame is so short"


def test_a_state_of_another_version_is_refused() -> None:
    state = Gate(RULE).state()
    assert state[1] == 2
    with pytest.raises(UnreadableState, match="version 3"):
        Gate(RULE, state[:1] + b"\x03" + state[2:])
    with pytest.raises(UnreadableState, match="damaged"):
        Gate(RULE, b"\x01" + state[1:])  # as version 1 began
