"""One builds, the others wait; a lock that was left behind holds nobody up for long."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from inference_worker.backends.tensorrt.build_lock import BuildLock, Waiting


class Clock:
    """Time that passes only while somebody waits; then things may happen."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.meanwhile: Callable[[float], None] = lambda now_s: None

    def waiting(self) -> Waiting:
        return Waiting(lambda: self.now_s, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.meanwhile(self.now_s)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_who_has_the_lock_builds_and_leaves_nothing(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "a.lock"
    with BuildLock(path, clock.waiting()).held(lambda: False) as mine:
        assert mine
        assert path.is_file()
    assert not path.exists()
    assert clock.now_s == 1000


def test_another_waits_says_so_and_needs_it_no_more_once_the_engine_is_there(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    path, built = tmp_path / "a.lock", []

    def build_on(now_s: float) -> None:
        first.touch()
        if now_s > 1300:
            built.append(now_s)

    clock.meanwhile = build_on
    first = BuildLock(path, clock.waiting())
    with first.held(lambda: False):
        with BuildLock(path, clock.waiting()).held(lambda: bool(built)) as mine:
            assert not mine
        assert path.is_file()  # it is the first one's
    assert clock.now_s == 1301
    told = [one.message for one in caplog.records]
    me = f"{socket.gethostname()} {os.getpid()}"
    assert told == [f"another worker ({me}) builds this engine: waiting"] * 6


def test_a_lock_that_is_not_touched_any_more_is_taken_over(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "a.lock"
    path.write_text(f"another-machine {2**22 + 1} abc")  # a number that no process has here
    with BuildLock(path, clock.waiting()).held(lambda: False) as mine:
        assert mine
    assert 1060 <= clock.now_s <= 1062
    assert not path.exists()


@pytest.mark.parametrize("process", [2**22 + 1, os.getpid()], ids=["none", "ours"])
def test_a_lock_of_a_process_of_this_machine_that_is_gone_is_taken_at_once(
    tmp_path: Path, clock: Clock, process: int
) -> None:
    (tmp_path / "a.lock").write_text(f"{socket.gethostname()} {process} abc")
    with BuildLock(tmp_path / "a.lock", clock.waiting()).held(lambda: False) as mine:
        assert mine
    assert clock.now_s == 1000


def test_a_build_that_never_ends_is_not_waited_for_for_ever(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "a.lock"
    path.write_text("another-machine 7 abc")
    clock.meanwhile = lambda now_s: os.utime(path, (now_s, now_s))
    with BuildLock(path, clock.waiting()).held(lambda: False) as mine:
        assert mine
    assert 4600 <= clock.now_s <= 4602


def test_one_that_was_taken_over_does_not_take_the_others_lock_away(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "a.lock"
    with BuildLock(path, clock.waiting()).held(lambda: False):
        path.write_text("another-machine 7 abc")
    assert path.read_text() == "another-machine 7 abc"


def test_an_engine_that_came_just_before_the_lock_is_not_built_again(
    tmp_path: Path, clock: Clock
) -> None:
    with BuildLock(tmp_path / "a.lock", clock.waiting()).held(lambda: True) as mine:
        assert not mine
    assert not (tmp_path / "a.lock").exists()
