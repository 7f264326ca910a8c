"""What earlier versions wrote is read today, and what is written today they can read."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import jsonschemas
from schemas.compatibility import Hurts, Schema, breaks
from schemas.example_messages import DECODERS, examples, from_file
from schemas.generate import RELEASED
from tests.schemas.json_schemas import validator

READERS: Hurts = "new readers of old messages"
WRITERS: Hurts = "old readers of new messages"
RELEASES = sorted(RELEASED.iterdir())
OLD_SCHEMAS = [path for release in RELEASES for path in sorted((release / "json").iterdir())]
OLD_EXAMPLES = [
    path for release in RELEASES for path in sorted((release / "examples").rglob("*.json"))
]
# A break of old readers, as `str(Break)`, that a release note tells users about: upgrade readers
# first. What hurts new readers of old messages has no such list: it needs a v2.
READERS_FIRST = {
    "$.reason: the value 'failed' is refused (hurts old readers of new messages)",
    "$.reason: the value 'frozen' is refused (hurts old readers of new messages)",
}
HINT = "a break within .v1 (before the release: python -m schemas.generate --release VERSION)"


def name_of(path: Path) -> str:
    return str(path.relative_to(RELEASED))


# ------------------------------------------------------------------- what was released


def test_there_is_a_first_release() -> None:
    assert (RELEASED / "0.1.0") in RELEASES
    assert len(OLD_SCHEMAS) >= len(jsonschemas.PAYLOADS)


@pytest.mark.parametrize("path", OLD_SCHEMAS, ids=name_of)
def test_today_breaks_nothing_of_a_released_schema(path: Path) -> None:
    old = json.loads(path.read_text(encoding="utf-8"))
    assert path.stem in jsonschemas.PAYLOADS, "a released type is gone: old messages can't be read"

    found = breaks(old, json.loads(jsonschemas.render(path.stem)))

    assert [str(one) for one in found if str(one) not in READERS_FIRST] == [], HINT


@pytest.mark.parametrize("path", OLD_EXAMPLES, ids=name_of)
def test_a_released_example_is_read_and_still_satisfies_todays_schema(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    content = json.loads(text)

    message = DECODERS[path.parent.name](from_file(text))

    assert message.type == content["headers"]["ce_type"]
    if "value" in content:
        validator(message.type).validate(content["value"])


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_todays_examples_satisfy_the_schemas_of_a_release(release: Path) -> None:
    for example in examples():
        schema = release / "json" / f"{example.message.type}.json"
        if schema.exists() and example.wire().value[:1] == b"{":
            validator(example.message.type, schema.parent).validate(
                json.loads(example.wire().value)
            )


# ------------------------------------------------------------------- the checker itself


def schema_of(event_type: str) -> Schema:
    schema: Schema = json.loads(jsonschemas.render(event_type))
    return schema


def inferred() -> tuple[Schema, Schema]:
    """The whole schema, and in it that of the record."""
    schema = schema_of("onehertz.frame.inferred.v1")
    return schema, schema["$defs"]["Inferred"]


def add_required(root: Schema, record: Schema) -> None:
    record["properties"]["zone"] = {"type": "string"}
    record["required"].append("zone")


def make_required(root: Schema, record: Schema) -> None:
    record["required"].append("width")


def make_optional(root: Schema, record: Schema) -> None:
    record["required"].remove("model")


def remove_required(root: Schema, record: Schema) -> None:
    del record["properties"]["model"]
    record["required"].remove("model")


def remove_optional(root: Schema, record: Schema) -> None:
    del record["properties"]["raw_offset"]


def rename(root: Schema, record: Schema) -> None:
    record["properties"]["engine"] = record["properties"].pop("model")
    record["required"][record["required"].index("model")] = "engine"


def narrow_enum(root: Schema, record: Schema) -> None:
    record["properties"]["because"]["enum"].remove("audit")


def widen_enum(root: Schema, record: Schema) -> None:
    record["properties"]["because"]["enum"].append("manual")


def change_type(root: Schema, record: Schema) -> None:
    record["properties"]["seq"] = {"type": "string"}


def number_to_integer(root: Schema, record: Schema) -> None:
    record["properties"]["score"] = {"type": "integer", "default": 0.0}


def integer_to_number(root: Schema, record: Schema) -> None:
    record["properties"]["seq"]["type"] = "number"


def enum_to_text(root: Schema, record: Schema) -> None:
    record["properties"]["because"] = {"type": "string"}


def text_to_enum(root: Schema, record: Schema) -> None:
    record["properties"]["model"] = {"enum": ["yolox"]}


def forbid_null(root: Schema, record: Schema) -> None:
    record["properties"]["raw_offset"]["anyOf"].pop()


def allow_null(root: Schema, record: Schema) -> None:
    model = record["properties"]["model"]
    record["properties"]["model"] = {"anyOf": [model, {"type": "null"}]}


def tighten_maximum(root: Schema, record: Schema) -> None:
    record["properties"]["width"]["maximum"] = 4096


def tighten_minimum(root: Schema, record: Schema) -> None:
    root["$defs"]["Box"]["properties"]["score"]["minimum"] = 0.1


def tighten_length(root: Schema, record: Schema) -> None:
    root["$defs"]["Box"]["properties"]["label"]["maxLength"] = 32


def tighten_in_a_nullable(root: Schema, record: Schema) -> None:
    record["properties"]["raw_offset"]["anyOf"][0]["minimum"] = 1


def new_bound(root: Schema, record: Schema) -> None:
    record["properties"]["boxes"]["minItems"] = 1


def relax_bound(root: Schema, record: Schema) -> None:
    del record["properties"]["boxes"]["maxItems"]


def other_pattern(root: Schema, record: Schema) -> None:
    record["properties"]["camera"]["pattern"] = "^[a-z]+$"


def new_format(root: Schema, record: Schema) -> None:
    record["properties"]["run"]["format"] = "uuid"


def other_default(root: Schema, record: Schema) -> None:
    record["properties"]["width"]["default"] = 1920


def longer_tuple(root: Schema, record: Schema) -> None:
    times = record["properties"]["stages"]["additionalProperties"]
    times["prefixItems"].append({"type": "integer"})
    times["minItems"] = times["maxItems"] = 3


def other_map_value(root: Schema, record: Schema) -> None:
    record["properties"]["stages"]["additionalProperties"] = {"type": "string"}


def other_item(root: Schema, record: Schema) -> None:
    record["properties"]["boxes"]["items"] = {"type": "array"}


def forbid_unknown(root: Schema, record: Schema) -> None:
    record["additionalProperties"] = False


def unknown_keyword(root: Schema, record: Schema) -> None:
    record["properties"]["seq"]["multipleOf"] = 2


Mutant = Callable[[Schema, Schema], None]
BOTH = {READERS, WRITERS}
MUTANTS: list[tuple[Mutant, set[Hurts], str, str]] = [
    (add_required, {READERS}, "$.zone", "required by the reader"),
    (make_required, {READERS}, "$.width", "required by the reader"),
    (make_optional, {WRITERS}, "$.model", "required by the reader"),
    (remove_required, BOTH, "$.model", "removed"),
    (remove_optional, {READERS}, "$.raw_offset", "removed"),
    (rename, BOTH, "$.model", "removed"),
    (narrow_enum, {READERS}, "$.because", "the value 'audit' is refused"),
    (widen_enum, {WRITERS}, "$.because", "the value 'manual' is refused"),
    (change_type, BOTH, "$.seq", "type integer is read as string"),
    (number_to_integer, {READERS, WRITERS}, "$.score", "type number is read as integer"),
    (integer_to_number, {WRITERS}, "$.seq", "type number is read as integer"),
    (enum_to_text, {WRITERS}, "$.because", "the value 'any other text' is refused"),
    (text_to_enum, {READERS, WRITERS}, "$.model", "the value 'any other text' is refused"),
    (forbid_null, {READERS}, "$.raw_offset", "type null is read as integer"),
    (allow_null, {WRITERS}, "$.model", "type null is read as string"),
    (tighten_maximum, {READERS}, "$.width", "maximum 65535 is read with 4096"),
    (tighten_minimum, {READERS}, "$.boxes[].score", "minimum 0.0 is read with 0.1"),
    (tighten_length, {READERS}, "$.boxes[].label", "maxLength 64 is read with 32"),
    (tighten_in_a_nullable, {READERS}, "$.raw_offset", "minimum 0 is read with 1"),
    (new_bound, {READERS}, "$.boxes", "minItems (none) is read with 1"),
    (relax_bound, {WRITERS}, "$.boxes", "maxItems (none) is read with 10000"),
    (other_pattern, BOTH, "$.camera", "pattern"),
    (new_format, {READERS}, "$.run", "format (none) is read with 'uuid'"),
    (other_default, BOTH, "$.width", "default 0 is read as 1920"),
    (longer_tuple, BOTH, "$.stages.*", "2 places are read as 3"),
    (other_map_value, BOTH, "$.stages.*", "type array is read as string"),
    (other_item, BOTH, "$.boxes[]", "type object is read as array"),
    (forbid_unknown, {READERS}, "$.*", "anything is written"),
    (unknown_keyword, BOTH, "$.seq", "'multipleOf' is not understood"),
]


@pytest.mark.parametrize(
    ("mutant", "hurts", "where", "why"), MUTANTS, ids=[mutant[0].__name__ for mutant in MUTANTS]
)
def test_the_checker_catches(mutant: Mutant, hurts: set[Hurts], where: str, why: str) -> None:
    old, _ = inferred()
    new, record = inferred()
    mutant(new, record)

    found = breaks(old, new)

    assert {one.hurts for one in found} == hurts
    assert any(one.where == where and why in one.why for one in found), [str(one) for one in found]


def describe(root: Schema, record: Schema) -> None:
    record["title"], record["description"] = "Seen", "Something else."


def add_optional(root: Schema, record: Schema) -> None:
    record["properties"]["zone"] = {"type": "string", "default": ""}


def reorder(root: Schema, record: Schema) -> None:
    record["properties"] = dict(sorted(record["properties"].items()))
    record["properties"]["because"]["enum"].reverse()
    record["required"].reverse()


def inline(root: Schema, record: Schema) -> None:
    record["properties"]["boxes"]["items"] = root["$defs"].pop("Box")


@pytest.mark.parametrize("change", [describe, add_optional, reorder, inline])
def test_the_checker_lets_pass(change: Mutant) -> None:
    old, _ = inferred()
    new, record = inferred()
    change(new, record)
    assert old != new

    assert breaks(old, new) == []


def everywhere(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each dict and list in a schema."""
    if isinstance(node, dict | list):
        yield path
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from everywhere(inner, (*path, key))


