"""A role runs with no more than its extra installs: `pip install '.[gate]'` is enough for gate."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Extra → what it is installed for, as modules.
NEEDS = {
    "edge": ["producers.role", "producers.sources.registry", "producers.live.ticks"],
    "edge,s3": ["producers.landed.s3", "producers.landed.aws"],
    "gate": ["stream_processors.role"],
    "worker-cpu": [
        "inference_worker.role",
        "inference_worker.loading",
        "onehertz.assets",
        "onehertz.cli.detect",
        "onehertz.cli.models",
    ],
    "worker-cpu,models": [
        "inference_worker.adding.read_onnx",
        "inference_worker.adding.read_openvino",
        "inference_worker.quantising.quantise",
    ],
    # The engine itself can't be installed beside worker-cpu's, and is imported last of all.
    "worker-gpu": ["inference_worker.role", "inference_worker.loading", "onehertz.assets"],
    "sinks": ["sinks.sql.role", "sinks.alerts.role", "sinks.sql.migrate", "onehertz.verify"],
}
COMMON = ["onehertz.cli.main", "onehertz.settings", "runtime.probe"]

# Runs in a process of its own: what may be imported, then the modules to import.
_SCRIPT = """
import importlib, sys

hidden = set(sys.argv[1].split(","))

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r} (hidden)", name=name)

sys.meta_path.insert(0, Hide())
for module in sys.argv[2].split(","):
    importlib.import_module(module)
from onehertz.settings import Settings
from runtime.settings import load
load(Settings, None, environment={}, overrides={"sql.dsn": "postgresql://me@db/x"})
"""


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def _installed_with(extra: str) -> set[str]:
    """Distributions that the base and these extras bring, and what those bring."""
    own = distribution("onehertz").requires or []
    marks = [f'extra == "{one}"' for one in extra.split(",")]
    wanted = [one for one in own if "extra ==" not in one or any(mark in one for mark in marks)]
    found: set[str] = set()
    while wanted:
        requirement = wanted.pop()
        name = _name(requirement)
        if name in found:
            continue
        found.add(name)
        try:
            theirs = distribution(name).requires or []
        except ModuleNotFoundError:
            continue  # for another platform or Python
        extras = set(re.findall(r"\[([^]]*)\]", requirement.partition(";")[0]))
        wanted += [
            one
            for one in theirs
            if "extra ==" not in one or any(f'extra == "{e}"' in one for e in extras)
        ]
    return found


def _hidden_from(extra: str) -> set[str]:
    """Top-level modules of everything else that is installed here."""
    allowed = _installed_with(extra)
    return {
        module
        for module, names in packages_distributions().items()
        if not {_name(name) for name in names} & (allowed | {"onehertz"})
    }


@pytest.mark.parametrize("extra", NEEDS)
def test_a_role_needs_no_more_than_its_extra(extra: str) -> None:
    modules = ",".join([*COMMON, *NEEDS[extra]])
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, ",".join(_hidden_from(extra)), modules],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_other_extras_bring_is_hidden() -> None:
    assert {"psycopg", "openvino", "pytest"} <= _hidden_from("gate")
    assert not {"faust", "aiokafka", "cv2", "confluent_kafka"} & _hidden_from("gate")
    assert {"faust", "openvino", "av"} <= _hidden_from("sinks")
    assert {"onnx", "tflite"} <= _hidden_from("worker-cpu")
    assert {"faust", "openvino", "onnxruntime", "psycopg", "boto3"} <= _hidden_from("edge")
