"""A new kind is one `Rule`, one `Condition` and a line in the registry: here, one with memory."""

from __future__ import annotations

from typing import Literal, get_args

import pytest

from sinks.alerts.engine import CameraRules
from sinks.alerts.kinds import KINDS, Condition, Rule, Sight, Verdict
from sinks.alerts.rules import RulesFile
from tests.sinks.alerts.records import CAMERA, feed, missing, nobody, person, rejected, story


class OutageRule(Rule):
    """The camera has been missing, and not for the first time."""

    kind: Literal["outages"]

    def condition(self) -> Condition:
        return Outages()

    def subject(self) -> str:
        return "the camera is gone again"


class Outages(Condition):
    def __init__(self) -> None:
        self.times = 0
        self.gone = False

    def judge(self, sight: Sight) -> Verdict:
        gone = sight.status == "missing"
        self.times += gone and not self.gone
        self.gone = gone
        return Verdict(holds=gone and self.times > 1)

    def state(self) -> bytes:
        return bytes([self.times, self.gone])

    def restore(self, state: bytes) -> None:
        self.times, self.gone = state[0], bool(state[1])


@pytest.fixture
def outages(monkeypatch: pytest.MonkeyPatch) -> Rule:
    monkeypatch.setitem(KINDS, "outages", OutageRule)
    rule = {"name": "gone", "kind": "outages", "cameras": "all", "for_s": 1, "clear_after_s": 0}
    return RulesFile.model_validate({"rules": [rule]}).rules[0]


TICKS = [person(0), missing(1), missing(2), nobody(3), missing(4), rejected(5), missing(6)]
STORY = [("raised", 6, 4), ("cleared", 7, 7)]


@pytest.mark.parametrize("cut", range(len(TICKS) + 1))
def test_a_kind_may_judge_missing_ticks_and_keep_its_memory(outages: Rule, cut: int) -> None:
    ticks = [*TICKS, person(7)]
    before = CameraRules(CAMERA, [outages])
    changes = feed(before, ticks[:cut])
    after = CameraRules(CAMERA, [outages], before.state())
    changes += feed(after, ticks[cut:])
    assert story(changes) == STORY
    assert (changes[0].evidence, changes[0].boxes) == (None, ())


def test_a_kind_without_memory_has_an_empty_state() -> None:
    class Never(Condition):
        def judge(self, sight: Sight) -> None:
            return None

    never = Never()
    never.restore(never.state())
    assert never.state() == b""


def test_each_kind_is_registered_under_its_own_name() -> None:
    for name, rule in KINDS.items():
        assert get_args(rule.model_fields["kind"].annotation) == (name,)
