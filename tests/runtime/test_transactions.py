"""Checkpoints as transactions, and taking over after them, on a real Kafka."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from runtime.checkpoint import Checkpoints, StageTopics, Taken
from runtime.errors import FatalError, Fenced
from runtime.kafka import KafkaSettings, consumer_config
from runtime.outbox import Batch, Output
from runtime.topics import topic_id
from runtime.transactions import Transactions, group_metadata
from schemas.codec import Wire, encode_snapshot
from schemas.messages import Snapshot
from tests.runtime.conftest import NewTopicOf, reset_group
from tests.waiting import eventually

NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Stage:
    """A stage with state on topics of its own; its members join and leave as a test says."""

    def __init__(self, kafka: KafkaSettings, admin: AdminClient, topics: StageTopics) -> None:
        self.kafka = kafka
        self.topics = topics
        self._admin = admin
        self._open = ExitStack()

    @contextmanager
    def member(self) -> Iterator[bytes]:
        """Joins the group, and gives the group's metadata as the consumer has it."""
        consumer = Consumer(consumer_config(self.kafka, self.topics.group))
        consumer.subscribe([self.topics.input])
        try:
            eventually(lambda: consumer.poll(0.05) or consumer.assignment())
            yield bytes(consumer.consumer_group_metadata())
        finally:
            consumer.close()

    def sender(self, slot: str, **more: Callable[[], None]) -> Transactions:
        return Transactions(self.kafka, self.topics.group + slot, self.topics.input, **more)

    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.kafka, self.topics)

    def take_over(self, partition: int = 0) -> Taken:
        return self.checkpoints().take_over([partition])[partition]

    def out(self, offset: int, value: bytes = b"kept") -> Output:
        assert self.topics.output is not None
        headers = [("ce_rawoffset", b"%d" % offset)]
        return Output(self.topics.output, 0, Wire(b"north", value, headers))

    def snapshot(self, offset: int, state: bytes, camera: str = "north") -> Output:
        message = Snapshot(
            camera=camera,
            stage=self.topics.stage,
            topic=self.topics.input,
            topic_id=topic_id(self._admin, self.topics.input),
            partition=0,
            offset=offset,
            state=state,
        )
        return Output(self.topics.state, 0, encode_snapshot(message, NOW))


@pytest.fixture
def stage(
    kafka: KafkaSettings,
    admin: AdminClient,
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    prefix: str,
) -> Stage:
    """A stage whose input has ten records in partition 0."""
    topics = StageTopics(
        "gate", f"{prefix}group", new_topic("in", 2), new_topic("state", 2), new_topic("out", 2)
    )
    produce(topics.input, *[b"%d" % n for n in range(10)])
    return Stage(kafka, admin, topics)


# ---------------------------------------------------------------- the fence


def test_our_metadata_of_a_group_is_what_a_consumer_in_it_has(stage: Stage) -> None:
    with stage.member() as metadata:
        generation = int.from_bytes(metadata[7:11], "little", signed=True)
        group, member, _ = metadata[11:].split(b"\0")
        assert group.decode() == stage.topics.group
        assert generation > 0
        assert group_metadata(stage.topics.group, generation, member.decode()) == metadata


def test_a_batch_is_published_whole_with_its_offset(
    stage: Stage, values_of: Callable[..., list[bytes]]
) -> None:
    sender = stage.sender("a")
    with stage.member() as metadata:
        batch = [stage.out(0), stage.out(1), stage.snapshot(2, b"two")]
        sender.commit(Batch(batch, {0: 2, 1: 0}), metadata)
    assert values_of(stage.topics.output) == [b"kept", b"kept"]
    assert stage.take_over() == Taken(2, 1, {"north": b"two"})


