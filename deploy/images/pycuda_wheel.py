"""Builds PyCUDA, which is published as source only: `python pycuda_wheel.py FOLDER [--cuda 12]`.

Needs pip, a C++ compiler and Python's headers; no driver and no GPU. CUDA's headers come from
NVIDIA's wheels, or from a folder: `--cuda /usr/local/cuda/include`. Takes 90 s of one core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PYCUDA = "pycuda==2026.1"
# Of CUDA's headers it includes cuda.h and cudaProfiler.h.
HEADERS = {
    "12": ("nvidia-cuda-runtime-cu12", "nvidia-cuda-profiler-api-cu12"),
    "13": ("nvidia-cuda-runtime", "nvidia-cuda-crt", "nvidia-cuda-profiler-api"),
}


def main() -> None:
    """The wheel lies in the folder afterwards."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cuda", default="13", help="12, 13, or a folder with its headers")
    given = parser.parse_args()
    if given.cuda not in HEADERS and not (Path(given.cuda) / "cuda.h").is_file():
        parser.error(f"--cuda {given.cuda}: is neither 12 nor 13 nor a folder with cuda.h")
    if not (shutil.which("cc") and shutil.which("c++")):
        parser.error("there is no C++ compiler: on Debian and Ubuntu, apt install g++ python3-dev")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        headers = _headers(given.cuda, work) if given.cuda in HEADERS else [given.cuda]
        source = _source(work)
        (source / "siteconf.py").write_text(_configuration(headers, _driver_stand_in(work)))
        # The linker would drop a library of which it sees no use; said ahead of the libraries.
        os.environ["LDFLAGS"] = f"-Wl,--no-as-needed {os.environ.get('LDFLAGS', '')}"
        _pip("wheel", "--no-deps", "--wheel-dir", str(given.folder), str(source))


def _headers(cuda: str, work: Path) -> list[str]:
    _pip("install", "--no-deps", "--target", str(work / "cuda"), *HEADERS[cuda])
    return [str(folder) for folder in (work / "cuda").glob("nvidia/*/include")]


def _source(work: Path) -> Path:
    _pip("download", "--no-deps", "--no-binary", "pycuda", "--dest", str(work), PYCUDA)
    (archive,) = work.glob("pycuda-*.tar.gz")
    subprocess.run(["tar", "-xzf", archive, "-C", work], check=True)
    return work / archive.name.removesuffix(".tar.gz")


def _driver_stand_in(work: Path) -> Path:
    """An empty libcuda to link with: the real one is the driver's, where the program runs."""
    options = ("-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o", str(work / "libcuda.so"))
    subprocess.run(["cc", *options, "-x", "c", "/dev/null"], check=True)
    return work


def _configuration(headers: list[str], libraries: Path) -> str:
    """Without cuRAND, which nothing here calls."""
    return "\n".join(
        (
            f"CUDA_INC_DIR = {headers!r}",
            f"CUDADRV_LIB_DIR = [{str(libraries)!r}]",
            "CUDA_ENABLE_CURAND = False",
            "",
        )
    )


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True)


if __name__ == "__main__":
    main()
