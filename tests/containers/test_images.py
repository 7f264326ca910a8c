"""What is in the images, once compose has built them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.containers.compose import ROOT

EXTRAS = ("edge", "gate", "sinks", "worker-cpu", "worker-gpu")
# Only NVIDIA's own index has TensorRT's libraries: 2 GB that no machine without internet can get.
_WITHOUT = {"worker-gpu": "tensorrt-cu13"}
_INSTALLED = (
    "import importlib.metadata as m, json;"
    "print(json.dumps({d.name: d.version for d in m.distributions()}))"
)
_COMPILERS = "command -v cc gcc g++ c++ clang make ld cargo || true"


@pytest.fixture(scope="module", params=EXTRAS)
def image(request: pytest.FixtureRequest) -> Iterator[str]:
    """Built if it is not there; its layers stay, for the next build."""
    tag = f"onehertz-test/{request.param}"
    build = ["docker", "build", "--file", "deploy/images/Dockerfile", "--tag", tag]
    arguments = [f"EXTRA={request.param}", f"WITHOUT={_WITHOUT.get(request.param, '')}"]
    subprocess.run(
        [*build, *(word for one in arguments for word in ("--build-arg", one)), "."],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    yield tag
    subprocess.run(["docker", "image", "rm", tag], check=True, capture_output=True)


def run(image: str, *command: str) -> str:
    options = ["--rm", "--network", "none", "--read-only", "--entrypoint", command[0]]
    done = subprocess.run(
        ["docker", "run", *options, image, *command[1:]],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_version_is_the_one_of_the_constraints(image: str) -> None:
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pinned = {
        canonical(name): version for name, _, version in (c.partition("==") for c in constraints)
    }
    installed = {
        canonical(n): v for n, v in json.loads(run(image, "python", "-c", _INSTALLED)).items()
    }
    ours_and_the_image_s = {"onehertz", "pip", "setuptools", "wheel"}
    differing = {
        name: (version, pinned.get(name))
        for name, version in installed.items()
        if name not in ours_and_the_image_s and pinned.get(name) != version
    }
    assert differing == {}


def test_no_compiler_is_left_in_it(image: str) -> None:
    assert run(image, "sh", "-c", _COMPILERS) == ""


def test_it_runs_as_nobody_s_user_and_says_its_version(image: str) -> None:
    assert run(image, "id", "-u").strip() == "10001"
    assert run(image, "onehertz", "--version").startswith("onehertz")
