"""The rule, the timeline and the tables of docs/alerts.md, run through the engine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from onehertz.cli.rules import load_rules
from schemas.messages import Inferred, ResultRecord, Unchanged, split_frame_id, to_us
from sinks.alerts.engine import CameraRules
from sinks.alerts.kinds.boxes import ZoneSettings
from sinks.alerts.kinds.presence import PresenceRule
from sinks.alerts.text import DEFAULT_TEMPLATE
from tests.sinks.alerts.records import (
    CAMERA,
    feed,
    missing,
    moment,
    nobody,
    person,
    rejected,
    story,
    unchanged,
)

TEXT = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")

WRITTEN_AS = {
    "inferred, person": person,
    "inferred, nobody": nobody,
    "missing": missing,
    "rejected": rejected,
}


def rows(header: str) -> list[list[str]]:
    """The cells of the table whose header row begins with `header`."""
    table = TEXT[TEXT.index(header) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def timeline() -> Iterator[tuple[ResultRecord, str, str]]:
    """Each row's record, how a rule takes it, and what happens."""
    last_inferred = 0.0
    for second, tick, taken_as, happens in rows("| second |"):
        at = float(second)
        record = unchanged(at, last_inferred) if tick == "unchanged" else WRITTEN_AS[tick](at)
        if isinstance(record, Inferred):
            last_inferred = at
        yield record, taken_as, happens


def test_the_timeline_happens_as_told(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
    file = tmp_path / "rules.yaml"
    file.write_text(example)
    engine = CameraRules(CAMERA, load_rules(file, ["yard"]))
    told = []
    for record, _, happens in timeline():
        changes = feed(engine, [record])
        told += changes
        verbs = {"raised": "began", "cleared": "ended"}
        found = [f"{kind}, {verbs[kind]} at {other:g}" for kind, _, other in story(changes)]
        assert found == ([happens] if happens else []), record
    assert told[0].text == "person in the yard for 3 s"
    assert {change.severity for change in told} == {"critical"}


def test_the_timeline_takes_each_tick_as_told() -> None:
    shown: dict[int, bool] = {}
    for record, taken_as, _ in timeline():
        if isinstance(record, Inferred):
            shown[record.captured_at_us] = bool(record.boxes)
            expected = shown[record.captured_at_us]
        elif isinstance(record, Unchanged):
            expected = shown[split_frame_id(record.same_as)[1]]
        else:
            assert taken_as == "unknown"
            continue
        assert taken_as == ("there" if expected else "not there")
    assert max(shown) == to_us(moment(24))


def test_the_table_has_every_setting_with_its_default() -> None:
    told = {key.strip("`"): default.strip("`") for key, default, _ in rows("| key |")}
    assert told.keys() == PresenceRule.model_fields.keys()
    for name, field in PresenceRule.model_fields.items():
        special = {"zone": "whole picture", "text": DEFAULT_TEMPLATE}
        default = "" if field.is_required() else special.get(name, field.default)
        told_default: object = told[name]
        if isinstance(default, float):
            told_default = float(told[name])
        assert told_default == default, name


def test_the_anchors_and_their_default_are_told() -> None:
    field = ZoneSettings.model_fields["anchor"]
    told = [anchor.split("`")[1] for anchor, *_ in rows("| `anchor` |")]
    assert told == list(field.annotation.__args__)  # type: ignore[union-attr] # a Literal
    assert f"`{field.default}` (default)" in TEXT
    assert f"(default {ZoneSettings.model_fields['min_overlap'].default})" in TEXT
