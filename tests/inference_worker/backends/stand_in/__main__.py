"""Compiles the stand-in for PyCUDA's library as it is installed in a folder, and runs `drive`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.inference_worker.backends import cuda_shim

HERE = Path(__file__).parent


def main() -> int:
    """The exit code of the run."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m tests.inference_worker.backends.stand_in FOLDER")
    pycuda = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _compile(pycuda, folder)
        search = [str(pycuda), os.environ.get("PYTHONPATH", "")]
        environment = {"LD_LIBRARY_PATH": name, "PYTHONPATH": os.pathsep.join(filter(None, search))}
        command = [sys.executable, "-m", f"{__package__}.drive"]
        return subprocess.run(command, env=os.environ | environment, check=False).returncode


def _compile(pycuda: Path, folder: Path) -> None:
    """`libcuda.so.1`, with a function that ends the process for all that isn't there."""
    absent = "".join(f"ABSENT({name})\n" for name in _absent(pycuda))
    (folder / "absent.inc").write_text(absent)
    options = ("-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-pthread")
    folders = (f"-I{folder}", f"-I{cuda_shim.HERE}", f'-DLETTERBOX="{cuda_shim.KERNEL}"')
    sources = (HERE / "libcuda.cpp", cuda_shim.HERE / "run.cpp")
    output = ("-Wl,-soname,libcuda.so.1", "-o", folder / "libcuda.so.1")
    subprocess.run(["g++", *options, *folders, *sources, *output], check=True)


def _absent(pycuda: Path) -> Iterator[str]:
    (library,) = (pycuda / "pycuda").glob("_driver*.so")
    symbols = subprocess.run(
        ["nm", "-D", "--undefined-only", library], capture_output=True, text=True, check=True
    )
    there = set(re.findall(r"^API (\w+)\(", (HERE / "libcuda.cpp").read_text(), re.MULTILINE))
    wanted = re.findall(r"\bU (cu[A-Z]\w*)", symbols.stdout)
    yield from (name for name in wanted if name not in there)


if __name__ == "__main__":
    raise SystemExit(main())
