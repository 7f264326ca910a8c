"""Where a member of a group begins to read, and what it leaves behind as done; a real Kafka."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from runtime.errors import FatalError
from runtime.kafka import KafkaSettings, transactional_config
from tests.runtime.conftest import NewTopicOf, reset_group
from tests.runtime.members import Joined, polled
from tests.waiting import eventually


def test_the_first_start_is_at_the_beginning_and_is_committed_at_once(
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    delete_before: Callable[[str, int, int], None],
    join: Joined,
    committed: Callable[[str], dict[int, int]],
) -> None:
    topic = new_topic("in", 2)
    produce(topic, b"a", b"b", b"c")
    delete_before(topic, 0, 1)
    member = join(topic)
    assert member.take_until(2) == [b"b", b"c"]
    eventually(lambda: polled(member) and committed(topic) == {0: 1, 1: 0})


def test_what_is_done_is_committed_while_the_role_goes_on(
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    join: Joined,
    committed: Callable[[str], dict[int, int]],
) -> None:
    topic = new_topic("in")
    produce(topic, *[b"x"] * 20)
    member = join(topic)
    member.take_until(20)
    for offset in range(1, 21):  # faster than a broker answers
        member.commit({(topic, 0): offset, (topic, 7): 1})
    eventually(lambda: polled(member) and committed(topic) == {0: 20})


def in_a_transaction(kafka: KafkaSettings, topic: str, *records: bytes) -> None:
    """Its end is a marker: one offset more."""
    producer = Producer(transactional_config(kafka, f"{topic}-writer"))
    producer.init_transactions(30)
    producer.begin_transaction()
    for record in records:
        producer.produce(topic, record)
    producer.commit_transaction(30)


def test_nothing_is_left_behind_what_is_done_not_even_a_transaction_s_marker(
    kafka: KafkaSettings,
    new_topic: NewTopicOf,
    join: Joined,
    committed: Callable[[str], dict[int, int]],
) -> None:
    """Or whoever scales by lag never sees zero."""
    topic = new_topic("in")
    in_a_transaction(kafka, topic, b"a", b"b")
    member = join(topic)
    member.take_until(2)
    member.commit({(topic, 0): 1})
    eventually(lambda: polled(member) and committed(topic) == {0: 1})
    member.commit({(topic, 0): 2})
    eventually(lambda: polled(member) and committed(topic) == {0: 3})
    in_a_transaction(kafka, topic, b"c")
    member.take_until(1)
    member.commit({(topic, 0): 4})
    eventually(lambda: polled(member) and committed(topic) == {0: 5})


def test_a_marker_that_expired_is_no_record_that_expired(
    kafka: KafkaSettings,
    new_topic: NewTopicOf,
    delete_before: Callable[[str, int, int], None],
    join: Joined,
    committed: Callable[[str], dict[int, int]],
) -> None:
    """A line that was quiet for longer than retention: its group starts again."""
    topic = new_topic("in")
    in_a_transaction(kafka, topic, b"a")
    first = join(topic)
    first.take_until(1)
    first.commit({(topic, 0): 1})
    eventually(lambda: polled(first) and committed(topic) == {0: 2})
    first.close()
    delete_before(topic, 0, 2)
    in_a_transaction(kafka, topic, b"b")
    assert join(topic).take_until(1) == [b"b"]


def test_who_says_where_partitions_start_has_nothing_committed_for_him(
    kafka: KafkaSettings,
    new_topic: NewTopicOf,
    join: Joined,
    committed: Callable[[str], dict[int, int]],
) -> None:
    """Offsets of a stage with memory move with its transactions alone."""
    topic = new_topic("in")
    in_a_transaction(kafka, topic, b"a")
    member = join(topic, start_at=lambda places: dict.fromkeys(places, 1))
    eventually(lambda: polled(member) and bool(member.owned))
    in_a_transaction(kafka, topic, b"b")
    assert member.take_until(1) == [b"b"]
    member.take(0.5)
    member.close()
    assert committed(topic) == {}


def test_a_restart_goes_on_where_it_was_committed(
    new_topic: NewTopicOf, produce: Callable[..., None], join: Joined
) -> None:
    topic = new_topic("in")
    produce(topic, b"a", b"b", b"c")
    first = join(topic)
    first.take_until(3)
    first.commit({(topic, 0): 2})
    first.close()
    assert join(topic).take_until(1) == [b"c"]


def test_a_role_can_say_where_its_partitions_start(
    new_topic: NewTopicOf, produce: Callable[..., None], join: Joined
) -> None:
    topic = new_topic("in")
    produce(topic, b"a", b"b", b"c")
    member = join(topic, start_at=lambda places: dict.fromkeys(places, 1))
    assert member.take_until(2) == [b"b", b"c"]


def test_a_record_that_expired_unread_is_fatal_and_says_what_to_do(
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    delete_before: Callable[[str, int, int], None],
    join: Joined,
    admin: AdminClient,
    prefix: str,
) -> None:
    topic = new_topic("in")
    produce(topic, b"a", b"b", b"c", b"d")
    member = join(topic)
    member.take_until(4)
    member.commit({(topic, 0): 1})
    member.close()
    delete_before(topic, 0, 3)
    late = join(topic)
    with pytest.raises(FatalError, match=r"\[0\]: 2 records expired before they were read") as told:
        eventually(late.take)
    late.close()
    assert f"--group {prefix}group --topic {topic} --reset-offsets --to-earliest --execute" in str(
        told.value
    )
    # The advice, by the admin client instead of the shell script.
    reset_group(admin, f"{prefix}group", topic, 3)
    assert join(topic).take_until(1) == [b"d"]


def test_a_record_that_expires_while_it_is_waited_for_is_fatal_too(
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    delete_before: Callable[[str, int, int], None],
    join: Joined,
) -> None:
    topic = new_topic("in")
    produce(topic, b"a")
    member = join(topic)
    member.take_until(1)
    member.pause()
    produce(topic, b"b", b"c")
    delete_before(topic, 0, 3)
    member.resume()
    with pytest.raises(FatalError, match="2 records expired before they were read"):
        eventually(member.take)


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    make_anew: Callable[..., None],
    join: Joined,
    admin: AdminClient,
    prefix: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    topic = new_topic("in")
    make_anew(topic)
    produce(topic, b"new")
    # Kafka 4 forgets a deleted topic's offsets; older ones keep them.
    reset_group(admin, f"{prefix}group", topic, 44)
    assert join(topic).take_until(1) == [b"new"]
    assert "was deleted and made anew (it ends at 1, the group was at 44)" in caplog.text
