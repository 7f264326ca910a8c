"""A member of a consumer group that loses nothing: explicit starting points, commits by hand.

Cooperative rebalancing: partitions that stay are not interrupted. A partition without a committed
offset starts at its beginning, and that is committed at once; after that a missing or expired
offset is an error, never a silent jump.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from runtime.errors import FatalError, Fenced, OnehertzError
from runtime.kafka import (
    MISSING_TOPIC,
    KafkaSettings,
    as_fatal,
    asked,
    consumer_config,
    is_transient,
    made,
    missing_topic,
)
from runtime.positions import Place as Place
from runtime.positions import Positions
from runtime.transactions import generation_of

log = logging.getLogger("onehertz.subscription")

StartAt = Callable[[list[Place]], Mapping[Place, int]]

_REQUEST_S = 5.0
_RETRY_COMMIT_S = 1.0
_SILENT_S = 5.0
# To leave the group takes 0.1 s. Once, on a busy machine, two members left at the same moment and
# the client of one of them was not done after 25 s.
_LEAVE_S = 10.0


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
        self._positions = Positions()
        self._failure: Exception | None = None
        self._owned: set[Place] = set()
        self._uncommitted: dict[Place, int] = {}  # done, and not yet accepted by the group
        self._asked_at_s: float | None = None  # a commit is under way
        self._retry_at_s = 0.0
        self._giving_up = False
        self._paused = False
        self._held_up: frozenset[Place] = frozenset()
        self._member = False
        config = consumer_config(settings, group) | {"on_commit": self._on_commit}
        # Who says himself where partitions start commits them himself, with transactions.
        config["enable.partition.eof"] = start_at is None
        self._consumer = made(Consumer, config)
        self._consumer.subscribe(
            topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    @property
    def owned(self) -> frozenset[Place]:
        return frozenset(self._owned)

    @property
    def is_member(self) -> bool:
        """Whether the group has said what is ours (maybe nothing) and has not expelled us since."""
        return self._member

    def poll(self, max_messages: int, timeout_s: float) -> list[Message]:
        """Up to `max_messages`, waiting at most `timeout_s` for the first.

        Raises FatalError for an expired offset, a deleted topic, a lost login.
        """
        try:
            messages = self._consumer.consume(max_messages, timeout_s)
        except KafkaException as error:
            raise as_fatal(error, "reading") from None
        self._raise_failure()
        if time.monotonic() >= self._retry_at_s:
            self._commit_soon()
        return [message for message in messages if self._is_record(message)]

    def _is_record(self, message: Message) -> bool:
        """Whether it is one of a partition that is ours. Raises FatalError."""
        error = message.error()
        place, offset = (message.topic() or "", message.partition() or 0), message.offset() or 0
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            self._judge(error, message)
            return False
        if place not in self._owned:
            return False
        if error is None:
            self._positions.handed_out(place, offset)
        elif (at := self._positions.at_end(place, offset)) is not None:
            self._uncommitted[place] = at  # by the next `poll`
        return error is None

    def commit(self, offsets: Mapping[Place, int]) -> None:
        """Everything before these offsets is done. Partitions lost meanwhile are left out.

        While partitions are being given up, and in `close`, it waits for the answer; at other times
        later calls of `poll` see to it, and try again where the group was rebalancing or its broker
        away. What the next owner of a partition finds uncommitted, it repeats. Raises FatalError,
        now or from `poll`, where the broker never will accept it.
        """
        for place, at in offsets.items():
            if place in self._owned:
                self._uncommitted[place] = self._positions.done(place, at)
        if self._giving_up:
            self._commit_now()
        else:
            self._commit_soon()

    def _commit_soon(self) -> None:
        """Ask for what is not committed, unless that is being asked for. `_on_commit` gets word."""
        if self._uncommitted and self._asked_at_s is None:
            self._asked_at_s = time.monotonic()
            try:
                self._consumer.commit(offsets=_places(self._uncommitted), asynchronous=True)
            except KafkaException as error:
                self._on_commit(error.args[0], [])

    def _commit_now(self) -> None:
        """Ask and wait: librdkafka does so without end, hence not when its broker is silent."""
        if not self._uncommitted:
            return
        if self._asked_at_s is not None and time.monotonic() > self._asked_at_s + _SILENT_S:
            log.warning("offsets are not committed: the group's broker does not answer")
            return
        try:
            answer = self._consumer.commit(offsets=_places(self._uncommitted), asynchronous=False)
            self._on_commit(None, answer or [])
        except KafkaException as error:
            self._on_commit(error.args[0], [])

    def _on_commit(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        """Word of a commit. Called in `poll` and `close`, where an exception would get lost."""
        self._asked_at_s = None
        self._retry_at_s = 0.0
        for place in places:
            error = error or place.error
            if (
                error is None
                and self._uncommitted.get((place.topic, place.partition)) == place.offset
            ):
                del self._uncommitted[(place.topic, place.partition)]
        if error is None:
            return
        self._retry_at_s = time.monotonic() + _RETRY_COMMIT_S
        if error.code() in _REBALANCING:
            log.info("offsets are not committed yet: the group is rebalancing")
        elif is_transient(error):
            log.warning("offsets are not committed yet: %s", error.str())
        else:
            self._failure = self._failure or as_fatal(KafkaException(error), "committing offsets")

    def group_metadata(self) -> bytes:
        """The group's generation and this member, for stamping a transaction's offsets.

        Raises Fenced when this process is no member (any more).
        """
        metadata = bytes(self._consumer.consumer_group_metadata())
        # The client may learn of a lost session before this thread is told. Its metadata are blank
        # then, and Kafka takes offsets with a blank stamp from anybody (seen with 4.3.1).
        if generation_of(metadata) < 0:
            raise Fenced("this process is no member of its group any more")
        return metadata

    def pause(self) -> None:
        """Fetch nothing until `resume`, and stay in the group: go on calling `poll`."""
        if not self._paused:
            self._consumer.pause(self._partitions())
            self._paused = True

    def resume(self) -> None:
        if self._paused:
            self._consumer.resume(self._partitions())
            self._paused = False
            self._held_up = frozenset()

    def hold_up(self, places: frozenset[Place]) -> None:
        """Fetch nothing of these partitions, and of the others (again), until the next call."""
        places &= self._owned
        if self._paused or places == self._held_up:
            return
        if fresh := places - self._held_up:
            self._consumer.pause([TopicPartition(*place) for place in fresh])
        if freed := self._held_up - places:
            self._consumer.resume([TopicPartition(*place) for place in freed])
        self._held_up = places

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
        """Leave the group; `revoked` is called first. Raises what it raises.

        Waits for a client that does not come to its end no longer than `_LEAVE_S`: the group then
        expels this member by itself, and who comes next repeats what was not committed.
        """
        # Not to be joined at the process' end: it would wait for the client too.
        leaving = threading.Thread(target=self._leave, name="leave the group", daemon=True)
        leaving.start()
        leaving.join(_LEAVE_S)
        if leaving.is_alive():
            log.warning("the group was not left in %g s: it will notice by itself", _LEAVE_S)
        self._raise_failure()

    def _leave(self) -> None:
        try:
            self._commit_now()
            self._consumer.close()
        except KafkaException as error:
            self._failure = self._failure or as_fatal(error, "leaving the group")
        except Exception as error:  # a defect in a callback: as good as any other place for it
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        """What went wrong in a callback: librdkafka's threads have no use for exceptions."""
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _partitions(self) -> list[TopicPartition]:
        return [TopicPartition(*place) for place in sorted(self._owned)]

    # ------------------------------------------------------------ ownership

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = [(p.topic, p.partition) for p in partitions]
        try:
            starts = self._start_at(places) if places else {}
            for place in places:
                self._positions.start(place, starts[place])
            consumer.incremental_assign([TopicPartition(*at, starts[at]) for at in places])
            self._owned.update(places)
            self._member = True
            # The client remembers that it was paused when it lost a partition that comes back.
            (consumer.pause if self._paused else consumer.resume)(partitions)
            self._assigned(places)
        except OnehertzError as error:
            self._failure = error
        except KafkaException as error:
            self._failure = as_fatal(error, "taking over partitions")

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        def finish(places: list[Place]) -> None:
            self._giving_up = True
            try:
                self._revoked(places)
                self._commit_now()
            finally:
                self._giving_up = False

        self._give_up(consumer, partitions, finish)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        log.warning("the group went on without us: %d partitions are lost", len(partitions))
        self._member = False
        self._give_up(consumer, partitions, self._lost)

    def _give_up(
        self,
        consumer: Consumer,
        partitions: list[TopicPartition],
        tell: Callable[[list[Place]], None],
    ) -> None:
        told = [(p.topic, p.partition) for p in partitions]
        places = [place for place in told if place in self._owned]  # others were never begun
        try:
            tell(places)
        except OnehertzError as error:
            self._failure = self._failure or error
        self._owned.difference_update(places)
        self._held_up -= frozenset(places)
        for place in places:
            self._uncommitted.pop(place, None)
        self._positions.forget(places)
        try:
            consumer.incremental_unassign([TopicPartition(*place) for place in places])
        except KafkaException as error:
            self._failure = self._failure or as_fatal(error, "giving up partitions")

    def _committed_or_first(self, places: list[Place]) -> dict[Place, int]:
        wanted = [TopicPartition(*place) for place in places]
        starts = {}
        for found in asked(lambda: self._consumer.committed(wanted, timeout=_REQUEST_S)):
            if found.error is not None:
                raise KafkaException(found.error)
            place = (found.topic, found.partition)
            starts[place] = self._start_of(place, found.offset, *self._ends(place))
        return starts

    def _ends(self, place: Place) -> tuple[int, int]:
        """The first offset of a partition, and the one that its next record will have."""
        where = TopicPartition(*place)
        return asked(lambda: self._consumer.get_watermark_offsets(where, timeout=_REQUEST_S))

    def _start_of(self, place: Place, committed: int, low: int, high: int) -> int:
        if committed < 0:
            self._uncommitted[place] = low  # by the next `poll`
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
            raise self._expired(place, f"{low - committed} records expired before they were read")
        return committed

    # ------------------------------------------------------------ errors

    def _expired(self, place: Place, what: str) -> FatalError:
        return FatalError(
            f"{place[0]}[{place[1]}]: {what} by group {self._group}: retention was shorter than "
            "the outage. To accept the loss: kafka-consumer-groups.sh --bootstrap-server "
            f"{self._settings.bootstrap_servers} --group {self._group} --topic {place[0]} "
            "--reset-offsets --to-earliest --execute"
        )

    def _judge(self, error: Any, message: Message) -> None:
        """Errors that the client mends by itself are logged; the others end the process."""
        code = error.code()
        if code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise self._out_of_range(message)
        if code in MISSING_TOPIC:
            raise FatalError(missing_topic(message.topic() or "a topic of this role"))
        if error.fatal() or code in _PERMANENT:
            raise FatalError(f"Kafka: {error.str()}")
        log.warning("Kafka: %s", error.str())

    def _out_of_range(self, message: Message) -> FatalError:
        place = (message.topic() or "", message.partition() or 0)
        try:
            low, high = self._ends(place)
        except KafkaException as error:
            if error.args[0].code() in MISSING_TOPIC:
                return FatalError(missing_topic(place[0]))
            return as_fatal(error, f"looking for the ends of {place[0]}")
        at = message.offset() or 0
        if at < low:
            return self._expired(place, f"{low - at} records expired before they were read")
        return FatalError(
            f"{place[0]}[{place[1]}] was deleted and made anew (it ends at {high}): start this "
            "role again, it then reads the new one from its beginning"
        )


def _places(offsets: Mapping[Place, int]) -> list[TopicPartition]:
    return [TopicPartition(*place, at) for place, at in offsets.items()]


_REBALANCING = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError._ASSIGNMENT_LOST,
        KafkaError._NO_OFFSET,
        KafkaError._DESTROY,  # closed before the answer came
    }
)
_PERMANENT = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.GROUP_MAX_SIZE_REACHED,
    }
)
