"""Minutes of load (`--seconds`), and the device's memory."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.gpu import host, load
from benchmarks.gpu.findings import Finding
from benchmarks.gpu.site import Site

Record = Callable[[Finding], None]


def test_the_devices_memory_does_not_grow_under_load(the_site: Site, record: Record):
    """By NVML, which sees the driver's own too; where there is none, by CUDA."""
    from inference_worker.backends.tensorrt.device import Device  # needs PyCUDA

    nvml = host.metered()
    device = Device()

    def used() -> int:
        seen = nvml.used_bytes() if nvml else None
        return device.gpu.memory_bytes - device.free_bytes() if seen is None else seen

    try:
        record(load.memory(the_site, used))
    finally:
        device.close()
        if nvml:
            nvml.close()
