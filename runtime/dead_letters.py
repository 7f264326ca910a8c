"""Messages that no retry can help: kept as they came, with their origin and the reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from runtime.errors import TooManyFailures
from schemas.catalogue import DLQ_SUFFIX
from schemas.codec import Received, Wire
from schemas.errors import BadHeader, InvalidMessage, MissingHeader

MAX_DETAIL_BYTES = 1_000


class Origin(NamedTuple):
    """Where a message lies."""

    topic: str
    partition: int
    offset: int


def dead_letter(
    origin: Origin,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]] | None,
    stage: str,
    error: InvalidMessage,
) -> tuple[str, Wire]:
    """The dead-letter topic, and the message as it came plus `dlq_*` headers."""
    # One that was replayed and failed again has an earlier letter's headers: the last one counts.
    kept = [(n, content or b"") for n, content in headers or () if not n.startswith("dlq_")]
    kept += [
        ("dlq_stage", stage.encode()),
        ("dlq_reason", error.reason.encode()),
        ("dlq_detail", _cut(error.detail)),
        ("dlq_topic", origin.topic.encode()),
        ("dlq_partition", b"%d" % origin.partition),
        ("dlq_offset", b"%d" % origin.offset),
    ]
    return origin.topic + DLQ_SUFFIX, Wire(key or b"", value or b"", kept)


def _cut(detail: str) -> bytes:
    """At most MAX_DETAIL_BYTES, and still UTF-8."""
    cut = detail.encode(errors="replace")[:MAX_DETAIL_BYTES]
    return cut.decode(errors="ignore").encode()


class Letter(NamedTuple):
    """A dead letter, read back."""

    origin: Origin
    stage: str
    reason: str
    detail: str
    original: Wire


def read_letter(received: Received) -> Letter:
    """A message of a dead-letter topic. Raises MissingHeader, BadHeader."""
    headers = [(name, value or b"") for name, value in received.headers or ()]
    own = {name: str(value, "utf-8", "replace") for name, value in headers if name[:4] == "dlq_"}
    try:
        origin = Origin(own["dlq_topic"], int(own["dlq_partition"]), int(own["dlq_offset"]))
        stage, reason, detail = own["dlq_stage"], own["dlq_reason"], own["dlq_detail"]
    except KeyError as error:
        raise MissingHeader(f"{error.args[0]} is not there") from None
    except ValueError:
        raise BadHeader("dlq_partition and dlq_offset must be whole numbers") from None
    kept = [(name, value) for name, value in headers if name not in own]
    original = Wire(received.key or b"", received.value or b"", kept)
    return Letter(origin, stage, reason, detail, original)


class FailureGuard:
    """Stops a stage in which too many messages fail in a row: then the stage is what is broken.

    Failures of fewer than `min_cameras` cameras never stop it: that many cameras can be broken.
    """

    def __init__(self, limit: int = 100, min_cameras: int = 3) -> None:
        self._limit = limit
        self._min_cameras = min_cameras
        self._failed: deque[bytes] = deque(maxlen=limit)

    def succeeded(self) -> None:
        self._failed.clear()

    def failed(self, key: bytes | None, error: InvalidMessage) -> None:
        """Note a failure. Raises TooManyFailures."""
        self._failed.append(key or b"")
        if len(self._failed) == self._limit and len(set(self._failed)) >= self._min_cameras:
            raise TooManyFailures(
                f"{self._limit} messages in a row failed, from {len(set(self._failed))} cameras, "
                f"the last with '{error}': this stage is broken, not they. Nothing was committed "
                "past the last checkpoint; after a repair the stage reads on from there"
            )
