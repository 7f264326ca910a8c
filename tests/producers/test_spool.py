"""Ticks on disk: whole after a crash, bounded, in order."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.given_up import without_picture
from producers.spool import Spool, Tick
from runtime.errors import UserError
from schemas.codec import decode_raw, encode_frame
from schemas.messages import Captured, Missing, RawRecord, Unchanged, frame_id, from_us
from schemas.wire import Received

ROOT = Path(__file__).parents[2]
START_US = 1_772_366_400_000_000
SECOND = 1_000_000
ALL = -(1 << 62)


def tick(camera: str, seq: int, size: int = 10_000) -> Tick:
    """A captured one, with a picture of about so many bytes."""
    record = Captured(
        camera=camera,
        captured_at=from_us(START_US + seq * SECOND),
        run="run",
        seq=seq,
        width=640,
        height=480,
        jpeg=b"\xff\xd8" + bytes(size) + b"\xff\xd9",
        stages={"produce": (1, 2)},
    )
    return Tick(camera, record.captured_at_us, encode_frame(record, "produce"))


def record_of(tick: Tick) -> RawRecord:
    return decode_raw(Received(tick.wire.key, tick.wire.value, list(tick.wire.headers)))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path, 10_000_000)
    yield spool
    spool.close()


def test_a_cameras_ticks_come_back_as_they_were_the_oldest_first(spool: Spool) -> None:
    ticks = [tick("a", 2), tick("b", 0), tick("a", 1), tick("a", 3)]
    spool.append(ticks)
    found = [one.tick for one in spool.read("a", ALL, 10)]
    assert found == [ticks[2], ticks[0], ticks[3]]
    assert [one.tick.captured_us for one in spool.read("a", ticks[2].captured_us, 1)] == [
        ticks[0].captured_us
    ]
    assert spool.waiting() == {"a": 3, "b": 1}


def test_what_the_broker_has_is_gone_and_room_is_counted(spool: Spool) -> None:
    rows = spool.append([tick("a", n) for n in range(5)])
    assert spool.bytes == sum(tick("a", n).size for n in range(5))
    spool.delete(rows[:3])
    spool.delete(rows[:3])  # twice is as good as once
    assert (spool.rows, spool.bytes) == (2, sum(tick("a", n).size for n in (3, 4)))
    spool.delete(rows)
    assert (spool.rows, spool.bytes) == (0, 0)


def test_when_all_is_sent_the_disk_has_its_room_back(spool: Spool, tmp_path: Path) -> None:
    def on_disk() -> int:
        return sum(path.stat().st_size for path in tmp_path.iterdir())

    rows = spool.append([tick("a", n, 100_000) for n in range(200)])
    assert on_disk() > 20_000_000
    spool.delete(rows)
    assert on_disk() < 100_000
    spool.append([tick("a", 0)])
    assert [record_of(one.tick).seq for one in spool.read("a", ALL, 9)] == [0]


def test_room_that_was_not_given_back_before_a_kill_is_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr(Spool, "_give_back", lambda _: None)
        first = Spool(tmp_path, 10**9)
        first.delete(first.append([tick("a", n, 100_000) for n in range(200)]))
        first.close()
    assert (tmp_path / "ticks.sqlite3").stat().st_size > 20_000_000
    Spool(tmp_path, 10**9).close()
    assert (tmp_path / "ticks.sqlite3").stat().st_size < 100_000


def test_it_is_all_there_after_it_was_closed_and_opened_again(tmp_path: Path) -> None:
    first = Spool(tmp_path, 10_000_000)
    first.append([tick("a", 0), tick("b", 0)])
    before = first.rows, first.bytes
    first.close()
    second = Spool(tmp_path, 10_000_000)
    assert (second.rows, second.bytes) == before
    assert [one.tick for one in second.read("b", ALL, 9)] == [tick("b", 0)]
    second.close()


def test_where_there_is_too_much_the_oldest_lose_their_pictures_and_stay_as_ticks(
    tmp_path: Path,
) -> None:
    spool = Spool(tmp_path, 2_000_000)
    spool.append([tick("a", n, 50_000) for n in range(100)])
    assert spool.shrink(0)
    assert 2_000_000 - tick("a", 0, 50_000).size < spool.bytes <= 2_000_000  # and no more than must
    records = [record_of(one.tick) for one in spool.read("a", ALL, 1000)]
    assert [record.seq for record in records] == list(range(100))
    kinds = [type(record) for record in records]
    assert kinds == sorted(kinds, key=[Missing, Captured].index)  # the oldest first, and no others
    assert isinstance(records[0], Missing)
    assert records[0].reason == "spool-full"
    assert isinstance(records[-1], Captured)
    spool.close()


def test_what_is_too_old_loses_its_picture(spool: Spool) -> None:
    spool.append([tick("a", n) for n in range(10)])
    assert spool.shrink(START_US + 4 * SECOND) == [("a", START_US + n * SECOND) for n in range(4)]
    assert spool.shrink(START_US + 4 * SECOND) == []
    kinds = [type(record_of(one.tick)) for one in spool.read("a", ALL, 99)]
    assert kinds == [Missing] * 4 + [Captured] * 6


def same_as(camera: str, seq: int, reference: int) -> Tick:
    """What a gate at the edge dropped."""
    record = Unchanged(
        camera=camera,
        captured_at=from_us(START_US + seq * SECOND),
        run="run",
        seq=seq,
        same_as=frame_id(camera, START_US + reference * SECOND),
        stages={"produce": (1, 2)},
    )
    return Tick(camera, record.captured_at_us, encode_frame(record, "produce"))


def test_what_equals_a_frame_that_lost_its_picture_is_missing_too(spool: Spool) -> None:
    spool.append(
        [
            *(tick("a", 0), same_as("a", 1, 0), same_as("a", 2, 0)),
            *(tick("a", 3), same_as("a", 4, 3)),
            *(tick("b", 0), same_as("b", 1, 0)),
        ]
    )
    before = spool.bytes
    lost = spool.shrink(START_US + 2 * SECOND)
    assert lost == [("a", START_US), ("b", START_US)]
    of_a = [record_of(one.tick) for one in spool.read("a", ALL, 9)]
    assert [type(one) for one in of_a] == [Missing, Missing, Missing, Captured, Unchanged]
    assert [one.reason for one in of_a if isinstance(one, Missing)] == ["spool-full"] * 3
    assert [one.seq for one in of_a] == list(range(5))
    assert [type(record_of(one.tick)) for one in spool.read("b", ALL, 9)] == [Missing, Missing]
    assert spool.bytes < before
    assert spool.bytes == sum(one.tick.size for c in "ab" for one in spool.read(c, ALL, 9))


def test_an_unchanged_tick_has_no_picture_to_lose(spool: Spool) -> None:
    spool.append([same_as("a", 1, 0)])
    assert spool.shrink(START_US + 9 * SECOND) == []
    assert isinstance(record_of(spool.read("a", ALL, 1)[0].tick), Unchanged)


def test_a_long_reason_is_no_picture_and_stays(tmp_path: Path) -> None:
    """Control characters are six bytes each in JSON: larger than many a picture."""
    missing = Missing(
        camera="a",
        captured_at=from_us(START_US),
        run="run",
        seq=0,
        reason="unreachable",
        detail="\x01" * 1000,
    )
    wire = encode_frame(missing, "produce")
    assert len(wire.value) > 6_000
    spool = Spool(tmp_path, 10_000_000)
    spool.append([Tick("a", START_US, wire), tick("a", 1, 100)])
    assert len(spool.shrink(START_US + 9 * SECOND)) == 1
    first, second = (record_of(one.tick) for one in spool.read("a", ALL, 9))
    assert isinstance(first, Missing)
    assert (first.reason, first.detail) == ("unreachable", missing.detail)
    assert isinstance(second, Missing)
    assert second.reason == "spool-full"
    spool.close()


def test_where_even_the_bare_ticks_are_too_many_the_oldest_go(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100_000)
    spool.append([tick("a", n) for n in range(200)])
    spool.shrink(0)
    assert spool.bytes <= 100_000
    left = [record_of(one.tick).seq for one in spool.read("a", ALL, 999)]
    assert left == list(range(200 - len(left), 200))
    spool.close()


def test_a_tick_without_its_picture_is_the_same_tick() -> None:
    whole = record_of(tick("a", 7))
    bare = decode_raw(Received(*without_picture(tick("a", 7).wire)))
    assert (bare.frame, bare.run, bare.seq, bare.stages) == (
        whole.frame,
        whole.run,
        whole.seq,
        whole.stages,
    )


def test_a_spool_is_one_producers_alone(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"produce\.spool\.path: .* each producer needs one of its"):
        Spool(tmp_path, 10_000_000)


def test_a_folder_that_cannot_be_used_is_told_with_its_key(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"produce\.spool\.path: "):
        Spool(tmp_path / "file", 10_000_000)


def test_nothing_that_append_returned_from_is_lost_by_a_kill(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path;"
        "from producers.spool import Spool; from tests.producers.test_spool import tick;"
        "spool = Spool(Path(sys.argv[1]), 10**9);\n"
        "for n in range(100_000):\n"
        "    spool.append([tick('a', n)]); print(n, flush=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as told:
        for line in told:
            if int(line) >= 100:
                break
        process.kill()
        kept = [int(line), *map(int, (one for one in told if one.endswith("\n")))][-1]
    process.wait()
    spool = Spool(tmp_path, 10**9)
    assert [record_of(one.tick).seq for one in spool.read("a", ALL, kept + 1)] == list(
        range(kept + 1)
    )
    spool.close()
