"""The whole line on the real clips: what comes out is what is on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runtime.kafka import reader, received
from runtime.reading import read_all
from runtime.sender import Sender
from schemas.codec import Wire
from tests.end_to_end.clips import ticks_at_1_hz
from tests.fixtures.assets import FetchedAssets
from tests.fixtures.servers import Servers
from tests.harness.compare import broken_promises
from tests.harness.faults import run
from tests.harness.line import Line, Role, open_line

pytestmark = [pytest.mark.stack, pytest.mark.line]

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
STREET_S = 120  # somebody comes by from its 67th to its 90th second
# Of the campus clip: somebody comes in at about its 13th second and is gone by its 28th.
CAR_PARK = [[0.75, 0.0], [1.0, 0.0], [1.0, 0.333], [0.75, 0.333]]
DETECTOR = ("ssd-mobilenetv2-oidv4", "ssd-mobilenetv2-oidv4-labels")


class Played:
    """A line that has played everything, and how many ticks each camera's source has."""

    def __init__(
        self, line: Line, expected: dict[str, int], measured: dict[Role, dict[str, float]]
    ) -> None:
        """`measured`: each role's metrics, summed over their labels, when all was done."""
        self.line = line
        self.expected = expected
        self.measured = measured

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.line.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def needs(self, camera: str) -> None:
        if camera not in self.expected:
            pytest.skip(f"the clip of {camera} can't be had here: synthetic street alone")


