"""Taking over partitions of a stage with state: from where, with which state, and what is out.

Used by the gate and by the alert rules. The order matters, and why is in each step's comment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, replace

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec
from pydantic import Field

from runtime.errors import FatalError
from runtime.kafka import KafkaSettings, admin_client, as_fatal, asked, reader, received
from runtime.reading import read_all, read_last
from runtime.recovery import Expired, Left, Taken, feedback_start, taken_over
from runtime.settings import Section
from runtime.topics import topic_id
from schemas.codec import decode_snapshot
from schemas.errors import DecodeError
from schemas.messages import Snapshot

log = logging.getLogger("onehertz.checkpoint")

_REQUEST_S = 15.0
# Kafka ends a dead process' open transaction after its own time-out, looking every 10 s.
_MARGIN_S = 30.0

_Offsets = dict[tuple[str, int], int]  # by topic and partition


class CheckpointSettings(Section):
    """How often a stage with state (gate, alerts) publishes."""

    interval_s: float = Field(
        0.2,
        gt=0,
        le=5,
        description="One transaction every so often: adds to the latency, and saves work.",
    )
    snapshot_interval_s: float = Field(
        5.0,
        gt=0,
        le=60,
        description="State is saved so often at most. A new owner repeats what came since.",
    )
    snapshot_share: float = Field(
        0.05,
        gt=0,
        le=100,
        description="Saved states of the gate add at most this share to the bytes of the frames: "
        "larger states are saved less often, while frames come at the latest every 60 s.",
    )


@dataclass(frozen=True)
class StageTopics:
    """The topics of a stage with state, by their names on the broker."""

    stage: str
    group: str
    input: str
    state: str
    output: str | None = None  # where each input leaves at most one record with its offset
    offset_header: str = "ce_rawoffset"
    feedback: str | None = None  # a second input, co-assigned: moves states and gives no outputs


class Checkpoints:
    """Reads what earlier owners of partitions left behind."""

    def __init__(self, settings: KafkaSettings, topics: StageTopics) -> None:
        self._settings = settings
        self._topics = topics
        self._admin = admin_client(settings)
        # One client that asks for both kinds of offsets crashes the process (SIGSEGV) on a broker
        # that has just started (confluent-kafka 2.16.1; either alone does not): so there are two.
        self._group_admin = admin_client(settings)
        self.input_id = topic_id(self._admin, topics.input)

    def take_over(
        self, partitions: Iterable[int], give_up: Callable[[], bool] = lambda: False
    ) -> dict[int, Taken]:
        """State and starting points of newly assigned partitions.

        Blocks while an earlier owner's transaction is open; `give_up` is asked meanwhile, and when
        it says yes the answer is empty. Raises FatalError: offsets that retention has deleted.
        """
        numbers = sorted(partitions)
        if not numbers:
            return {}
        try:
            return self._take_over(numbers, give_up)
        except KafkaException as error:
            raise as_fatal(error, f"taking over partitions of {self._topics.input}") from None

    def _take_over(self, numbers: list[int], give_up: Callable[[], bool]) -> dict[int, Taken]:
        self.input_id = topic_id(self._admin, self._topics.input)
        # An earlier owner may have died after its outputs and before their commit. Once the group
        # has a new generation it can't send offsets any more, so the end seen now is the last to
        # wait for; only then are committed offsets, snapshots and outputs of one piece.
        seen = self._ends(numbers, IsolationLevel.READ_UNCOMMITTED)
        deadline = time.monotonic() + self._settings.transaction_timeout_ms / 1000 + _MARGIN_S
        while not give_up():
            unfinished = self._unfinished(numbers, seen)
            committed = self._committed(numbers)
            if not unfinished and committed is not None:
                return self._read(numbers, committed)
            if time.monotonic() > deadline:
                raise FatalError(
                    f"a transaction on {unfinished or self._topics.input} has been open for longer "
                    f"than kafka.transaction_timeout_ms: look for it with kafka-transactions.sh "
                    f"--bootstrap-server {self._settings.bootstrap_servers} list"
                )
            time.sleep(0.05)
        return {}

    def _read(self, numbers: list[int], committed: _Offsets) -> dict[int, Taken]:
        bounds = self._bounds(self._topics.input, numbers)
        feedback = self._feedback_starts(numbers, committed)
        consumer = reader(self._settings)
        try:
            found = {
                number: self._taken(
                    consumer, number, committed.get((self._topics.input, number)), bounds[number]
                )
                for number in numbers
            }
        finally:
            consumer.close()
        return {n: replace(taken, feedback=feedback.get(n)) for n, taken in found.items()}

    def _unfinished(self, numbers: list[int], seen: dict[tuple[str, int], int]) -> str:
        """A partition of which not everything up to what was seen is committed or aborted."""
        stable = self._ends(numbers, IsolationLevel.READ_COMMITTED)
        return next((f"{t}[{n}]" for (t, n), end in seen.items() if stable[(t, n)] < end), "")

    def _ends(self, numbers: list[int], isolation: IsolationLevel) -> dict[tuple[str, int], int]:
        names = [t for t in (self._topics.output, self._topics.state) if t is not None]
        places = [(name, number) for name in names for number in numbers]
        return _list_offsets(self._admin, places, OffsetSpec.latest(), isolation)

    def _feedback_starts(self, numbers: list[int], committed: _Offsets) -> dict[int, int]:
        topic = self._topics.feedback
        if topic is None:
            return {}
        return {
            number: feedback_start(*bounds, committed.get((topic, number)))
            for number, bounds in self._bounds(topic, numbers).items()
        }

    def _bounds(self, topic: str, numbers: list[int]) -> dict[int, tuple[int, int]]:
        """By partition, its first offset and the one that its next record will have."""
        places = [(topic, number) for number in numbers]
        isolation = IsolationLevel.READ_UNCOMMITTED
        low = _list_offsets(self._admin, places, OffsetSpec.earliest(), isolation)
        high = _list_offsets(self._admin, places, OffsetSpec.latest(), isolation)
        return {place[1]: (low[place], high[place]) for place in places}

    def _committed(self, numbers: list[int]) -> _Offsets | None:
        """The group's offsets; None while a transaction that moves them is not finished."""
        inputs = [t for t in (self._topics.input, self._topics.feedback) if t is not None]
        places = [TopicPartition(topic, number) for topic in inputs for number in numbers]
        request = ConsumerGroupTopicPartitions(self._topics.group, places)
        answer = asked(
            lambda: self._group_admin.list_consumer_group_offsets(
                [request], require_stable=True, request_timeout=_REQUEST_S
            )[self._topics.group].result()
        )
        found = {}
        for place in answer.topic_partitions or ():
            if place.error is not None:  # in this case the offset reads as none at all
                if place.error.code() == KafkaError.UNSTABLE_OFFSET_COMMIT:
                    return None
                raise KafkaException(place.error)
            if place.offset >= 0:
                found[place.topic, place.partition] = place.offset
        return found

    def _taken(
        self, consumer: Consumer, number: int, committed: int | None, bounds: tuple[int, int]
    ) -> Taken:
        low, high = bounds
        snapshots = self._snapshots(consumer, number)
        left = Left(low, high, committed, snapshots, self._newest_output(consumer, number))
        try:
            taken = taken_over(left, self.input_id)
        except Expired as error:
            raise self._expired(number, str(error)) from None
        if taken.made_anew:
            log.error(
                "%s[%d] was deleted and made anew: the state of %d cameras belongs to the old one "
                "and is dropped; the new one is read from its beginning",
                *(self._topics.input, number, len(snapshots)),
            )
        return taken

    def check_kept(self, number: int, offset: int) -> None:
        """Raises FatalError if retention has deleted the input at `offset`."""
        low, _ = self._bounds(self._topics.input, [number])[number]
        if offset < low:
            raise self._expired(number, f"{low - offset} records expired before they were read")

    def holds_nothing(self, number: int, begin: int, end: int) -> bool:
        """Whether the input has no record at `begin` or after it and before `end`.

        So it is where a transaction's marker took an offset. Raises FatalError as `check_kept`.
        """
        self.check_kept(number, begin)
        consumer = reader(self._settings)
        try:
            with closing(read_all(consumer, self._topics.input, number, begin)) as messages:
                first = next(messages, None)
        finally:
            consumer.close()
        return first is None or (first.offset() or 0) >= end

    def _expired(self, number: int, what: str) -> FatalError:
        topics, server = self._topics, f"--bootstrap-server {self._settings.bootstrap_servers}"
        return FatalError(
            f"{topics.input}[{number}]: {what} by {topics.stage}: retention was shorter than the "
            f"outage. To accept the loss: kafka-consumer-groups.sh {server} --group {topics.group} "
            f"--topic {topics.input} --reset-offsets --to-earliest --execute; kafka-topics.sh "
            f"{server} --delete --topic {topics.state}; onehertz topics create"
        )

    def _snapshots(self, consumer: Consumer, number: int) -> dict[str, Snapshot]:
        """The last snapshot of each camera in a partition of the state topic."""
        # Compaction leaves many of a camera: only its last one is looked into.
        last = {
            message.key(): message for message in read_all(consumer, self._topics.state, number)
        }
        found: dict[str, Snapshot] = {}
        for message in last.values():
            try:
                snapshot = decode_snapshot(received(message))
            except DecodeError as error:
                raise self._foreign(self._topics.state, message, str(error)) from None
            found[snapshot.camera] = snapshot
        return found

    def _newest_output(self, consumer: Consumer, number: int) -> int:
        """The input offset that the newest record of the output partition came from, or -1."""
        if self._topics.output is None:
            return -1
        message = read_last(consumer, self._topics.output, number)
        if message is None:
            return -1
        value = dict(received(message).headers or ()).get(self._topics.offset_header)
        try:
            return int(value or b"")
        except ValueError:
            why = f"its header {self._topics.offset_header} is no offset"
            raise self._foreign(self._topics.output, message, why) from None

    def _foreign(self, topic: str, message: Message, why: str) -> FatalError:
        return FatalError(
            f"{topic}[{message.partition()}]@{message.offset()} was not written by "
            f"{self._topics.stage} ({why}): something else writes to this topic"
        )


def _list_offsets(
    admin: AdminClient,
    places: list[tuple[str, int]],
    spec: OffsetSpec,
    isolation: IsolationLevel,
) -> dict[tuple[str, int], int]:
    request = {TopicPartition(topic, number): spec for topic, number in places}

    def ask() -> dict[tuple[str, int], int]:
        answer = admin.list_offsets(request, isolation_level=isolation, request_timeout=_REQUEST_S)
        try:
            return {(p.topic, p.partition): future.result().offset for p, future in answer.items()}
        except KafkaException as error:
            # After a broker's restart this client goes on asking by the old leader epoch, for
            # minutes (librdkafka 2.x), unless it is made to look for the leaders anew.
            if error.args[0].code() == KafkaError.FENCED_LEADER_EPOCH:
                for topic in {topic for topic, _ in places}:
                    admin.list_topics(topic, timeout=_REQUEST_S)
            raise

    return asked(ask)


__all__ = ["CheckpointSettings", "Checkpoints", "StageTopics", "Taken"]
