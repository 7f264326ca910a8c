"""The fake of PyCUDA: each rule that it enforces is broken once."""

from __future__ import annotations

import copy
import gc
import threading
from typing import Any

import numpy as np
import pytest

from tests.inference_worker.backends.fake_gpu.driving import context, cuda, misused, pinned
from tests.inference_worker.backends.fake_gpu.errors import Misuse
from tests.inference_worker.backends.fake_gpu.install import become
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.fake_gpu.schedule import POLICIES


def test_a_copy_comes_back_as_it_went_and_nothing_is_left(machine: FakeGpu):
    for policy in POLICIES:
        machine.schedule.policy = policy
        up, down, memory, stream = pinned(8, value=3), pinned(8), cuda.mem_alloc(32), cuda.Stream()
        cuda.memcpy_htod_async(memory, up, stream)
        cuda.memcpy_dtoh_async(down, memory, stream)
        stream.synchronize()
        assert (down == 3).all()
        memory.free()
        del up, down, memory, stream
    gc.collect()
    assert machine.leaks() == ["primary context", "1 contexts on the stack of MainThread"]


def test_what_a_copy_brings_is_not_there_before_the_host_has_waited(machine: FakeGpu):
    up, down, memory, stream = pinned(8, value=3), pinned(8), cuda.mem_alloc(32), cuda.Stream()
    cuda.memcpy_htod_async(memory, up, stream)
    cuda.memcpy_dtoh_async(down, memory, stream)
    assert (down != 3).all()
    stream.synchronize()


def test_new_memory_holds_nothing_one_could_take_for_zeros(machine: FakeGpu):
    memory, down = cuda.mem_alloc(32), np.zeros(8, dtype=np.float32)
    cuda.memcpy_dtoh(down, memory)
    assert (down != 0).all()
    assert (pinned(8) != 0).all()


def test_device_memory_has_an_end(machine: FakeGpu):
    memory = cuda.mem_alloc(32)
    with pytest.raises(cuda.LogicError, match="cuMemcpyHtoDAsync failed: invalid argument"):
        cuda.memcpy_htod_async(memory, pinned(9), cuda.Stream())
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.memcpy_dtoh(np.empty(8, np.float32), int(memory) + 4)
    with pytest.raises(cuda.MemoryError, match="cuMemAlloc failed: out of memory"):
        cuda.mem_alloc(machine.memory.total)
    free, total = cuda.mem_get_info()
    assert total - free == 32
    with pytest.raises(cuda.MemoryError, match="cuMemHostAlloc failed: out of memory"):
        pinned(machine.host.total)


def test_a_freed_buffer_is_found_out(machine: FakeGpu):
    memory, stream = cuda.mem_alloc(32), cuda.Stream()
    cuda.memcpy_htod_async(memory, pinned_and_kept := pinned(8, value=1), stream)
    with pytest.raises(Misuse, match="was freed, and nobody has waited for copy to the device"):
        memory.free()
    with pytest.raises(cuda.LogicError, match="illegal memory access"):  # when it really runs
        stream.synchronize()
    assert len(misused()) == 2
    with pytest.raises(cuda.LogicError, match="illegal memory access"):  # and from then on
        cuda.mem_get_info()
    del pinned_and_kept


def test_an_address_is_never_used_again(machine: FakeGpu):
    first = cuda.mem_alloc(32)
    address = int(first)
    first.free()
    second = cuda.mem_alloc(32)
    assert int(second) != address
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        cuda.memcpy_htod(address, np.zeros(8, np.float32))
    with pytest.raises(cuda.LogicError, match="invalid resource handle"):
        first.free()


def test_an_asynchronous_copy_wants_pinned_memory(machine: FakeGpu):
    memory, stream = cuda.mem_alloc(32), cuda.Stream()
    with pytest.raises(Misuse, match="pageable"):
        cuda.memcpy_htod_async(memory, np.zeros(8, np.float32), stream)
    with pytest.raises(Misuse, match="pageable"):
        cuda.memcpy_dtoh_async(np.zeros(8, np.float32), memory, stream)
    with pytest.raises(ValueError, match="not contiguous"):
        cuda.memcpy_htod_async(memory, pinned(8, 2)[:, 0], stream)
    assert len(misused()) == 2


def test_pinned_memory_that_is_written_to_before_its_copy_ran_is_found_out(machine: FakeGpu):
    memory, stream, up = cuda.mem_alloc(32), cuda.Stream(), pinned(8, value=1)
    cuda.memcpy_htod_async(memory, up, stream)
    up[0] = 2
    with pytest.raises(Misuse, match="written to before its copy"):
        stream.synchronize()
    assert misused()


def test_pinned_memory_that_nobody_holds_while_it_is_copied_is_found_out(machine: FakeGpu):
    memory, stream = cuda.mem_alloc(32), cuda.Stream()
    cuda.memcpy_htod_async(memory, pinned(8, value=1), stream)
    gc.collect()
    assert misused() == [f"pinned memory was freed, and nobody has waited for copy to the device"
                         f" on stream {stream.handle:#x}"]  # fmt: skip
    stream.synchronize()


