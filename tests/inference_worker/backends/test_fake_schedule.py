"""The fake's order of things: what events order comes out right, and nothing else passes.

Programs are made at random: each step sets a buffer, or copies one to the host, on one of some
streams. The reference for what orders what is a plain transitive closure over the steps.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.inference_worker.backends.fake_gpu.driving import context, cuda, misused, pinned
from tests.inference_worker.backends.fake_gpu.errors import Misuse
from tests.inference_worker.backends.fake_gpu.install import installed
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.fake_gpu.schedule import POLICIES, Policy

STREAMS, BUFFERS, SIZE = 3, 2, 8


class Step(NamedTuple):
    stream: int
    buffer: int
    writes: bool


steps = st.builds(Step, st.integers(0, STREAMS - 1), st.integers(0, BUFFERS - 1), st.booleans())
programs = st.lists(steps, min_size=2, max_size=9)
# For each step, the earlier ones that its stream waits for before it.
waits = st.lists(st.sets(st.integers(0, 8), max_size=2), min_size=9, max_size=9)


def all_waits(program: list[Step]) -> list[set[int]]:
    """Each step waits for all before it that use its buffer."""
    return [
        {at for at, other in enumerate(program[:now]) if other.buffer == step.buffer}
        for now, step in enumerate(program)
    ]


def is_ordered(program: list[Step], waited: list[set[int]]) -> bool:
    """Whether everything that uses a buffer that another writes comes after it, or before."""
    count = len(program)
    before = np.zeros((count, count), dtype=bool)
    for stream in range(STREAMS):
        for one, other in pairwise(at for at in range(count) if program[at].stream == stream):
            before[one, other] = True
    for at, some in enumerate(waited[:count]):
        for earlier in some:
            if earlier < at:
                before[earlier, at] = True
    for middle, one, other in product(range(count), repeat=3):
        before[one, other] |= before[one, middle] and before[middle, other]
    return all(
        before[one, other]
        for one, other in product(range(count), repeat=2)
        if one < other
        and program[one].buffer == program[other].buffer
        and (program[one].writes or program[other].writes)
    )


def run(program: list[Step], waited: list[set[int]], policy: Policy) -> list[int]:
    """What the steps that read have read, in their order."""
    with installed(FakeGpu(policy=policy, seed=len(program))), context():
        streams = [cuda.Stream() for _ in range(STREAMS)]
        buffers = [cuda.mem_alloc(SIZE) for _ in range(BUFFERS)]
        events, found = [], []
        try:
            for at, step in enumerate(program):
                stream, buffer = streams[step.stream], buffers[step.buffer]
                for earlier in sorted(waited[at]):
                    if earlier < at:
                        stream.wait_for_event(events[earlier])
                if step.writes:
                    cuda.memset_d8_async(buffer, at, SIZE, stream)
                else:
                    found.append(pinned(SIZE, dtype=np.uint8))
                    cuda.memcpy_dtoh_async(found[-1], buffer, stream)
                events.append(cuda.Event().record(stream))
        finally:
            for stream in streams:
                stream.synchronize()
        assert misused() == []
        return [int(one[-1]) for one in found]


def expected(program: list[Step]) -> list[int]:
    held, found = [0xCB] * BUFFERS, []
    for at, step in enumerate(program):
        if step.writes:
            held[step.buffer] = at
        else:
            found.append(held[step.buffer])
    return found


@settings(max_examples=60, deadline=None)
@given(program=programs, policy=st.sampled_from(POLICIES))
def test_what_events_order_comes_out_as_if_done_one_by_one(program: list[Step], policy: Policy):
    assert run(program, all_waits(program), policy) == expected(program)


@settings(max_examples=150, deadline=None)
@given(program=programs, waited=waits, policy=st.sampled_from(POLICIES))
def test_what_nothing_orders_is_found_out_whatever_the_schedule(
    program: list[Step], waited: list[set[int]], policy: Policy
):
    try:
        found = run(program, waited, policy)
    except Misuse:
        assert not is_ordered(program, waited)
    else:
        assert is_ordered(program, waited)
        assert found == expected(program)
