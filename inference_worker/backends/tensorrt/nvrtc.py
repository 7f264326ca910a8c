"""NVIDIA's run-time compiler, through its C interface: CUDA C++ becomes what a driver loads.

NVRTC needs no driver, no GPU and no headers. By `ctypes`, so that any CUDA's will do: of a wheel
(`nvidia-cuda-nvrtc`, `nvidia-cuda-nvrtc-cu12`), or of an installed CUDA, as on a Jetson.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from ctypes import byref
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from runtime.errors import UserError

OLDEST_CUDA: Final = 12
# Products are rounded before they are added to, as on the CPU: its twin gives the same bits then.
OPTIONS: Final = ("--fmad=false", "--std=c++17")
_INSTALLED: Final = "/usr/local/cuda/lib64"


class Nvrtc:
    """One version of it."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._call("nvrtcVersion", byref(major), byref(minor))
        self.version = (major.value, minor.value)
        count = ctypes.c_int()
        self._call("nvrtcGetNumSupportedArchs", byref(count))
        known = (ctypes.c_int * count.value)()
        self._call("nvrtcGetSupportedArchs", known)
        self.architectures = tuple(known)  # compute capabilities times ten: 75, 87 …

    def target(self, capability: tuple[int, int]) -> str:
        """What to compile for, for a device of this compute capability: `sm_87`, `compute_121`.

        Machine code of just that device where NVRTC knows it: a driver that is older than NVRTC
        loads it, and refuses NVRTC's PTX. Else the PTX next to it, which the driver compiles.
        Raises UserError for a device that this CUDA has dropped.
        """
        wanted = capability[0] * 10 + capability[1]
        if wanted in self.architectures:
            return f"sm_{wanted}"
        older = [one for one in self.architectures if one < wanted]
        if not older:
            raise UserError(
                f"NVRTC {self.name} compiles nothing for this GPU (compute capability"
                f" {capability[0]}.{capability[1]}): install that of an older CUDA"
                f" ({_package(OLDEST_CUDA)})"
            )
        return f"compute_{max(older)}"

    @property
    def name(self) -> str:
        """Its version: `13.5`."""
        return f"{self.version[0]}.{self.version[1]}"

    def compile(self, source: bytes, target: str, options: tuple[str, ...] = OPTIONS) -> bytes:
        """A cubin for `sm_…`, PTX for `compute_…`.

        Raises UserError with the compiler's own words.
        """
        program = ctypes.c_void_p()
        self._call("nvrtcCreateProgram", byref(program), source, b"letterbox.cu", 0, None, None)
        try:
            words = [f"--gpu-architecture={target}".encode(), *map(str.encode, options)]
            listed = (ctypes.c_char_p * len(words))(*words)
            code = self._library.nvrtcCompileProgram(program, len(words), listed)
            if code:
                log = self._text("nvrtcGetProgramLog", program).rstrip(b"\0").decode().strip()
                raise UserError(
                    f"NVRTC {self.name} can't compile letterbox.cu for {target}"
                    f" ({self._reason(code)}):\n{log}"
                )
            kind = "CUBIN" if target.startswith("sm_") else "PTX"
            return self._text(f"nvrtcGet{kind}", program)
        finally:
            self._call("nvrtcDestroyProgram", byref(program))

    def _text(self, function: str, program: ctypes.c_void_p) -> bytes:
        size = ctypes.c_size_t()
        self._call(f"{function}Size", program, byref(size))
        text = ctypes.create_string_buffer(size.value)
        self._call(function, program, text)
        return text.raw

    def _call(self, function: str, *arguments: object) -> None:
        if code := getattr(self._library, function)(*arguments):
            raise UserError(f"NVRTC failed: {function}: {self._reason(code)}")

    def _reason(self, code: int) -> str:
        told = self._library.nvrtcGetErrorString
        told.restype = ctypes.c_char_p
        return str((told(code) or b"").decode()) or f"code {code}"


def find_nvrtc(newest_cuda: int) -> Nvrtc:
    """The newest that there is, of CUDA `newest_cuda` (the driver's) at most.

    A driver loads nothing that was made by a CUDA of a higher major version. Raises UserError
    where there is none.
    """
    for major in range(newest_cuda, OLDEST_CUDA - 1, -1):
        for path in _candidates(f"libnvrtc.so.{major}"):
            try:
                return Nvrtc(ctypes.CDLL(path))
            except OSError:
                continue
    raise UserError(
        f"NVRTC for CUDA {newest_cuda} or older (from {OLDEST_CUDA} on) is not installed, and"
        f" makes the kernel that prepares frames on the GPU: pip install {_package(newest_cuda)},"
        " or install NVIDIA's CUDA toolkit"
    )


def _candidates(file: str) -> Iterator[str]:
    """Wheels have it in nvidia/cu13/lib, before CUDA 13 in nvidia/cuda_nvrtc/lib."""
    found = find_spec("nvidia")
    for folder in (found and found.submodule_search_locations) or ():
        yield from map(str, sorted(Path(folder).glob(f"*/lib/{file}")))
    yield file  # where the system's loader looks
    yield f"{_INSTALLED}/{file}"


def _package(major: int) -> str:
    return f"nvidia-cuda-nvrtc{'-cu12' if major == OLDEST_CUDA else ''}"
