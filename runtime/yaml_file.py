"""A YAML file as plain values, the line of each key, and errors that say where.

Plain words are read as YAML 1.2 says, not as 1.1 (PyYAML): `gate: off` is a word and not false,
`12:30` is no number, `010` is ten, `2026-01-01` is text. Keys are always text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from runtime.errors import UserError

Key = tuple[str | int, ...]

# Aliases can make a small file very large ("billion laughs"); 1,000 cameras are about 20,000.
MAX_VALUES = 200_000

_TAG = "tag:yaml.org,2002:"
_CORE_SCHEMA = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
}


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's core schema (https://yaml.org/spec/1.2.2/#103-core-schema)."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _name, (_pattern, _first) in _CORE_SCHEMA.items():
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"^(?:{_pattern})$"), _first)


def read_text(path: Path) -> str:
    """The file's text. Raises UserError that says what is wrong with the file."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}") from None


def parse_yaml(text: str, where: Path | str) -> tuple[Any, dict[Key, int]]:
    """Values, and the line (from 1) of each key and list item. An empty text is an empty mapping.

    Raises UserError with the line: broken YAML, a key that comes twice, a tag, an alias that holds
    itself. Its text shows keys, never values.
    """
    try:
        node = _Loader(text).get_single_node()
        reading = _Reading(where)
        return ({} if node is None else reading.value(node, ())), reading.lines
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = _without_values(error.problem or error.context or "broken")
        raise UserError(f"{where}:{line}: not YAML: {problem}") from None
    except yaml.YAMLError:
        raise UserError(f"{where}: not YAML: it holds characters that no text has") from None
    except RecursionError:
        raise UserError(f"{where}: not readable: nested too deeply") from None


def _without_values(problem: str) -> str:
    """PyYAML quotes aliases and tags, which may be an unquoted password; `<tokens>` are its own."""

    def short(quoted: re.Match[str]) -> str:
        return quoted[0] if len(quoted[0]) == 3 or quoted[0][1] in "<\\" else "…"

    return re.sub(r"'[^']+'|\"[^\"]+\"", short, problem)


class _Reading:
    """Values from YAML nodes, with the lines of their keys."""

    def __init__(self, where: Path | str) -> None:
        self.lines: dict[Key, int] = {}
        self._where = where
        self._values_left = MAX_VALUES
        self._open: set[int] = set()  # the nodes around the present one, by identity

    def value(self, node: yaml.Node, key: Key) -> Any:
        self._values_left -= 1
        if self._values_left < 0:
            raise self._error(node, f"more than {MAX_VALUES} values, aliases followed")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise self._error(node, "an alias (*…) that stands within what it names")
        self._open.add(id(node))
        read = self._mapping if isinstance(node, yaml.MappingNode) else self._sequence
        found = read(node, key)
        self._open.remove(id(node))
        return found

    def _sequence(self, node: yaml.Node, key: Key) -> list[Any]:
        if node.tag != _TAG + "seq":
            raise self._error(node, "tags (!…) are not used here")
        found = []
        for index, child in enumerate(node.value):
            self.lines[(*key, index)] = child.start_mark.line + 1
            found.append(self.value(child, (*key, index)))
        return found

    def _mapping(self, node: yaml.Node, key: Key) -> dict[str, Any]:
        if node.tag != _TAG + "map":
            raise self._error(node, "tags (!…) are not used here")
        found: dict[str, Any] = {}
        for child in self._merged(node):  # first, so that the mapping's own keys win
            found |= self.value(child, key)
        seen: set[str] = set()
        for name_node, child in node.value:
            if _is_merge(name_node):
                continue
            name = self._name(name_node)
            if name in seen:
                raise self._error(name_node, f"{name}: this key comes twice")
            seen.add(name)
            self.lines[(*key, name)] = name_node.start_mark.line + 1
            found[name] = self.value(child, (*key, name))
        return found

    def _merged(self, node: yaml.Node) -> Iterator[yaml.MappingNode]:
        """What `<<: *defaults` or `<<: [*these, *those]` names; of those the first wins."""
        for name, child in node.value:
            if _is_merge(name):
                parts = child.value if isinstance(child, yaml.SequenceNode) else [child]
                for part in reversed(parts):
                    if not isinstance(part, yaml.MappingNode):
                        raise self._error(name, "<<: expected the alias of a mapping")
                    yield part

    def _name(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, "a key must be text, not a list or a mapping")
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text: str = node.value
        try:
            match node.tag.removeprefix(_TAG):
                case "str":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
                case "float":
                    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            raise self._error(node, "no number that can be read") from None
        raise self._error(node, "tags (!…) are not used here")

    def _error(self, node: yaml.Node, problem: str) -> UserError:
        return UserError(f"{self._where}:{node.start_mark.line + 1}: {problem}")


def _is_merge(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and node.style is None
