"""The chart, rendered; and what of it the tests look at."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from onehertz.settings import Settings
from runtime.environment import is_setting
from runtime.settings import load

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
CHART = FOLDER / "onehertz"
DOCKERFILE = (ROOT / "deploy" / "images" / "Dockerfile").read_text(encoding="utf-8")

Object = dict[str, Any]

# What is documented to go together; each file of values is in one of them.
CASES: dict[str, tuple[str, ...]] = {
    "minimal": ("minimal",),
    "strimzi-rds-gpu": ("gpu", "strimzi", "rds"),
    "msk-timescale-gpu": ("gpu", "msk", "timescale-cloud"),
    "confluent-rds": ("minimal", "confluent", "rds"),
}
# Besides, what no file sets.
_EXTRA: dict[str, tuple[str, ...]] = {
    "hpa-cpu": ("infer.autoscaling.kind=hpa", "podMonitor=true"),
    "hpa-gpu": (
        "infer.device=gpu",
        "infer.autoscaling.kind=hpa",
        "infer.gpu.runtimeClassName=nvidia",
        "infer.models.persistentVolumeClaim.claimName=models",
        "produce.groups[0].secret=cameras-streets",
        "produce.groups[0].videos.persistentVolumeClaim.claimName=landing",
    ),
    "no-policy": ("networkPolicy.enabled=false", "setup.migrate=false", "infer.assets=null"),
}
NAMES = [*CASES, *_EXTRA]


@dataclass(frozen=True)
class Pod:
    """A pod's template, and the object that it is of."""

    owner: Object
    template: Object = field(repr=False)

    @property
    def role(self) -> str:
        return str(self.template["metadata"]["labels"]["app.kubernetes.io/component"])

    @property
    def spec(self) -> Object:
        return dict(self.template["spec"])

    @property
    def container(self) -> Object:
        (only,) = self.spec["containers"]
        return dict(only)

    @property
    def environment(self) -> dict[str, str]:
        """What is known of it before it runs: a secret's value is `secret`."""
        return {
            one["name"]: str(one["value"]) if "value" in one else "secret"
            for one in self.container.get("env", ())
        }


@dataclass(frozen=True)
class Rendered:
    objects: list[Object]

    def of(self, kind: str) -> list[Object]:
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind: str, ending: str) -> Object:
        (found,) = [one for one in self.of(kind) if one["metadata"]["name"].endswith(ending)]
        return found

    @cached_property
    def pods(self) -> list[Pod]:
        return [
            Pod(one, one["spec"]["template"])
            for one in self.objects
            if one["kind"] in ("Deployment", "StatefulSet", "Job")
        ]

    @property
    def roles(self) -> list[Pod]:
        return [pod for pod in self.pods if pod.owner["kind"] != "Job"]

    def pod(self, role: str) -> Pod:
        (found,) = [pod for pod in self.pods if pod.role == role]
        return found

    def settings_file(self, pod: Pod, folder: Path) -> Path:
        """onehertz.yaml as the pod sees it."""
        (volume,) = [one for one in pod.spec["volumes"] if one["name"] == "settings"]
        name = volume["configMap"]["name"]
        (found,) = [one for one in self.of("ConfigMap") if one["metadata"]["name"] == name]
        path = folder / f"{name}.yaml"
        path.write_text(found["data"]["onehertz.yaml"], encoding="utf-8")
        return path

    def settings(self, pod: Pod, folder: Path) -> Settings:
        environment = image_environment() | pod.environment
        ours = {name: value for name, value in environment.items() if is_setting(name)}
        return load(Settings, self.settings_file(pod, folder), environment=ours, overrides={})


def image_environment() -> dict[str, str]:
    """What the image sets; a pod's own goes before it."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.split("FROM ${PYTHON_IMAGE}\n")[1])
    (line,) = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return {name: value.strip("'") for name, value in re.findall(r"(\w+)=('[^']*'|\S+)", line)}


@cache
def rendered(helm: Path, name: str, *more: str) -> Rendered:
    """Raises CalledProcessError with what Helm says."""
    files = CASES.get(name, ("minimal",))
    return parsed(template(helm, *files, sets=[*_EXTRA.get(name, ()), *more]))


def template(helm: Path, *files: str, sets: Sequence[str] = (), more: Sequence[Path] = ()) -> str:
    """`files` of our values, then `more` files, then `sets` (KEY=VALUE)."""
    paths = [*(FOLDER / "values" / f"{file}.yaml" for file in files), *more]
    arguments = [str(one) for path in paths for one in ("-f", path)]
    arguments += [one for pair in sets for one in ("--set", pair)]
    command = [str(helm), "template", "line", str(CHART), "--namespace", "onehertz", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def parsed(text: str) -> Rendered:
    return Rendered(list(_objects(text)))


def _objects(text: str) -> Iterator[Object]:
    # Kubernetes refuses what is not JSON, such as a date that nobody meant.
    for one in yaml.safe_load_all(text):
        if one is not None:
            yield json.loads(json.dumps(one))
