"""Rules as settings: what is accepted, what is refused, where the error is said to be."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from runtime.settings import Section
from sinks.alerts.kinds.boxes import ZoneSettings
from sinks.alerts.kinds.presence import PresenceRule
from sinks.alerts.rules import RulesFile, check_cameras
from sinks.alerts.settings import AlertsSettings

GOOD: dict[str, Any] = {
    "name": "person-in-yard",
    "kind": "presence",
    "cameras": ["yard", "gate"],
    "labels": ["person"],
    "for_s": 10,
}
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


def problems(*rules: object) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        RulesFile.model_validate({"rules": list(rules)})
    return [(error["loc"][1:], error["msg"]) for error in caught.value.errors()]


def test_one_string_is_a_list_of_one() -> None:
    settings = GOOD | {"cameras": "all", "labels": "person"}
    (rule,) = RulesFile.model_validate({"rules": [settings]}).rules
    assert rule.cameras == ("all",)
    assert rule.watches("any-camera")


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        ({"name": "no spaces"}, ("name",), "match pattern"),
        ({"name": "x" * 65}, ("name",), "match pattern"),
        ({"kind": "presense"}, ("kind",), "'presense' is no kind of rule; there are: presence"),
        ({"kind": 3}, ("kind",), "3 is no kind of rule"),
        ({"kind": ["presence"]}, ("kind",), "is no kind of rule"),
        ({"cameras": []}, ("cameras",), "at least 1"),
        ({"cameras": ["yard", "a b"]}, ("cameras", 1), "'a b' is no camera id"),
        ({"cameras": ["yard", "all"]}, ("cameras", 1), "`all` stands alone"),
        ({"labels": ["any", "dog"]}, ("labels", 0), "`any` stands alone"),
        ({"labels": [True]}, ("labels", 0), "valid string"),
        ({"min_confidence": 1.5}, ("min_confidence",), "less than or equal to 1"),
        ({"min_confidence": float("nan")}, ("min_confidence",), "finite"),
        ({"for_s": -1}, ("for_s",), "greater than or equal to 0"),
        ({"for_s": float("inf")}, ("for_s",), "finite"),
        ({"max_gap_s": 1}, ("max_gap_s",), "greater than or equal to 2"),
        ({"severity": "fatal"}, ("severity",), "'info', 'warning' or 'critical'"),
        ({"for": 3}, ("for",), "not permitted"),
        ({"text": "{label}"}, ("text",), "{label} is no field of a text: there are {rule}"),
        ({"text": "{rule.name}"}, ("text",), "is no field"),
        ({"text": "{rule:>9}"}, ("text",), "is no field"),
        ({"text": "{rule"}, ("text",), "expected '}'"),
        ({"text": "{}"}, ("text",), "is no field"),
        ({"zone": {"points": SQUARE[:2]}}, ("zone", "points"), "this one has 2"),
        ({"zone": {"points": [*SQUARE, SQUARE[0]]}}, ("zone", "points", 4), "repeats point 1"),
        ({"zone": {"points": [*SQUARE, [2, 0.5]]}}, ("zone", "points", 4), "outside of the pic"),
        ({"zone": {"points": [*SQUARE, ["x", 0.5]]}}, ("zone", "points", 4, 0), "valid number"),
        ({"zone": {"points": SQUARE, "anchor": "feet"}}, ("zone", "anchor"), "'bottom-centre'"),
        (
            {"zone": {"points": SQUARE, "min_overlap": 0.2}},
            ("zone", "min_overlap"),
            "only the anchor `overlap`",
        ),
    ],
)
def test_a_mistake_is_named_where_it_is(
    change: dict[str, Any], where: tuple[int | str, ...], message: str
) -> None:
    ((found, said),) = problems(GOOD, GOOD | {"name": "other"} | change)
    assert found == (1, *where)
    assert message in said


def test_what_is_no_rule_at_all_is_refused() -> None:
    assert problems("person")[0][0] == (0,)
    nameless = {"name": "x"}
    assert problems(nameless) == [((0,), "the key `kind` is missing; there are: presence")]


def test_names_must_differ() -> None:
    assert problems(GOOD, GOOD | {"name": "b"}, GOOD, GOOD) == [
        ((2, "name"), "rule 1 is named 'person-in-yard' too: names must differ"),
        ((3, "name"), "rule 1 is named 'person-in-yard' too: names must differ"),
    ]


def test_unknown_cameras_are_named_with_the_known_ones() -> None:
    rules = [GOOD, GOOD | {"name": "all", "cameras": "all"}]
    found = RulesFile.model_validate({"rules": rules}).rules
    check_cameras(found, {"yard", "gate", "door"})
    with pytest.raises(ValidationError) as caught:
        check_cameras(found, ["yard", "door"])
    (error,) = caught.value.errors()
    assert error["loc"] == ("rules", 0, "cameras", 1)
    assert error["msg"] == "there is no camera 'gate'; there are: door, yard"


@pytest.mark.parametrize("section", [PresenceRule, ZoneSettings, AlertsSettings])
def test_every_setting_is_described(section: type[Section]) -> None:
    obvious = {"kind", "severity"}
    undescribed = {n for n, field in section.model_fields.items() if not field.description}
    assert undescribed <= obvious


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"zone": {"points": SQUARE}, "min_confidence": 0.4, "cooldown_s": 60},
            "on yard, gate, raises a warning when person (score 0.4 or more) is in the zone of 4 "
            "points (its feet) for 10 s; ends once that has not been so for 3 s; none within 60 s "
            "after the last",
        ),
        (
            {"cameras": "all", "labels": ["cat", "dog"], "severity": "info", "clear_after_s": 0},
            "on every camera, raises an info when cat or dog is in the picture for 10 s; ends at "
            "the first tick at which that is not so",
        ),
        (
            {"labels": "any", "zone": {"points": SQUARE, "anchor": "overlap", "min_overlap": 0.2}},
            "on yard, gate, raises a warning when anything is in the zone of 4 points (20% of it) "
            "for 10 s; ends once that has not been so for 3 s",
        ),
    ],
)
def test_a_rule_says_what_it_does(change: dict[str, Any], sentence: str) -> None:
    (rule,) = RulesFile.model_validate({"rules": [GOOD | change]}).rules
    assert rule.sentence() == sentence


def test_an_alert_is_late_by_the_brokers_time() -> None:
    settings = AlertsSettings(late_after_s=60)
    assert not settings.is_late(captured_at_us=0, appended_at_us=60_000_000)
    assert settings.is_late(captured_at_us=0, appended_at_us=60_000_001)
