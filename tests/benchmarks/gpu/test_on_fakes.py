"""The GPU suites, every line of them, on the fake pair: what they find there proves nothing, but
that they run. `make test-gpu` and `make bench-gpu` are for the real one."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from benchmarks.gpu import findings, host, load, start, trtexec
from benchmarks.gpu.__main__ import measured
from benchmarks.gpu.opening import on_gpu
from benchmarks.gpu.site import MODELS, Site
from inference_worker.backends.tensorrt.engine_cache import engines_in
from inference_worker.metering.nvml import Gpu
from onehertz.cli.models import bench_run
from onehertz.cli.models import models as models_command
from runtime.errors import FatalError, UserError
from tests.gpu import conftest as gpu_suite
from tests.gpu.fakes import FakePair
from tests.inference_worker.onnx_models import small_ssd
from tests.inference_worker.own_models import add_model

pytestmark = pytest.mark.usefixtures("nvrtc")

ROOT = Path(__file__).parents[3]
SUITE = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--confcutdir", "tests/gpu"]


def test_every_test_that_needs_a_gpu_passes_on_the_fake_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv(MODELS, raising=False)
    run = [*SUITE, "--fake-gpu", str(tmp_path), "--seconds", "0.2", "tests/gpu"]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    (found,) = findings.read_all(tmp_path / "results")
    assert found.host.is_fake
    assert {one.claim for one in found.findings} == {
        "conformance", "letterbox", "parity-float16", "parity-int8", "memory",
    }  # fmt: skip
    assert all(one.passed for one in found.findings)
    assert findings.table([found]) == findings.table([])  # it proves nothing


def test_why_there_is_no_gpu_to_try(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(host, "cuda_problem", lambda: "the driver is not there")
    monkeypatch.setattr(host, "find_spec", lambda name: None if name == "pycuda" else name)
    assert host.problem().startswith("the package pycuda is not installed")
    monkeypatch.setattr(host, "find_spec", lambda name: name)
    assert host.problem() == "the driver is not there"


def test_without_a_gpu_the_suite_fails_at_once_and_says_why(monkeypatch: pytest.MonkeyPatch):
    """A run in which all is skipped would look as if something had been verified."""
    monkeypatch.setattr(gpu_suite.host, "problem", lambda: "the driver is not there")
    asked = SimpleNamespace(
        stash={}, getoption=lambda name, default: name == "gpu" or default,
        addinivalue_line=lambda *_: None,
    )  # fmt: skip
    with pytest.raises(pytest.UsageError, match="no GPU to try: the driver is not there"):
        gpu_suite.pytest_configure(asked)


def test_it_can_be_read_where_nothing_is_installed_so_that_it_can_say_so():
    modules = [f"tests.gpu.{one.stem}" for one in (ROOT / "tests/gpu").glob("test_*.py")]
    script = "import sys; sys.modules |= dict.fromkeys(('tensorrt', 'pycuda'));"
    run = [
        sys.executable,
        "-c",
        f"{script} import {', '.join([*modules, 'benchmarks.gpu.__main__'])}",
    ]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_a_run_of_all_tests_leaves_it_out_and_runs_the_others():
    run = [sys.executable, "-m", "pytest", "-q", "tests/gpu", "tests/harness/test_compare.py"]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
    assert "passed" in done.stdout


def test_everything_that_is_measured_runs_on_the_fake_pair(pair: FakePair, fake_site: Site):
    said: list[str] = []
    pair.nvml.counts_energy = False  # so that its power samples are integrated
    found = {
        one.claim: one for one in measured(fake_site, 2, 0.05, said.append, gpu=Gpu(pair.nvml))
    }
    assert set(found) == {"throughput", "frames", "energy", "start", "build"}
    assert len(said) == 5
    assert found["throughput"].values["images_per_s"] > 0
    assert "times a bare loop" in found["throughput"].figure
    assert found["energy"].values["watts"] == pytest.approx(100, rel=0.01)
    assert found["start"].values["kept_s"] > 0
    assert set(found["build"].values) == {"small.onnx, float16"}
    assert pair.machine.leaks() == []


def test_the_bare_loop_runs_the_engine_and_gives_everything_back(pair: FakePair, fake_site: Site):
    from benchmarks.gpu import bare  # imports TensorRT

    with on_gpu(fake_site, "small", "float32"):
        pass
    ((path, _),) = engines_in(fake_site.cache)
    for batch in (1, 4):  # of either profile
        with bare.bare_loop(path, batch) as loop:
            loop.run(5)
    assert pair.machine.leaks() == []
    with pytest.raises(UserError, match="no batches of 9"), bare.bare_loop(path, 9):
        pass


def test_a_start_that_fails_says_why(fake_site: Site):
    broken = replace(fake_site, python=(sys.executable, "-c", "import sys; sys.exit('no driver')"))
    with pytest.raises(FatalError, match="that starts on the GPU failed: no driver"):
        start.start(broken)


def test_trtexec_is_asked_for_the_same_and_its_answer_read():
    words = trtexec.command(Path("e.engine"), 8, {"x": (3, 4, 5), "size": (2,)}, 1, 3)
    assert "--shapes=x:8x3x4x5,size:8x2" in words
    assert {"--loadEngine=e.engine", "--infStreams=2", "--useProfile=1"} <= set(words)
    # As TensorRT 10 prints it.
    said = "[I] === Performance summary ===\n[I] Throughput: 1234.56 qps\n[I] Latency: min = 0.1"
    assert trtexec.queries_per_s(said) == 1234.56
    with pytest.raises(UserError, match="no throughput: it broke"):
        trtexec.queries_per_s("it broke")


def test_memory_that_grows_is_seen_and_what_a_start_takes_is_not():
    assert load.grown([100, 200, 200, 200, 200, 200]) == 0
    assert load.grown([200, 200, 200, 210, 220, 230]) == 30
    assert load.grown([230, 200, 200, 200, 200, 200]) == -30
    with pytest.raises(ValueError, match="2 samples"):
        load.grown([1, 2])


def test_a_leak_fails_the_claim(fake_site: Site):
    used = iter(range(1 << 30, 1 << 40, 1 << 22))
    finding = load.memory(fake_site, lambda: next(used))
    assert not finding.passed
    assert finding.values["grown_bytes"] > load.PAGE_BYTES


def test_a_gpu_that_tells_no_energy_makes_no_finding(pair: FakePair, fake_site: Site):
    from benchmarks.gpu import speed  # imports TensorRT

    pair.nvml.tells = False
    with pytest.raises(UserError, match="tells nothing of its energy"):
        speed.energy(fake_site, Gpu(pair.nvml), 0.05)


def test_models_bench_says_what_a_gpu_takes_and_costs(
    pair: FakePair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ONEHERTZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bench_run, "_GPU_STRETCH_S", 0.02)
    add_model(tmp_path / "models", "mine", small_ssd())
    prices = tmp_path / "prices.yaml"
    prices.write_text("machines: {one: {dollars_per_hour: 0.36, device: NVIDIA L4}}")
    folders = ("--set", f"infer.model_folders=[{tmp_path / 'models'}]")
    words = ["bench", "mine", "--gpu", "--seconds", "1", "--set", "infer.max_batch=2", *folders]
    result = CliRunner().invoke(models_command, [*words, "--prices", str(prices), "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    found = {(one["precision"], one["batch"]): one for one in lines if "batch" in one}
    assert set(found) == {(bits, size) for bits in ("float32", "float16") for size in (1, 2)}
    for (bits, _), one in found.items():
        assert (one["engine"], one["device"], one["gpu"]) == ("tensorrt", "cuda", "fake GPU 0")
        assert one["gpu_utilisation"] == 0.5
        assert one["latency_p95_ms"] >= one["latency_p50_ms"] > 0
        assert one["dollars_per_million"] > 0
        # It has no known frames, so float16 can't be admitted.
        assert bool(one["refusal"]) == (bits == "float16")
    assert pair.machine.leaks() == []
