"""Cameras that are added, changed and taken out while the others go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from producers.fleet import Fleet
from producers.settings import CameraSettings
from producers.threads import CameraThread
from runtime.errors import UserError
from schemas.messages import Captured, Missing
from tests.waiting import eventually


def settings(**keys: object) -> CameraSettings:
    return CameraSettings.model_validate({"source": {"kind": "street"}, **keys})


class Made(CameraThread):
    """A camera that runs until it is closed, or until a test lets it fail."""

    def __init__(self, camera: str) -> None:
        super().__init__(camera, lambda record: None)
        self.ended = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()
        self.fails = False

    def records(self) -> Iterator[Captured | Missing]:
        self.ended.wait()
        self.may_end.wait()
        if self.fails:
            raise UserError(f"camera {self.name}: broken")
        yield from ()

    def close(self) -> None:
        self.ended.set()


class Yard:
    """Makes cameras and remembers them, the newest last."""

    def __init__(self) -> None:
        self.made: dict[str, list[Made]] = {}
        self.refuses: set[str] = set()

    def make(self, camera: str, _: CameraSettings) -> CameraThread:
        if camera in self.refuses:
            raise UserError(f"camera {camera}: can't be had")
        self.made.setdefault(camera, []).append(Made(camera))
        return self.made[camera][-1]

    def running(self) -> set[str]:
        return {name for name, all_made in self.made.items() if all_made[-1].is_alive()}


@pytest.fixture
def yard() -> Iterator[Yard]:
    yard = Yard()
    yield yard
    for all_made in yard.made.values():
        for one in all_made:
            one.may_end.set()
            one.close()
            if one.ident is not None:
                one.join(10)


@pytest.fixture
def fleet(yard: Yard) -> Fleet:
    fleet = Fleet(yard.make)
    fleet.begin({"a": settings(), "b": settings()})
    return fleet


def settled(fleet: Fleet, yard: Yard, running: set[str]) -> None:
    def there() -> bool:
        fleet.tend()
        return yard.running() == running

    eventually(there, why=f"{running} run")


def test_cameras_come_and_go_and_the_others_go_on(fleet: Fleet, yard: Yard) -> None:
    fleet.change({"b": settings(), "c": settings()})
    settled(fleet, yard, {"b", "c"})
    assert len(yard.made["b"]) == 1


def test_a_changed_camera_begins_anew_and_an_unchanged_one_does_not(
    fleet: Fleet, yard: Yard
) -> None:
    fleet.change({"a": settings(interval_s=2), "b": settings()})
    eventually(lambda: fleet.tend() or len(yard.made["a"]) == 2)
    settled(fleet, yard, {"a", "b"})
    assert len(yard.made["b"]) == 1


def test_a_camera_is_never_there_twice(fleet: Fleet, yard: Yard) -> None:
    (old,) = yard.made["a"]
    old.may_end.clear()  # its time-out runs
    for interval_s in (2, 3, 4):
        fleet.change({"a": settings(interval_s=interval_s), "b": settings()})
        fleet.tend()
    assert len(yard.made["a"]) == 1
    old.may_end.set()
    eventually(lambda: fleet.tend() or len(yard.made["a"]) == 2)
    fleet.tend()
    assert len(yard.made["a"]) == 2  # once, with the last settings


def test_a_camera_that_is_taken_out_again_before_it_began_does_not_begin(
    fleet: Fleet, yard: Yard
) -> None:
    (old,) = yard.made["a"]
    old.may_end.clear()
    fleet.change({"a": settings(interval_s=2), "b": settings()})
    fleet.change({"b": settings()})
    old.may_end.set()
    settled(fleet, yard, {"b"})
    assert len(yard.made["a"]) == 1


def test_one_that_cannot_be_made_keeps_the_others_from_nothing(fleet: Fleet, yard: Yard) -> None:
    yard.refuses = {"c"}
    fleet.change({"a": settings(), "b": settings(), "c": settings(), "d": settings()})
    settled(fleet, yard, {"a", "b", "d"})
    assert set(fleet.failures) == {"c"}
    yard.refuses = set()
    fleet.change({"a": settings(), "c": settings(interval_s=3)})
    settled(fleet, yard, {"a", "c"})
    assert fleet.failures == {}


def test_at_the_start_one_that_cannot_be_made_is_told_before_any_runs(yard: Yard) -> None:
    yard.refuses = {"b"}
    with pytest.raises(UserError, match="camera b"):
        Fleet(yard.make).begin({"a": settings(), "b": settings()})
    assert yard.running() == set()


def test_a_camera_that_fails_is_remembered_and_the_others_go_on(fleet: Fleet, yard: Yard) -> None:
    (broken,) = yard.made["a"]
    broken.fails = True
    broken.close()
    settled(fleet, yard, {"b"})
    assert str(fleet.failures["a"]) == "camera a: broken"
    assert fleet.is_alive


def test_a_camera_that_fails_when_it_is_taken_out_is_no_failure(fleet: Fleet, yard: Yard) -> None:
    (broken,) = yard.made["a"]
    broken.fails = True
    fleet.change({"b": settings()})
    settled(fleet, yard, {"b"})
    assert fleet.failures == {}


def test_it_is_over_when_all_have_ended(fleet: Fleet, yard: Yard) -> None:
    fleet.close()
    eventually(lambda: not fleet.is_alive)
    fleet.change({"c": settings()})
    fleet.tend()
    assert yard.running() == set()


def test_two_thousand_cameras_come_and_go_and_leave_no_thread(yard: Yard) -> None:
    before = threading.active_count()
    fleet = Fleet(yard.make)
    fleet.begin({})
    for start in range(0, 2000, 50):
        fleet.change({f"c{n}": settings() for n in range(start, start + 50)})
    fleet.change({})
    eventually(lambda: fleet.tend() or threading.active_count() <= before)
    assert not fleet.is_alive
