"""docs/configuration.md, generated from the settings' models: `python -m onehertz.reference`."""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from onehertz.settings import Settings
from sinks.alerts.kinds import KINDS

FILE = Path(__file__).parent.parent / "docs" / "configuration.md"
_HEAD = """\
# Configuration

<!-- Generated: python -m onehertz.reference -->

One YAML file, `onehertz.yaml` (or `--config FILE`), read by every role; each takes its own
sections. Command line (`--set KEY=VALUE`) > environment > file > default. In the environment a key
is `ONEHERTZ_` and its path in capitals with `__` between the parts, and `_` for `-` and `.`:
`ONEHERTZ_KAFKA__BOOTSTRAP_SERVERS`, `ONEHERTZ_CAMERAS__NORTH__INTERVAL_S`. `onehertz config check`
reports everything that is wrong at once, with file and line. Secrets come from the environment or
from the files that the `…_file` keys name.
"""
_TABLE = "| key | value | default | meaning |\n|---|---|---|---|\n"


def render() -> str:
    """The whole file."""
    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        if name == "rules":
            parts.append(f"\n## rules\n\n{field.description} A list; see [alerts.md](alerts.md).\n")
            parts += [
                f"\nOf kind `{k}`:\n\n{_TABLE}{_table(rule, '')}" for k, rule in KINDS.items()
            ]
            continue
        model = _model_of(field.annotation)
        about = (model.__doc__ or "").strip().splitlines()[0]
        prefix = "cameras.ID" if name == "cameras" else name
        parts.append(f"\n## {name}\n\n{about}\n\n{_TABLE}{_table(model, prefix + '.')}")
    return "".join(parts)


def _table(model: type[BaseModel], prefix: str) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in _rows(model, prefix))


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        key = prefix + name
        choices = list(_models_in(field.annotation))
        if not choices:
            yield f"`{key}`", _kind(field), _default(field), _cell(field.description or "")
        for choice in choices:
            yield (
                f"`{key}`",
                "section",
                _default(field),
                _cell((choice.__doc__ or "").split("\n")[0]),
            )
            yield from _rows(choice, f"{key}.")


def _models_in(kind: Any) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    elif get_origin(kind) in (Annotated, Union, types.UnionType):
        for part in get_args(kind):
            yield from _models_in(part)


def _model_of(kind: Any) -> type[BaseModel]:
    """The section behind an annotation; of a mapping, its values'."""
    inner = get_args(kind)[-1] if get_origin(kind) is dict else kind
    return next(_models_in(inner))


def _kind(field: FieldInfo) -> str:
    return _cell(_kind_text(field.annotation) + _bounds(field))


def _kind_text(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Annotated:
        return _kind_text(get_args(kind)[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_kind_text(part) for part in get_args(kind))
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in get_args(kind))
    if origin is not None:
        return "list"
    names = {
        str: "text", int: "whole number", float: "number", bool: "true, false", Path: "path",
        SecretStr: "secret", type(None): "empty",
    }  # fmt: skip
    return names.get(kind, "time" if "Datetime" in str(kind) else "text")


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    limits = [
        f"{sign} {_number(getattr(rule, name))}"
        for rule in field.metadata
        for name, sign in signs.items()
        if getattr(rule, name, None) is not None
    ]
    return f", {', '.join(limits)}" if limits else ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:g}"


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.default_factory is not None or isinstance(value, BaseModel) or value == ():
        return ""
    if value is PydanticUndefined:
        return "(needed)"
    if value is None:
        return "empty"
    if value == "":
        return "empty"
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").strip()


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