def at(root: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        root = root[key]
    return root


def seeded(root: Schema) -> Iterator[tuple[str, Schema]]:
    """The schema with one keyword changed, for each place and each keyword that has meaning."""
    for path in everywhere(root):
        if path[-1:] == ("properties",) or path[-1:] == ("$defs",) or "default" in path:
            continue
        for changed in _changed(at(root, path)):
            mutant = copy.deepcopy(root)
            place = at(mutant, path)
            place.clear()
            place.update(changed) if isinstance(place, dict) else place.extend(changed)
            yield f"{path} → {changed}"[:300], mutant


def _changed(node: Any) -> Iterator[Any]:
    if not isinstance(node, dict):
        return
    for keyword, value in node.items():
        for other in _OTHERS.get(keyword, lambda value: [])(value):
            yield {**node, keyword: other}
    if "default" in node:
        yield {keyword: value for keyword, value in node.items() if keyword != "default"}


def _all_but_one(values: Any) -> list[Any]:
    if isinstance(values, dict):
        return [{key: had for key, had in values.items() if key != gone} for gone in values]
    return [[had for had in values if had != gone] for gone in values]


_OTHERS: dict[str, Callable[[Any], list[Any]]] = {
    "type": lambda value: ["boolean" if value != "boolean" else "string"],
    "minimum": lambda value: [value + max(1, abs(value) / 2)],
    "minLength": lambda value: [value + 1],
    "minItems": lambda value: [value + 1],
    "maximum": lambda value: [value / 2],
    "maxLength": lambda value: [value - 1],
    "maxItems": lambda value: [value - 1],
    "enum": _all_but_one,
    "default": lambda value: ["other"],
    "pattern": lambda value: [value + "x"],
    "required": lambda value: [[*value, "new"]],
    "properties": _all_but_one,
}


@pytest.mark.parametrize("event_type", sorted(jsonschemas.PAYLOADS))
def test_the_checker_catches_every_seeded_mutant(event_type: str) -> None:
    schema = schema_of(event_type)
    mutants = list(seeded(schema))
    missed = [
        what
        for what, mutant in mutants
        if READERS not in {one.hurts for one in breaks(schema, mutant)}
    ]

    assert len(mutants) >= 50
    assert missed == []


@pytest.mark.parametrize("event_type", sorted(jsonschemas.PAYLOADS))
def test_a_schema_is_compatible_with_itself(event_type: str) -> None:
    assert breaks(schema_of(event_type), schema_of(event_type)) == []
