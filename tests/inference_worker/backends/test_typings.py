"""Our .pyi name nothing that TensorRT or PyCUDA lack, and we use nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.inference_worker.backends.api_names import (
    ROOT,
    common_names,
    real_names,
    typed_names,
)

TYPINGS = ROOT / "typings"
OURS = ("inference_worker", "onehertz", "benchmarks", "tests/gpu")
MODULES = ("tensorrt", "pycuda.driver")


def missing(typed: dict[str, set[str]], real: dict[str, set[str]]) -> dict[str, set[str]]:
    lacks = {cls: names - real.get(cls, set()) for cls, names in typed.items()}
    return {cls: names for cls, names in lacks.items() if names}


@pytest.mark.parametrize("version", real_names("tensorrt"))
def test_each_version_of_tensorrt_has_what_its_types_say(version: str):
    typed = typed_names(TYPINGS / "tensorrt/__init__.pyi", tensorrt_11=version.startswith("11"))
    assert missing(typed, real_names("tensorrt")[version]) == {}
    assert typed["IExecutionContext"] >= {"execute_async_v3", "set_tensor_address"}


def test_pycuda_has_what_its_types_say():
    typed = typed_names(TYPINGS / "pycuda/driver.pyi", tensorrt_11=True)
    assert missing(typed, real_names("pycuda")["2026.1"]) == {}
    assert typed["Stream"] == {"handle", "synchronize", "is_done", "wait_for_event"}


def test_what_only_tensorrt_10_has_is_typed_for_it_alone():
    stub = TYPINGS / "tensorrt/__init__.pyi"
    ten, eleven = (typed_names(stub, tensorrt_11=new)["BuilderFlag"] for new in (False, True))
    assert ten - eleven >= {"FP16", "INT8"}
    assert eleven <= common_names("tensorrt")["BuilderFlag"]


def module_names(tree: ast.Module, module: str) -> set[str]:
    """What a file calls the module: `trt` after `import tensorrt as trt`."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    return {
        alias.asname or alias.name
        for node in imports
        for alias in node.names
        if alias.name == module
    }


def uses(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    """("module", name) for trt.name, (name, other) for trt.name.other; special names left out."""
    names = module_names(tree, module)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr.startswith("__"):
            continue
        if not isinstance(node.value, ast.Name | ast.Attribute):
            continue  # what a call gives: mypy knows of which class that is
        owner = ast.unparse(node.value)
        if owner in names:
            yield "module", node.attr
        elif owner.rpartition(".")[0] in names:
            yield owner.rpartition(".")[2], node.attr


@cache
def our_files() -> dict[Path, ast.Module]:
    """What imports one of the two."""
    paths = sorted(path for folder in OURS for path in (ROOT / folder).rglob("*.py"))
    trees = {path: ast.parse(path.read_text()) for path in paths}
    return {
        path: tree
        for path, tree in trees.items()
        if any(module_names(tree, module) for module in MODULES)
    }


def test_we_use_only_names_that_all_versions_have():
    known = {"tensorrt": common_names("tensorrt"), "pycuda.driver": common_names("pycuda")}
    files = our_files()
    assert {"device.py", "lane.py", "build.py"} <= {path.name for path in files}
    for path, tree in files.items():
        for module, names in known.items():
            for owner, name in uses(tree, module):
                assert name in names.get(owner, set()), f"{path.name}: {module} {owner}.{name}"


def test_we_name_nothing_that_only_some_versions_have():
    """Also on objects whose class the text doesn't show; dictionaries have an `update` too."""
    common = set().union(*common_names("tensorrt").values(), *common_names("pycuda").values())
    common |= {"update"}
    anywhere = set().union(*(set().union(*v.values()) for v in real_names("tensorrt").values()))
    for path, tree in our_files().items():
        named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert named & (anywhere - common) == set(), path.name


SNIPPET = """\
import tensorrt as trt
trt.BuilderFlag.TF32
trt.BuilderFlag.FP16
trt.BuilderFlag.FP64
"""


@pytest.mark.parametrize(("option", "wrong"), [("true", ["3", "4"]), ("false", ["4"])])
def test_mypy_knows_the_versions_apart(option: str, wrong: list[str], tmp_path: Path):
    (tmp_path / "snippet.py").write_text(SNIPPET)
    cache = ROOT / ".mypy_cache" / f"snippet-{option}"
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--no-error-summary"),
            *(f"--always-{option}", "TENSORRT_11", "--cache-dir", str(cache), "snippet.py"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"MYPYPATH": str(TYPINGS), "PATH": "", "PYTHONPATH": str(ROOT)},
        check=False,
    )
    errors = [line.split(":")[1] for line in checked.stdout.splitlines() if ": error:" in line]
    assert errors == wrong, checked.stdout + checked.stderr
