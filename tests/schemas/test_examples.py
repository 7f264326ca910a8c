"""The examples are what the stages write today, and say what the schemas say."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from schemas import example_messages
from schemas.catalogue import topics
from schemas.codec import Received
from schemas.example_messages import DECODERS, FOLDER, TINY_JPEG, encode, examples, from_file
from tests.schemas.json_schemas import validator

FILES = sorted(FOLDER.rglob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_an_example_is_read_and_written_again_as_it_was(path: Path) -> None:
    received, topic = from_file(path.read_text(encoding="utf-8")), path.parent.name

    message = DECODERS[topic](received)

    assert Received(*encode(topic, message)) == received


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_the_json_of_an_example_satisfies_its_schema(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    if "value" in content:
        validator(content["headers"]["ce_type"]).validate(content["value"])
    else:
        assert content["headers"].get("content-type") != "application/json"


def test_the_checked_in_examples_are_those_of_the_code() -> None:
    expected = {
        str(example.path): example_messages.to_file(example.wire()) for example in examples()
    }
    found = {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in FILES}

    assert found == expected, "run: python -m schemas.generate"


def test_every_message_type_has_an_example_on_every_topic_that_carries_it() -> None:
    shown = {(example.topic, type(example.message).__name__) for example in examples()}

    assert shown == {(topic, name) for topic, spec in topics().items() for name in spec.messages}


def test_the_picture_of_the_examples_is_a_real_jpeg() -> None:
    picture = cv2.imdecode(np.frombuffer(TINY_JPEG, np.uint8), cv2.IMREAD_UNCHANGED)

    assert picture is not None
    assert picture.shape == (8, 8)
