"""What the demo plays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehertz.demo.plan import Plan, cameras, configuration, plan, rules
from onehertz.settings import Settings
from onehertz.stack.status import Endpoints
from runtime.errors import UserError
from schemas.messages import to_us

NOW = datetime(2026, 11, 22, 12, 0, 0, 700_000, tzinfo=UTC)
CLIPS = {"vtest": Path("/clips/vtest.avi"), "tree": Path("/clips/tree.avi")}
ENDPOINTS = Endpoints("127.0.0.1:9092", "postgresql://onehertz@127.0.0.1/onehertz")


def played() -> Plan:
    return plan(45, 4.0, to_us(NOW))


@given(st.integers(5, 3600), st.floats(0.1, 50))
def test_the_last_tick_was_captured_less_than_two_seconds_ago(seconds: int, speed: float) -> None:
    found = plan(seconds, speed, to_us(NOW))
    end = found.start_at + timedelta(seconds=found.media_s)
    assert timedelta(0) <= NOW - end < timedelta(seconds=2)
    assert found.start_at.microsecond == 0


def test_a_given_start_is_taken_to_the_second() -> None:
    start = NOW - timedelta(days=30)
    assert plan(45, 4.0, to_us(NOW), start).start_at == start.replace(microsecond=0)


@pytest.mark.parametrize(
    "start",
    [NOW - timedelta(seconds=100), NOW + timedelta(hours=2), datetime(1999, 1, 1, tzinfo=UTC)],
)
def test_a_start_that_the_line_would_take_for_a_broken_clock_is_refused(start: datetime) -> None:
    with pytest.raises(UserError, match=r"--start-at .* 180 s"):
        plan(45, 4.0, to_us(NOW), start)


def test_with_all_clips_there_are_four_cameras_of_as_many_ticks() -> None:
    found = cameras(played(), CLIPS)
    assert set(found) == {"campus", "campus-quiet", "tree", "street"}
    assert {camera["stop_after_s"] for camera in found.values()} == {180}
    assert {camera["start_at"] for camera in found.values()} == {"2026-11-22T11:57:00+00:00"}


@pytest.mark.parametrize(
    ("clips", "expected"),
    [
        ((), {"street"}),
        (("tree",), {"street", "tree"}),
        (("vtest",), {"street", "campus", "campus-quiet"}),
    ],
)
def test_cameras_without_their_clip_are_left_out(
    clips: tuple[str, ...], expected: set[str]
) -> None:
    assert set(cameras(played(), {name: CLIPS[name] for name in clips})) == expected


def test_there_are_no_rules_for_cameras_that_are_left_out() -> None:
    assert [rule["name"] for rule in rules(["street", "tree"])] == ["person-in-the-street"]
    assert len(rules(["street", "campus"])) == 3


@pytest.mark.parametrize("clips", [CLIPS, {}])
def test_the_configuration_is_one_that_the_roles_take(clips: dict[str, Path]) -> None:
    dsn = "postgresql://onehertz@127.0.0.1/demo"
    content = configuration(played(), clips, ENDPOINTS, "demo-x-", dsn)
    settings = Settings.model_validate(content)
    assert settings.line.topic("frames-raw") == "demo-x-frames-raw"
    assert settings.kafka.bootstrap_servers == ENDPOINTS.bootstrap_servers
    assert set(settings.cameras) == set(cameras(played(), clips))
