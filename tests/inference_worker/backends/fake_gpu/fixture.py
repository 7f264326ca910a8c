"""The fixture that puts a fake GPU there for one test."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.inference_worker.backends.fake_gpu.install import installed
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu


@pytest.fixture
def fake_gpu(request: pytest.FixtureRequest) -> Iterator[FakeGpu]:
    """`@pytest.mark.parametrize("fake_gpu", [FakeGpu…], indirect=True)` chooses another.

    Ends with an error if something was used wrongly, also where nobody let the test see it: a test
    that does so on purpose empties `misuse`.
    """
    wanted: FakeGpu = getattr(request, "param", None) or FakeGpu()
    machine = replace(wanted, fails=dict(wanted.fails))  # a new one for each test
    gc.freeze()  # so that to collect takes no half second
    with installed(machine):
        yield machine
        gc.collect()  # what is left of a backend in a cycle
    gc.unfreeze()
    assert machine.misuse == []