def test_a_member_of_an_old_generation_is_fenced(
    stage: Stage, values_of: Callable[..., list[bytes]]
) -> None:
    sender = stage.sender("a")
    with stage.member() as old:
        sender.commit(Batch([stage.out(0), stage.snapshot(1, b"one")], {0: 1}), old)
    with stage.member() as new:
        with pytest.raises(Fenced, match="a checkpoint was refused"):
            sender.commit(Batch([stage.out(9), stage.snapshot(9, b"zombie")], {0: 9}), old)
        assert stage.take_over() == Taken(1, 0, {"north": b"one"})
        sender.commit(Batch([stage.out(1), stage.snapshot(2, b"two")], {0: 2}), new)
    assert len(values_of(stage.topics.output)) == 2
    assert stage.take_over() == Taken(2, 1, {"north": b"two"})


def test_a_newer_process_with_the_same_slot_ends_the_older(stage: Stage) -> None:
    older = stage.sender("a")
    newer = stage.sender("a")
    with stage.member() as metadata:
        newer.commit(Batch([stage.snapshot(1, b"one")], {0: 1}), metadata)
        with pytest.raises(FatalError, match="a newer one has the same --slot") as told:
            older.commit(Batch([stage.snapshot(2, b"two")], {0: 2}), metadata)
    assert not isinstance(told.value, Fenced)
    assert stage.take_over().start == 1


def test_an_output_that_no_broker_takes_ends_the_process_and_says_why(
    stage: Stage, values_of: Callable[..., list[bytes]], admin: AdminClient
) -> None:
    sender = stage.sender("a")
    with stage.member() as metadata:
        too_large = Batch([stage.out(0), stage.out(1, bytes(11 * 1024 * 1024))], {0: 0})
        with pytest.raises(FatalError, match=r"out failed for good: .*[Mm]essage.*large") as told:
            sender.commit(too_large, metadata)
        assert not isinstance(told.value, Fenced)
        sender.commit(Batch([stage.out(0), stage.snapshot(1, b"one")], {0: 1}), metadata)
    assert values_of(stage.topics.output) == [b"kept"]


# ---------------------------------------------------------------- taking over

DIES = """
import os, signal
from runtime.kafka import KafkaSettings
from runtime.outbox import Batch, Output
from runtime.transactions import Transactions
from schemas.codec import Wire
settings = KafkaSettings(bootstrap_servers="{server}", transaction_timeout_ms={timeout_ms})
sender = Transactions(settings, "{group}-dies", "{input}",
    before_commit=lambda: os.kill(os.getpid(), signal.SIGKILL))
outputs = [Output("{topic}", 0, Wire(b"north", b"never", [("ce_rawoffset", b"%d" % n)]))
    for n in (1, 2, 3)]
sender.commit(Batch(outputs, {{0: 4}}), b"unused")
"""


