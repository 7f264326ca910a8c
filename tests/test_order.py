"""Files that take long are still where the order of a shared run looks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.order import LONG, is_long

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("path", LONG)
def test_what_comes_first_is_there(path: str) -> None:
    assert (ROOT / path).exists()


def test_a_test_is_long_by_its_file_or_by_a_folder_around_it() -> None:
    assert is_long("tests/faults/test_gate.py::test_it[tests/x.py]")
    assert is_long("tests/test_extras.py::TestOne::test_it")
    assert not is_long("tests/vision/test_boxes.py::test_it[tests/faults]")
    assert not is_long("tests/test_extras_too.py::test_it")
