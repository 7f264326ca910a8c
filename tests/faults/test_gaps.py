"""A gap in the offsets of an input: a transaction's marker, or records that were left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Producer

from runtime.checkpoint import Checkpoints, StageTopics
from runtime.kafka import transactional_config
from tests.fixtures.servers import Servers
from tests.harness.line import open_line


def test_a_marker_is_told_from_records_that_were_left_out(servers: Servers, tmp_path: Path) -> None:
    with open_line(servers, tmp_path, ticks=0) as line:
        topic = line.topic("frames-raw")
        producer = Producer(transactional_config(line.settings.kafka, topic))
        producer.init_transactions(30.0)
        _send(producer, topic, producer.commit_transaction)  # 0, its marker 1
        _send(producer, topic, producer.commit_transaction)  # 2, 3
        _send(producer, topic, producer.abort_transaction)  # 4, 5
        _send(producer, topic, producer.commit_transaction)  # 6, 7
        topics = StageTopics("gate", "nobody", topic, line.topic("gate-state"))
        checkpoints = Checkpoints(line.settings.kafka, topics)
        assert checkpoints.holds_nothing(0, 1, 2)
        assert checkpoints.holds_nothing(0, 3, 6), "what was taken back is nothing"
        assert not checkpoints.holds_nothing(0, 1, 6), "2 was left out"
        assert not checkpoints.holds_nothing(0, 0, 2), "0 was left out"


def _send(producer: Producer, topic: str, end: Callable[[float], object]) -> None:
    producer.begin_transaction()
    producer.produce(topic, b"x", partition=0)
    producer.flush(30.0)
    end(30.0)
