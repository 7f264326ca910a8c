"""All that the GPU suites need, for a machine without internet that takes little at a time.

python -m benchmarks.gpu.pack [--libraries FILE.jar] [--python 3.12] [--part-mib 48]

Writes `.gpu/parts/`: `manifest.json` and `part-000` …, which `unpack.py` joins there: wheels for
that machine's Python, the models and pictures, TensorRT's libraries out of a jar or a wheel.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks.gpu.models import KINDS
from runtime.errors import UserError

_ROOT = Path(__file__).parents[2]
# What the suites import.
WHEELS = (
    "annotated-types", "click", "confluent-kafka", "flatbuffers", "hypothesis", "iniconfig",
    "markdown-it-py", "mdurl", "ml-dtypes", "msgspec", "numpy", "nvidia-cuda-nvrtc", "nvidia-ml-py",
    "onnx", "onnxruntime", "opencv-python-headless", "packaging", "platformdirs", "pluggy",
    "prometheus-client", "protobuf", "pydantic", "pydantic-core", "pygments", "pytest", "pytools",
    "pyyaml", "rich", "siphash24", "sortedcontainers", "tensorrt-cu13-bindings",
    "typing-extensions", "typing-inspection",
)  # fmt: skip
SOURCES = ("setuptools", "wheel", "tensorrt-cu13", "pycuda")  # built there, the first two for that
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux1")


@click.command()
@click.option("--to", default=_ROOT / ".gpu" / "parts", type=click.Path(path_type=Path))
@click.option("--models", default=_ROOT / ".gpu" / "models", type=click.Path(path_type=Path))
@click.option(
    "--pictures",
    default=_ROOT.parent / "shared/data/annotated/coco64",
    type=click.Path(path_type=Path),
    help="Labelled ones, for parity.",
)
@click.option(
    "--libraries", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A jar or wheel with TensorRT's shared libraries; leave out where they are installed.",
)  # fmt: skip
@click.option("--without", multiple=True, help="A wheel that the machine has. Repeatable.")
@click.option("--python", default="3.12", show_default=True, help="That machine's.")
@click.option("--part-mib", type=click.IntRange(1, 1024), default=48, show_default=True)
def main(
    to: Path,
    models: Path,
    pictures: Path,
    libraries: tuple[Path, ...],
    without: tuple[str, ...],
    python: str,
    part_mib: int,
) -> None:
    """Pack what the GPU suites need into parts."""
    if not (models / KINDS).exists():
        raise UserError(f"{models}: no models there: run `python -m benchmarks.gpu.models` first")
    with tempfile.TemporaryDirectory(prefix="onehertz-") as scratch:
        wheels = Path(scratch) / "wheels"
        download([name for name in WHEELS if name not in without], SOURCES, wheels, python)
        named = {"wheels": wheels, "models": models, "pictures": pictures}
        named |= {f"libraries/{one.name}": one for one in libraries}
        count = pack(named, to, part_mib << 20)
    click.echo(f"{count} parts in {to}; take all of {to.name}/ there, a part at a time, and run")
    click.echo("  python3 benchmarks/gpu/unpack.py FOLDER-WITH-PARTS /tmp/onehertz-gpu")


def download(wheels: Sequence[str], sources: Sequence[str], to: Path, python: str) -> None:
    """By pip, in the versions of constraints.txt. Raises UserError where one can't be had."""
    ours = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(to)]
    limits = ["--constraint", str(_ROOT / "constraints.txt")]
    machine = [f"--platform={name}_x86_64" for name in _PLATFORMS]
    target = ["--only-binary=:all:", f"--python-version={python}", *machine]
    for names, how in ((wheels, target), (sources, ["--no-binary=pycuda,tensorrt-cu13"])):
        done = subprocess.run(
            [*ours, *limits, *how, *names], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UserError(f"pip can't get all wheels: {done.stderr.strip()[-600:]}")


def pack(named: dict[str, Path], to: Path, part_bytes: int) -> int:
    """One archive of these files and folders, cut into parts; how many. Old parts go."""
    to.mkdir(parents=True, exist_ok=True)
    for old in to.glob("part-*"):
        old.unlink()
    with tempfile.TemporaryFile(dir=to) as whole:
        with tarfile.open(fileobj=whole, mode="w") as archive:
            for name, path in named.items():
                archive.add(path, arcname=name)
        whole.seek(0)
        hashes = {}
        for number, content in enumerate(iter(lambda: whole.read(part_bytes), b"")):
            part = to / f"part-{number:03d}"
            part.write_bytes(content)
            hashes[part.name] = hashlib.sha256(content).hexdigest()
    (to / "manifest.json").write_text(json.dumps(hashes, indent=1))
    return len(hashes)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"benchmarks.gpu.pack: {error}")
