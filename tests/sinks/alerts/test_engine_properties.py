"""What holds for any ticks and any presence rules."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas.messages import AlertRecord, Cleared, Inferred, Raised, ResultRecord, Unchanged, to_us
from sinks.alerts.engine import CameraRules, alert_id
from sinks.alerts.kinds import Rule
from tests.sinks.alerts.records import (
    CAMERA,
    feed,
    missing,
    moment,
    nobody,
    person,
    presence,
    rejected,
    run,
    unchanged,
)

STEPS = st.one_of(st.just(1.0), st.sampled_from([0.25, 0.999, 1.001, 2.0, 3.0, 7.0, 30.0]))
# Unchanged mostly equals the last inferred frame; sometimes one of which nothing is known.
KINDS = st.sampled_from(
    ["person", "person", "nobody", "nobody", "same", "same", "stranger", "missing", "rejected"]
)
UNKNOWN_KINDS = st.sampled_from(["stranger", "missing", "rejected", "clock"])


def record(kind: str, second: float, last_inferred: float | None) -> ResultRecord:
    match kind:
        case "person":
            return person(second)
        case "nobody":
            return nobody(second)
        case "same" if last_inferred is not None:
            return unchanged(second, last_inferred)
        case "missing":
            return missing(second)
        case "rejected":
            return rejected(second)
        case "clock":
            return rejected(second + 7200, "clock")
        case _:
            return unchanged(second, -3600)


@st.composite
def ticks(draw: st.DrawFn) -> list[ResultRecord]:
    records: list[ResultRecord] = []
    second, last_inferred = 0.0, None
    for step, kind in draw(st.lists(st.tuples(STEPS, KINDS), max_size=60)):
        second += step
        records.append(record(kind, second, last_inferred))
        if isinstance(records[-1], Inferred):
            last_inferred = second
    return records


def one_rule(name: str) -> st.SearchStrategy[Rule]:
    def seconds(low: float, high: float) -> st.SearchStrategy[float]:
        return st.one_of(st.just(low), st.integers(int(low), int(high)).map(float))

    return st.builds(
        lambda **settings: presence(name=name, **settings),
        for_s=seconds(0, 6),
        clear_after_s=seconds(0, 5),
        cooldown_s=seconds(0, 12),
        max_gap_s=seconds(2, 10),
    )


RULES = st.tuples(one_rule("first"), one_rule("second"))


@given(ticks(), RULES)
def test_each_alert_is_raised_once_and_cleared_at_most_once(
    records: list[ResultRecord], rules: tuple[Rule, Rule]
) -> None:
    changes = run(rules, records)
    by_alert: dict[str, list[AlertRecord]] = defaultdict(list)
    for change in changes:
        by_alert[change.id].append(change)
        assert change.id == alert_id(change.rule, CAMERA, to_us(change.began_at))
    for history in by_alert.values():
        assert [type(change) for change in history] in ([Raised], [Raised, Cleared])
    for rule in rules:
        kinds = [type(change) for change in changes if change.rule == rule.name]
        assert kinds == [Raised, Cleared] * (len(kinds) // 2) + [Raised] * (len(kinds) % 2)


@given(ticks(), RULES, st.data())
def test_restored_at_any_point_it_goes_on_the_same(
    records: list[ResultRecord], rules: tuple[Rule, Rule], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(records)))
    whole = CameraRules(CAMERA, rules)
    expected = feed(whole, records)
    before = CameraRules(CAMERA, rules)
    changes = feed(before, records[:cut])
    after = CameraRules(CAMERA, rules, before.state())
    assert after.state() == before.state()
    assert changes + feed(after, records[cut:]) == expected
    assert after.state() == whole.state()


@given(ticks(), RULES, st.data())
def test_repeats_change_nothing(
    records: list[ResultRecord], rules: tuple[Rule, Rule], data: st.DataObject
) -> None:
    expected = run(rules, records)
    with_repeats = list(records)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(with_repeats)))
        start = data.draw(st.integers(0, at))
        with_repeats[at:at] = with_repeats[start:at]
    assert run(rules, with_repeats) == expected


@given(ticks(), RULES, st.data())
def test_ticks_at_or_before_the_last_one_change_nothing_whatever_they_say(
    records: list[ResultRecord], rules: tuple[Rule, Rule], data: st.DataObject
) -> None:
    engine = CameraRules(CAMERA, rules)
    feed(engine, records)
    last = max((r.captured_at for r in records if r.status != "rejected"), default=None)
    if last is None:
        return
    ago = data.draw(st.sampled_from([0.0, 0.1, 1.0, 100.0]))
    second = (last - timedelta(seconds=ago) - moment(0)).total_seconds()
    before = engine.state()
    assert feed(engine, [record(data.draw(KINDS), second, second - 1)]) == []
    assert engine.state() == before


@given(ticks(), RULES, st.lists(st.tuples(st.integers(0, 60), UNKNOWN_KINDS), max_size=20))
def test_unknown_ticks_are_as_if_they_had_not_been(
    records: list[ResultRecord], rules: tuple[Rule, Rule], unknown: list[tuple[int, str]]
) -> None:
    extended = list(records)
    for at, kind in sorted(unknown, reverse=True):
        if at < len(records):  # just before a tick: the least distance between ticks is 0.25 s
            before = (records[at].captured_at - moment(0.1)).total_seconds()
            extended.insert(at, record(kind, before, None))
    extended = [r for i, r in enumerate(extended) if i == 0 or r != extended[i - 1]]
    assert run(rules, extended) == run(rules, records)
    known = [r for r in records if r.status in ("inferred", "unchanged")]
    assert run(rules, known) == run(rules, records)


@given(ticks(), RULES)
def test_every_change_can_be_justified_from_the_ticks(
    records: list[ResultRecord], rules: tuple[Rule, Rule]
) -> None:
    known = known_ticks(records)
    for change in run(rules, records):
        (rule,) = (rule for rule in rules if rule.name == change.rule)
        start = change.ended_at if isinstance(change, Cleared) else change.began_at
        over = [(t, holds) for t, holds in known if start <= t <= change.at]
        assert (over[0][0], over[-1][0]) == (start, change.at)
        assert all(b - a <= timedelta(seconds=rule.max_gap_s) for (a, _), (b, _) in pairwise(over))
        if isinstance(change, Cleared):
            assert not any(holds for _, holds in over)
            assert change.at - start >= timedelta(seconds=rule.clear_after_s)
        else:
            assert over[0][1]
            assert over[-1][1]
            assert change.at - start >= timedelta(seconds=rule.for_s)
            assert all(length < timedelta(seconds=rule.clear_after_s) for length in breaks(over))


@given(st.lists(st.booleans(), max_size=50), st.integers(0, 6))
def test_without_hysteresis_each_long_enough_run_is_one_alert(
    there: list[bool], for_s: int
) -> None:
    there = [*there, False]
    records = [person(t) if here else nobody(t) for t, here in enumerate(there)]
    expected, began = [], None
    for t, here in enumerate(there):
        if here and began is None:
            began = t
        if not here and began is not None:
            if t - 1 - began >= for_s:
                expected += [(Raised, began + for_s, began), (Cleared, t, began)]
            began = None
    changes = run([presence(for_s=for_s)], records)
    told = [(type(c), c.at, c.began_at) for c in changes]
    assert told == [(kind, moment(at), moment(began)) for kind, at, began in expected]


# ---------------------------------------------------------------- a plain reading of the ticks


def known_ticks(records: list[ResultRecord]) -> list[tuple[datetime, bool]]:
    """(capture time, somebody is there) of the ticks of which that is known."""
    last, there, known = None, False, []
    for r in records:
        if isinstance(r, Inferred):
            last, there = r.frame, bool(r.boxes)
        elif not (isinstance(r, Unchanged) and r.same_as == last):
            continue
        known.append((r.captured_at, there))
    return known


def breaks(known: list[tuple[datetime, bool]]) -> list[timedelta]:
    """How long each stretch of ticks at which it did not hold is known to have lasted."""
    lengths, start = [], None
    for t, holds in known:
        if holds:
            start = None
            continue
        start = t if start is None else start
        lengths.append(t - start)
    return lengths
