"""What is wrong with settings, in a line each: where it came from, its key, what was expected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from runtime.setting_types import known_keys
from runtime.yaml_file import Key

# pydantic's words, where they speak of Python instead of a settings file.
_WORDS = {
    "missing": "this key is missing",
    "model_type": "expected keys and values below it",
    "model_attributes_type": "expected keys and values below it",
    "dict_type": "expected keys and values below it",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "string_type": "expected text; put it in quotes",
    "union_tag_not_found": "expected keys and values below it, one of them 'kind'",
}


class Values(Protocol):
    """What was given, and where each value came from."""

    data: dict[str, Any]

    def origin_of(self, key: Key) -> str: ...


def explain(error: ValidationError, model: type[BaseModel], values: Values) -> str:
    """One line per key with a problem. Never a value: it may be a secret."""
    lines: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        key = _written(problem["loc"], values.data, is_missing=problem["type"] == "missing")
        dotted = ".".join(str(part) for part in key)
        place = f"{values.origin_of(key)}: {dotted}" if dotted else values.origin_of(key)
        lines.setdefault(place, []).append(_expectation(problem, key, model, values.data))
    return "\n".join(
        f"{place}: {'; or: '.join(dict.fromkeys(expected))}" for place, expected in lines.items()
    )


def _expectation(
    problem: Mapping[str, Any], key: Key, model: type[BaseModel], data: dict[str, Any]
) -> str:
    if problem["type"] == "missing" and isinstance(key[-1], int):
        return "this list is too short"
    if problem["type"] != "extra_forbidden":
        return _WORDS.get(problem["type"]) or _reworded(str(problem["msg"]))
    known = known_keys(model, key[:-1], data)
    close = difflib.get_close_matches(str(key[-1]), known, n=1)
    if close:
        return f"unknown key; did you mean '{close[0]}'?"
    return "unknown key" + (f"; known here: {', '.join(sorted(known))}" if known else "")


def _reworded(said: str) -> str:
    said = said.removeprefix("Value error, ").replace("Input should be", "expected")
    if few := re.search(r"should have at least (\d+) items? .* not (\d+)", said):
        return f"expected at least {few[1]} below it, there are {few[2]}"
    wrong_kind = re.search(r"found using ('\w+') .* expected tags: (.*)", said)
    return f"the key {wrong_kind[1]} must be one of {wrong_kind[2]}" if wrong_kind else said


def _written(location: tuple[str | int, ...], data: Any, *, is_missing: bool) -> Key:
    """The part of pydantic's location that a user wrote: it also names unions and validators."""
    key: list[str | int] = []
    for position, part in enumerate(location):
        is_absent_key = is_missing and position == len(location) - 1
        if isinstance(data, dict):
            if part not in data and not is_absent_key:
                continue
            data = data.get(part)
        elif isinstance(data, list):
            if not isinstance(part, int) or not (part < len(data) or is_absent_key):
                continue
            data = data[part] if part < len(data) else None
        else:
            continue
        key.append(part)
    return tuple(key)
