"""Log lines: for people, for machines, and never a secret in one."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.logs import ConsoleFormatter, JsonFormatter, LogSettings, configure

FORMATS: list[Literal["console", "json"]] = ["console", "json"]
log = logging.getLogger("onehertz.test")


@pytest.fixture
def configured() -> Iterator[Callable[..., io.StringIO]]:
    """Configures the root logger; as it was before, after the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def of(secrets: tuple[str, ...] = (), **settings: Any) -> io.StringIO:
        stream = io.StringIO()
        configure(LogSettings(**settings), "gate", secrets, stream)
        return stream

    yield of
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "args": args, "levelno": 30, "created": 0.0015})
    made.levelname = "WARNING"
    made.__dict__.update(extra)
    return made


def test_a_line_for_people_says_when_who_and_what() -> None:
    line = ConsoleFormatter("gate", ()).format(record("%s is late", "north", camera="north"))
    assert line == "00:00:00.001 gate    WARNING north is late camera=north"


def test_a_line_for_machines_is_one_object() -> None:
    line = JsonFormatter("gate", ()).format(
        record("%s is\nlate", "north", name="onehertz.x", camera="north", behind_s=1.5, spare=None)
    )
    assert "\n" not in line
    assert json.loads(line) == {
        "at": "1970-01-01T00:00:00.001500+00:00",
        "level": "warning",
        "role": "gate",
        "logger": "onehertz.x",
        "message": "north is\nlate",
        "camera": "north",
        "behind_s": 1.5,
        "spare": None,
    }


def test_what_came_from_outside_can_not_begin_a_line_of_its_own() -> None:
    line = ConsoleFormatter("gate", ()).format(record("%s", "a\r\n00:00:00.000 gate all is well"))
    assert line.splitlines() == [line]


def test_only_what_is_important_enough_is_logged(
    configured: Callable[..., io.StringIO],
) -> None:
    stream = configured(level="warning")
    log.info("not this")
    log.warning("but this")
    assert "but this" in stream.getvalue()
    assert "not this" not in stream.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_python_warnings_go_the_same_way(configured: Callable[..., io.StringIO], kind: str) -> None:
    stream = configured(("hunter2",), format=kind)
    logging.getLogger("py.warnings").warning("%s", "x.py:1: UserWarning: hunter2")
    assert "UserWarning: ***" in stream.getvalue()


# Of letters that nothing else in a line has, so that whatever is found of it is the secret.
SECRETS = st.text("§µé'\"\\\n%", min_size=2)


@given(secret=SECRETS, kind=st.sampled_from(FORMATS))
def test_no_secret_is_in_any_part_of_a_line(secret: str, kind: Literal["console", "json"]) -> None:
    formatter = {"console": ConsoleFormatter, "json": JsonFormatter}[kind]("gate", [secret])
    try:
        raise OSError(secret)
    except OSError:
        failed = record("failed", exc_info=sys.exc_info())
    said = record("%s %r", secret, secret, field=secret, fields=[secret, {"a": secret}])
    for line in (formatter.format(said), formatter.format(failed)):
        texts = [line] if kind == "console" else list(texts_in(json.loads(line)))
        assert "***" in line
        assert not [text for text in texts if secret in text]


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts_in(inner)
    else:
        yield str(value)


@pytest.mark.parametrize(
    "secret", ['with"quote', "with'quote", "back\\slash", "p@ss/w:rd", "ünïcode"]
)
@pytest.mark.parametrize("kind", FORMATS)
def test_a_secret_is_hidden_however_it_is_spelled(
    configured: Callable[..., io.StringIO], kind: str, secret: str
) -> None:
    stream = configured((secret,), format=kind)
    log.warning("%s|%r|%s|%s", secret, secret, json.dumps(secret), quote(secret, safe=""))
    log.warning("as a field", extra={"field": secret, "fields": [secret]})
    try:
        raise OSError(secret)
    except OSError:
        log.exception("as an error")
    spellings = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], quote(secret, safe="")}
    said = stream.getvalue()
    assert said.count("***") >= 7
    assert not [spelled for spelled in spellings if spelled in said]


def test_a_json_line_stays_json_when_a_secret_is_part_of_it() -> None:
    line = JsonFormatter("gate", ['"', "level", "1"]).format(record("level 1", count=1, other=11))
    assert json.loads(line)["message"] == "*** ***"
    assert json.loads(line)["count"] == "***"


def test_the_longest_secret_is_hidden_first() -> None:
    line = ConsoleFormatter("gate", ["abc", "abcdef"]).format(record("abcdef abc"))
    assert line.endswith("WARNING *** ***")


def test_a_client_that_repeats_itself_is_heard_every_thirty_seconds(
    configured: Callable[..., io.StringIO],
) -> None:
    stream = configured()
    client = logging.getLogger("onehertz.librdkafka")
    for at_s in range(65):
        again = record("Connect failed (after %dms)", at_s, name=client.name)
        again.created = float(at_s)
        client.handle(again)
        client.handle(record("something else %s", "x" * at_s, name=client.name))
    lines = stream.getvalue().splitlines()
    assert [line[29:] for line in lines if "Connect" in line] == [
        "Connect failed (after 0ms)",
        "Connect failed (after 30ms) (and 29 more like it)",
        "Connect failed (after 60ms) (and 29 more like it)",
    ]
    assert len([line for line in lines if "something else" in line]) == 65
