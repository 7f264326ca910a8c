"""Queues of SQS that tell of new objects; each is heard by one thread, for all of its cameras."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from producers.landed.ledger import Ledger
from producers.landed.notices import Notice, notices_in
from producers.live.backoff import Backoff
from producers.trouble import Trouble
from runtime.errors import OnehertzError

log = logging.getLogger("onehertz.produce")

_LONG_POLL_S = 10  # also how long the end of a thread may take; nobody waits for it
_AT_ONCE = 10  # the most that SQS gives


@dataclass(frozen=True, slots=True)
class Listener:
    """A camera whose objects are in `bucket`, their keys beginning with `prefix`."""

    camera: str
    bucket: str
    prefix: str
    wake: Callable[[], None]

    def name_of(self, notice: Notice) -> str | None:
        """The object's name, if it is one of the camera's."""
        if notice.bucket != self.bucket or not notice.key.startswith(self.prefix):
            return None
        return notice.key.removeprefix(self.prefix)


class Queues:
    """Used by the threads of all cameras."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._threads: dict[str, _Queue] = {}

    @contextmanager
    def listening(self, url: str, client: Callable[[], Any], listener: Listener) -> Iterator[None]:
        """A camera knows what the queue tells. `client`: makes one of boto3's, for SQS."""
        self._listen(url, client, listener)
        try:
            yield
        finally:
            self._leave(url, listener)

    def _listen(self, url: str, client: Callable[[], Any], listener: Listener) -> None:
        with self._lock:
            queue = self._threads.get(url)
            if queue is None:
                queue = self._threads[url] = _Queue(url, client, self._ledger)
                queue.start()
            queue.listeners = (*queue.listeners, listener)

    def _leave(self, url: str, listener: Listener) -> None:
        with self._lock:
            queue = self._threads[url]
            queue.listeners = tuple(one for one in queue.listeners if one is not listener)
            if not queue.listeners:
                self._threads.pop(url).close()

    def close(self) -> None:
        """Ask all threads to end."""
        with self._lock:
            for queue in self._threads.values():
                queue.close()


class _Queue(threading.Thread):
    """What it hears is in the ledger before the queue is told to forget it."""

    def __init__(self, url: str, client: Callable[[], Any], ledger: Ledger) -> None:
        super().__init__(name=f"queue {url.rpartition('/')[2]}", daemon=True)
        self.listeners: tuple[Listener, ...] = ()
        self._url = url
        self._make_client = client
        self._client: Any = None
        self._ledger = ledger
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._backoff = Backoff()
        self._trouble = Trouble(self.name, "heard again")

    def close(self) -> None:
        """When it returns, the ledger is left alone."""
        with self._lock:
            self._closed.set()

    def run(self) -> None:
        while not self._closed.is_set():
            try:
                self._hear()
            except Exception as error:  # whatever it is, it is tried again
                self._trouble.tell(_text(error))
                self._closed.wait(self._backoff.wait_s(0))

    def _hear(self) -> None:
        if self._client is None:
            self._client = self._make_client()
        answer = self._client.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=_AT_ONCE, WaitTimeSeconds=_LONG_POLL_S
        )
        self._backoff = Backoff()
        self._trouble.over()
        for message in answer.get("Messages", ()):
            if self._closed.is_set():
                return  # the others come again
            if self._take(message["Body"]):
                self._client.delete_message(
                    QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"]
                )

    def _take(self, body: str) -> bool:
        """Whether the message has done what it is for; others are the queue's own dead letters."""
        try:
            notices = notices_in(body)
        except ValueError as error:
            log.warning("%s: a message %s; it is left there", self.name, error)
            return False
        with self._lock:
            if self._closed.is_set():
                return False
            heard = [self._tell_of(notice) for notice in notices]
        return all(heard)

    def _tell_of(self, notice: Notice) -> bool:
        heard = False
        for listener in self.listeners:
            name = listener.name_of(notice)
            if name is not None:
                self._ledger.notice(listener.camera, name)
                listener.wake()
                heard = True
        if not heard:
            log.warning(
                "%s: s3://%s/%s is no camera's here; its message is left there",
                self.name,
                notice.bucket,
                notice.key,
            )
        return heard


def _text(error: Exception) -> str:
    told = getattr(error, "response", {}).get("Error", {})  # of boto3's ClientError
    if told:
        return f"SQS refuses: {told.get('Code', '')} {told.get('Message', '')}"
    # Another's text may hold an address.
    return str(error) if isinstance(error, OnehertzError) else f"SQS: {type(error).__name__}"
