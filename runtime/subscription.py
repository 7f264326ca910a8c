"""A member of a consumer group that loses nothing: explicit starting points, commits by hand.

Cooperative rebalancing: partitions that stay are not interrupted. A partition without a committed
offset starts at its beginning, and that is committed at once; after that a missing or expired
offset is an error, never a silent jump.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from runtime.errors import FatalError, OnehertzError
from runtime.kafka import KafkaSettings, as_fatal, consumer_config

log = logging.getLogger("onehertz.subscription")

Place = tuple[str, int]  # topic, partition
Places = Iterable[Place]
StartAt = Callable[[list[Place]], Mapping[Place, int]]

_REQUEST_S = 15.0


def _ignore(_places: list[Place]) -> None:
    return None


class Subscription:
    """One consumer of a group. Not thread-safe: its callbacks run inside `poll` and `close`."""

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        topics: list[str],
        *,
        assigned: Callable[[list[Place]], None] = _ignore,
        revoked: Callable[[list[Place]], None] = _ignore,
        lost: Callable[[list[Place]], None] | None = None,
        start_at: StartAt | None = None,
    ) -> None:
        """Join the group.

        `revoked` is called while the partitions still belong to this process: finish and commit.
        `lost` (default: `revoked`) when they belong to another already: only forget. `start_at`
        says where newly assigned partitions begin, in place of their committed offsets.
        """
        self._settings = settings
        self._group = group
        self._assigned = assigned
        self._revoked = revoked
        self._lost = lost or revoked
        self._start_at = start_at or self._committed_or_first
        self._failure: Exception | None = None
        self._owned: set[Place] = set()
        self._first_offsets: dict[Place, int] = {}
        self._paused = False
        self._consumer = Consumer(consumer_config(settings, group))
        self._consumer.subscribe(
            topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    @property
    def owned(self) -> frozenset[Place]:
        return frozenset(self._owned)

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        """Up to `max_messages`, waiting at most `timeout_s` for the first.

        Raises FatalError for an expired offset, a deleted topic, a lost login.
        """
        messages = self._consumer.consume(max_messages, timeout_s)
        if self._failure is not None:
            raise self._failure
        self._commit_first_offsets()
        good = []
        for message in messages:
            error = message.error()
            if error is None:
                if (message.topic(), message.partition()) in self._owned:
                    good.append(message)
            else:
                self._judge(error, message)
        return good

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Everything before these offsets is done. Blocks. Partitions lost meanwhile are left out.

        A commit refused because of a rebalance is no error: the next owner repeats the work.
        """
        places = [
            TopicPartition(t, p, at) for (t, p), at in offsets.items() if (t, p) in self._owned
        ]
        if not places:
            return
        try:
            self._consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() not in _REBALANCING:
                raise as_fatal(error, "committing offsets") from None
            log.info("a commit came too late for its generation: that work will be repeated")

    def group_metadata(self) -> bytes:
        """The group's generation and this member, for stamping a transaction's offsets."""
        return bytes(self._consumer.consumer_group_metadata())

    def pause(self) -> None:
        """Fetch nothing until `resume`, and stay in the group: go on calling `poll`."""
        if not self._paused:
            self._consumer.pause(self._partitions())
            self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._consumer.resume(self._partitions())
            self._paused = False

    def lag(self, done: Mapping[Place, int]) -> dict[Place, int]:
        """Records between what is done and the end, as far as the client knows it."""
        lags = {}
        for place, offset in done.items():
            if place in self._owned:
                bounds = self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)
                if bounds and bounds[1] >= 0:
                    lags[place] = max(0, bounds[1] - offset)
        return lags

    def close(self) -> None:
        """Leave the group; `revoked` is called first."""
        self._consumer.close()

    def _partitions(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in sorted(self._owned)]

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = [(p.topic, p.partition) for p in partitions]
        try:
            starts = self._start_at(places)
            consumer.incremental_assign([TopicPartition(*at, starts[at]) for at in places])
            self._owned.update(places)
            if self._paused:
                consumer.pause(partitions)
            self._assigned(places)
        except OnehertzError as error:
            self._failure = error
        except KafkaException as error:
            self._failure = as_fatal(error, "taking over partitions")

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_up(consumer, partitions, self._revoked)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_up(consumer, partitions, self._lost)

    def _give_up(
        self,
        consumer: Consumer,
        partitions: list[TopicPartition],
        tell: Callable[[list[Place]], None],
    ) -> None:
        places = [(p.topic, p.partition) for p in partitions]
        try:
            tell(places)
        except OnehertzError as error:
            self._failure = error
        self._owned.difference_update(places)
        consumer.incremental_unassign(partitions)

    def _committed_or_first(self, places: list[Place]) -> dict[Place, int]:
        asked = [TopicPartition(*place) for place in places]
        starts = {}
        for found in self._consumer.committed(asked, timeout=_REQUEST_S):
            place = (found.topic, found.partition)
            low, high = self._consumer.get_watermark_offsets(found, timeout=_REQUEST_S)
            starts[place] = self._start_of(place, found.offset, low, high)
        return starts

    def _start_of(self, place: Place, committed: int, low: int, high: int) -> int:
        if committed < 0:
            self._first_offsets[place] = low
            return low
        if committed > high:
            log.error(
                "%s[%d] was deleted and made anew (it ends at %d, the group was at %d): it is read "
                "from its beginning; what was read before comes as new only if it is new",
                *place,
                high,
                committed,
            )
            return low
        if committed < low:
            raise FatalError(
                f"{place[0]}[{place[1]}]: {low - committed} records expired before group "
                f"{self._group} read them. Retention was shorter than the outage. To accept the "
                "loss, reset the group: kafka-consumer-groups.sh --reset-offsets --to-earliest "
                f"--group {self._group} --topic {place[0]}"
            )
        return committed

    def _commit_first_offsets(self) -> None:
        if self._first_offsets:
            first, self._first_offsets = self._first_offsets, {}
            self.commit(first)

    def _judge(self, error: Any, message: Message) -> None:
        """Errors that the client mends by itself are logged; the others end the process."""
        code = error.code()
        if code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise FatalError(
                f"{message.topic()}[{message.partition()}]: the next record to read has expired "
                f"({error.str()}): reading was slower than retention"
            )
        if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            raise FatalError(
                f"{message.topic() or 'a topic of this role'} is not there (any more): "
                "'onehertz topics create' makes it"
            )
        if error.fatal() or code in _LOGIN:
            raise FatalError(f"Kafka: {error.str()}")
        log.warning("Kafka: %s", error.str())


_REBALANCING = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._NO_OFFSET,
    }
)
_LOGIN = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)
