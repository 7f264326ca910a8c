"""What if frames were smaller, coarser or rarer."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from onehertz.evaluate.sweep import EVERY, Lane, Variant, rows, sweep, variants
from tests.onehertz.evaluate.made_up import ELSEWHERE, PERSON, RULE, CountingDetector, luma
from tests.producers.clips import numbered, write_clip
from vision.gate import Gate
from vision.jpeg import inspect


def lane(scenes: list[int], boxes: list, same_as: list[int]) -> Lane:
    count = len(scenes)
    return Lane(
        Variant(480, 85), Gate(RULE), [luma(scene) for scene in scenes], same_as,
        [2.0] * count, [1000] * count, {"model": boxes}, {"model": [10.0] * count},
    )  # fmt: skip


def test_a_source_is_never_blown_up() -> None:
    assert [one.height for one in variants(480)] == [480, 360, 480, 480, 480, 480]
    assert {one.height for one in variants(1080)} == {1080, 720, 480, 360}
    assert {one.quality for one in variants(100)} == {95, 85, 75, 60, 40}


def test_a_variant_is_sent_in_its_size_and_quality() -> None:
    image = numbered(5, 640, 480)
    assert inspect(Variant(360, 85).encode(image)).size == (480, 360)
    assert len(Variant(480, 40).encode(image)) < len(Variant(480, 95).encode(image))


def test_cost_is_that_of_the_gate_and_of_what_it_keeps() -> None:
    seen = [[PERSON], [PERSON], [ELSEWHERE], [ELSEWHERE]]
    first, *_ = rows([lane([1, 1, 2, 2], seen, [0, 0, 0, 0])], "model", seen, RULE, 500_000)
    assert (first["f1"], first["gated_f1"], first["dropped"]) == (1.0, 0.5, 0.75)
    assert first["cpu_ms_per_frame"] == pytest.approx(2 + 10 / 4)
    assert first["cpu_ms_per_s"] == pytest.approx(9.0)
    assert (first["bytes_per_frame"], first["bytes_per_s"]) == (1000, 2000)


def test_ticks_that_are_not_taken_have_what_was_seen_before() -> None:
    seen = [[PERSON], [ELSEWHERE], [PERSON], [PERSON]]
    whole = rows([lane([1, 2, 1, 1], seen, [0, 1, 2, 2])], "model", seen, RULE, 1_000_000)
    every, second, fifth = whole
    assert [one["interval_s"] for one in (every, second, fifth)] == [1.0, *map(float, EVERY)]
    assert (second["frames"], second["f1"], second["gated_f1"]) == (2, 0.75, 0.75)
    assert second["dropped"] == 0.5  # of the two that are taken, the second equals the first
    assert second["bytes_per_s"] == 500
    assert (fifth["frames"], fifth["f1"]) == (1, 0.75)


def test_rarer_ticks_go_through_a_gate_of_their_own() -> None:
    seen = [[PERSON]] * 4 + [[ELSEWHERE]] * 2
    still = lane([1, 1, 1, 1, 2, 2], seen, [0] * 6)
    _, second, _ = rows([still], "model", seen, RULE, 1_000_000)
    assert (second["frames"], second["gated_f1"]) == (3, 1.0)
    assert second["dropped"] == pytest.approx(1 / 3, abs=1e-4)


def test_each_model_is_measured_on_each_variant_of_each_source(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(6), Fraction(1, 2))
    found = list(sweep([clip], {"a": CountingDetector(), "b": CountingDetector()}, RULE, 1_000_000))
    assert [one["model"] for one in found] == ["a"] * 7 + ["b"] * 7
    native, *coarser = found[:5]
    assert (native["height"], native["jpeg_quality"], native["frames"]) == (96, 85, 3)
    assert native["f1"] == 1.0  # a mean brightness bears any quality
    sizes = {one["jpeg_quality"]: one["bytes_per_frame"] for one in (native, *coarser)}
    assert sizes[40] < sizes[60] < sizes[75] < sizes[85] < sizes[95]
