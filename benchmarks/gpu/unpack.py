"""Joins what pack.py has cut, on a machine where nothing is installed yet: standard library only.

python3 benchmarks/gpu/unpack.py PARTS TO      again and again, as parts arrive; they are kept in TO

When all are there: wheels go to TO/site, libraries to TO/lib, and TO/environment is to be sourced:
`. TO/environment && python3 -m pytest --gpu --confcutdir tests/gpu tests/gpu`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path


def main(parts: Path, to: Path) -> str:
    """What was done, or what is still missing. Raises SystemExit for a part that is damaged."""
    if not (parts / "manifest.json").is_file():
        raise SystemExit(f"{parts}: there is no manifest.json of benchmarks.gpu.pack; bring it too")
    hashes = json.loads((parts / "manifest.json").read_text())
    kept = to / "parts"
    kept.mkdir(parents=True, exist_ok=True)
    for name in hashes:
        if (parts / name).is_file():
            shutil.copyfile(parts / name, kept / name)
    missing = [name for name in hashes if not (kept / name).is_file()]
    if missing:
        return f"{len(hashes) - len(missing)} of {len(hashes)} parts are here; next: {missing[0]}"
    unpacked = to / "all"
    _join(kept, hashes, to / "all.tar")
    with tarfile.open(to / "all.tar") as archive:
        archive.extractall(unpacked, filter="data")
    (to / "all.tar").unlink()
    packages = sorted((unpacked / "wheels").glob("*"))
    wheels = [one for one in packages if one.suffix == ".whl"]
    _install(wheels, ["--no-compile"], to / "site")
    for packed in sorted((unpacked / "libraries").glob("*")):
        _libraries(packed, to / "lib")
    lines = [
        f'export PYTHONPATH="{to}/site:$PYTHONPATH"',
        f'export LD_LIBRARY_PATH="{to}/lib:$LD_LIBRARY_PATH"',
        f'export ONEHERTZ_GPU_MODELS="{unpacked}/models"',
        f'export ONEHERTZ_GPU_PICTURES="{unpacked}/pictures"',
    ]
    (to / "environment").write_text("\n".join(lines) + "\n")
    sources = [one for one in packages if one not in wheels]
    sources.sort(key=lambda one: one.name.startswith("pycuda"))  # the one that can fail, last
    _install(sources, ["--no-build-isolation"], to / "site")
    return f"unpacked; now: . {to}/environment"


def _join(kept: Path, hashes: dict[str, str], whole: Path) -> None:
    with whole.open("wb") as joined:
        for name, expected in sorted(hashes.items()):
            content = (kept / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != expected:
                (kept / name).unlink()
                raise SystemExit(f"{name} is damaged: bring it again")
            joined.write(content)


def _install(packages: list[Path], how: list[str], site: Path) -> None:
    """What comes as source is built by this machine's compiler. Raises SystemExit."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    for one in packages:
        words = [*pip, *how, "--upgrade", "--target", str(site), str(one)]
        done = subprocess.run(words, env=os.environ | {"PYTHONPATH": str(site)})
        if done.returncode:
            raise SystemExit(
                f"{one.name} can't be installed here; all else is unpacked. Of PyCUDA: it needs a"
                " C++ compiler, Python's headers and CUDA's (docs/gpu.md, Installing)"
            )


def _libraries(packed: Path, to: Path) -> None:
    """Of a jar or a wheel, all shared libraries, in one folder."""
    to.mkdir(exist_ok=True)
    with zipfile.ZipFile(packed) as archive:
        for name in archive.namelist():
            if ".so" in Path(name).name:
                with archive.open(name) as source, (to / Path(name).name).open("wb") as target:
                    shutil.copyfileobj(source, target)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python3 benchmarks/gpu/unpack.py FOLDER-WITH-PARTS TO")
    print(main(Path(sys.argv[1]), Path(sys.argv[2])))
