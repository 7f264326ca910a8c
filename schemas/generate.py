"""Write what is generated from the structs: `python -m schemas.generate [--release VERSION]`.

That is the JSON Schemas in `json/` and the examples in `examples/`. `--release` keeps a copy of
both under `released/<VERSION>/`: what a later version must still read.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from schemas import example_messages, jsonschemas

RELEASED = Path(__file__).parent / "released"


def write_all() -> None:
    """Write all schemas and examples anew."""
    for folder in (jsonschemas.FOLDER, example_messages.FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
    jsonschemas.write_all()
    for example in example_messages.examples():
        path = example_messages.FOLDER / example.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(example_messages.to_file(example.wire()), encoding="utf-8")


def release(version: str) -> None:
    """Keep a copy of schemas and examples as what `version` writes."""
    kept = RELEASED / version
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(jsonschemas.FOLDER, kept / "json")
    shutil.copytree(example_messages.FOLDER, kept / "examples")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write the JSON Schemas and the examples anew.")
    parser.add_argument("--release", metavar="VERSION", help="keep a copy as what VERSION writes")
    version = parser.parse_args().release
    write_all()
    if version:
        release(version)
