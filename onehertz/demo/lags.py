"""How far each stage is behind: its committed offsets against the end of its input topic."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, TopicPartition

from onehertz.settings import Settings
from runtime.kafka import connection, made

# stage → its input topic, and how many offsets at each partition's end are no records: the gate's
# output ends with the marker of its last transaction
STAGES = {
    "gate": ("frames-raw", 0),
    "infer": ("frames-gated", 1),
    "sql": ("detections", 0),
    "alerts": ("detections", 0),
}
_EVERY_S = 1.0
# A new broker has no group coordinator for a second or two, and lets those wait who ask for it.
_REQUEST_S = 2.0


class Lags:
    """Reads the lags in a thread of its own, so that a slow broker stops nobody who looks.

    Its consumers name the stages' groups and never join them.
    """

    def __init__(self, settings: Settings) -> None:
        self._line = settings.line
        config = connection(settings.kafka) | {
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
        }
        groups = {stage: {"group.id": self._line.group(stage)} for stage in STAGES}
        self._consumers = {stage: made(Consumer, config | group) for stage, group in groups.items()}
        self._latest: dict[str, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_reading, name="lags", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        for consumer in self._consumers.values():
            consumer.close()

    def latest(self) -> dict[str, int]:
        """Records by stage, about a second old; without those that are not known."""
        return self._latest

    def read(self, stage: str) -> int | None:
        """Records between the stage's committed offsets and the end now; None: not known."""
        topic, markers = STAGES[stage]
        name = self._line.topic(topic)
        places = [TopicPartition(name, number) for number in range(self._line.partitions)]
        consumer = self._consumers[stage]
        try:
            committed = consumer.committed(places, timeout=_REQUEST_S)
            return sum(self._behind(consumer, place, markers) for place in committed)
        except KafkaException:
            return None

    def _behind(self, consumer: Consumer, committed: TopicPartition, markers: int) -> int:
        place = TopicPartition(committed.topic, committed.partition)
        _, end = consumer.get_watermark_offsets(place, timeout=_REQUEST_S)
        # Nothing committed yet is a negative number.
        return max(0, end - markers - max(0, committed.offset))

    def _keep_reading(self) -> None:
        while not self._over.is_set():
            found = {stage: self.read(stage) for stage in STAGES if not self._over.is_set()}
            self._latest = {stage: lag for stage, lag in found.items() if lag is not None}
            self._over.wait(_EVERY_S)
