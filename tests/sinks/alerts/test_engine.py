"""What a presence rule makes of a camera's ticks, case by case."""

from __future__ import annotations

import msgspec
import pytest

from runtime.errors import FatalError
from schemas.messages import AlertRecord, Raised
from sinks.alerts.engine import CameraRules
from tests.sinks.alerts.records import (
    CAMERA,
    box,
    feed,
    inferred,
    missing,
    moment,
    nobody,
    person,
    presence,
    rejected,
    run,
    story,
    unchanged,
)


def test_an_alert_is_raised_when_it_has_held_and_cleared_when_it_has_ended() -> None:
    ticks = [nobody(0), person(1), person(2), person(3), person(4), person(5), nobody(6)]
    assert story(run([presence()], ticks)) == [("raised", 4, 1), ("cleared", 6, 6)]


def test_a_presence_that_is_too_short_raises_nothing() -> None:
    assert run([presence()], [person(0), person(2.999), nobody(3)]) == []


def test_with_for_0_the_first_tick_raises() -> None:
    assert story(run([presence(for_s=0)], [person(5)])) == [("raised", 5, 5)]


def test_the_records_say_all_there_is_to_know() -> None:
    ticks = [inferred(0, box(), box("dog"), box(), offset=40), unchanged(3, 0), nobody(9)]
    raised, cleared = run([presence(severity="critical")], ticks)
    common = {
        "id": "person:yard@1772366400000000",
        "camera": "yard",
        "rule": "person",
        "severity": "critical",
        "began_at": moment(0),
        "evidence": "yard@1772366400000000",
        "raw_offset": 40,
        "partition": 3,
        "late": False,
    }
    expected = common | {"at": moment(3), "frame": "yard@1772366403000000"}
    expected |= {"text": "2 person on yard for 3 s", "boxes": (box(), box())}
    assert isinstance(raised, Raised)
    assert msgspec.structs.asdict(raised) == expected
    expected = common | {"at": moment(9), "frame": "yard@1772366409000000", "boxes": ()}
    expected |= {"text": "ended after 9 s", "ended_at": moment(9)}
    assert msgspec.structs.asdict(cleared) == expected


def test_the_alerts_are_valid_payloads() -> None:
    rule = presence(text="{rule} {camera} {objects} {count} {held_s} " + "x" * 400)
    for change in run([rule], [inferred(0, *[box()] * 300), unchanged(3.5, 0), nobody(5)]):
        assert msgspec.json.decode(msgspec.json.encode(change), type=AlertRecord) == change


def test_an_unchanged_tick_shows_the_boxes_of_the_frame_it_equals() -> None:
    ticks = [person(0), unchanged(1, 0), unchanged(2, 0), unchanged(3, 0), nobody(4)]
    assert story(run([presence()], ticks)) == [("raised", 3, 0), ("cleared", 4, 4)]


def test_an_unchanged_tick_without_a_known_reference_is_unknown() -> None:
    rule = presence()
    assert run([rule], [unchanged(0, -1), unchanged(3, -1)]) == []
    # 1 was kept but rejected by the worker, 2 equals it: 0 is no witness for it.
    ticks = [person(0), rejected(1), unchanged(2, 1), unchanged(3, 1), unchanged(4, 1)]
    assert run([rule], ticks) == []
    assert story(run([rule], [*ticks, person(5)])) == [("raised", 5, 0)]


def test_an_unchanged_tick_of_an_earlier_reference_is_unknown() -> None:
    assert run([presence()], [person(0), nobody(1), unchanged(2, 0), unchanged(5, 0)]) == []


def test_a_gap_counts_as_presence_up_to_max_gap() -> None:
    rule = presence(for_s=5, max_gap_s=10)
    assert story(run([rule], [person(0), missing(5), person(10)])) == [("raised", 10, 0)]


def test_after_a_longer_gap_the_presence_begins_anew() -> None:
    rule = presence(for_s=5, max_gap_s=10)
    ticks = [person(0), missing(5), person(10.001), person(15), person(15.001)]
    assert story(run([rule], ticks)) == [("raised", 15.001, 10.001)]


def test_a_raised_alert_outlives_any_gap() -> None:
    ticks = [person(0), person(3), missing(4), rejected(5), person(4000), nobody(4001)]
    assert story(run([presence()], ticks)) == [("raised", 3, 0), ("cleared", 4001, 4001)]


