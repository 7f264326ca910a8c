"""What S3 says of new objects, by way of SQS: directly, through SNS, or through EventBridge."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus


@dataclass(frozen=True, slots=True)
class Notice:
    """An object that is said to be there."""

    bucket: str
    key: str


def notices_in(body: str) -> list[Notice]:
    """Of a message; empty where it says nothing of new objects. Raises ValueError: no notice."""
    try:
        message = json.loads(body)
        if "TopicArn" in message and "Message" in message:  # SNS's envelope
            message = json.loads(message["Message"])
        return list(_created(message))
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError("is no notification of S3") from error


def _created(message: dict[str, Any]) -> Iterator[Notice]:
    if message.get("Event") == "s3:TestEvent":
        return
    if "detail-type" in message:  # EventBridge's keys are not quoted
        if message["detail-type"] == "Object Created":
            detail = message["detail"]
            yield Notice(detail["bucket"]["name"], detail["object"]["key"])
        return
    for record in message["Records"]:
        if record["eventName"].startswith("ObjectCreated:"):
            told = record["s3"]
            yield Notice(told["bucket"]["name"], unquote_plus(told["object"]["key"]))