def test_streams_need_an_event_between_what_one_writes_and_another_reads(machine: FakeGpu):
    memory, up, down = cuda.mem_alloc(32), pinned(8, value=1), pinned(8)
    one, other, event = cuda.Stream(), cuda.Stream(), cuda.Event()
    cuda.memcpy_htod_async(memory, up, one)
    with pytest.raises(Misuse, match="use the same memory, and nothing orders them"):
        cuda.memcpy_dtoh_async(down, memory, other)
    event.record(one)
    other.wait_for_event(event)
    cuda.memcpy_dtoh_async(down, memory, other)
    other.synchronize()
    assert (down == 1).all()
    assert len(misused()) == 1


def test_an_event_stands_for_what_was_there_when_it_was_recorded(machine: FakeGpu):
    memory, up, down = cuda.mem_alloc(32), pinned(8, value=1), pinned(8)
    one, other, event = cuda.Stream(), cuda.Stream(), cuda.Event()
    event.record(one)
    cuda.memcpy_htod_async(memory, up, one)
    other.wait_for_event(event)
    with pytest.raises(Misuse, match="nothing orders them"):
        cuda.memcpy_dtoh_async(down, memory, other)
    event.synchronize()
    assert not one.is_done()
    one.synchronize()
    assert misused()


def test_what_is_asked_for_a_second_time_is_done(machine: FakeGpu):
    memory, up, stream, event = cuda.mem_alloc(32), pinned(8, value=1), cuda.Stream(), cuda.Event()
    assert event.query()  # never recorded
    cuda.memcpy_htod_async(memory, up, stream)
    event.record(stream)
    assert [event.query(), event.query()] == [False, True]
    assert stream.is_done()


def test_late_means_that_only_what_is_waited_for_runs(machine: FakeGpu):
    memory, stream, event = cuda.mem_alloc(64), cuda.Stream(), cuda.Event()
    ups = [pinned(8, value=value) for value in range(2)]
    cuda.memcpy_htod_async(memory, ups[0], stream)
    event.record(stream)
    cuda.memcpy_htod_async(int(memory) + 32, ups[1], stream)
    event.synchronize()
    assert [one.done_as for one in machine.schedule.history] == [0, 1, None]
    stream.synchronize()


def test_random_is_another_order_with_another_seed(fake_gpu: FakeGpu):
    def order(seed: int) -> list[int]:
        machine = become(FakeGpu(policy="random", seed=seed))
        with context():
            streams = [cuda.Stream() for _ in range(3)]
            memory, ups = cuda.mem_alloc(1024), [pinned(4, value=value) for value in range(24)]
            for at, up in enumerate(ups):
                cuda.memcpy_htod_async(int(memory) + 16 * at, up, streams[at % 3])
            for stream in streams:
                stream.synchronize()
        return [one.done_as for one in machine.schedule.history]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_two_times_are_apart_only_where_events_keep_them(machine: FakeGpu):
    stream, start, end, plain = cuda.Stream(), cuda.Event(), cuda.Event(), cuda.Event(2)
    start.record(stream)
    end.record(stream)
    with pytest.raises(cuda.RuntimeError, match="not ready"):
        start.time_till(end)
    end.synchronize()
    assert start.time_till(end) == end.time_since(start) == 1
    plain.record(stream).synchronize()
    with pytest.raises(cuda.LogicError, match="invalid resource handle"):
        plain.time_till(end)


def test_the_null_stream_is_not_for_us(machine: FakeGpu):
    with pytest.raises(Misuse, match="null stream"):
        cuda.memcpy_htod_async(cuda.mem_alloc(32), pinned(8), None)
    with pytest.raises(Misuse, match="null stream"):
        cuda.Event().record()
    assert len(misused()) == 2


def test_a_copy_that_does_not_wait_for_a_stream_is_found_out(machine: FakeGpu):
    memory, stream = cuda.mem_alloc(32), cuda.Stream()
    cuda.memset_d8_async(memory, 7, 32, stream)
    with pytest.raises(Misuse, match="nobody has waited for that"):
        cuda.memcpy_dtoh(np.empty(32, np.uint8), memory)
    stream.synchronize()
    found = np.empty(32, np.uint8)
    cuda.memcpy_dtoh(found, memory)
    assert (found == 7).all()
    assert misused()


def in_a_thread(function: object) -> list[BaseException]:
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:  # the test looks at it
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised


def test_a_thread_without_the_context_can_do_nothing(machine: FakeGpu):
    (error,) = in_a_thread(lambda: cuda.mem_alloc(32))
    assert isinstance(error, cuda.LogicError)
    assert str(error) == "cuMemAlloc failed: invalid device context"


def test_a_thread_that_ends_with_a_context_on_its_stack_is_told_of(machine: FakeGpu):
    with_context = machine.contexts.current()
    assert in_a_thread(with_context.push) == []
    assert any("1 contexts on the stack of Thread-" in leak for leak in machine.leaks())


