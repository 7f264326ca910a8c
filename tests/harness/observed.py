"""What really happened: read from topics and groups, not from the stages' own counters."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, NamedTuple

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from onehertz.verify.draining import wait_until_drained
from onehertz.verify.reading import line_reader
from runtime.kafka import admin_client, reader, received
from runtime.reading import read_all
from schemas.codec import Received
from tests.harness.line import Line, Role

_REQUEST_S = 5.0
Isolation = Literal["read_committed", "read_uncommitted"]
# Topic and partition → the member that has it.
Owners = dict[tuple[str, int], str]

INPUTS: dict[str, tuple[str, ...]] = {
    "gate": ("frames-raw",),
    "infer": ("frames-gated",),
    "sql": ("detections", "alerts"),
    "alerts": ("detections",),
}


class At(NamedTuple):
    """A message and where it lies."""

    partition: int
    offset: int
    message: Received

    def header(self, name: str) -> str:
        return str(dict(self.message.headers or ()).get(name) or b"", "utf-8", "replace")


def messages(line: Line, topic: str, isolation: Isolation = "read_committed") -> Iterator[At]:
    """All messages of a topic, partition by partition."""
    consumer = reader(line.settings.kafka, isolation)
    try:
        for partition in range(line.settings.line.partitions):
            for message in read_all(consumer, line.topic(topic), partition):
                yield At(partition, message.offset() or 0, received(message))
    finally:
        consumer.close()


def repeats(line: Line, topic: str, isolation: Isolation = "read_committed") -> int:
    """Messages that say what an earlier one of the topic says: a record was worked on twice.

    With "read_uncommitted": also where the first was taken back, its transaction being aborted.
    """
    events = Counter(at.header("ce_id") for at in messages(line, topic, isolation))
    return sum(events.values()) - len(events)


def fenced(line: Line, name: str) -> int:
    """How often the broker refused what a process sent, because its work is another's by now."""
    return len(
        re.findall(
            "a checkpoint was refused|transactions were ended from outside", line.log_of(name)
        )
    )


class Watch:
    """Looks at a line's groups and topics from outside, again and again."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._admin: AdminClient = admin_client(line.settings.kafka)
        # Two, for the reason that runtime/checkpoint.py gives.
        self._group_admin: AdminClient = admin_client(line.settings.kafka)
        self._owners: dict[Role, list[Owners]] = {}

    def rebalances(self, role: Role) -> int:
        """How often partitions were seen to have moved from one member to another."""
        return max(0, len(self._owners.get(role, [])) - 1)

    def all_owners(self, role: Role) -> list[Owners]:
        """Every sharing of the role's partitions that was seen, in order."""
        return self._owners.get(role, [])

    def owners(self, role: Role) -> Owners | None:
        """Who has which partition of the role's input; None while the group rebalances.

        Every answer is kept for `rebalances`.
        """
        owners = self._ask_owners(role)
        known = self._owners.setdefault(role, [])
        if owners and (not known or known[-1] != owners):
            known.append(owners)
        return owners

    def _ask_owners(self, role: Role) -> Owners | None:
        group = self.line.settings.line.group(role)
        try:
            found = self._admin.describe_consumer_groups([group], request_timeout=_REQUEST_S)
            described = found[group].result()
        except KafkaException:
            return None  # no such group yet, or no broker
        if described.state != ConsumerGroupState.STABLE:
            return None
        return {
            (place.topic, place.partition): member.member_id
            for member in described.members
            for place in (member.assignment.topic_partitions if member.assignment else ())
        }

    def ends(self, topic: str) -> dict[int, int]:
        """By partition, its end for a reader of committed messages; empty without a broker."""
        places = {
            TopicPartition(self.line.topic(topic), number): OffsetSpec.latest()
            for number in range(self.line.settings.line.partitions)
        }
        try:
            futures = self._admin.list_offsets(
                places, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_REQUEST_S
            )
            return {place.partition: future.result().offset for place, future in futures.items()}
        except KafkaException as error:
            self._note(error)
            with suppress(KafkaException):  # else it goes on asking by the old leader epoch
                self._admin.list_topics(self.line.topic(topic), timeout=_REQUEST_S)
            return {}

    def _note(self, error: KafkaException) -> None:
        text = f"the broker says: {error.args[0].str()}"
        if not self.line.notes or self.line.notes[-1] != text:
            self.line.note(text)

    def committed(self, role: Role) -> dict[int, int]:
        """By partition of its first input, what the role has committed; empty without a broker."""
        group = self.line.settings.line.group(role)
        topic = self.line.topic(INPUTS[role][0])
        places = [
            TopicPartition(topic, number) for number in range(self.line.settings.line.partitions)
        ]
        try:
            futures = self._group_admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, places)], request_timeout=_REQUEST_S
            )
            found = futures[group].result().topic_partitions or []
        except KafkaException as error:
            self._note(error)
            return {}
        return {place.partition: place.offset for place in found if place.offset >= 0}


def is_drained(line: Line) -> bool:
    """Whether every stage has done, and committed, all that the one before it has given it."""
    if line.rows() < line.ticks:
        return False
    with line_reader(line.settings.kafka, line.settings.line, None) as opened:
        return wait_until_drained(opened, 0.0, lambda _text: None, lambda _s: None) == ""
