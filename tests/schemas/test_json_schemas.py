"""The checked-in JSON Schemas are those of the structs."""

from __future__ import annotations

import msgspec
import pytest
from jsonschema import ValidationError

from schemas import jsonschemas
from schemas.example_messages import examples
from tests.schemas.json_schemas import validator

NAMES = sorted(jsonschemas.PAYLOADS)


@pytest.mark.parametrize("event_type", NAMES)
def test_the_checked_in_schema_is_the_generated_one(event_type: str) -> None:
    found = (jsonschemas.FOLDER / f"{event_type}.json").read_text(encoding="utf-8")

    assert found == jsonschemas.render(event_type), "run: python -m schemas.generate"


def test_there_is_a_schema_for_each_json_payload_and_no_other() -> None:
    as_json = {
        example.message.type
        for example in examples()
        if ("content-type", b"application/json") in example.wire().headers
    }

    assert {path.stem for path in jsonschemas.FOLDER.iterdir()} == as_json == set(NAMES)


@pytest.mark.parametrize("event_type", NAMES)
def test_a_schema_refuses_a_payload_without_what_it_requires(event_type: str) -> None:
    example = next(
        e
        for e in examples()
        if e.message.type == event_type and e.topic != "frames-gated" and e.wire().value
    )
    payload = msgspec.json.decode(example.wire().value)
    schema = validator(event_type)
    schema.validate(payload)

    required = schema.schema["$defs"][type(example.message).__name__]["required"]  # type: ignore[index] # a schema may be a bool
    for name in required:
        with pytest.raises(ValidationError):
            schema.validate({key: value for key, value in payload.items() if key != name})
