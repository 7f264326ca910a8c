from __future__ import annotations

import pytest
from pydantic import ValidationError

from stream_processors.settings import GateSettings
from vision.gate import GateRule


def test_the_defaults_are_those_of_the_rule() -> None:
    assert GateSettings().rule() == GateRule()


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0},
        {"refresh_s": 601},
        {"refresh_s": 0},
        {"audit_rate": 1.1},
        {"jpeg_quality": 101},
        {"largest_side_px": 10},
        {"treshold": 8},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        GateSettings.model_validate(wrong)


def test_seconds_become_microseconds_exactly() -> None:
    assert GateSettings(refresh_s=0.1).rule().refresh_us == 100_000


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in GateSettings.model_fields.values())


def test_without_gate_leaves_all_else_as_it_is() -> None:
    settings = GateSettings(threshold=9, largest_side_px=320)
    assert settings.without_gate() == GateSettings(threshold=9, largest_side_px=320, enabled=False)
