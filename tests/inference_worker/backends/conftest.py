"""A fake GPU, whose context is current."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.inference_worker.backends.fake_gpu.driving import Log, context
from tests.inference_worker.backends.fake_gpu.fixture import fake_gpu
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu

__all__ = ["fake_gpu"]


@pytest.fixture
def machine(fake_gpu: FakeGpu) -> Iterator[FakeGpu]:
    with context():
        yield fake_gpu


@pytest.fixture
def log() -> Log:
    return Log()