def die_in_mid_transaction(stage: Stage, topic: str, timeout_ms: int = 3_000) -> None:
    source = DIES.format(
        server=stage.kafka.bootstrap_servers,
        group=stage.topics.group,
        input=stage.topics.input,
        topic=topic,
        timeout_ms=timeout_ms,
    )
    died = subprocess.run(
        [sys.executable, "-c", source],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL


def test_a_take_over_waits_for_a_dead_process_open_transaction_and_sees_it_aborted(
    stage: Stage, values_of: Callable[..., list[bytes]]
) -> None:
    with stage.member() as metadata:
        stage.sender("a").commit(Batch([stage.out(0), stage.snapshot(1, b"one")], {0: 1}), metadata)
    assert stage.topics.output is not None
    die_in_mid_transaction(stage, stage.topics.output)
    everything = values_of(stage.topics.output, isolation="read_uncommitted")
    assert everything == [b"kept", b"never", b"never", b"never"]
    began_s = time.monotonic()
    assert stage.take_over() == Taken(1, 0, {"north": b"one"})
    assert time.monotonic() - began_s > 0.5
    assert values_of(stage.topics.output) == [b"kept"]


def test_a_slot_that_comes_back_ends_its_open_transaction_at_once(stage: Stage) -> None:
    assert stage.topics.output is not None
    die_in_mid_transaction(stage, stage.topics.output, timeout_ms=600_000)
    stage.sender("-dies")
    assert stage.take_over() == Taken(0)


def test_offsets_of_a_transaction_that_is_still_open_are_waited_for(stage: Stage) -> None:
    """The pending offset alone, without any output to wait for."""
    at_commit, go_on = threading.Event(), threading.Event()
    with stage.member() as metadata:
        stage.sender("a").commit(Batch([stage.out(0), stage.snapshot(1, b"one")], {0: 1}), metadata)
        sender = stage.sender("b")
        held = hold_before_commit(sender, at_commit, go_on)
        thread = threading.Thread(target=held.commit, args=(Batch([], {0: 5}), metadata))
        thread.start()
        assert at_commit.wait(20)
        found: list[Taken] = []
        taking = threading.Thread(target=lambda: found.append(stage.take_over()))
        taking.start()
        taking.join(0.5)
        assert taking.is_alive()
        go_on.set()
        thread.join(20)
        taking.join(20)
    assert found == [Taken(5, 0, {"north": b"one"})]


def hold_before_commit(
    sender: Transactions, reached: threading.Event, go_on: threading.Event
) -> Transactions:
    """Stops between the offsets and the commit."""
    send_offsets = sender._send_offsets

    def then_hold(offsets: dict[int, int], group: bytes) -> None:
        send_offsets(offsets, group)
        reached.set()
        assert go_on.wait(20)

    sender._send_offsets = then_hold  # type: ignore[method-assign] # no failpoint is there
    return sender


def test_a_take_over_can_be_given_up_meanwhile(stage: Stage) -> None:
    assert stage.topics.output is not None
    die_in_mid_transaction(stage, stage.topics.output, timeout_ms=600_000)
    asked: list[None] = []
    found = stage.checkpoints().take_over([0], lambda: asked.append(None) or len(asked) > 2)  # type: ignore[func-returns-value] # counts the calls
    assert found == {}
    assert stage.checkpoints().take_over([]) == {}
    stage.sender("-dies")


def test_the_newest_output_is_found_behind_the_markers_of_transactions(stage: Stage) -> None:
    sender = stage.sender("a")
    with stage.member() as metadata:
        sender.commit(Batch([stage.out(7), stage.snapshot(1, b"one")], {0: 1}), metadata)
        for _ in range(20):  # each of them leaves a marker and nothing else
            with pytest.raises(Fenced):
                sender.commit(Batch([stage.out(9)], {0: 1}), group_metadata("x", 99, "x"))
    assert stage.take_over() == Taken(1, 7, {"north": b"one"})


def test_the_last_snapshot_of_each_camera_counts(stage: Stage) -> None:
    sender = stage.sender("a")
    with stage.member() as metadata:
        first = [stage.snapshot(2, b"two"), stage.snapshot(2, b"zwei", "south"), stage.out(1)]
        sender.commit(Batch(first, {0: 2}), metadata)
        sender.commit(Batch([stage.snapshot(4, b"four")], {0: 4}), metadata)
    assert stage.take_over() == Taken(4, 1, {"north": b"four", "south": b"zwei"})
    assert stage.take_over(1) == Taken(0)


def test_where_the_feedback_stands_is_published_and_found_with_the_state(
    stage: Stage, new_topic: NewTopicOf, produce: Callable[..., None]
) -> None:
    feedback = new_topic("feedback", 2)
    produce(feedback, *[b"%d" % n for n in range(9)])
    stage.topics = replace(stage.topics, feedback=feedback)
    # Nobody has read any of it: what lies there was seen in frames that no state remembers.
    assert stage.take_over() == Taken(0, feedback=9)
    assert stage.take_over(1) == Taken(0, feedback=0)
    sender = Transactions(
        stage.kafka, stage.topics.group + "a", stage.topics.input, feedback_topic=feedback
    )
    with stage.member() as metadata:
        late = Batch([stage.snapshot(1, b"old")], {0: 1}, {0: 8})
        with pytest.raises(Fenced):
            sender.commit(late, group_metadata("x", 99, "x"))
        sender.commit(Batch([stage.snapshot(2, b"two")], {0: 2}, {0: 5}), metadata)
    assert stage.take_over() == Taken(2, -1, {"north": b"two"}, feedback=5)


def test_a_topic_that_was_made_anew_is_noticed_and_read_from_its_beginning(
    stage: Stage,
    make_anew: Callable[..., None],
    produce: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with stage.member() as metadata:
        batch = Batch([stage.out(4), stage.snapshot(5, b"five")], {0: 5})
        stage.sender("a").commit(batch, metadata)
    checkpoints = stage.checkpoints()
    before = checkpoints.input_id
    make_anew(stage.topics.input, 2)
    produce(stage.topics.input, *[b"%d" % n for n in range(20)])
    assert checkpoints.take_over([0]) == {0: Taken(0, made_anew=True)}
    assert checkpoints.input_id != before
    assert "was deleted and made anew: the state of 1 cameras" in caplog.text


def test_input_that_expired_unread_is_fatal_and_says_what_to_do(
    stage: Stage,
    delete_before: Callable[[str, int, int], None],
    make_anew: Callable[..., None],
    admin: AdminClient,
) -> None:
    with stage.member() as metadata:
        batch = Batch([stage.out(1), stage.snapshot(2, b"two")], {0: 2})
        stage.sender("a").commit(batch, metadata)
    delete_before(stage.topics.input, 0, 6)
    with pytest.raises(FatalError, match=r"in\[0\]: 4 records expired .* by gate") as told:
        stage.take_over()
    advice = str(told.value)
    assert "--reset-offsets --to-earliest --execute" in advice
    assert f"--delete --topic {stage.topics.state}; onehertz topics create" in advice
    stage.checkpoints().check_kept(0, 6)
    with pytest.raises(FatalError, match="1 records expired"):
        stage.checkpoints().check_kept(0, 5)
    # The advice, by the admin client instead of the shell scripts.
    reset_group(admin, stage.topics.group, stage.topics.input, 6)
    make_anew(stage.topics.state, 2)
    assert stage.take_over() == Taken(6)


def test_a_gap_that_a_transactions_marker_left_is_no_lost_record(stage: Stage) -> None:
    sender = stage.sender("a")
    with stage.member() as metadata:
        for _ in range(2):  # 10, its marker at 11; 12, its marker at 13
            more = Output(stage.topics.input, 0, Wire(b"north", b"more", []))
            sender.commit(Batch([more], {0: 0}), metadata)
    checkpoints = stage.checkpoints()
    assert checkpoints.holds_nothing(0, 11, 12)
    assert not checkpoints.holds_nothing(0, 9, 12)
    assert not checkpoints.holds_nothing(0, 10, 12)


def test_what_something_else_wrote_to_our_topics_is_fatal(
    stage: Stage, produce: Callable[..., None]
) -> None:
    assert stage.topics.output is not None
    produce(stage.topics.output, b"foreign")
    with pytest.raises(FatalError, match=r"out\[0\]@0 was not written by gate"):
        stage.take_over()
    produce(stage.topics.state, b"foreign", partition=1)
    with pytest.raises(FatalError, match=r"state\[1\]@0 was not written by gate"):
        stage.take_over(1)


def test_a_topic_that_is_not_there_is_fatal_and_says_what_to_do(
    stage: Stage, admin: AdminClient
) -> None:
    admin.delete_topics([stage.topics.input])[stage.topics.input].result()
    with pytest.raises(FatalError, match="'onehertz topics create' makes it"):
        eventually(lambda: stage.checkpoints() and None)
