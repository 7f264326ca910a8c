"""The typed list of metrics: each is explained, exposed, and used with its labels."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import generate_latest

from runtime import metrics as module
from runtime.metrics import LABELS, CounterName, GaugeName, HistogramName, Metrics

ROOT = Path(__file__).parents[2]
KINDS = {"Counter": CounterName, "Gauge": GaugeName, "Histogram": HistogramName}
NAMES = [name for kind in KINDS.values() for name in get_args(kind)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_name_has_a_comment_with_its_kind_its_meaning_and_its_labels(kind: str) -> None:
    lines = inspect.getsource(module).splitlines()
    for name in get_args(KINDS[kind]):
        at = next(n for n, line in enumerate(lines) if line.strip() == f'"{name}",')
        comment, n = "", at - 1
        while lines[n].strip().startswith("#"):
            comment, n = lines[n].strip().removeprefix("# ") + " " + comment, n - 1
        labels = ", ".join(LABELS.get(name, ("stage",)))
        assert comment.startswith(f"{kind}: "), name
        assert comment.strip().endswith(f". Labels: {labels}."), name


def test_names_follow_prometheus_habits() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(name.startswith("onehertz_") for name in NAMES)
    for name in get_args(CounterName):
        assert name.endswith("_total"), name
    for name in get_args(HistogramName):
        assert name.endswith(("_seconds", "_ratio")), name
    assert set(LABELS) <= set(NAMES)


def test_every_name_is_exposed_with_the_very_same_name() -> None:
    metrics = Metrics()
    for name in NAMES:
        labels = dict.fromkeys(LABELS.get(name, ("stage",)), "x")
        if name in get_args(CounterName):
            metrics.count(name, 2, **labels)
        elif name in get_args(GaugeName):
            metrics.set(name, 3, **labels)
        else:
            metrics.observe(name, 0.5, **labels)
    text = generate_latest(metrics.registry).decode()
    for name in NAMES:
        sample = name + ("_count" if name in get_args(HistogramName) else "")
        assert f"\n{sample}{{" in text, name


def test_two_processes_parts_do_not_share_their_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.count("onehertz_repeats_total", stage="gate")
    assert b'stage="gate"' not in generate_latest(other.registry)


SNIPPET = """
from runtime.metrics import Metrics
Metrics().count("onehertz_repeats_total", stage="gate")
Metrics().count("onehertz_repeat_total", stage="gate")
Metrics().set("onehertz_repeats_total", 1, stage="gate")
Metrics().observe("onehertz_cameras", 1, stage="gate")
"""


def test_mypy_rejects_a_name_that_is_not_in_the_list_or_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "snippet.py").write_text(SNIPPET)
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"),
            *("--no-error-summary", "--cache-dir", str(ROOT / ".mypy_cache"), "snippet.py"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT), "PATH": "", "PYTHONPATH": str(ROOT)},
        check=False,
    )
    wrong = [line.split(":")[1] for line in checked.stdout.splitlines() if ": error:" in line]
    assert wrong == ["4", "5", "6"], checked.stdout + checked.stderr


def calls() -> Iterator[tuple[str, str, set[str]]]:
    """Where, which metric, with which labels: every call with a literal name in the product."""
    folders = ["producers", "stream_processors", "inference_worker", "sinks", "runtime", "onehertz"]
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("count", "set", "observe")
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and node.args[0].value in NAMES
            ):
                labels = {keyword.arg for keyword in node.keywords if keyword.arg}
                yield f"{path.name}:{node.lineno}", str(node.args[0].value), labels


def test_every_use_names_the_metrics_labels() -> None:
    found = list(calls())
    assert len(found) > 20
    for where, name, labels in found:
        assert labels == set(LABELS.get(name, ("stage",))), where
