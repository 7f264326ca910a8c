"""The names that TensorRT and PyCUDA really have, and those that our .pyi say they have.

tensorrt_api_names.json was read off NVIDIA's bindings (ITensor off their source), by version;
pycuda_api_names.json off PyCUDA 2026.1 as built for CUDA 12.9. `module`: the module's own names.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
Names = dict[str, set[str]]


def real_names(library: str) -> dict[str, Names]:
    """By version and class. `library`: "tensorrt" or "pycuda"."""
    known = json.loads((HERE / f"{library}_api_names.json").read_text())
    return {
        version: {cls: set(names.split()) for cls, names in classes.items()}
        for version, classes in known.items()
    }


def common_names(library: str) -> Names:
    """What every version has."""
    first, *others = real_names(library).values()
    return {
        cls: names.intersection(*(other.get(cls, set()) for other in others))
        for cls, names in first.items()
    }


def typed_names(stub: Path, *, tensorrt_11: bool) -> Names:
    """What a .pyi says there is, its private names left out. A base's names are its heirs' too."""
    tree = ast.parse(stub.read_text())
    body = list(_chosen(tree.body, tensorrt_11))
    classes = {
        node.name: set(_names(_chosen(node.body, tensorrt_11)))
        for node in body
        if isinstance(node, ast.ClassDef)
    }
    for node in body:
        if isinstance(node, ast.ClassDef):
            for base in node.bases:
                classes[node.name] |= classes.get(ast.unparse(base), set())
    public = {cls: names for cls, names in classes.items() if not cls.startswith("_")}
    return {"module": set(_names(body)) - {"TENSORRT_11"}, **public}


def _chosen(body: Sequence[ast.stmt], tensorrt_11: bool) -> Iterator[ast.stmt]:
    """The statements that stand under no condition, or under one that holds."""
    for node in body:
        if not isinstance(node, ast.If):
            yield node
        elif ast.unparse(node.test) in ("TENSORRT_11", "not TENSORRT_11"):
            holds = tensorrt_11 == isinstance(node.test, ast.Name)
            yield from _chosen(node.body if holds else node.orelse, tensorrt_11)
        else:
            raise AssertionError(f"a .pyi may ask for nothing but TENSORRT_11: line {node.lineno}")


def _names(body: Iterator[ast.stmt] | Sequence[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            name = node.name
        elif isinstance(node, ast.AnnAssign):
            name = ast.unparse(node.target)
        else:
            continue
        if not name.startswith("_"):
            yield name
