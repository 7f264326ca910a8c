"""The comparison finds what differs, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.harness.compare import Ending, differences
from tests.harness.faults import seeded

ROWS: dict[tuple[Any, ...], dict[str, Any]] = {
    ("north", n): {"camera": "north", "captured_at": n, "status": "missing"} for n in range(8)
}
END = Ending(ROWS, {}, {}, {}, {}, {}, {})


def test_equal_ends_do_not_differ() -> None:
    assert differences(END, replace(END, frames=dict(reversed(ROWS.items())))) == []


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({k: v for k, v in ROWS.items() if k != ("north", 3)}, "frames: ('north', 3) is missing"),
        (ROWS | {("south", 1): {}}, "frames: ('south', 1) should not be there"),
        (
            ROWS | {("north", 2): ROWS["north", 2] | {"status": "inferred"}},
            "frames: ('north', 2) differs (expected, found): {'status': ('missing', 'inferred')}",
        ),
    ],
)
def test_a_row_that_is_lost_made_up_or_changed_is_told(
    rows: dict[tuple[Any, ...], dict[str, Any]], told: str
) -> None:
    assert differences(END, replace(END, frames=rows)) == [told]


def test_many_differences_are_told_shortly() -> None:
    told = differences(END, replace(END, frames={}))
    assert len(told) == 6
    assert told[-1] == "frames: and 3 more"


def test_a_seed_gives_the_same_faults_again_and_another_seed_others() -> None:
    def points(seed: int) -> list[tuple[str, str]]:
        return [(one.text, one.at.text) for one in seeded(seed, ["gate-1", "sql-2"], 1000)]

    assert points(1) == points(1)
    assert points(1) != points(2)
