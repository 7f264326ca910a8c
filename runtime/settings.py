"""Settings: command line > environment > file > default, checked whole before anything starts.

A key is a path: `cameras.north.interval_s` in the file and after `--set`, and
`ONEHERTZ_CAMERAS__NORTH__INTERVAL_S` in the environment ('-' and '.' in a name become '_').
Every problem is reported at once, each with where the value came from, its key, and what was
expected. Values are never shown: one of them may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from runtime import environment as variables
from runtime.errors import UserError
from runtime.secrets import reveal, secrets_in
from runtime.setting_errors import explain
from runtime.setting_types import kinds_at, nearest, takes_text
from runtime.yaml_file import Key, parse_yaml, read_text

M = TypeVar("M", bound=BaseModel)


class Section(BaseModel):
    """Base of every settings section: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Layers:
    """Values from file, environment and command line, merged, and where each came from."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.origins: dict[Key, str] = {(): "settings"}

    def add_file(self, path: Path) -> None:
        """Merge a YAML file. Raises UserError with the line where it is no YAML mapping."""
        data, lines = parse_yaml(read_text(path), path)
        if not isinstance(data, dict):
            raise UserError(f"{path}: expected a mapping of sections, say 'cameras:'")
        self.data = data
        self.origins |= {key: f"{path}:{line}" for key, line in lines.items()}
        self.origins[()] = str(path)

    def add_text(self, spelled: list[str], text: str, origin: str, model: type[BaseModel]) -> None:
        """Set one value, given as text, by its path.

        Where `model` wants no text there, it is read as YAML: `[a, b]`, `{kind: street}`, `null`.
        Raises UserError where the path names no setting, or the text is no such value.
        """
        key = self._written(spelled)
        kinds = kinds_at(model, key, self.data)
        if not kinds:
            raise UserError(f"{origin}: names no setting{self._suggestion(model, key, origin)}")
        value = text if takes_text(kinds) else _parsed(text, origin)
        node: Any = self.data
        for part, child in pairwise(key):
            node = _child(node, part, [] if isinstance(child, int) else {})
        try:
            node[key[-1]] = value
        except (TypeError, IndexError):
            raise UserError(f"{origin}: {_dotted(key[:-1])} has no such part to set") from None
        self.origins = {k: v for k, v in self.origins.items() if k[: len(key)] != key}
        self.origins[key] = origin

    def origin_of(self, key: Key) -> str:
        """Where the value at `key`, or the nearest section around it, came from."""
        return next(
            self.origins[key[:length]]
            for length in range(len(key), -1, -1)
            if key[:length] in self.origins
        )

    def _written(self, spelled: list[str]) -> Key:
        """The path with the names that the file has, which the environment spells otherwise."""
        key: list[str | int] = []
        node: Any = self.data
        for part in spelled:
            found: str | int = part
            if isinstance(node, list) and part.isdecimal():
                found = int(part)
            elif isinstance(node, dict) and part not in node:
                alike = [name for name in node if _spelling(name) == _spelling(part)]
                found = alike[0] if alike else part
            key.append(found)
            node = _get(node, found)
        return tuple(key)

    def _suggestion(self, model: type[BaseModel], key: Key, origin: str) -> str:
        close = nearest(model, key, self.data)
        if close is None:
            return ""
        in_environment = origin.startswith("environment")
        return f"; did you mean {variables.name_of(close) if in_environment else _dotted(close)}?"


def load(
    model: type[M],
    path: Path | None,
    *,
    environment: Mapping[str, str],
    overrides: Mapping[str, str],
) -> M:
    """The settings of all layers as a checked model.

    `overrides` maps dotted keys to text, as from `--set KEY=VALUE`. Raises UserError with a line
    for each problem.
    """
    layers = Layers()
    if path is not None:
        layers.add_file(path)
    texts = [
        (variables.key_of(name), text, f"environment {name}")
        for name, text in sorted(environment.items())
        if variables.is_setting(name)
    ]
    texts += [(key.split("."), text, f"--set {key}") for key, text in overrides.items()]
    problems = []
    for key, text, origin in texts:
        try:
            layers.add_text(key, text, origin, model)
        except UserError as error:
            problems.append(str(error))
    try:
        settings = model.model_validate(layers.data)
    except ValidationError as error:
        raise UserError("\n".join([*problems, explain(error, model, layers)])) from None
    if problems:
        raise UserError("\n".join(problems))
    return settings


def _parsed(text: str, origin: str) -> Any:
    try:
        return parse_yaml(text or "null", origin)[0]
    except UserError:
        raise UserError(f"{origin}: expected a value such as 5, null, [a, b] or {{a: b}}") from None


def _child(node: Any, part: str | int, empty: Any) -> Any:
    """What is at `part`; made, where nothing is. None where nothing can be."""
    if isinstance(node, dict) and node.get(part) is None:
        node[str(part)] = empty
    return _get(node, part)


def _get(node: Any, part: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def _dotted(key: Key) -> str:
    return ".".join(map(str, key))


def _spelling(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


__all__ = ["Layers", "Section", "explain", "load", "read_text", "reveal", "secrets_in"]
