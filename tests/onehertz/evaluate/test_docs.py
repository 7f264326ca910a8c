"""docs/evaluate.md names what `--json` prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onehertz.cli.evaluate import gate, model
from onehertz.evaluate.report import Row
from onehertz.evaluate.run import Plan, results, rows
from onehertz.evaluate.sweep import rows as sweep_rows
from tests.onehertz.evaluate.made_up import PERSON, RULE, ScriptedGate, a_pass, judge_of
from tests.onehertz.evaluate.test_sweep import lane

TEXT = (Path(__file__).parents[3] / "docs" / "evaluate.md").read_text(encoding="utf-8")
NAMED = set(re.findall(r"`(\w+)`", TEXT))


def keys(row: Row) -> set[str]:
    nested = [one for key in ("by_class", "by_size", "baselines") for one in row[key].values()]
    return {*row, *(key for one in [*nested, *row["objects_missed"]] for key in one)}


def test_each_key_of_a_row_and_of_a_total_is_explained() -> None:
    seen = {"model": [[], [PERSON], [PERSON]]}
    plan = Plan(RULE, gate=lambda rule: ScriptedGate([True, False, False]))
    found = [
        one
        for source in ("a.mp4", "b.mp4")
        for one in results([a_pass([1] * 3, seen, source)], plan, {"model": judge_of("model")})
    ]
    *_, total = rows(found)
    assert total["objects_missed"]
    assert keys(total) - NAMED == set()


def test_each_key_of_a_sweep_is_explained() -> None:
    for row in sweep_rows([lane([1], [[]], [0])], "model", [[]], RULE, 1_000_000):
        assert set(row) - NAMED == set()


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(--[a-z-]+)", TEXT))))
def test_each_option_that_is_named_is_there(option: str) -> None:
    assert option in {
        name for command in (gate, model) for parameter in command.params for name in parameter.opts
    }
