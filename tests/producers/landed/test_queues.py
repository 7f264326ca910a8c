"""Queues that tell of new objects."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from producers.landed.aws import client_of
from producers.landed.ledger import Ledger
from producers.landed.queues import Listener, Queues
from producers.landed.settings import S3Settings
from tests.producers.landed.s3_server import BUCKET, S3Server, s3_server
from tests.waiting import eventually


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as opened:
        yield opened


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producers.landed.queues._LONG_POLL_S", 1)


def listener(camera: str, wake: threading.Event | None = None) -> Listener:
    return Listener(camera, BUCKET, f"{camera}/", (wake or threading.Event()).set)


@contextmanager
def heard(queues: Queues, url: str, client: Any, *listeners: Listener) -> Iterator[None]:
    with ExitStack() as entered:
        for one in listeners:
            entered.enter_context(queues.listening(url, client, one))
        threads = [one for one in threading.enumerate() if one.name.startswith("queue ")]
        try:
            yield
        finally:
            queues.close()
            for thread in threads:
                thread.join(30)
                assert not thread.is_alive()


def client(server: S3Server, **keys: str) -> Any:
    settings = {"kind": "s3", "bucket": BUCKET, **server.login(), **keys}
    return partial(client_of, "sqs", S3Settings.model_validate(settings))


def test_each_camera_hears_of_its_own_objects_and_the_queue_is_emptied(
    server: S3Server, ledger: Ledger, tmp_path: Path
) -> None:
    url = server.queue(f"{tmp_path.name}-shared")
    woken = threading.Event()
    cameras = listener("door", woken), listener("yard")
    with heard(Queues(ledger), url, client(server), *cameras):
        for key in ("door/a b.mp4", "yard/2026/c.mp4", "door/ü.mp4"):
            server.put(key, b"x")
        eventually(lambda: server.waiting(url) == 0 and len(ledger.noticed("door")) == 2, 30)
    assert woken.is_set()
    assert set(ledger.noticed("door")) == {"a b.mp4", "ü.mp4"}
    assert ledger.noticed("yard") == ["2026/c.mp4"]


def test_what_is_nobodys_or_no_notice_is_left_to_the_queue(
    server: S3Server, ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.queue(f"{tmp_path.name}-left")
    with heard(Queues(ledger), url, client(server), listener("door")):
        server.put("roof/a.mp4", b"x")
        server.say(url, {"hello": "world"})
        server.put("door/b.mp4", b"x")
        eventually(lambda: ledger.noticed("door") and server.waiting(url) == 2, 30)
        eventually(lambda: "no camera's here" in caplog.text, 30)
        eventually(lambda: "is no notification of S3" in caplog.text, 30)


def test_a_queue_that_can_not_be_heard_is_told_and_tried_again(
    server: S3Server, ledger: Ledger, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = f"{server.url}/123456789012/{tmp_path.name}-none"
    with heard(Queues(ledger), wrong, client(server), listener("door")):
        eventually(lambda: "SQS refuses: " in caplog.text, 30)
        eventually(lambda: "trying again" in caplog.text, 30)
    assert server.login()["secret_access_key"] not in caplog.text


def test_when_the_last_camera_has_left_nobody_hears(
    server: S3Server, ledger: Ledger, tmp_path: Path
) -> None:
    url = server.queue(f"{tmp_path.name}-leave")
    queues = Queues(ledger)
    with heard(queues, url, client(server), listener("door")):
        with queues.listening(url, client(server), listener("yard")):
            (thread,) = queues._threads.values()
        assert list(queues._threads.values()) == [thread]
    assert not queues._threads
    assert not thread.is_alive()
