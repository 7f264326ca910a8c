"""Why a frame was kept or dropped, drawn."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from onehertz.cli.main import cli
from onehertz.evaluate.explain import explained
from runtime.errors import UserError
from tests.fixtures.assets import FetchedAssets
from tests.producers.clips import write_clip
from vision.gate import GateRule

RULE = GateRule(audit_rate=0.0)


@pytest.fixture
def people(assets: FetchedAssets) -> Path:
    return assets.need("vtest")


def test_what_moved_is_framed_and_the_words_say_beside_what(people: Path) -> None:
    drawn, words = explained(people, 1_000_000, 4.5, RULE)
    assert words.startswith("5.00 s: kept (changed), score ")
    assert words.endswith(" beside that of 4.00 s")
    assert drawn.shape == (360, 3 * 480 + 2 * 6, 3)
    before, now, heat = drawn[:, :480], drawn[:, 486:966], drawn[:, 972:]
    assert float(cv2.absdiff(before, now).mean()) > 1
    framed = np.all(heat == (0, 159, 230), axis=2)
    rows, columns = np.nonzero(framed)
    assert 100 < len(rows) < 10_000
    assert rows.max() < 260, "people walk in the upper half, the lawn is still"
    assert columns.min() > 200


def test_the_first_tick_has_nothing_beside_it(people: Path) -> None:
    drawn, words = explained(people, 1_000_000, 0.0, RULE)
    assert words == "0.00 s: kept (first), score 0.0"
    assert np.array_equal(drawn[:, :480], drawn[:, 486:966])


def test_the_command_writes_the_picture_and_says_why(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", range(6), Fraction(1))
    to = tmp_path / "why.png"
    done = CliRunner().invoke(cli, ["evaluate", "explain", str(clip), "--at", "3", "--to", str(to)])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("3.00 s: ")
    assert cv2.imread(str(to)).shape[1] == 3 * 480 + 2 * 6


def test_a_time_after_the_end_is_told(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "short.mp4", range(3), Fraction(1))
    with pytest.raises(UserError, match=r"short\.mp4: has no tick at 9 s or later"):
        explained(clip, 1_000_000, 9.0, RULE)
