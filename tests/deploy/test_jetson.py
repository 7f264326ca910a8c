"""What is in deploy/jetson: units that systemd reads, and nothing named that is not there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from onehertz.settings import Settings
from tests.deploy.units import (
    its_environment_is_settings,
    starts_a_command_of_ours,
    systemd_finds_nothing_wrong,
    values,
)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "jetson"
WORKER = FOLDER / "onehertz-jetson-worker.service"
POWER = FOLDER / "onehertz-jetson-power.service"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")


def test_the_worker_is_a_command_of_ours_with_settings_of_ours():
    (line,) = values(WORKER, "ExecStart")
    starts_a_command_of_ours(line)
    settings = its_environment_is_settings(WORKER)
    assert settings.infer.device == "cuda"


def test_the_worker_differs_from_that_of_other_machines_only_where_a_gpu_wants_it():
    def lines(unit: Path) -> set[str]:
        return {line for line in unit.read_text().splitlines() if line and not line.startswith("#")}

    usual = ROOT / "deploy" / "systemd" / "onehertz-infer@.service"
    text = usual.read_text(encoding="utf-8").replace("%i", "1")
    gone = {one for one in text.splitlines() if one and not one.startswith("#")} - lines(WORKER)
    assert {one.partition("=")[0] for one in gone} == {
        *("After", "Description", "MemoryMax", "PartOf", "PrivateDevices", "TimeoutStartSec"),
        "WantedBy",
    }


def test_the_worker_has_the_time_to_drain_and_to_build_its_engines():
    assert float(*values(WORKER, "TimeoutStopSec")) > Settings().lifecycle.drain_deadline_s
    assert float(*values(WORKER, "TimeoutStartSec")) >= 3600
    (before,) = values(POWER, "Before")
    assert before == WORKER.name
    assert POWER.name in str(values(WORKER, "After"))


def test_the_clocks_that_are_pinned_are_given_back():
    stored = re.findall(r"--(?:store|restore) (\S+)", POWER.read_text(encoding="utf-8"))
    assert len(stored) == 2
    assert len(set(stored)) == 1


def test_systemd_finds_nothing_wrong(tmp_path: Path):
    systemd_finds_nothing_wrong([WORKER, POWER], tmp_path)


def test_docker_s_settings_name_the_runtime_that_they_define():
    settings = json.loads((FOLDER / "daemon.json").read_text(encoding="utf-8"))
    assert settings["default-runtime"] in settings["runtimes"]


def test_what_is_copied_into_the_image_and_named_in_the_readme_is_there():
    copied = re.findall(r"\b(?:deploy/\S+\.\w+|\w+\.toml|constraints\.txt)", DOCKERFILE)
    named = re.findall(r"\bdeploy/[\w./*-]+", README)
    assert len(copied) >= 5
    assert len(named) >= 5
    for name in (*copied, *named):
        assert list(ROOT.glob(name)), name


def test_the_image_s_settings_are_settings_and_its_tensorrt_is_the_readme_s():
    environment = re.findall(r"^ *(?:ENV )?(ONEHERTZ_INFER__\w+)=(\S+)", DOCKERFILE, re.MULTILINE)
    assert dict(environment)["ONEHERTZ_INFER__DEVICE"] == "cuda"
    (version,) = re.findall(r"ARG TENSORRT=(\S+)", DOCKERFILE)
    assert f"tensorrt_bindings.sh {version} wheels" in README


def test_the_script_is_one_that_a_shell_reads():
    shell = shutil.which("sh")
    if shell is None:
        pytest.skip("no shell on this machine")
    subprocess.run([shell, "-n", FOLDER / "tensorrt_bindings.sh"], check=True)


def test_on_arm64_the_extra_asks_for_nothing_that_only_x86_64_has():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = project["optional-dependencies"]["worker-gpu"]
    for package in ("onnxruntime-gpu", "tensorrt-cu13", "nvidia-cuda-nvrtc"):
        (requirement,) = (one for one in asked if one.startswith(package))
        assert requirement.endswith("; platform_machine == 'x86_64'")
