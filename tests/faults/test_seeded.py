"""Any process of any role, killed at points drawn by a seed."""

from __future__ import annotations

import os
import random

import pytest

from tests.faults.conftest import NewLine
from tests.faults.ends import assert_same_end
from tests.harness.compare import Ending
from tests.harness.faults import all_ready, feed, moved, run, seeded, waiting_for
from tests.harness.line import Role
from tests.harness.load import Load

ROLES: tuple[Role, ...] = ("gate", "infer", "sql", "alerts")
SEED = int(os.environ.get("FAULT_SEED", "1"))


@pytest.mark.parametrize("seed", [SEED])
def test_kills_at_random_points_of_all_roles_change_nothing(
    seed: int, new_line: NewLine, load: Load, reference: Ending
) -> None:
    line = new_line()
    for role in ROLES:
        line.start(role, 2)
    names = random.Random(seed).sample([f"{role}-1" for role in ROLES], len(ROLES))
    faults = [feed(all_ready(*ROLES), load), *seeded(seed, names, load.ticks)]
    # What was killed last may have had nothing left to do: its partitions move after the end.
    run(line, [*faults, *(waiting_for(moved(role)) for role in ROLES)])
    assert_same_end(line, reference)
