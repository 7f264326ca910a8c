from __future__ import annotations

from datetime import UTC, datetime

import pytest

from producers.start import StartAt, run_id, start_us
from runtime.errors import UserError

NOW = 1_790_000_000_000_000
MINUTE = 60_000_000


def start(
    start_at: StartAt,
    *,
    recorded_at_us: int | None = None,
    length_us: int | None = None,
    speed: float | None = 1.0,
) -> int:
    return start_us(
        start_at, now_us=NOW, recorded_at_us=recorded_at_us, length_us=length_us, speed=speed
    )


def test_a_given_time_is_taken_as_it_is() -> None:
    assert start(datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)) == 1_772_366_400_250_000


def test_a_file_starts_when_it_was_recorded() -> None:
    assert start("file", recorded_at_us=17) == 17


def test_a_file_that_does_not_say_when_asks_for_a_time() -> None:
    with pytest.raises(UserError, match="give a time such as"):
        start("file")


def test_in_real_time_now_is_now() -> None:
    assert start("now") == start("now", speed=0.5) == NOW


@pytest.mark.parametrize("speed", [None, 1.5, 10.0])
def test_faster_than_real_time_capture_times_never_run_ahead_of_the_clock(
    speed: float | None,
) -> None:
    begins = start("now", length_us=10 * MINUTE, speed=speed)
    for media_us in range(0, 10 * MINUTE + 1, MINUTE):
        clock_us = NOW + (0 if speed is None else media_us / speed)
        assert begins + media_us <= clock_us + 1
    assert begins + 10 * MINUTE == NOW + (0 if speed is None else round(10 * MINUTE / speed))


def test_an_endless_source_in_a_hurry_can_not_start_now() -> None:
    with pytest.raises(UserError, match="run into the future"):
        start("now", speed=None)


def test_a_run_is_the_same_for_the_same_frames_and_for_nothing_else() -> None:
    run = run_id("gate-1", "video:x", 1_000_000, NOW)
    assert run == run_id("gate-1", "video:x", 1_000_000, NOW)
    others = [
        run_id("gate-2", "video:x", 1_000_000, NOW),
        run_id("gate-1", "video:y", 1_000_000, NOW),
        run_id("gate-1", "video:x", 500_000, NOW),
        run_id("gate-1", "video:x", 1_000_000, NOW + 1),
    ]
    assert len({run, *others}) == 5
    assert 1 <= len(run) <= 64
