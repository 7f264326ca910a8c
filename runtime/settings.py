"""Settings: command line > environment > file > default, checked whole before anything starts.

A key is a path: `cameras.north.interval_s` in the file and after `--set`, and
`ONEHERTZ_CAMERAS__NORTH__INTERVAL_S` in the environment ('-' and '.' in a name become '_').
Every problem is reported at once, each with where the value came from, its key, and what was
expected. Values are never shown: one of them may be a secret.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from runtime.errors import UserError

PREFIX = "ONEHERTZ_"
# Read elsewhere, before or beside the settings.
RESERVED = frozenset({"ONEHERTZ_CONFIG", "ONEHERTZ_CACHE", "ONEHERTZ_FAILPOINT"})

Key = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class Section(BaseModel):
    """Base of every settings section: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Layers:
    """Values from file, environment and command line, merged, and where each came from."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.origins: dict[Key, str] = {}

    def add_file(self, path: Path) -> None:
        """Merge a YAML file. Raises UserError with the line where it is no YAML mapping."""
        data, lines = parse_yaml(read_text(path), path)
        if not isinstance(data, dict):
            raise UserError(f"{path}: expected a mapping of sections, say 'cameras:'")
        self.data = data
        self.origins |= {key: f"{path}:{line}" for key, line in lines.items()}

    def add_value(self, key: list[str], value: str, origin: str) -> None:
        """Set one value by its path; text that starts with [ or { is read as YAML."""
        node = self.data
        exact = [_existing(node_key, self.data, key[:n]) for n, node_key in enumerate(key)]
        for part in exact[:-1]:
            child = node.setdefault(part, {})
            if not isinstance(child, dict):
                raise UserError(f"{origin}: {'.'.join(exact)} is not a section")
            node = child
        node[exact[-1]] = yaml.safe_load(value) if value[:1] in ("[", "{") else value
        self.origins[tuple(exact)] = origin

    def origin_of(self, key: Key) -> str:
        """Where the value at `key`, or the nearest section around it, came from."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]]
        return "settings"


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
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in RESERVED:
            key = name.removeprefix(PREFIX).lower().split("__")
            layers.add_value(key, environment[name], f"environment {name}")
    for dotted, value in overrides.items():
        layers.add_value(dotted.split("."), value, f"--set {dotted}")
    try:
        return model.model_validate(layers.data)
    except ValidationError as error:
        raise UserError(explain(error, model, layers)) from None


def explain(error: ValidationError, model: type[BaseModel], layers: Layers) -> str:
    """One line per problem: where it came from, its key, what was expected."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        key = _without_tags(problem["loc"], layers.data)
        origin = layers.origin_of(key)
        dotted = ".".join(str(part) for part in key)
        lines.append(f"{origin}: {dotted}: {_expectation(problem, key, model)}")
    return "\n".join(lines)


def _expectation(problem: Mapping[str, Any], key: Key, model: type[BaseModel]) -> str:
    if problem["type"] != "extra_forbidden":
        return str(problem["msg"]).removeprefix("Value error, ")
    known = _known_keys(model, key[:-1])
    close = difflib.get_close_matches(str(key[-1]), known, n=1)
    if close:
        return f"unknown key; did you mean '{close[0]}'?"
    return "unknown key" + (f"; known here: {', '.join(sorted(known))}" if known else "")


def _known_keys(model: type[BaseModel], key: Key) -> set[str]:
    """Field names of the section(s) that `key` can lead to."""
    candidates: list[Any] = [model]
    for part in key:
        candidates = [found for one in candidates for found in _children(one, part)]
    return {name for one in candidates if _is_model(one) for name in one.model_fields}


def _children(kind: Any, part: str | int) -> list[Any]:
    if _is_model(kind):
        field = kind.model_fields.get(str(part))
        return _flatten(field.annotation) if field else []
    arguments = getattr(kind, "__args__", ())
    return _flatten(arguments[-1]) if arguments else []


def _flatten(kind: Any) -> list[Any]:
    """The alternatives of a union, without Annotated and Optional."""
    if hasattr(kind, "__metadata__"):
        return _flatten(kind.__origin__)
    arguments = getattr(kind, "__args__", ())
    if arguments and getattr(kind, "__origin__", None) not in (dict, list, tuple, set):
        return [found for one in arguments for found in _flatten(one)]
    return [kind]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _without_tags(location: tuple[str | int, ...], data: Any) -> Key:
    """pydantic's location without the union tags that it puts in: only keys that a user wrote."""
    key: list[str | int] = []
    for position, part in enumerate(location):
        is_last = position == len(location) - 1
        if isinstance(data, dict) and part not in data and not is_last:
            continue
        key.append(part)
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
    return tuple(key)


def _existing(part: str, data: Any, before: list[str]) -> str:
    """The key in the file that the environment's spelling of it means."""
    for step in before:
        data = data.get(_existing(step, data, [])) if isinstance(data, dict) else None
    for known in data if isinstance(data, dict) else ():
        if _spelling(str(known)) == _spelling(part):
            return str(known)
    return part


def _spelling(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


# ---------------------------------------------------------------- YAML with lines


def read_text(path: Path) -> str:
    """The file's text. Raises UserError that says what is wrong with the file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; --config names another one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: can't be read: {error}") from None


def parse_yaml(text: str, path: Path) -> tuple[Any, dict[Key, int]]:
    """YAML as plain values, and the line (from 1) of each key.

    Raises UserError with the line: broken YAML, a key that comes twice.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[Key, int] = {}
        if node is not None:
            _collect_lines(node, (), lines, path)
        return ({} if node is None else yaml.safe_load(text)), lines
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UserError(f"{path}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not YAML: {error}") from None


def _collect_lines(node: yaml.Node, key: Key, lines: dict[Key, int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, child in node.value:
            line = name.start_mark.line + 1
            if name.value in seen:
                raise UserError(f"{path}:{line}: {name.value}: this key comes twice")
            seen.add(name.value)
            lines[(*key, name.value)] = line
            _collect_lines(child, (*key, name.value), lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            lines[(*key, index)] = child.start_mark.line + 1
            _collect_lines(child, (*key, index), lines, path)


# ---------------------------------------------------------------- secrets


def reveal(value: SecretStr | None, file: Path | None, key: str) -> str | None:
    """A secret's text from its value or its file. Raises UserError for both, or no such file."""
    if value is not None and file is not None:
        raise UserError(f"{key} and {key}_file are both set: keep one")
    if file is not None:
        return read_text(file).strip()
    return None if value is None else value.get_secret_value()


def secrets_in(section: BaseModel) -> list[str]:
    """All secret texts in a section and below, for logs to hide."""
    found = []
    for value in section.__dict__.values():
        children = value.values() if isinstance(value, dict) else [value]
        for child in children:
            if isinstance(child, SecretStr):
                found.append(child.get_secret_value())
            elif isinstance(child, BaseModel):
                found += secrets_in(child)
    return found
