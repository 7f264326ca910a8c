"""JSON Schemas of all JSON payloads, generated from the structs: `python -m schemas.jsonschemas`.

The generated files are checked in under `json/`; a test fails when they have drifted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from schemas import messages as m

FOLDER = Path(__file__).parent / "json"
PAYLOADS: dict[str, Any] = {
    kind.type: kind
    for kind in (
        m.Missing,
        m.Unchanged,
        m.Rejected,
        m.Inferred,
        m.Raised,
        m.Updated,
        m.Cleared,
    )
}


def render(event_type: str) -> str:
    """The JSON Schema (2020-12) of a type's payload, as text."""
    schema = msgspec.json.schema(PAYLOADS[event_type])
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def write_all() -> None:
    """Write one file per type into `json/`."""
    FOLDER.mkdir(exist_ok=True)
    for event_type in PAYLOADS:
        (FOLDER / f"{event_type}.json").write_text(render(event_type), encoding="utf-8")


if __name__ == "__main__":
    write_all()
