"""What has become of each file, on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.landed.ledger import Ledger, read_ledger
from producers.landed.stores import Found
from runtime.errors import UserError


def found(name: str, version: str = "1") -> Found:
    return Found(name, version, 7)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path)
    yield opened
    opened.close()


def next_name(ledger: Ledger) -> str | None:
    entry = ledger.next("door")
    return None if entry is None else entry.found.name


def test_files_come_in_the_order_of_their_times_and_the_begun_one_first(ledger: Ledger) -> None:
    ledger.add("door", found("b"), 200)
    ledger.add("door", found("c"), 100)
    ledger.add("yard", found("a"), 1)
    assert next_name(ledger) == "c"
    ledger.begin("door", "b", 0)
    assert next_name(ledger) == "b"
    ledger.finish("door", "b", untidy=False)
    assert next_name(ledger) == "c"
    ledger.set_aside("door", found("c"), "broken", untidy=False)
    assert next_name(ledger) is None


def test_all_that_is_known_survives_the_process(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    first.add("door", found("a"), 100)
    first.begin("door", "a", 2_000)
    first.progress("door", "a", 41, 4_100)
    first.notice("door", "b")
    first.set_aside("door", found("c"), "no video", untidy=True)
    first.close()
    again = Ledger(tmp_path)
    entry = again.next("door")
    assert entry is not None
    assert (entry.status, entry.left_out_us, entry.last_seq) == ("begun", 2_000, 41)
    assert again.last_us("door") == 4_100
    assert again.last_us("yard") is None
    assert again.noticed("door") == ["b"]
    assert [(one.found, one.reason) for one in again.untidy("door")] == [(found("c"), "no video")]
    again.close()


def test_a_cameras_last_tick_never_goes_back(ledger: Ledger) -> None:
    ledger.progress("door", "a", 5, 500)
    ledger.progress("door", "b", 0, 300)
    assert ledger.last_us("door") == 500


def test_what_is_not_there_any_more_is_forgotten_but_not_what_is_to_be_played(
    ledger: Ledger,
) -> None:
    for name in ("a", "b", "c"):
        ledger.add("door", found(name), 1)
    ledger.finish("door", "a", untidy=False)
    ledger.finish("door", "b", untidy=False)
    ledger.prune("door", {"b"})
    known = [name for name in ("a", "b", "c") if ledger.entry("door", name) is not None]
    assert known == ["b", "c"]


def test_a_notice_is_there_until_it_has_been_looked_at(ledger: Ledger) -> None:
    ledger.notice("door", "a")
    ledger.notice("door", "a")
    assert ledger.noticed("door") == ["a"]
    ledger.looked_at("door", "a")
    assert ledger.noticed("door") == []


def test_two_producers_do_not_share_a_ledger(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"produce\.ledger: .* each producer needs one of its own"):
        Ledger(tmp_path)


def test_it_can_be_read_while_it_is_used(ledger: Ledger, tmp_path: Path) -> None:
    ledger.add("door", found("a"), 100)
    read = read_ledger(tmp_path)
    assert [(entry.found.name, entry.status) for entry in read["door"]] == [("a", "waiting")]
    assert read_ledger(tmp_path / "nowhere") == {}


def test_a_damaged_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").write_bytes(b"not a database, not at all" * 100)
    with pytest.raises(UserError, match=r"produce\.ledger: .* can't be used"):
        Ledger(tmp_path)
    with pytest.raises(UserError, match=r"produce\.ledger: .* can't be read"):
        read_ledger(tmp_path)
