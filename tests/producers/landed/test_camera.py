"""A camera whose videos land as files: each is played once, in order, whatever happens between."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from producers.landed.camera import LandedCamera
from producers.landed.landings import Landings
from producers.landed.ledger import Entry, read_ledger, retry_file
from producers.landed.stores import StoreError
from producers.settings import CameraSettings
from producers.tail import Tail
from schemas.messages import Captured, Missing, to_us
from tests.producers.clips import number_in, write_clip
from tests.waiting import eventually
from vision.jpeg import decode_bgr, inspect

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAME_TIME = "%Y%m%d_%H%M%S"


def name_of(seconds: float) -> str:
    """Of a file that begins so long after noon."""
    return f"{NOON + timedelta(seconds=seconds):{NAME_TIME}}.mp4"


class FakeBroker:
    """In place of a broker: takes ticks, and says so at once, later, or never."""

    def __init__(self) -> None:
        self.records: list[Captured | Missing] = []
        self.answers = True
        self.unanswered: list[Callable[[], None]] = []
        self.full_at: int | None = None  # from then on it takes no more, as when it is away
        self.waits = threading.Event()
        self.goes_on = threading.Event()

    def hand(self, record: Captured | Missing, landed: Callable[[], None]) -> None:
        if self.full_at is not None and len(self.records) >= self.full_at:
            self.waits.set()
            assert self.goes_on.wait(30)
            return
        self.records.append(record)
        if self.answers:
            landed()
        else:
            self.unanswered.append(landed)

    def tail(self) -> Tail:
        tail = Tail()
        for record in self.records:
            tail.note(record)
        return tail

    def seconds(self) -> list[float]:
        """Capture times, after noon."""
        return [(record.captured_at - NOON).total_seconds() for record in self.records]

    def numbers(self) -> list[int]:
        """What the pictures show."""
        captured = [one for one in self.records if isinstance(one, Captured)]
        return [number_in(decode_bgr(one.jpeg, inspect(one.jpeg))) for one in captured]


class Site:
    """A folder in which files land, a ledger, and a broker."""

    def __init__(self, folder: Path) -> None:
        self.landed = folder / "landed"
        self.landed.mkdir()
        self.ledger = folder / "ledger"
        self.broker = FakeBroker()
        self.counted: list[str] = []  # what became of files
        self._made = folder / "made"
        self._made.mkdir()

    def clip(self, first_number: int, seconds: int = 4, **keys: Any) -> Path:
        """A clip of a frame a second; they show their numbers."""
        path = self._made / f"{first_number}-{seconds}.mp4"
        if not path.exists():
            whole = write_clip(path, range(seconds), Fraction(1), gop=2, first=first_number, **keys)
            assert whole == path
        return path

    def land(self, name: str, clip: Path) -> Path:
        """As a mover does: it appears whole."""
        target = self.landed / name
        shutil.copy(clip, target.with_name(f".{name}"))
        return target.with_name(f".{name}").rename(target)

    @contextmanager
    def camera(self, tail: Tail | None = None, **keys: Any) -> Iterator[LandedCamera]:
        """A producer that runs."""
        source = {
            "kind": "landed",
            "path": str(self.landed),
            "name_time": NAME_TIME,
            "settle_s": 0.0,
            "look_every_s": 0.1,
            **keys,
        }
        settings = CameraSettings.model_validate({"source": source})
        with closing(Landings(self.ledger, tail or Tail(), self.counted.append)) as landings:
            source_settings: Any = settings.source
            camera = landings.camera("door", settings, source_settings, self.broker.hand)
            camera.start()
            try:
                yield camera
            finally:
                camera.close()
                self.broker.goes_on.set()
                camera.join(30)
                assert not camera.is_alive()

    def play(self, until: Callable[[], object], **keys: Any) -> None:
        """Let a producer run until something is so."""
        with self.camera(**keys):
            eventually(until, 30)

    def entries(self) -> dict[str, Entry]:
        return {entry.found.name: entry for entry in read_ledger(self.ledger).get("door", [])}

    def has(self, **status: str) -> bool:
        """Whether files, by their names without end, have come to these states."""
        known = {Path(name).stem: entry.status for name, entry in self.entries().items()}
        return all(known.get(name) == wanted for name, wanted in status.items())

    def reason(self, name: str) -> str:
        return self.entries()[name].reason


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def all_done(site: Site, count: int) -> Callable[[], bool]:
    def is_so() -> bool:
        states = [entry.status for entry in site.entries().values()]
        return len(states) == count and set(states) <= {"done", "aside"}

    return is_so


# ---------------------------------------------------------------- once, and in order


def test_files_are_played_in_the_order_of_their_times_with_their_own_times(site: Site) -> None:
    for place in (2, 0, 1):
        site.land(name_of(4 * place), site.clip(4 * place))
    site.play(all_done(site, 3))
    assert site.broker.seconds() == list(range(12))
    assert site.broker.numbers() == list(range(12))
    assert [record.seq for record in site.broker.records] == [0, 1, 2, 3] * 3
    assert len({record.run for record in site.broker.records}) == 3


def test_what_lands_later_is_played_later_and_nothing_twice(site: Site) -> None:
    site.land(name_of(0), site.clip(0))
    with site.camera():
        eventually(all_done(site, 1), 30)
        site.land(name_of(4), site.clip(4))
        eventually(all_done(site, 2), 30)
    site.land(name_of(8), site.clip(8))
    site.play(all_done(site, 3))
    assert site.broker.seconds() == list(range(12))


def test_a_file_tells_its_own_time_where_names_do_not(site: Site) -> None:
    clip = site.clip(0, created="2026-03-01T12:00:05Z")
    site.land("anything.mp4", clip)
    site.play(all_done(site, 1), name_time=None)
    assert site.broker.seconds() == [5, 6, 7, 8]


def test_a_name_that_is_used_again_is_another_file(site: Site) -> None:
    site.land("slot1.mp4", site.clip(0, created="2026-03-01T12:00:00Z"))
    with site.camera(name_time=None):
        eventually(lambda: site.has(slot1="done"), 30)
        site.land("slot1.mp4", site.clip(4, created="2026-03-01T12:00:04Z"))
        eventually(lambda: len(site.broker.records) == 8 and site.has(slot1="done"), 30)
    assert site.broker.numbers() == list(range(8))


def test_a_file_that_is_still_written_is_left_alone_and_so_are_those_after_it(site: Site) -> None:
    content = site.clip(0).read_bytes()
    site.land(name_of(4), site.clip(4))
    with (site.landed / name_of(0)).open("wb") as file, site.camera() as camera:
        file.write(content[: len(content) // 2])
        file.flush()
        before = camera._look_at
        eventually(lambda: camera._look_at > before + 0.5, 30, why="it has looked several times")
        assert site.broker.records == []
        file.write(content[len(content) // 2 :])
        file.close()
        eventually(all_done(site, 2), 30)
    assert site.broker.numbers() == list(range(8))


def test_a_file_that_grows_is_left_alone_where_nobody_says_who_writes(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.landed.folder._has_writer", lambda _: False)
    clock_us = [0]
    monkeypatch.setattr("producers.landed.landings.monotonic_us", lambda: clock_us[0])
    content = site.clip(0).read_bytes()
    path = site.landed / name_of(0)
    with site.camera(settle_s=0.5) as camera:
        for end in range(1, len(content), len(content) // 8):
            path.write_bytes(content[:end])
            before = camera._look_at  # the look after the next one has seen it for certain
            eventually(lambda before=before: camera._look_at > before + 0.2, 30)  # type: ignore[misc]
            clock_us[0] += 499_999
            assert site.entries() == {}
        path.write_bytes(content)

        def done_as_time_goes_by() -> bool:
            clock_us[0] += 500_000
            return all_done(site, 1)()

        eventually(done_as_time_goes_by, 30)
    assert site.broker.numbers() == [0, 1, 2, 3]


def test_a_file_whose_end_is_written_while_it_is_judged_is_not_taken_for_the_half_it_was(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = site.clip(0).read_bytes()
    path = site.landed / name_of(0)
    path.write_bytes(content[: len(content) // 2])

    def writes_its_end(_: int) -> bool:
        if path.stat().st_size < len(content):
            path.write_bytes(content)
        return False

    monkeypatch.setattr("producers.landed.folder._has_writer", writes_its_end)
    site.play(all_done(site, 1))
    assert site.broker.numbers() == [0, 1, 2, 3]


def test_a_file_that_waits_and_is_written_anew_is_looked_at_anew(site: Site) -> None:
    site.land(name_of(0), site.clip(0))
    site.land(name_of(4), site.clip(8))
    site.broker.answers = False
    with site.camera(look_every_s=60):
        eventually(lambda: len(site.broker.unanswered) == 4, 30)
        assert site.has(**{Path(name_of(4)).stem: "waiting"})
        site.land(name_of(4), site.clip(4, 6))
        site.broker.answers = True
        for landed in site.broker.unanswered:
            landed()
        eventually(all_done(site, 2), 30)
    assert site.broker.numbers() == list(range(10))
    assert site.counted == ["done", "done"]


def test_a_file_of_no_time_that_is_always_written_holds_up_nobody(site: Site) -> None:
    site.land(name_of(0), site.clip(0))
    with (site.landed / "00-current.mp4").open("wb") as file:
        file.write(b"x")
        site.play(lambda: site.has(**{Path(name_of(0)).stem: "done"}))
    assert site.broker.seconds() == [0, 1, 2, 3]


def test_a_ledger_that_can_not_be_written_for_a_while_is_waited_for(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with site.camera():
        eventually(lambda: (site.ledger / "ledger.sqlite3").exists(), 30)
        with closing(sqlite3.connect(site.ledger / "ledger.sqlite3")) as other:
            other.execute("BEGIN EXCLUSIVE")
            site.land(name_of(0), site.clip(0))
            eventually(lambda: "ledger of landed files can't be written" in caplog.text, 30)
            other.rollback()
        eventually(all_done(site, 1), 30)
    assert site.broker.seconds() == [0, 1, 2, 3]


# ---------------------------------------------------------------- resumed


def test_a_kill_in_mid_file_is_resumed_behind_what_the_broker_has(site: Site) -> None:
    site.land(name_of(0), site.clip(0, 12))
    site.broker.full_at = 5
    with site.camera():
        assert site.broker.waits.wait(30)  # and is ended there
    site.broker.full_at = None
    site.play(all_done(site, 1), tail=site.broker.tail())
    assert site.broker.numbers() == list(range(12))
    assert [record.seq for record in site.broker.records] == list(range(12))
    assert len({record.run for record in site.broker.records}) == 1


def test_the_ledger_alone_is_enough_to_resume(site: Site) -> None:
    site.land(name_of(0), site.clip(0, 12))
    site.broker.full_at = 5
    with site.camera():
        assert site.broker.waits.wait(30)
    site.broker.full_at = None
    site.play(all_done(site, 1))
    assert site.broker.numbers() == list(range(12))


def test_without_its_ledger_the_broker_is_enough_to_resume(site: Site) -> None:
    site.land(name_of(0), site.clip(0))
    site.land(name_of(4), site.clip(4, 12))
    site.broker.full_at = 9
    with site.camera():
        assert site.broker.waits.wait(30)
    shutil.rmtree(site.ledger)
    site.broker.full_at = None
    site.play(all_done(site, 2), tail=site.broker.tail())
    assert site.broker.numbers() == list(range(16))
    assert {entry.status for entry in site.entries().values()} == {"done"}


def test_a_file_is_not_done_before_the_broker_has_all_of_it(site: Site) -> None:
    site.land(name_of(0), site.clip(0))
    site.broker.answers = False
    with site.camera():
        eventually(lambda: len(site.broker.records) == 4, 30)
    assert site.entries()[name_of(0)].status == "begun"
    assert site.entries()[name_of(0)].last_seq == -1
    site.broker.answers = True
    site.play(all_done(site, 1))
    assert site.broker.seconds() == [0, 1, 2, 3] * 2  # the same ticks, which is harmless
    assert len({(record.run, record.seq) for record in site.broker.records}) == 4


# ---------------------------------------------------------------- beside what is there


def test_a_little_overlap_is_left_out_and_times_go_on_rising(site: Site) -> None:
    site.land(name_of(0), site.clip(0, 5))  # to second 4
    site.land(name_of(4), site.clip(4, 5))
    site.play(all_done(site, 2))
    seconds = site.broker.seconds()
    assert seconds == list(range(9))
    assert all(one < other for one, other in pairwise(seconds))
    assert [record.seq for record in site.broker.records] == [*range(5), *range(4)]


def test_a_file_that_overlaps_by_more_is_set_aside_and_the_next_goes_on(site: Site) -> None:
    site.land(name_of(0), site.clip(0, 12))
    site.land(name_of(3), site.clip(3))
    site.land(name_of(12), site.clip(12))
    site.play(all_done(site, 3))
    assert site.broker.seconds() == list(range(16))
    assert sorted(site.counted) == ["aside", "done", "done"]
    assert "2026-03-01T12:00:03.000000Z" in site.reason(name_of(3))
    assert "2026-03-01T12:00:11.000000Z" in site.reason(name_of(3))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("20260301_120000.mp4", b"no video at all", "can't be read as a video"),
        ("20260301_120000.mp4", b"", "can't be read as a video"),
        ("holiday.mp4", b"whatever", "its name holds no time as name_time has it"),
        ("20990101_000000.mp4", None, "in the future: is its time zone right"),
    ],
)
def test_what_can_not_be_played_is_set_aside_with_its_reason(
    site: Site, name: str, content: bytes | None, reason: str
) -> None:
    path = site.land(name, site.clip(0))
    if content is not None:
        path.write_bytes(content)
    site.land(name_of(60), site.clip(60))
    site.play(all_done(site, 2))
    assert reason in site.reason(name)
    assert site.broker.seconds() == [60, 61, 62, 63]


def test_what_was_set_aside_is_looked_at_again_when_it_is_asked_for(site: Site) -> None:
    path = site.land(name_of(0), site.clip(0))
    path.write_bytes(b"no video at all")
    with site.camera(look_every_s=3600) as camera:
        eventually(all_done(site, 1), 30)
        assert not retry_file(site.ledger, "door", "another.mp4")
        shutil.copy(site.clip(0), path)
        assert retry_file(site.ledger, "door", name_of(0))
        camera._news.set()  # as a queue does
        eventually(lambda: site.has(**{path.stem: "done"}), 30)
    assert site.broker.seconds() == [0, 1, 2, 3]


def test_a_file_that_says_no_time_needs_a_pattern(site: Site) -> None:
    site.land("a.mp4", site.clip(0))
    site.play(all_done(site, 1), name_time=None)
    assert site.reason("a.mp4") == "it does not say when it was recorded: set name_time"


# ---------------------------------------------------------------- what becomes of the files


def test_done_files_are_moved_and_those_set_aside_beside_their_reason(site: Site) -> None:
    site.land(name_of(0), site.clip(0))
    site.land("holiday.mp4", site.clip(0))
    done = site.landed / "done" / name_of(0)
    reason = site.landed / "aside" / "holiday.mp4.reason.txt"
    site.play(lambda: done.exists() and reason.exists(), finished="move")
    assert reason.read_text() == "its name holds no time as name_time has it\n"
    assert sorted(one.name for one in site.landed.iterdir()) == ["aside", "done"]
    site.play(lambda: not site.entries(), finished="move")
    assert site.broker.seconds() == [0, 1, 2, 3]


def test_done_files_are_deleted_and_those_set_aside_are_not(site: Site) -> None:
    site.land(name_of(0), site.clip(0))
    site.land("holiday.mp4", site.clip(0))
    done = site.landed / name_of(0)
    site.play(lambda: not done.exists() and site.has(holiday="aside"), finished="delete")
    assert (site.landed / "holiday.mp4").exists()


def test_files_that_can_not_be_moved_hold_up_nobody(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    (site.landed / "done").write_text("in the way of the folder")
    for place in (0, 1, 2):
        site.land(name_of(4 * place), site.clip(4 * place))
    with site.camera(finished="move"):
        eventually(lambda: len(site.broker.records) == 12, 30)
        (site.landed / "done").unlink()
        eventually(lambda: (site.landed / "done" / name_of(8)).exists(), 30)
    told = caplog.text.count("can't be moved or deleted")
    assert 1 <= told <= 3, "once for each file at most; the last may be done when all is well again"
    assert site.broker.seconds() == list(range(12))


def test_what_is_wrong_with_the_place_is_told_once_though_other_things_work_between(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.land(name_of(0), site.clip(0))
    tries = []

    def away(*_: object) -> None:
        tries.append(1)
        raise StoreError("the file's server is away")

    monkeypatch.setattr("producers.landed.camera.Backoff.wait_s", lambda *_: 0.01)
    with monkeypatch.context() as patch, site.camera():
        patch.setattr("producers.landed.folder.FolderStore.file", away)
        eventually(lambda: len(tries) > 5, 30)
        patch.undo()
        eventually(all_done(site, 1), 30)
    assert caplog.text.count("the file's server is away") == 1
    assert site.broker.seconds() == [0, 1, 2, 3]


def test_files_that_go_away_are_forgotten_while_it_runs(site: Site) -> None:
    first, second = (site.land(name_of(4 * place), site.clip(4 * place)) for place in (0, 1))
    with site.camera():
        eventually(all_done(site, 2), 30)
        first.unlink()
        eventually(lambda: set(site.entries()) == {second.name}, 30)
    assert site.broker.seconds() == list(range(8))


def test_a_folder_that_is_away_for_a_while_is_waited_for(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    away = site.landed.rename(site.landed.with_name("away"))
    with site.camera():
        eventually(lambda: "is no folder" in caplog.text, 30)
        away.rename(site.landed)
        site.land(name_of(0), site.clip(0))
        eventually(all_done(site, 1), 30)
    assert site.broker.seconds() == [0, 1, 2, 3]


def test_a_file_is_played_no_faster_than_its_speed(site: Site) -> None:
    site.land(name_of(0), site.clip(0))
    site.play(all_done(site, 1), speed=20.0)
    took = [to_us(record.captured_at) for record in site.broker.records]
    gave_us = [record.stages["produce"][0] for record in site.broker.records]
    assert gave_us[-1] - gave_us[0] >= (took[-1] - took[0]) / 20 * 0.8