def test_what_is_freed_under_another_context_warns_and_leaks(machine: FakeGpu):
    memory = cuda.mem_alloc(32)
    again = cuda.Device(0).retain_primary_context()

    def free() -> None:
        again.push()
        try:
            memory.free()
        finally:
            cuda.Context.pop()

    (warning,) = in_a_thread(free)
    assert "DeviceAllocation in out-of-thread context could not be cleaned up" in str(warning)
    assert machine.memory.used == 32


def test_a_context_is_given_back_once_and_where_it_is_current(fake_gpu: FakeGpu):
    cuda.init()
    made = cuda.Device(0).retain_primary_context()
    made.detach()
    with pytest.raises(cuda.LogicError, match="context"):
        made.detach()
    with pytest.raises(cuda.LogicError, match="context"):
        made.push()
    with pytest.raises(cuda.LogicError, match="context"):
        cuda.Context.pop()
    assert fake_gpu.leaks() == []
    leaked = cuda.Device(0).retain_primary_context()
    assert in_a_thread(leaked.detach) == []
    assert fake_gpu.leaks() == ["primary context"]


@pytest.mark.parametrize(
    ("like", "said"),
    [
        ({"devices": 0}, "cuInit failed: no CUDA-capable device is detected"),
        ({"busy": True}, "busy or unavailable"),
        ({"fails": {"cuInit": "SYSTEM_DRIVER_MISMATCH"}}, "unsupported display driver"),
        ({"fails": {"cuDevicePrimaryCtxRetain": "OUT_OF_MEMORY"}}, "out of memory"),
    ],
)
def test_a_device_that_cannot_be_used_says_so(
    fake_gpu: FakeGpu, like: dict[str, Any], said: str
):  # fmt: skip
    become(FakeGpu(**copy.deepcopy(like)))
    with pytest.raises(cuda.Error, match=said), context():
        pass


def test_nothing_works_before_init(fake_gpu: FakeGpu):
    with pytest.raises(cuda.LogicError, match="cuDeviceGet failed: initialization error"):
        cuda.Device(0)
    assert cuda.get_driver_version() == 13000


@pytest.mark.parametrize("result", ["LAUNCH_FAILED", "UNKNOWN", "ECC_UNCORRECTABLE"])
def test_a_fault_of_the_device_stays(machine: FakeGpu, result: str):
    stream, memory, up = cuda.Stream(), cuda.mem_alloc(32), pinned(8, value=1)
    machine.fails["copy to the device"] = result
    cuda.memcpy_htod_async(memory, up, stream)  # nothing is known yet
    for _ in range(2):
        with pytest.raises(cuda.Error) as caught:
            stream.synchronize()
    assert isinstance(caught.value, cuda.LaunchError) == (result == "LAUNCH_FAILED")
    with pytest.raises(cuda.Error):
        cuda.mem_alloc(1)
    memory.free()  # only prints


PTX = b"""
.version %d.4
.target sm_%d
.visible .entry letterbox_uint8_nchw(
"""


@pytest.mark.parametrize(
    ("ptx", "said"),
    [
        (b"no code", "device kernel image is invalid"),
        (PTX % (10, 80), "unsupported toolchain"),
        (PTX % (8, 90), "PTX JIT compilation failed"),
    ],
)
def test_a_module_for_another_device_or_driver_is_refused(machine: FakeGpu, ptx: bytes, said: str):
    with pytest.raises(cuda.LogicError, match=said):
        cuda.module_from_buffer(ptx)
    with pytest.raises(cuda.LogicError, match="named symbol not found"):
        cuda.module_from_buffer(PTX % (8, 75)).get_function("other")


def test_a_kernel_that_would_read_or_write_outside_is_found_out(machine: FakeGpu):
    kernel = cuda.module_from_buffer(PTX % (8, 75)).get_function("letterbox_uint8_nchw")
    staged, tensor, stream = cuda.mem_alloc(256), cuda.mem_alloc(3 * 8 * 8), cuda.Stream()
    target = (8, 8, 0, 0, *[1.0] * 3, *[0.0] * 3)
    with pytest.raises(Misuse, match="not prepared"):
        kernel.prepared_async_call((1, 1, 1), (32, 8, 1), stream, int(staged), int(tensor), *target)
    kernel.prepare("PPiiiiffffff")
    with pytest.raises(cuda.LogicError, match="invalid argument"):
        kernel.prepared_async_call((1, 1, 0), (32, 8, 1), stream, int(staged), int(tensor), *target)
    with pytest.raises(Misuse, match="letterbox_uint8_nchw: 384 bytes at"):  # for two frames
        kernel.prepared_async_call((1, 1, 2), (32, 8, 1), stream, int(staged), int(tensor), *target)
    kernel.prepared_async_call((1, 1, 1), (32, 8, 1), stream, int(staged), int(tensor), *target)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):  # nothing was staged
        stream.synchronize()
    assert len(misused()) == 3
