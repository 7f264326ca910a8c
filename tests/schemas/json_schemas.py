"""The checked-in JSON Schemas as validators."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator

from schemas import jsonschemas


@cache
def validator(event_type: str, folder: Path = jsonschemas.FOLDER) -> Draft202012Validator:
    schema = json.loads((folder / f"{event_type}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
