"""Fake of PyCUDA's streams and events."""

from __future__ import annotations

import numpy as np

from tests.inference_worker.backends.fake_gpu.errors import cuda_error
from tests.inference_worker.backends.fake_gpu.fake_pycuda_memory import Dependent
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.fake_gpu.schedule import Operation

_DISABLE_TIMING = 2


class event_flags:  # noqa: N801 - PyCUDA's name
    DEFAULT = 0
    BLOCKING_SYNC = 1
    DISABLE_TIMING = _DISABLE_TIMING


class Stream(Dependent):
    def __init__(self, flags: int = 0) -> None:
        super().__init__("cuStreamCreate")
        self._handle = self._gpu.handle("stream")

    @property
    def handle(self) -> int:
        return self._handle

    def synchronize(self) -> None:
        with self._gpu.lock:
            self._gpu.call("cuStreamSynchronize")
            self._gpu.schedule.finish_stream(self._handle)
            self._gpu.settle("cuStreamSynchronize")

    def is_done(self) -> bool:
        with self._gpu.lock:
            self._gpu.call("cuStreamQuery")
            if not _second_poll(self._gpu, self._gpu.schedule.last(self._handle)):
                return False
            self._gpu.schedule.finish_stream(self._handle)
            self._gpu.settle("cuStreamQuery")
            return True

    def wait_for_event(self, evt: Event) -> None:
        with self._gpu.lock:
            self._gpu.call("cuStreamWaitEvent")
            if evt.recorded is not None:  # CUDA: nothing to wait for
                self._gpu.schedule.wait(self._handle, evt.recorded)

    def __del__(self) -> None:
        if hasattr(self, "_handle") and self._may_free(self._gpu.misuse.append):
            self._gpu.objects.pop(self._handle, None)


class Event(Dependent):
    def __init__(self, flags: int = 0) -> None:
        super().__init__("cuEventCreate")
        self._flags = flags
        self._handle = self._gpu.handle("event")
        self.recorded: Operation | None = None

    def record(self, stream: Stream | None = None) -> Event:
        with self._gpu.lock:
            self._gpu.call("cuEventRecord")
            if stream is None:
                self._gpu.note("an event is recorded on the null stream, which waits for all")
            self.recorded = self._gpu.enqueue("event", stream.handle, lambda: None)
        return self

    def synchronize(self) -> Event:
        self._gpu.before_wait()
        with self._gpu.lock:
            self._gpu.call("cuEventSynchronize")
            if self.recorded is not None:
                self._gpu.schedule.finish(self.recorded)
            self._gpu.settle("cuEventSynchronize")
        return self

    def query(self) -> bool:
        with self._gpu.lock:
            self._gpu.call("cuEventQuery")
            if self.recorded is None:
                return True
            if not _second_poll(self._gpu, self.recorded):
                return False
            self._gpu.schedule.finish(self.recorded)
            self._gpu.settle("cuEventQuery")
            return True

    def time_since(self, start: Event) -> float:
        return start.time_till(self)

    def time_till(self, end: Event) -> float:
        """A millisecond for each operation that ran between them."""
        self._gpu.call("cuEventElapsedTime")
        if (self._flags | end._flags) & _DISABLE_TIMING or not (self.recorded and end.recorded):
            raise cuda_error("cuEventElapsedTime", "INVALID_HANDLE")
        first, last = self.recorded.done_as, end.recorded.done_as
        if first is None or last is None:
            raise cuda_error("cuEventElapsedTime", "NOT_READY")
        return float(np.float32(last - first))

    def __del__(self) -> None:
        if hasattr(self, "_handle") and self._may_free(self._gpu.misuse.append):
            self._gpu.objects.pop(self._handle, None)


def _second_poll(machine: FakeGpu, operation: Operation | None) -> bool:
    """What has not run is done when it is asked for a second time."""
    if operation is None or operation.done_as is not None:
        return True
    asked = operation.number in machine.polled
    machine.polled.add(operation.number)
    return asked
