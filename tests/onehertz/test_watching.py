"""A settings file that is edited while a role runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from onehertz.cli.options import read_settings
from onehertz.settings import Settings
from onehertz.watching import SettingsWatch


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1.0
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "onehertz.yaml"
    path.write_text("cameras: {a: {source: {kind: street}}}")
    return path


def watch(path: Path | None) -> SettingsWatch:
    return SettingsWatch(path, lambda: read_settings(path), Clock())


def test_an_edit_is_given_once(path: Path) -> None:
    watched = watch(path)
    assert watched.changed() is None
    path.write_text("cameras: {a: {source: {kind: street}}, b: {source: {kind: street}}}")
    changed = watched.changed()
    assert isinstance(changed, Settings)
    assert set(changed.cameras) == {"a", "b"}
    assert watched.changed() is None


def test_a_file_that_is_put_in_the_others_place_is_an_edit(path: Path) -> None:
    watched = watch(path)
    other = path.with_suffix(".new")
    other.write_text("cameras: {c: {source: {kind: street}}}")
    other.replace(path)
    changed = watched.changed()
    assert changed is not None
    assert set(changed.cameras) == {"c"}


def test_a_broken_edit_is_refused_once_with_its_reason_and_mended_later(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watch(path)
    path.write_text("cameras: {a: {sourse: {kind: street}}}")
    assert watched.changed() is None
    told = [record.getMessage() for record in caplog.records]
    assert any("sourse" in line for line in told)
    assert told[-1] == f"{path}: refused; what was set before stays in force"
    caplog.clear()
    assert watched.changed() is None
    assert caplog.records == []
    path.write_text("cameras: {b: {source: {kind: street}}}")
    assert watched.changed() is not None


def test_a_file_that_is_away_for_a_moment_is_no_edit_of_its_own(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watch(path)
    text = path.read_text()
    path.unlink()
    assert watched.changed() is None
    assert caplog.records == []
    path.write_text(text + "\n")
    assert watched.changed() is not None


def test_without_a_file_nothing_changes() -> None:
    assert watch(None).changed() is None
