"""Taking over partitions of a stage with state: from where, with which state, and what is out.

Used by the gate and by the alert rules. The order matters, and why is in each step's comment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec
from pydantic import Field

from runtime.errors import FatalError
from runtime.kafka import KafkaSettings, admin_client, as_fatal, reader, received
from runtime.reading import read_all, read_last
from runtime.settings import Section
from runtime.topics import topic_id
from schemas.codec import decode_snapshot
from schemas.errors import DecodeError
from schemas.messages import Snapshot

log = logging.getLogger("onehertz.checkpoint")

_REQUEST_S = 15.0
# Kafka gives up a dead process' open transaction within its own time-out, checked every 10 s.
_OPEN_TRANSACTION_S = 60.0


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
        description="State is saved every so often: a new owner repeats at most this much work.",
    )


@dataclass
class Taken:
    """One partition as a new owner finds it."""

    start: int  # the input offset to go on at
    published_to: int = -1  # the last input offset of which the output topic holds the result
    states: dict[str, bytes] = field(default_factory=dict)  # by camera, as of `start`


@dataclass(frozen=True)
class StageTopics:
    """The topics of a stage with state, by their names on the broker."""

    stage: str
    group: str
    input: str
    state: str
    output: str | None = None  # where each input leaves at most one record with its offset
    offset_header: str = "ce_rawoffset"


class Checkpoints:
    """Reads what earlier owners of partitions left behind."""

    def __init__(self, settings: KafkaSettings, topics: StageTopics) -> None:
        self._settings = settings
        self._topics = topics
        self._admin = admin_client(settings)
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
        # has a new generation it can't commit any more, so the end seen now is the last to wait
        # for; only then are committed offsets, snapshots and outputs of one piece.
        if not self._wait_for_open_transactions(numbers, give_up):
            return {}
        committed = self._committed(numbers)
        bounds = self._input_bounds(numbers)
        consumer = reader(self._settings)
        try:
            return {
                number: self._taken(consumer, number, committed.get(number), bounds[number])
                for number in numbers
            }
        finally:
            consumer.close()

    def _wait_for_open_transactions(self, numbers: list[int], give_up: Callable[[], bool]) -> bool:
        names = [t for t in (self._topics.output, self._topics.state) if t is not None]
        places = [(name, number) for name in names for number in numbers]
        seen = self._ends(places, IsolationLevel.READ_UNCOMMITTED)
        deadline = time.monotonic() + _OPEN_TRANSACTION_S
        while not give_up():
            stable = self._ends(places, IsolationLevel.READ_COMMITTED)
            open_ones = [place for place in places if stable[place] < seen[place]]
            if not open_ones:
                return True
            if time.monotonic() > deadline:
                raise FatalError(
                    f"a transaction on {open_ones[0][0]}[{open_ones[0][1]}] has been open for "
                    f"{_OPEN_TRANSACTION_S:.0f} s: look for it with kafka-transactions.sh"
                )
            time.sleep(0.05)
        return False

    def _ends(
        self, places: list[tuple[str, int]], isolation: IsolationLevel
    ) -> dict[tuple[str, int], int]:
        return _list_offsets(self._admin, places, OffsetSpec.latest(), isolation)

    def _input_bounds(self, numbers: list[int]) -> dict[int, tuple[int, int]]:
        places = [(self._topics.input, number) for number in numbers]
        isolation = IsolationLevel.READ_UNCOMMITTED
        low = _list_offsets(self._admin, places, OffsetSpec.earliest(), isolation)
        high = _list_offsets(self._admin, places, OffsetSpec.latest(), isolation)
        return {number: (low[place], high[place]) for place, number in zip(places, numbers)}  # noqa: B905

    def _committed(self, numbers: list[int]) -> dict[int, int]:
        request = ConsumerGroupTopicPartitions(
            self._topics.group, [TopicPartition(self._topics.input, n) for n in numbers]
        )
        futures = self._admin.list_consumer_group_offsets(
            [request], require_stable=True, request_timeout=_REQUEST_S
        )
        answer = futures[self._topics.group].result()
        return {p.partition: p.offset for p in answer.topic_partitions or () if p.offset >= 0}

    def _taken(
        self, consumer: Consumer, number: int, committed: int | None, bounds: tuple[int, int]
    ) -> Taken:
        low, high = bounds
        snapshots = self._snapshots(consumer, number)
        current = {c: s for c, s in snapshots.items() if s.topic_id == self.input_id}
        if snapshots and not current:
            self._log_made_anew(number, len(snapshots))
            return Taken(low)
        # Offsets expire when a group was empty for a week; the snapshots know them too.
        known = [snapshot.offset for snapshot in current.values()]
        start = max([*known, committed if committed is not None else -1])
        published_to = self._published_to(consumer, number)
        if start < 0:
            log.info("%s[%d]: first start, at offset %d", self._topics.input, number, low)
            return Taken(low, published_to)
        self._check_kept(number, start, low)
        if start > high:
            self._log_made_anew(number, len(current))
            return Taken(low)
        return Taken(start, published_to, {c: s.state for c, s in current.items()})

    def check_kept(self, number: int, offset: int) -> None:
        """Raises FatalError if retention has deleted the input at `offset`."""
        self._check_kept(number, offset, self._input_bounds([number])[number][0])

    def _check_kept(self, number: int, offset: int, low: int) -> None:
        if offset < low:
            raise FatalError(
                f"{self._topics.input}[{number}]: {low - offset} records expired before "
                f"{self._topics.stage} read them (it was at {offset}, the topic begins at {low}): "
                "retention was shorter than the outage. To accept the loss, reset the group: "
                f"kafka-consumer-groups.sh --reset-offsets --to-earliest --group "
                f"{self._topics.group} --topic {self._topics.input}, and delete its snapshots"
            )

    def _log_made_anew(self, number: int, cameras: int) -> None:
        log.error(
            "%s[%d] was deleted and made anew: the state of %d cameras belongs to the old one and "
            "is dropped; the new one is read from its beginning",
            self._topics.input,
            number,
            cameras,
        )

    def _snapshots(self, consumer: Consumer, number: int) -> dict[str, Snapshot]:
        """The last snapshot of each camera in a partition of the state topic."""
        found: dict[str, Snapshot] = {}
        for message in read_all(consumer, self._topics.state, number):
            try:
                snapshot = decode_snapshot(received(message))
            except DecodeError as error:
                where = f"{self._topics.state}[{number}]@{message.offset()}"
                raise FatalError(
                    f"{where} is no snapshot of ours ({error}): something else writes to this topic"
                ) from None
            found[snapshot.camera] = snapshot
        return found

    def _published_to(self, consumer: Consumer, number: int) -> int:
        """The input offset that the newest record of the output partition came from, or -1."""
        if self._topics.output is None:
            return -1
        message = read_last(consumer, self._topics.output, number)
        if message is None:
            return -1
        headers = dict(received(message).headers or ())
        value = headers.get(self._topics.offset_header)
        return int(value) if value is not None else -1


def _list_offsets(
    admin: AdminClient,
    places: list[tuple[str, int]],
    spec: OffsetSpec,
    isolation: IsolationLevel,
) -> dict[tuple[str, int], int]:
    request = {TopicPartition(topic, number): spec for topic, number in places}
    futures = admin.list_offsets(request, isolation_level=isolation, request_timeout=_REQUEST_S)
    return {(p.topic, p.partition): future.result().offset for p, future in futures.items()}
