"""A line's topics on a real broker: made, checked, and kept for as long as they must be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from runtime.errors import FatalError, UserError
from runtime.kafka import KafkaSettings, reader
from runtime.reading import ends_of, read_all, read_last, read_tail
from runtime.topics import LineSettings, check_topics, create_topics, topic_id
from schemas.catalogue import topics
from tests.runtime.conftest import NewTopicOf, is_missing
from tests.waiting import eventually

MONTH_MS = 30 * 24 * 3600 * 1000


@pytest.fixture
def line(admin: AdminClient, prefix: str) -> Iterator[LineSettings]:
    """A line of two partitions, not made yet; its topics are removed after the test."""
    yield LineSettings(prefix=prefix, partitions=2)
    there = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    for future in (admin.delete_topics(there) if there else {}).values():
        error = future.exception()
        assert error is None or is_missing(error)


def alter(admin: AdminClient, topic: str, key: str, value: str) -> None:
    change = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[change])
    admin.incremental_alter_configs([resource])[resource].result()


# ---------------------------------------------------------------- making them


def test_what_is_missing_is_made_and_what_is_there_is_left(
    kafka: KafkaSettings, line: LineSettings, admin: AdminClient
) -> None:
    everything = sorted(line.topic(name) for name in topics())
    assert create_topics(kafka, line) == everything
    ids = check_topics(kafka, line, list(topics()))
    assert create_topics(kafka, line) == []
    assert check_topics(kafka, line, list(topics())) == ids
    gone = line.topic("alerts")
    admin.delete_topics([gone])[gone].result()
    eventually(lambda: gone not in admin.list_topics(timeout=10).topics)
    assert create_topics(kafka, line) == [gone]
    assert topic_id(admin, gone) != ids["alerts"]


def test_two_who_make_them_at_once_do_not_disturb_each_other(
    kafka: KafkaSettings, line: LineSettings
) -> None:
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: create_topics(kafka, line), range(2)))
    assert sorted(made[0] + made[1]) == sorted(line.topic(name) for name in topics())


def test_a_topic_that_no_broker_can_make_is_the_users_to_mend(
    kafka: KafkaSettings, prefix: str
) -> None:
    with pytest.raises(UserError, match=r"can't be created: .*replication"):
        create_topics(kafka, LineSettings(prefix=prefix, replication=3))


# ---------------------------------------------------------------- refusing them


def test_an_absent_topic_is_told_with_what_makes_it(
    kafka: KafkaSettings, line: LineSettings
) -> None:
    with pytest.raises(UserError) as told:
        check_topics(kafka, line, ["alerts", "detections"])
    assert str(told.value) == (
        f"no such topic: {line.prefix}alerts, {line.prefix}detections; make them with 'onehertz "
        "topics create'"
    )


def test_a_wrong_partition_count_is_told_with_both_ways_out(
    kafka: KafkaSettings, line: LineSettings, new_topic: NewTopicOf
) -> None:
    new_topic("alerts", 3)
    with pytest.raises(UserError) as told:
        create_topics(kafka, line)
    said = str(told.value)
    assert f"{line.prefix}alerts has 3 partitions, line.partitions is 2" in said
    assert "set line.partitions to 3" in said
    assert "delete the topic and run 'onehertz topics create'" in said


def test_everything_that_is_wrong_is_told_at_once_with_commands_that_mend_it(
    kafka: KafkaSettings, line: LineSettings, admin: AdminClient
) -> None:
    create_topics(kafka, line)
    raw, state = line.topic("frames-raw"), line.topic("gate-state")
    alter(admin, raw, "message.timestamp.type", "CreateTime")
    alter(admin, state, "cleanup.policy", "delete")

    def said() -> list[str]:
        try:
            check_topics(kafka, line, list(topics()))
        except UserError as error:
            return str(error).splitlines()
        return []

    eventually(lambda: len(said()) == 2)
    server = f"kafka-configs.sh --bootstrap-server {kafka.bootstrap_servers} --alter"
    assert sorted(said()) == [
        f"{raw}: message.timestamp.type is CreateTime, it must be LogAppendTime, or retention "
        f"deletes what was not read yet. Mend it: {server} --topic {raw} --add-config "
        "message.timestamp.type=LogAppendTime",
        f"{state}: cleanup.policy is delete, it must be compact, or retention deletes what was not "
        f"read yet. Mend it: {server} --topic {state} --add-config cleanup.policy=compact",
    ]
    alter(admin, raw, "message.timestamp.type", "LogAppendTime")
    alter(admin, state, "cleanup.policy", "compact")
    eventually(lambda: not said())


def test_a_limit_that_refuses_large_frames_is_a_warning(
    kafka: KafkaSettings,
    line: LineSettings,
    admin: AdminClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    create_topics(kafka, line)
    alter(admin, line.topic("frames-raw"), "max.message.bytes", "1000")
    eventually(lambda: check_topics(kafka, line, ["frames-raw"]) and caplog.text)
    assert "frames-raw: max.message.bytes is 1000, smaller than 8388608" in caplog.text


def test_a_kafka_that_is_not_there_is_the_users_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.kafka.ANSWER_S", 0.3)
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    for ask in (create_topics, lambda k, li: check_topics(k, li, ["alerts"])):
        with pytest.raises(UserError, match=r"no Kafka answers at 127\.0\.0\.1:1 .*'onehertz up'"):
            ask(nowhere, LineSettings())


def test_the_id_of_a_topic_that_is_not_there_is_fatal(admin: AdminClient, prefix: str) -> None:
    with pytest.raises(FatalError, match="'onehertz topics create' makes it"):
        topic_id(admin, f"{prefix}none")


# ---------------------------------------------------------------- retention


def test_frames_of_last_month_survive_retention(
    kafka: KafkaSettings,
    line: LineSettings,
    admin: AdminClient,
    new_topic: NewTopicOf,
    produce: Callable[..., None],
) -> None:
    """The broker of these tests looks for expired records every second."""
    create_topics(kafka, line)
    ours = line.topic("frames-raw")
    kept = topics()["frames-raw"].config()
    theirs = new_topic("create-time", config=kept | {"message.timestamp.type": "CreateTime"})
    consumer = reader(kafka)
    month_ago_ms = time.time_ns() // 1_000_000 - MONTH_MS
    for topic in (ours, theirs):
        produce(topic, *[b"frame"] * 20, timestamp_ms=month_ago_ms)
    # With capture times as Kafka's timestamps all is gone: so the check has been here.
    eventually(lambda: ends_of(consumer, theirs, 0) == (20, 20), 30)
    assert ends_of(consumer, ours, 0) == (0, 20)
    assert len(list(read_all(consumer, ours, 0))) == 20
    consumer.close()


# ---------------------------------------------------------------- reading chosen parts


def test_parts_of_a_partition_can_be_read(
    kafka: KafkaSettings,
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    delete_before: Callable[[str, int, int], None],
) -> None:
    topic, consumer = new_topic("any", 2), reader(kafka)
    assert list(read_all(consumer, topic, 0)) == []
    assert read_last(consumer, topic, 0) is None
    produce(topic, *[b"%d" % n for n in range(10)])
    delete_before(topic, 0, 2)

    def numbers(start: int) -> list[int]:
        return [int(m.value() or b"") for m in read_all(consumer, topic, 0, start)]

    assert numbers(-1) == list(range(2, 10))
    assert numbers(7) == [7, 8, 9]
    assert numbers(10) == []
    assert [m.offset() for m in read_tail(consumer, topic, 0, 3)] == [7, 8, 9]
    last = read_last(consumer, topic, 0)
    assert last is not None
    assert last.value() == b"9"
    consumer.close()


def test_a_topic_that_is_not_there_is_told(kafka: KafkaSettings, prefix: str) -> None:
    consumer = reader(kafka)
    with pytest.raises(FatalError, match=r"none is not there .*'onehertz topics create'"):
        list(read_all(consumer, f"{prefix}none", 0))
    consumer.close()
