"""What happens to whole pictures is counted, and trouble told once."""

from __future__ import annotations

import pytest

from runtime.metrics import Metrics
from stream_processors.scenes import Scenes
from vision.scene import Scene


def counted(metrics: Metrics, scene: Scene) -> float:
    labels = {"stage": "gate", "scene": scene}
    return metrics.registry.get_sample_value("onehertz_scenes_total", labels) or 0.0


def test_a_trouble_is_told_when_it_begins_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "onehertz.gate")
    scenes = Scenes(Metrics())
    for scene in (None, "blind", "blind", "frozen", "frozen", None, None):
        scenes.tell("yard", scene)  # type: ignore[arg-type] # a list of literals is one of str
        scenes.tell("door", None)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["yard"] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert caplog.records[-1].getMessage() == "yard: no longer frozen"


def test_every_such_tick_is_counted_and_what_is_no_trouble_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = Metrics()
    scenes = Scenes(metrics)
    for scene in ("moved", "switched", "moved", "blind"):
        scenes.tell("yard", scene)  # type: ignore[arg-type] # a list of literals is one of str
    assert [counted(metrics, one) for one in ("moved", "switched", "blind", "frozen")] == [
        2, 1, 1, 0,
    ]  # fmt: skip
    assert len(caplog.records) == 1
