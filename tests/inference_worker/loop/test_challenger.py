"""Which frames a challenger looks at, and where it may not start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from inference_worker.loop.challenger import Challenge, challenge
from inference_worker.settings import InferSettings
from runtime.errors import UserError
from runtime.topics import LineSettings
from schemas.catalogue import topics
from schemas.messages import Kept, Missing
from vision.gate import drawn

LINE = LineSettings(challengers=("next", "tiny"))


def kept(second: int) -> Kept:
    at = datetime(2026, 11, 20, tzinfo=UTC) + timedelta(seconds=second)
    return Kept(
        camera="north", captured_at=at, run="r", seq=second, width=64, height=48,
        jpeg=b"", because="changed", score=1.0,
    )  # fmt: skip


def test_it_looks_at_its_share_of_the_frames_and_at_more_of_the_same_if_the_share_grows() -> None:
    frames = [kept(second) for second in range(4000)]
    some = [frame for frame in frames if Challenge("next", "yolox", 0.1).takes(frame)]
    more = [frame for frame in frames if Challenge("next", "yolox", 0.3).takes(frame)]
    assert 330 < len(some) < 470
    assert all(frame in more for frame in some)
    assert [frame for frame in frames if Challenge("next", "yolox", 1.0).takes(frame)] == frames


def test_two_challengers_and_the_audit_draw_independently() -> None:
    frames = [kept(second) for second in range(4000)]
    ours = {frame.frame for frame in frames if Challenge("next", "yolox", 0.5).takes(frame)}
    theirs = {frame.frame for frame in frames if Challenge("tiny", "yolox", 0.5).takes(frame)}
    audited = {frame.frame for frame in frames if drawn(frame.frame, 0.5, 0)}
    for others in (theirs, audited):
        assert 850 < len(ours & others) < 1150


def test_it_looks_at_nothing_but_kept_frames() -> None:
    gone = Missing(
        camera="north", captured_at=datetime(2026, 11, 20, tzinfo=UTC), run="r", seq=0,
        reason="stalled",
    )  # fmt: skip
    assert not Challenge("next", "yolox", 1.0).takes(gone)


def test_its_model_takes_the_place_of_the_serving_one() -> None:
    ours = challenge("next", 0.2, "yolox", InferSettings(), LINE)
    settings = ours.settings(InferSettings(max_batch=4))
    assert (ours.topic, ours.role, ours.share) == ("detections-next", "infer-next", 0.2)
    assert (settings.model, settings.max_batch) == ("yolox", 4)


def test_a_name_that_the_line_does_not_have_is_refused() -> None:
    with pytest.raises(UserError, match=r"set line\.challengers to \[next, tiny, other\]"):
        challenge("other", 0.1, "yolox", InferSettings(), LINE)


@pytest.mark.parametrize("model", [None, "ssd-mobilenet-v2"])
def test_the_serving_model_does_not_challenge_itself(model: str | None) -> None:
    with pytest.raises(UserError, match="--model names the model on trial; ssd-mobilenet-v2"):
        challenge("next", 0.1, model, InferSettings(), LINE)


def test_each_challenger_has_a_topic_and_its_dead_letters() -> None:
    added = {name: spec for name, spec in LINE.topics().items() if name not in topics()}
    assert set(added) == {
        "detections-next", "detections-next-dlq", "detections-tiny", "detections-tiny-dlq",
    }  # fmt: skip
    assert added["detections-next"].config() == topics()["detections"].config()
    assert added["detections-next"].consumers == ("sinks.sql",)
    assert added["detections-next-dlq"].config() == topics()["detections-dlq"].config()
    assert set(LineSettings().topics()) == set(topics())


@pytest.mark.parametrize("name", ["dlq", "my-dlq", "Next", "a b", "", "-a"])
def test_a_name_that_makes_no_good_topic_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        LineSettings(challengers=(name,))
