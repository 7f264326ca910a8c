"""Watts, joules and use of a GPU, on one that says what it is told to."""

from __future__ import annotations

import threading

import pytest

from inference_worker.metering import nvml
from inference_worker.metering.meter import Meter, PowerSamples, Used
from inference_worker.metering.nvml import Gpu
from runtime.errors import UserError
from tests.inference_worker.metering.fake_nvml import FakeNvml, NVMLError


def metered(library: FakeNvml) -> Used:
    """100 W for two seconds, then 300 W for one."""
    with Meter(Gpu(library), lambda: library.now_s, threaded=False) as meter:
        library.advance(2, watts=100)
        meter.sample()
        library.advance(0, watts=300)
        library.busy = 80
        meter.sample()
        library.advance(1)
    return meter.used


def test_energy_is_what_the_gpu_has_counted():
    assert metered(FakeNvml()) == Used(seconds=3.0, joules=500.0, utilisation=0.65)


def test_where_a_gpu_counts_none_its_power_is_integrated():
    used = metered(FakeNvml(counts_energy=False))
    assert used.joules == pytest.approx(500)
    assert used.watts == pytest.approx(500 / 3)


def test_a_slope_of_power_is_integrated_by_its_mean():
    samples = PowerSamples()
    for at_s, watts in ((0.0, 100.0), (2.0, 200.0), (2.5, 0.0)):
        samples.add(at_s, watts)
    assert samples.joules == 2 * 150 + 0.5 * 100


def test_a_gpu_that_tells_nothing_is_not_taken_to_need_nothing():
    used = metered(FakeNvml(tells=False))
    assert used == Used(3.0, None, None)
    assert used.watts is None


def test_a_meter_with_a_thread_samples_at_its_ends_at_least():
    library = FakeNvml(counts_energy=False)
    with Meter(Gpu(library)) as meter:
        pass
    assert meter.used.utilisation == 0.5
    assert meter.used.joules is not None


def test_a_meter_with_a_thread_samples_meanwhile_too():
    library = FakeNvml()
    at_the_start, third = 1, threading.Event()

    class Counted(Gpu):
        samples = 0

        def watts(self) -> float | None:
            self.samples += 1
            if self.samples == at_the_start + 2:
                third.set()
            return super().watts()

    with Meter(Counted(library)):
        assert third.wait(20)


def test_a_gpu_says_what_it_is():
    gpu = Gpu(FakeNvml())
    assert (gpu.name, gpu.driver, gpu.cuda) == ("fake GPU 0", "580.1", "13.2")
    assert (gpu.watts(), gpu.used_bytes()) == (100.0, 1 << 30)


@pytest.mark.parametrize(
    ("visible", "name"), [("", "0"), ("2,3", "2"), ("GPU-8a1", "GPU-8a1"), ("MIG-x, 1", "MIG-x")]
)
def test_the_gpu_is_the_first_that_cuda_is_let_see(
    visible: str, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Gpu(FakeNvml()).name == f"fake GPU {name}"


def test_without_a_driver_the_error_says_what_must_work():
    class NoDriver(FakeNvml):
        def nvmlInit(self) -> None:  # noqa: N802
            raise NVMLError("NVML Shared Library Not Found")

    with pytest.raises(UserError, match=r"Library Not Found.*nvidia-smi"):
        Gpu(NoDriver())


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(nvml, "import_module", missing)
    with pytest.raises(UserError, match="pip install nvidia-ml-py"):
        Gpu()


def test_a_closed_gpu_gives_the_library_back():
    library = FakeNvml()
    Gpu(library).close()
    assert library.open == 0


def test_what_is_called_and_what_the_fake_has_is_in_the_real_package():
    pynvml = pytest.importorskip("pynvml")
    called = {name for name in dir(FakeNvml) if name.lower().startswith("nvml")}
    assert called == set(nvml.USED)
    assert all(hasattr(pynvml, name) for name in nvml.USED)
