"""Stands for pynvml (nvidia-ml-py) where there is no GPU. It computes nothing: it says what it is
told to. Its names are held to the real package's by a test."""

from __future__ import annotations

from types import SimpleNamespace


class NVMLError(Exception):
    pass


class FakeNvml:
    """One GPU that takes `watts` by a clock of the test's own."""

    NVMLError = NVMLError

    def __init__(self, *, counts_energy: bool = True, tells: bool = True) -> None:
        self.now_s, self.watts, self.busy, self.used = 0.0, 100.0, 50, 1 << 30
        self.counts_energy, self.tells = counts_energy, tells
        self.open = 0
        self._joules, self._since_s = 0.0, 0.0

    def advance(self, seconds: float, watts: float | None = None) -> None:
        """Time goes on; from its end on the GPU takes `watts`."""
        self._joules += seconds * self.watts
        self.now_s += seconds
        self.watts = self.watts if watts is None else watts

    def nvmlInit(self) -> None:  # noqa: N802
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> object:  # noqa: N802
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> object:  # noqa: N802
        return uuid

    def nvmlDeviceGetName(self, handle: object) -> str:  # noqa: N802
        return f"fake GPU {handle}"

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.1"

    def nvmlSystemGetCudaDriverVersion(self) -> int:  # noqa: N802
        return 13020

    def nvmlDeviceGetPowerUsage(self, handle: object) -> int:  # noqa: N802
        self._tell()
        return round(1000 * self.watts)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: object) -> int:  # noqa: N802
        self._tell()
        if not self.counts_energy:
            raise NVMLError("Not Supported")
        return round(1000 * self._joules)

    def nvmlDeviceGetUtilizationRates(self, handle: object) -> object:  # noqa: N802
        self._tell()
        return SimpleNamespace(gpu=self.busy, memory=0)

    def nvmlDeviceGetMemoryInfo(self, handle: object) -> object:  # noqa: N802
        self._tell()
        return SimpleNamespace(used=self.used, total=2 << 30, free=1 << 30)

    def _tell(self) -> None:
        if not self.tells:
            raise NVMLError("Not Supported")
