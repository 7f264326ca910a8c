"""What an image installs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "deploy" / "images"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, IMAGES / "requirements.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_image_gets_what_its_extras_ask_for():
    asked = run("edge,s3").stdout.splitlines()
    assert {"av>=14", "boto3>=1.35", "msgspec>=0.19"} <= set(asked)
    assert not any(one.startswith("openvino") for one in asked)


def test_a_package_can_be_left_out_and_nothing_else_goes():
    whole, less = (
        run("worker-gpu", *without).stdout.splitlines() for without in ((), ("tensorrt-cu13",))
    )
    assert [one for one in whole if one not in less] == [
        "tensorrt-cu13>=10.15,<12; platform_machine == 'x86_64'"
    ]
    assert run("worker-gpu", "").stdout.splitlines() == whole


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("gpu",), "EXTRA=gpu: expected one of dev, "),
        (("gate", "tensorrt-cu13"), "WITHOUT=tensorrt-cu13: EXTRA=gate has no tensorrt-cu13"),
        (("worker-gpu", "tensorrt"), "WITHOUT=tensorrt: EXTRA=worker-gpu has no tensorrt"),
    ],
)
def test_what_is_not_there_is_told_of(arguments: tuple[str, ...], told: str):
    done = run(*arguments)
    assert done.returncode == 1
    assert told in done.stderr


@pytest.mark.parametrize("dockerfile", ["images/Dockerfile", "jetson/Dockerfile"])
def test_what_an_image_is_made_of_is_there_and_not_ignored(dockerfile: str):
    text = (ROOT / "deploy" / dockerfile).read_text(encoding="utf-8").replace("\\\n", " ")
    copied = [line.split()[1:-1] for line in re.findall(r"^COPY (?!--).*$", text, re.MULTILINE)]
    names = {name for line in copied for name in line} - {"."}
    told = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert len(names) >= 5
    for name in names:
        assert (ROOT / name).is_file()
        assert f"!{name}" in told


def test_pycuda_is_built_in_the_version_of_the_constraints():
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    script = (IMAGES / "pycuda_wheel.py").read_text(encoding="utf-8")
    (pycuda,) = (one for one in constraints if one.startswith("pycuda=="))
    assert f'"{pycuda}"' in script
    pinned = {one.partition("==")[0] for one in constraints}
    for headers in ("nvidia-cuda-runtime", "nvidia-cuda-crt", "nvidia-cuda-profiler-api"):
        assert f'"{headers}"' in script
        assert headers in pinned


def test_pycuda_is_not_compiled_without_cuda_s_headers(tmp_path: Path):
    words = [sys.executable, str(ROOT / "deploy/images/pycuda_wheel.py"), "wheels"]
    done = subprocess.run(
        [*words, "--cuda", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "nor a folder with cuda.h" in done.stderr


def test_compose_can_build_the_gpu_s_image_without_tensorrt():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    arguments = compose["services"]["infer-gpu"]["build"]["args"]
    assert arguments == {"EXTRA": "worker-gpu", "WITHOUT": "${GPU_WITHOUT:-}"}
    assert "\nARG WITHOUT=\n" in (IMAGES / "Dockerfile").read_text(encoding="utf-8")
