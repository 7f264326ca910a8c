"""What S3 says of new objects, by way of SQS."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.landed.notices import Notice, notices_in

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def record(key: str, event: str = "ObjectCreated:Put") -> dict[str, Any]:
    return {"eventName": event, "s3": {"bucket": {"name": "videos"}, "object": {"key": key}}}


def by_sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": body})


@given(st.lists(KEYS, max_size=3))
def test_keys_come_as_they_are_in_the_bucket(keys: list[str]) -> None:
    body = json.dumps({"Records": [record(quote_plus(key)) for key in keys]})
    expected = [Notice("videos", key) for key in keys]
    assert notices_in(body) == expected
    assert notices_in(by_sns(body)) == expected


@given(KEYS)
def test_eventbridge_does_not_quote_keys(key: str) -> None:
    detail = {"bucket": {"name": "videos"}, "object": {"key": key}}
    body = {"detail-type": "Object Created", "detail": detail}
    assert notices_in(json.dumps(body)) == [Notice("videos", key)]


@pytest.mark.parametrize(
    "body",
    [
        {"Event": "s3:TestEvent", "Bucket": "videos"},
        {"Records": [record("a.mp4", "ObjectRemoved:Delete")]},
        {"detail-type": "Object Deleted", "detail": {}},
    ],
)
def test_what_says_nothing_of_new_objects_is_understood(body: dict[str, Any]) -> None:
    assert notices_in(json.dumps(body)) == []


@given(
    st.one_of(
        st.text(),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner) | st.dictionaries(st.sampled_from(["Records", "s3"]), inner)
            ),
        ).map(json.dumps),
    )
)
def test_anything_else_is_told_as_no_notification(body: str) -> None:
    try:
        assert notices_in(body) == []
    except ValueError as error:
        assert str(error) == "is no notification of S3"  # noqa: PT017
