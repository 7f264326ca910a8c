"""The real NVRTC compiles the kernel, for GPUs that are not here."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from inference_worker.backends.tensorrt import nvrtc as nvrtc_module
from inference_worker.backends.tensorrt.compiled_kernel import compiled_kernel, source
from inference_worker.backends.tensorrt.nvrtc import OPTIONS, Nvrtc, find_nvrtc
from runtime.errors import UserError
from tests.inference_worker.backends.cuda_shim import KERNEL

TURING, AMPERE, ORIN, ADA, HOPPER = 75, 80, 87, 89, 90
KERNELS = {
    f"letterbox_{dtype}_{layout}"
    for dtype in ("float32", "float16", "uint8")
    for layout in ("nchw", "nhwc")
}


@pytest.mark.parametrize("architecture", [TURING, AMPERE, ORIN, ADA, HOPPER])
def test_ptx_has_every_entry_point_and_wants_nothing_else(nvrtc: Nvrtc, architecture: int):
    ptx = nvrtc.compile(source(), f"compute_{architecture}").decode()
    assert set(re.findall(r"\.visible \.entry (\w+)\(", ptx)) == KERNELS
    assert f".target sm_{architecture}\n" in ptx
    assert ".extern" not in ptx
    assert ".local" not in ptx


def test_numbers_are_rounded_where_those_of_its_twin_are(nvrtc: Nvrtc):
    ptx = nvrtc.compile(source(), f"compute_{ORIN}").decode()
    assert "fma.rn" not in ptx
    halves = [one for one in ptx.split(".visible .entry ") if one.startswith("letterbox_float16")]
    assert len(halves) == 2
    assert all("cvt.rn.f16.f32" in one for one in halves)


# Registers for each thread, of 65,536, where a multiprocessor runs as many threads as it can.
@pytest.mark.parametrize(("architecture", "registers"), [(TURING, 64), (ORIN, 40), (HOPPER, 32)])
def test_machine_code_spills_no_register_and_leaves_no_thread_out(
    nvrtc: Nvrtc, architecture: int, registers: int
):
    told = log_of(nvrtc, f"sm_{architecture}")
    functions = re.findall(r"Compiling entry function '(\w+)'", told)
    assert set(functions) == KERNELS
    assert told.count("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads") == 6
    assert max(map(int, re.findall(r"Used (\d+) registers", told))) <= registers


def test_pixels_are_read_through_the_read_only_cache(nvrtc: Nvrtc):
    ptx = nvrtc.compile(source(), f"compute_{ORIN}").decode()
    assert "ld.global.nc.u8" in ptx
    assert "ld.u8" not in ptx


def log_of(nvrtc: Nvrtc, target: str) -> str:
    """What ptxas says of each kernel, which `compile` keeps to itself where all went well."""
    library = nvrtc._library
    program = ctypes.c_void_p()
    words = [f"--gpu-architecture={target}", "--ptxas-options=--verbose", *OPTIONS]
    listed = (ctypes.c_char_p * len(words))(*(word.encode() for word in words))
    created = library.nvrtcCreateProgram(ctypes.byref(program), source(), b"k", 0, None, None)
    assert created == library.nvrtcCompileProgram(program, len(words), listed) == 0
    return nvrtc._text("nvrtcGetProgramLog", program).decode()


def test_a_device_that_it_knows_gets_machine_code_and_a_newer_one_ptx(nvrtc: Nvrtc):
    assert nvrtc.target((8, 7)) == "sm_87"
    assert nvrtc.compile(source(), "sm_87").startswith(b"\x7fELF")
    newest = max(nvrtc.architectures)
    assert nvrtc.target((99, 0)) == f"compute_{newest}"
    assert b".version" in nvrtc.compile(source(), f"compute_{newest}")


def test_a_device_that_its_cuda_has_dropped_is_told_of(nvrtc: Nvrtc):
    with pytest.raises(UserError, match=r"capability 3\.5.*older CUDA \(nvidia-cuda-nvrtc-cu12\)"):
        nvrtc.target((3, 5))


def test_what_the_compiler_says_is_shown(nvrtc: Nvrtc):
    with pytest.raises(UserError, match=r'for sm_87 .*\n.*letterbox.cu\(1\).*"oops" is undefined'):
        nvrtc.compile(b"__global__ void f() { oops; }", "sm_87")


def test_without_nvrtc_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    def nowhere(path: str) -> ctypes.CDLL:
        raise OSError(path)

    monkeypatch.setattr(nvrtc_module, "ctypes", SimpleNamespace(CDLL=nowhere))
    with pytest.raises(UserError, match=r"CUDA 13 or older .*pip install nvidia-cuda-nvrtc,"):
        find_nvrtc(13)
    with pytest.raises(UserError, match=r"CUDA 12 or older .*pip install nvidia-cuda-nvrtc-cu12,"):
        find_nvrtc(12)


@pytest.mark.usefixtures("nvrtc")
def test_none_is_taken_that_is_newer_than_the_driver_s_cuda(monkeypatch: pytest.MonkeyPatch):
    asked = list(tried(monkeypatch, newest_cuda=12))
    assert asked
    assert all(path.endswith("libnvrtc.so.12") for path in asked)


@pytest.mark.usefixtures("nvrtc")
def test_a_wheel_s_is_taken_before_the_system_s_and_a_newer_one_first(
    monkeypatch: pytest.MonkeyPatch,
):
    asked = list(tried(monkeypatch, newest_cuda=13))
    assert [Path(path).name for path in asked] == sorted(map(name_of, asked), reverse=True)
    assert asked[-2:] == ["libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.12"]
    wheels = find_spec("nvidia")
    if wheels is not None and wheels.submodule_search_locations:
        assert "/nvidia/" in asked[0]


def name_of(path: str) -> str:
    return Path(path).name


def tried(monkeypatch: pytest.MonkeyPatch, newest_cuda: int) -> Iterator[str]:
    """The libraries that it looks for, where there is none of them."""
    asked: list[str] = []

    def load(path: str) -> ctypes.CDLL:
        asked.append(path)
        raise OSError(path)

    monkeypatch.setattr(nvrtc_module, "ctypes", SimpleNamespace(CDLL=load))
    with pytest.raises(UserError):
        find_nvrtc(newest_cuda)
    return iter(asked)


def test_what_was_compiled_is_kept_and_taken_from_there(nvrtc: Nvrtc, tmp_path: Path):
    first = compiled_kernel(nvrtc, (8, 7), tmp_path)
    (kept,) = (tmp_path / "tensorrt").iterdir()
    assert first.startswith(b"\x7fELF")
    assert compiled_kernel(counting(nvrtc), (8, 7), tmp_path) == first
    assert [kept] == list((tmp_path / "tensorrt").iterdir())


@pytest.mark.parametrize("harm", ["cut short", "empty", "a byte turned"])
def test_a_kept_kernel_that_is_corrupt_is_compiled_anew(nvrtc: Nvrtc, tmp_path: Path, harm: str):
    first = compiled_kernel(nvrtc, (8, 7), tmp_path)
    (kept,) = (tmp_path / "tensorrt").iterdir()
    whole = kept.read_bytes()
    turned = whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]
    kept.write_bytes({"cut short": whole[:5000], "empty": b"", "a byte turned": turned}[harm])
    assert compiled_kernel(nvrtc, (8, 7), tmp_path) == first
    assert kept.read_bytes() == whole


def test_each_kind_of_device_and_version_of_nvrtc_has_a_file_of_its_own(
    nvrtc: Nvrtc, tmp_path: Path
):
    compiled_kernel(nvrtc, (8, 7), tmp_path)
    compiled_kernel(nvrtc, (9, 0), tmp_path)
    older = counting(nvrtc)
    older.name = "12.9"
    with pytest.raises(AssertionError, match="compiled"):
        compiled_kernel(older, (8, 7), tmp_path)
    assert len(list((tmp_path / "tensorrt").iterdir())) == 2


def test_workers_that_start_together_leave_one_whole_file(nvrtc: Nvrtc, tmp_path: Path):
    with ThreadPoolExecutor(4) as workers:
        made = list(workers.map(lambda _: compiled_kernel(nvrtc, (8, 7), tmp_path), range(4)))
    (kept,) = (tmp_path / "tensorrt").iterdir()
    assert len(set(made)) == 1
    assert kept.read_bytes().endswith(made[0])


def counting(nvrtc: Nvrtc) -> Nvrtc:
    """One that must not be asked to compile."""

    def compile_it(*_: object) -> bytes:
        raise AssertionError("compiled")

    return SimpleNamespace(target=nvrtc.target, name=nvrtc.name, compile=compile_it)


def test_a_cache_that_can_not_be_written_costs_a_warning(
    nvrtc: Nvrtc, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "tensorrt").write_text("a file where the folder should be")
    assert compiled_kernel(nvrtc, (8, 7), tmp_path).startswith(b"\x7fELF")
    assert "the next start compiles anew" in caplog.text


def test_the_source_that_is_installed_is_the_one_that_is_tested():
    assert source() == KERNEL.read_bytes()