@pytest.fixture(scope="module")
def played(
    servers: Servers, assets: FetchedAssets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    for name in DETECTOR:
        assets.need(name)
    cameras: dict[str, Any] = {"street": {"kind": "street", "seed": 8, "length_s": STREET_S}}
    cameras["street"]["activity"] = 0.5
    expected = {"street": STREET_S}
    for camera, clip in (("campus", "vtest"), ("tree", "tree")):
        path = assets.get(clip)
        if path is not None:
            cameras[camera] = {"kind": "video", "path": str(path)}
            expected[camera] = ticks_at_1_hz(path)
    settings = {
        "cameras": {name: _camera(source) for name, source in cameras.items()},
        "rules": [_rule("car-park", "campus", CAR_PARK), _rule("street", "street", None)],
    }
    settings["rules"] = [r for r in settings["rules"] if r["cameras"][0] in cameras]
    ticks = sum(expected.values())
    with open_line(servers, tmp_path_factory.mktemp("clips"), ticks, settings) as line:
        roles: tuple[Role, ...] = ("gate", "infer", "sql", "alerts", "produce")
        for role in roles:
            line.start(role)
        run(line)
        # Now: a later test may stop the roles.
        measured = {role: line.processes[f"{role}-1"].metrics() for role in roles}
        yield Played(line, expected, measured)


def _camera(source: dict[str, Any]) -> dict[str, Any]:
    return {"source": source, "start_at": START.isoformat(), "speed": None}


def _rule(name: str, camera: str, zone: list[list[float]] | None) -> dict[str, Any]:
    rule: dict[str, Any] = {"name": name, "kind": "presence", "cameras": [camera], "for_s": 2}
    rule |= {"labels": ["person"], "min_confidence": 0.4, "severity": "info"}
    return rule | ({"zone": {"points": zone}} if zone else {})


def test_every_tick_of_every_source_is_a_row(played: Played) -> None:
    rows = dict(played.ask("SELECT camera, count(*) FROM frames GROUP BY camera"))
    assert rows == played.expected


def test_what_always_holds_holds_on_every_topic_and_in_the_tables(played: Played) -> None:
    assert broken_promises(played.line) == []


@pytest.mark.parametrize("role", ["gate", "infer", "sql", "alerts"])
def test_a_stage_tells_its_lag_and_how_old_each_tick_was(played: Played, role: Role) -> None:
    measured = played.measured[role]
    # The last transaction's marker on a partition may be counted.
    assert measured["onehertz_lag_records"] <= played.line.settings.line.partitions
    assert measured["onehertz_stage_latency_seconds_count"] == sum(played.expected.values())
    if role in ("sql", "alerts"):  # where a tick's way ends
        assert measured["onehertz_latency_seconds_count"] == sum(played.expected.values())


def test_people_are_found_on_the_campus_where_there_are_some_on_every_tick(played: Played) -> None:
    played.needs("campus")
    people = played.ask(
        "SELECT captured_at, count(*) FILTER (WHERE label = 'person')"
        " FROM detections_at_every_second WHERE camera = 'campus' GROUP BY captured_at"
    )
    with_people = sum(count > 0 for _, count in people)
    assert len(people) == played.expected["campus"]
    assert with_people >= 0.95 * len(people)
    # By the clip's published annotation there are 2 to 8 at every second, 5.5 on average.
    assert 3 <= sum(count for _, count in people) / len(people) <= 8


def test_the_gate_spares_the_detector_an_empty_street_and_a_swaying_tree(played: Played) -> None:
    kept = {
        camera: inferred / ticks
        for camera, inferred, ticks in played.ask(
            "SELECT camera, count(*) FILTER (WHERE status = 'inferred'), count(*)"
            " FROM frames GROUP BY camera"
        )
    }
    assert kept["street"] < 0.5
    assert kept.get("tree", 0) < 0.6
    assert kept.get("campus", 1) > 0.9  # somebody always walks


def test_an_alert_is_raised_and_cleared_when_somebody_comes_and_goes(played: Played) -> None:
    played.needs("campus")
    alerts = played.ask(
        "SELECT began_at, raised_at, ended_at, state FROM alerts"
        " WHERE rule = 'car-park' ORDER BY began_at"
    )
    began_at, raised_at, ended_at, state = alerts[0]
    assert state == "cleared"
    assert abs(began_at - (START + timedelta(seconds=13))) <= timedelta(seconds=2)
    assert raised_at - began_at == timedelta(seconds=2)
    assert abs(ended_at - (START + timedelta(seconds=27))) <= timedelta(seconds=3)


def test_an_alert_is_raised_and_cleared_in_the_synthetic_street(played: Played) -> None:
    alerts = played.ask(
        "SELECT began_at, raised_at, ended_at FROM alerts WHERE rule = 'street' ORDER BY began_at"
    )
    first, last = START + timedelta(seconds=66), START + timedelta(seconds=92)
    assert alerts
    for began_at, _, ended_at in alerts:
        assert first <= began_at < ended_at <= last


def test_the_same_clips_again_add_no_row(played: Played) -> None:
    line = played.line
    before = _everything(played)
    line.restart("produce-1")
    run(line)
    _send_again(line)
    run(line)
    assert line.metric("gate", "onehertz_repeats_total") >= sum(played.expected.values())
    assert _everything(played) == before
    assert broken_promises(line) == []


def _everything(played: Played) -> Counter[tuple[Any, ...]]:
    queries = (
        "SELECT camera, captured_at, status, written_at FROM frames",
        "SELECT camera, captured_at, n, label, score FROM detections",
        "SELECT alert, at, change FROM alert_events",
    )
    return Counter(row for query in queries for row in played.ask(query))


def _send_again(line: Line) -> None:
    """Every message of frames-raw once more, as a sender would that lost its acknowledgements."""
    topic = line.topic("frames-raw")
    consumer = reader(line.settings.kafka)
    messages = [
        received(message)
        for number in range(line.settings.line.partitions)
        for message in read_all(consumer, topic, number)
    ]
    consumer.close()
    sender = Sender(line.settings.kafka)
    for raw in messages:
        headers = [(name, value or b"") for name, value in raw.headers or ()]
        sender.send(topic, Wire(raw.key or b"", raw.value or b"", headers))
    assert sender.flush(60.0) == 0


def test_the_roles_stop_cleanly_when_they_are_asked_to(played: Played, tmp_path: Path) -> None:
    # Last in effect whatever the order: other tests read what is stored.
    line = played.line
    line.terminate("alerts-1")
    assert "stopped as asked" in line.log_of("alerts-1")
    line.restart("alerts-1")
