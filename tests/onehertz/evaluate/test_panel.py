"""Who judges and who teaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from onehertz.evaluate.panel import Panel, Wanted
from runtime.errors import UserError
from tests.onehertz.evaluate.made_up import CountingDetector, a_pass


def panel(wanted: Wanted, loaded: list[str] | None = None, **kwargs) -> Panel:
    def load(name: str):
        if loaded is not None:
            loaded.append(name)
        return CountingDetector()

    return Panel(wanted, load, **kwargs)


def test_the_default_model_judges_where_nobody_else_does() -> None:
    assert Wanted().checked(1, "default").models == ("default",)
    assert Wanted(models=("m",)).checked(1, "default").models == ("m",)
    assert Wanted(labels=(Path("gt.txt"),)).checked(1, "default").models == ()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted(models=("a", "b"), feedback=("b",)), "--feedback b: it judges too"),
        (Wanted(feedback=("default",)), "--feedback default: it judges too"),
        (Wanted(feedback=("b",), detections=Path("d")), "learns from one of them"),
        (Wanted(labels=(Path("a"), Path("b"))), "2 given for 1 sources"),
    ],
)
def test_a_panel_that_would_flatter_or_confuse_is_refused(wanted: Wanted, said: str) -> None:
    with pytest.raises(UserError, match=said):
        wanted.checked(1, "default")


def test_judges_and_teacher_read_their_own_boxes() -> None:
    found = panel(Wanted(models=("a", "b"), feedback=("t", "b")))
    one = a_pass([1, 1], {"a": [["x"], []], "b": [["z"], []], "t": [[], ["y"]]})
    judges = found.judges(0)
    assert list(judges) == ["a", "b"]
    seen = judges["a"](one)
    assert (seen.judge, seen.boxes) == ("a", [["x"], []])
    assert seen.doubtful == pytest.approx(0.55)  # 0.15 above the threshold
    lessons = {name: teacher(one) for name, teacher in found.teachers.items()}
    assert lessons == {"t": {0: [], 1: ["y"]}, "b": {0: ["z"], 1: []}}
    nobody = panel(Wanted(models=("a",))).teachers
    assert {name: teacher(one) for name, teacher in nobody.items()} == {None: {}}


def test_labels_judge_the_source_in_whose_place_they_stand(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"1,{ord(name)},64,48,128,240,1\n")
    found = panel(Wanted(labels=(tmp_path / "a", tmp_path / "b")))
    assert [found.judges(place)["labels"](a_pass([1])).tracks for place in (0, 1)] == [
        [[97]],
        [[98]],
    ]


def test_where_nobody_judges_only_the_teacher_is_loaded() -> None:
    loaded: list[str] = []
    panel(Wanted(models=("a", "b"), feedback=("t",)), loaded, judging=False)
    assert loaded == ["t"]


def test_a_model_that_judges_and_teaches_is_loaded_once() -> None:
    loaded: list[str] = []
    wanted = Wanted(models=("a", "b"), feedback=("b", "a")).checked(1, "default")
    assert list(panel(wanted, loaded).detectors) == ["a", "b"]
    assert loaded == ["a", "b"]
