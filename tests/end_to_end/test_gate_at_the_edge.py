"""A camera that gates at the edge beside one that does not: the same rows, fewer bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from producers import camera as cameras
from producers.camera import open_camera
from producers.encoder import Encoded, Encoder, Prepared
from producers.settings import CameraSettings
from schemas.codec import decode_gated, decode_raw
from schemas.messages import Captured, GatedRecord, Kept, RawRecord, Unchanged
from tests.fixtures.assets import FetchedAssets
from tests.fixtures.servers import Servers
from tests.harness.compare import broken_promises
from tests.harness.faults import run
from tests.harness.line import Line, Role, open_line
from tests.harness.observed import messages
from vision.gate import Because, Gate
from vision.jpeg import Luma

pytestmark = [pytest.mark.stack, pytest.mark.line]

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECONDS = 120  # somebody comes by from the 67th to the 90th
DETECTOR = ("ssd-mobilenetv2-oidv4", "ssd-mobilenetv2-oidv4-labels")
STREET: dict[str, Any] = {
    "source": {"kind": "street", "seed": 8, "length_s": SECONDS, "activity": 0.5},
    "start_at": START.isoformat(),
    "speed": None,
}


@pytest.fixture(scope="module")
def line(
    servers: Servers, assets: FetchedAssets, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Line]:
    for name in DETECTOR:
        assets.need(name)
    both = {"cameras": {"edge": STREET | {"gate": "edge"}, "server": STREET}}
    with open_line(servers, tmp_path_factory.mktemp("edge"), 2 * SECONDS, both) as line:
        roles: tuple[Role, ...] = ("gate", "infer", "sql", "alerts", "produce")
        for role in roles:
            line.start(role)
        run(line)
        yield line


@pytest.fixture(scope="module")
def raw(line: Line) -> dict[str, list[RawRecord]]:
    found: dict[str, list[RawRecord]] = {"edge": [], "server": []}
    for at in messages(line, "frames-raw"):
        record = decode_raw(at.message)
        found[record.camera].append(record)
    return found


@pytest.fixture(scope="module")
def gated(line: Line) -> dict[str, GatedRecord]:
    records = (decode_gated(at.message) for at in messages(line, "frames-gated"))
    return {record.frame: record for record in records}


def test_every_tick_is_there_as_a_picture_or_as_the_same_as_one(
    raw: dict[str, list[RawRecord]],
) -> None:
    assert [record.seq for record in raw["edge"]] == list(range(SECONDS))
    assert {record.status for record in raw["edge"]} == {"captured", "unchanged"}
    sent: set[str] = set()
    for record in raw["edge"]:
        if isinstance(record, Captured):
            assert record.because is not None
            sent.add(record.frame)
        else:
            assert isinstance(record, Unchanged)
            assert record.same_as in sent


def test_the_servers_gate_passes_on_what_the_edge_decided(
    raw: dict[str, list[RawRecord]], gated: dict[str, GatedRecord]
) -> None:
    for record in raw["edge"]:
        given = gated[record.frame]
        if isinstance(record, Captured):
            assert isinstance(given, Kept)
            assert (given.because, given.score) == (record.because, record.score)
        else:
            assert isinstance(record, Unchanged)
            assert isinstance(given, Unchanged)
            assert (given.same_as, given.score) == (record.same_as, record.score)


def test_it_decides_as_the_servers_gate_would_on_the_same_lumas(
    line: Line, raw: dict[str, list[RawRecord]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lumas = _lumas(monkeypatch)
    gate = Gate(line.settings.gate.rule())
    wanted: list[tuple[Because | None, float]] = []
    for record, luma in zip(raw["edge"], lumas, strict=True):
        decision = gate.decide(luma, record.frame, record.captured_at_us)
        wanted.append((decision.because, decision.score))
    assert [_decision(record) for record in raw["edge"]] == wanted
    assert Counter(because for because, _ in wanted)[None] > SECONDS / 2


def _decision(record: RawRecord) -> tuple[str | None, float]:
    assert isinstance(record, Captured | Unchanged)
    return (record.because if isinstance(record, Captured) else None), record.score


def _lumas(monkeypatch: pytest.MonkeyPatch) -> list[Luma]:
    """Of each frame of the street as it would be sent."""
    seen: list[Luma] = []

    class Looking(Encoder):
        def finish(self, prepared: Prepared) -> Encoded:
            seen.append(prepared.luma)
            return super().finish(prepared)

    monkeypatch.setattr(cameras, "Encoder", Looking)
    list(open_camera("edge", CameraSettings.model_validate(STREET), lambda: 0))
    return seen


def test_the_uplink_carries_a_fraction(raw: dict[str, list[RawRecord]]) -> None:
    sent = {camera: _bytes(records) for camera, records in raw.items()}
    kept = sum(isinstance(record, Captured) for record in raw["edge"])
    assert sent["edge"] < sent["server"] * (kept / SECONDS + 0.05)
    assert kept < SECONDS / 2


def _bytes(records: list[RawRecord]) -> int:
    return sum(len(record.jpeg) for record in records if isinstance(record, Captured))


def test_the_tables_know_what_is_there_at_every_second(line: Line) -> None:
    with line.connect() as connection:
        known = connection.execute(
            "SELECT camera, count(DISTINCT captured_at) FROM detections_at_every_second"
            " WHERE known GROUP BY camera ORDER BY camera"
        ).fetchall()
    assert known == [("edge", SECONDS), ("server", SECONDS)]


def test_what_always_holds_holds(line: Line) -> None:
    assert broken_promises(line) == []
