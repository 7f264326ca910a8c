"""The kernel of letterbox.cu on the host: the same source, compiled as C++ behind `shim.hpp`."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.fixtures.compiler import compiler

HERE = Path(__file__).parent
KERNEL = HERE.parents[3] / "inference_worker" / "backends" / "tensorrt" / "letterbox.cu"
# Products are rounded before they are added to, as NVRTC is told to.
_OPTIONS = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off", f"-I{HERE}")


def compile_host(
    program: Path, built: Path, kernel: Path = KERNEL, options: Sequence[str] = ("-O2",)
) -> None:
    """A C++ program that includes `LETTERBOX`, as `built`."""
    found = compiler()
    assert found is not None
    made_of = ("-x", "c++", f'-DLETTERBOX="{kernel}"', str(program), "-o", str(built))
    subprocess.run([found, *_OPTIONS, *options, *made_of], check=True)


class HostKernels:
    """The kernels of one source, run on addresses of this process."""

    def __init__(
        self, folder: Path, kernel: Path = KERNEL, options: Sequence[str] = ("-O2",)
    ) -> None:
        """Compiles them into `folder`: about a second."""
        library = folder / f"{kernel.stem}.so"
        compile_host(HERE / "run.cpp", library, kernel, (*options, "-shared", "-fPIC"))
        self._run = ctypes.CDLL(str(library)).run_kernel

    def launch(
        self, name: str, grid: Sequence[int], block: Sequence[int], arguments: bytes
    ) -> None:
        """`arguments`: as they lie in the launch's buffer, pointers first.

        Raises LookupError for no such kernel, ValueError for arguments of another size.
        """
        shape = ctypes.c_uint * 3
        code = self._run(
            name.encode(),
            shape(*grid),
            shape(*block),
            arguments,
            ctypes.c_size_t(len(arguments)),
        )
        if code == 1:
            raise LookupError(name)
        if code:
            raise ValueError(f"{len(arguments)} bytes of arguments")
