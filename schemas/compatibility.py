"""What a change of a JSON Schema breaks, and for whom.

Messages outlive the code that wrote them: on the topics for days, in dead letters for weeks. And
while a line is being upgraded, writers and readers of two versions run side by side. So a change
within `.v1` is looked at from both sides; what can't be done within them needs a `.v2`.

Knows the keywords that msgspec generates and takes any other one for a break.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

Schema = dict[str, Any]
Hurts = Literal["new readers of old messages", "old readers of new messages"]

_NO_MEANING = {"$schema", "$defs", "$ref", "title", "description"}
_KNOWN = _NO_MEANING | {
    "additionalProperties",
    "anyOf",
    "default",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "pattern",
    "prefixItems",
    "properties",
    "required",
    "type",
}
_LOWER = ("minimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "maxLength", "maxItems", "maxProperties")


class Break(NamedTuple):
    """One thing that a change breaks, in a sentence."""

    hurts: Hurts
    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.where}: {self.why} (hurts {self.hurts})"


def breaks(old: Schema, new: Schema) -> list[Break]:
    """All that a change from `old` to `new` breaks; empty for a change that is safe."""
    forward, backward = _Walk(old, new, lost=True), _Walk(new, old, lost=False)
    return [
        *(Break("new readers of old messages", *found) for found in forward.differences()),
        *(Break("old readers of new messages", *found) for found in backward.differences()),
    ]


class _Walk:
    """Compares what a writer may write with what a reader takes, place by place.

    `lost`: whether a field that the reader does not know counts. It does where a field was removed
    (its data is lost), not where an old reader skips what was added.
    """

    def __init__(self, writer: Schema, reader: Schema, *, lost: bool) -> None:
        self._writer, self._reader, self._lost = writer, reader, lost

    def differences(self) -> Iterator[tuple[str, str]]:
        return self._any("$", self._writer, self._reader)

    def _any(self, where: str, writer: Schema, reader: Schema) -> Iterator[tuple[str, str]]:
        writer, reader = _resolve(writer, self._writer), _resolve(reader, self._reader)
        for keyword in sorted((writer.keys() | reader.keys()) - _KNOWN):
            yield where, f"the keyword {keyword!r} is not understood by this check"
        if _text(writer, "default") != _text(reader, "default"):
            # A default is left out of the message: the reader puts its own in.
            yield where, f"default {_text(writer, 'default')} is read as {_text(reader, 'default')}"
        for choice in _choices(writer, self._writer):
            takers = [
                list(self._one(where, choice, taker)) for taker in _choices(reader, self._reader)
            ]
            yield from min(takers, key=_severity)

    def _one(self, where: str, writer: Schema, reader: Schema) -> Iterator[tuple[str, str]]:
        if not _same_type(writer, reader):
            yield where, f"type {_type(writer)} is read as {_type(reader)}"
            return
        if "enum" in reader:
            for value in writer.get("enum", ["any other text"]):
                if value not in reader["enum"]:
                    yield where, f"the value {value!r} is refused"
        yield from _bounds(where, writer, reader)
        if _type(writer) == "object":
            yield from self._object(where, writer, reader)
        if _type(writer) == "array":
            yield from self._array(where, writer, reader)

    def _object(self, where: str, writer: Schema, reader: Schema) -> Iterator[tuple[str, str]]:
        written, known = writer.get("properties", {}), reader.get("properties", {})
        for name in sorted(set(reader.get("required", ())) - set(writer.get("required", ()))):
            yield f"{where}.{name}", "required by the reader, and not always written"
        for name, schema in written.items():
            place = f"{where}.{name}"
            if name in known:
                yield from self._any(place, schema, known[name])
            elif reader.get("additionalProperties") is False:
                yield place, "refused by the reader, who does not know the field"
            elif self._lost:
                yield place, "removed: what was written is lost to the reader"
        yield from self._part(f"{where}.*", writer, reader, "additionalProperties")

    def _array(self, where: str, writer: Schema, reader: Schema) -> Iterator[tuple[str, str]]:
        heads = writer.get("prefixItems", []), reader.get("prefixItems", [])
        if len(heads[0]) != len(heads[1]):
            yield where, f"{len(heads[0])} places are read as {len(heads[1])}"
        for index, (mine, theirs) in enumerate(zip(*heads, strict=False)):
            yield from self._any(f"{where}[{index}]", mine, theirs)
        yield from self._part(f"{where}[]", writer, reader, "items")

    def _part(
        self, where: str, writer: Schema, reader: Schema, keyword: str
    ) -> Iterator[tuple[str, str]]:
        """The schema of all other fields, or of all other items."""
        mine, theirs = writer.get(keyword, True), reader.get(keyword, True)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from self._any(where, mine, theirs)
        elif mine != theirs and theirs is not True and mine is not False:
            yield where, f"anything is written where the reader takes only {theirs!r}"


def _resolve(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "$defs")}
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]] | rest
    return schema


def _choices(schema: Schema, root: Schema) -> list[Schema]:
    if "anyOf" not in schema:
        return [schema]
    return [inner for one in schema["anyOf"] for inner in _choices(_resolve(one, root), root)]


def _severity(found: list[tuple[str, str]]) -> tuple[bool, int]:
    """Another type is the worst; then what differs most. The best choice reads the value."""
    return any(why.startswith("type ") for _, why in found), len(found)


def _type(schema: Schema) -> str:
    if "type" in schema:
        return str(schema["type"])
    kinds = {type(value).__name__ for value in schema.get("enum", ())}
    return {"str": "string", "int": "integer"}.get(kinds.pop(), "?") if len(kinds) == 1 else "any"


def _same_type(writer: Schema, reader: Schema) -> bool:
    mine, theirs = _type(writer), _type(reader)
    return mine == theirs or theirs == "any" or (mine, theirs) == ("integer", "number")


def _bounds(where: str, writer: Schema, reader: Schema) -> Iterator[tuple[str, str]]:
    for keyword in (*_LOWER, *_UPPER):
        mine, theirs = writer.get(keyword), reader.get(keyword)
        if theirs is None:
            continue
        narrower = mine is None or (theirs > mine if keyword in _LOWER else theirs < mine)
        if narrower:
            yield where, f"{keyword} {_text(writer, keyword)} is read with {theirs}"
    for keyword in ("pattern", "format"):
        theirs = reader.get(keyword)
        if theirs is not None and theirs != writer.get(keyword):
            yield where, f"{keyword} {_text(writer, keyword)} is read with {theirs!r}"


def _text(schema: Schema, keyword: str) -> str:
    return json.dumps(schema[keyword]) if keyword in schema else "(none)"