def test_a_break_shorter_than_clear_after_is_bridged_before_and_after_raising() -> None:
    rule = presence(for_s=4, clear_after_s=3)
    ticks = [person(0), nobody(1), nobody(3), person(3.5), person(4)]
    assert story(run([rule], ticks)) == [("raised", 4, 0)]
    ticks += [nobody(5), nobody(7), person(7.5), nobody(8), nobody(10), nobody(11), nobody(12)]
    assert story(run([rule], ticks)) == [("raised", 4, 0), ("cleared", 11, 8)]


def test_a_break_of_clear_after_ends_what_was_not_raised_yet() -> None:
    rule = presence(for_s=4, clear_after_s=2)
    ticks = [person(0), nobody(1), nobody(2), nobody(3), person(3.5), person(4), person(7.5)]
    assert story(run([rule], ticks)) == [("raised", 7.5, 3.5)]


def test_a_break_is_not_known_to_last_across_a_gap_longer_than_max_gap() -> None:
    rule = presence(clear_after_s=5, max_gap_s=10)
    ticks = [person(0), person(3), nobody(4), missing(8), nobody(15), nobody(19.9), nobody(20)]
    assert story(run([rule], ticks)) == [("raised", 3, 0), ("cleared", 20, 15)]


def test_in_the_cooldown_an_alert_waits_and_keeps_its_beginning() -> None:
    rule = presence(for_s=1, cooldown_s=10)
    ticks = [person(0), person(1), nobody(2), person(3), person(5), person(11.9), person(12)]
    expected = [("raised", 1, 0), ("cleared", 2, 2), ("raised", 12, 3)]
    assert story(run([presence(for_s=1, cooldown_s=10)], ticks)) == expected
    assert story(run([rule], [*ticks[:5], nobody(6), nobody(30)])) == expected[:2]


def test_the_cooldown_counts_from_the_end_not_from_when_it_was_certain() -> None:
    rule = presence(for_s=0, clear_after_s=2, cooldown_s=5)
    ticks = [person(0), nobody(1), nobody(3), person(5.9), person(6)]
    expected = [("raised", 0, 0), ("cleared", 3, 1), ("raised", 6, 5.9)]
    assert story(run([rule], ticks)) == expected


def test_a_repeat_changes_nothing_even_with_other_boxes() -> None:
    engine = CameraRules(CAMERA, [presence()])
    feed(engine, [person(0), person(1)])
    before = engine.state()
    assert feed(engine, [nobody(1), nobody(0.5), person(0), missing(1)]) == []
    assert engine.state() == before


def test_a_tick_rejected_for_its_clock_does_not_blind_the_camera() -> None:
    ticks = [person(0), rejected(7200, "clock"), person(1), person(3)]
    assert story(run([presence()], ticks)) == [("raised", 3, 0)]


def test_rules_do_not_know_of_each_other() -> None:
    rules = [presence(name="slow", for_s=4), presence(name="fast", for_s=1, labels="any")]
    ticks = [inferred(0, box("dog")), person(1), person(5)]
    told = [(change.rule, *row) for change in run(rules, ticks) for row in story([change])]
    assert told == [("fast", "raised", 1, 0), ("slow", "raised", 5, 1)]


def test_changes_of_one_tick_come_in_the_order_of_the_rules() -> None:
    names = ["c", "a", "b"]
    rules = [presence(name=name, for_s=0) for name in names]
    assert [change.rule for change in run(rules, [person(0)])] == names


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, True),
        ({"labels": ["dog", "person"]}, True),
        ({"labels": ["dog"]}, False),
        ({"labels": "any"}, True),
        ({"min_confidence": 0.9}, True),
        ({"min_confidence": 0.91}, False),
        ({"cameras": "all"}, True),
        ({"cameras": ["gate"]}, False),
        ({"zone": {"points": [[0, 0.7], [1, 0.7], [1, 1], [0, 1]]}}, True),
        ({"zone": {"points": [[0, 0], [1, 0], [1, 0.7], [0, 0.7]]}}, False),
        ({"zone": {"points": [[0, 0], [1, 0], [1, 0.7], [0, 0.7]], "anchor": "centre"}}, True),
        ({"zone": {"points": [[0, 0.7], [1, 0.7], [1, 1], [0, 1]], "anchor": "overlap"}}, True),
        (
            {
                "zone": {
                    "points": [[0, 0.7], [1, 0.7], [1, 1], [0, 1]],
                    "anchor": "overlap",
                    "min_overlap": 0.6,
                }
            },
            False,
        ),
    ],
)
def test_label_score_camera_and_zone_choose_the_boxes(
    settings: dict[str, object], counts: bool
) -> None:
    """The person stands at (0.5, 0.8), 0.2 high, half of it above y = 0.7, score 0.9."""
    changes = run([presence(for_s=0, **settings)], [person(0)])
    assert len(changes) == counts


def test_only_the_boxes_in_the_zone_are_reported() -> None:
    left, right = box(x=0.2), box(x=0.8)
    zone = {"points": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}
    (raised,) = run([presence(for_s=0, zone=zone)], [inferred(0, left, right)])
    assert raised.boxes == (right,)


def test_late_is_what_the_caller_says() -> None:
    engine = CameraRules(CAMERA, [presence(for_s=0)])
    (raised,) = engine.take(person(0), partition=0, offset=0, late=True)
    (cleared,) = engine.take(nobody(1), partition=0, offset=1)
    assert (raised.late, cleared.late) == (True, False)


def test_a_record_of_another_camera_is_refused_with_its_place() -> None:
    engine = CameraRules(CAMERA, [])
    with pytest.raises(ValueError, match="partition 3, offset 9: a record of camera gate"):
        engine.take(inferred(0, camera="gate"), partition=3, offset=9)


# ---------------------------------------------------------------- rules that change


def restarted(engine: CameraRules, *rules: object) -> CameraRules:
    return CameraRules(CAMERA, rules, engine.state())  # type: ignore[arg-type] # rules, by the tests


def test_an_alert_of_a_removed_rule_is_cleared_at_the_next_tick() -> None:
    engine = CameraRules(CAMERA, [presence()])
    feed(engine, [person(0), person(3)])
    engine = restarted(restarted(engine))  # also when nothing came in between
    assert feed(engine, [person(3), rejected(4)]) == []
    (cleared,) = feed(engine, [missing(5), missing(6)])
    assert story([cleared]) == [("cleared", 5, 5)]
    assert cleared.text == "the rule was changed or removed"
    assert cleared.severity == "warning"


def test_a_changed_rule_clears_its_alert_and_begins_without_memory() -> None:
    engine = CameraRules(CAMERA, [presence()])
    feed(engine, [person(0), person(3)])
    engine = restarted(engine, presence(for_s=2))
    changes = feed(engine, [unchanged(4, 3), unchanged(6, 3)])
    assert story(changes) == [("cleared", 4, 4), ("raised", 6, 4)]
    assert len({change.id for change in changes}) == 2


def test_a_changed_rule_without_an_alert_just_forgets() -> None:
    engine = CameraRules(CAMERA, [presence()])
    feed(engine, [person(0)])
    assert story(feed(restarted(engine, presence(for_s=4)), [person(3), person(7)])) == [
        ("raised", 7, 3)
    ]


@pytest.mark.parametrize(
    "same", [{"text": "hello"}, {"severity": "info"}, {"cameras": "all"}, {"cooldown_s": 0}]
)
def test_text_severity_and_cameras_are_not_part_of_the_definition(same: dict[str, object]) -> None:
    engine = CameraRules(CAMERA, [presence()])
    feed(engine, [person(0), person(2)])
    assert story(feed(restarted(engine, presence(**same)), [person(3)])) == [("raised", 3, 0)]


def test_a_new_rule_knows_what_the_last_inferred_frame_showed() -> None:
    engine = CameraRules(CAMERA, [])
    feed(engine, [person(0)])
    assert len(feed(restarted(engine, presence(for_s=0)), [unchanged(1, 0)])) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda state: b"", "has version none"),
        (lambda state: b"\x02" + state[1:], "has version 2, this program reads 1"),
        (lambda state: state[:-1], "is damaged"),
        (lambda state: state[:1] + b"\xc1", "is damaged"),
        (lambda state: state.replace(b"yard", b"gate"), "belongs to 'gate'"),
    ],
)
def test_a_state_that_can_not_be_read_stops_with_a_reason(damage, message: str) -> None:  # type: ignore[no-untyped-def] # a lambda
    engine = CameraRules(CAMERA, [presence()])
    feed(engine, [person(0)])
    with pytest.raises(FatalError, match=message):
        CameraRules(CAMERA, [presence()], damage(engine.state()))


def test_the_largest_record_fits_into_a_snapshot() -> None:
    engine = CameraRules(CAMERA, [presence()])
    feed(engine, [inferred(0, *[box(f"label {i % 400}" + "x" * 50) for i in range(10_000)])])
    assert len(engine.state()) < 600_000  # of schemas.codec.MAX_STATE_BYTES, 1 MiB
