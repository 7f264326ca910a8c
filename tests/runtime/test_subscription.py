"""A member of a consumer group that loses nothing, on a real Kafka."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from runtime.errors import FatalError, UserError
from runtime.kafka import KafkaSettings, transactional_config
from runtime.subscription import Place, Subscription
from tests.runtime.conftest import NewTopicOf, reset_group, values
from tests.waiting import eventually

Joined = Callable[..., "Member"]


class Member(Subscription):
    """A subscription that remembers what it was told."""

    def __init__(self, settings: KafkaSettings, group: str, topic: str, **more: object) -> None:
        self.events: list[tuple[str, list[int]]] = []
        self.got: list[tuple[int, int]] = []  # partition, offset
        callbacks = {"assigned": self._note("+"), "revoked": self._note("-")}
        callbacks["lost"] = self._note("lost")
        super().__init__(settings, group, [topic], **(callbacks | more))  # type: ignore[arg-type] # tests give callbacks by name

    def _note(self, what: str) -> Callable[[list[Place]], None]:
        return lambda places: self.events.append((what, sorted(number for _, number in places)))

    def take(self, timeout_s: float = 0.05) -> list[bytes]:
        messages = self.poll(100, timeout_s)
        self.got += [(m.partition() or 0, m.offset() or 0) for m in messages]
        return values(messages)

    def take_until(self, count: int) -> list[bytes]:
        """Poll until that many messages have come."""
        found: list[bytes] = []

        def enough() -> bool:
            found.extend(self.take())
            return len(found) >= count

        eventually(enough)
        return found

    def done(self) -> dict[Place, int]:
        topic = next(iter(self.owned))[0]
        return {(topic, number): offset + 1 for number, offset in sorted(self.got)}


def polled(*members: Member) -> bool:
    for member in members:
        member.take()
    return True


@pytest.fixture
def join(kafka: KafkaSettings, prefix: str) -> Iterator[Joined]:
    """Joins the test's group; leaves it after the test."""
    with ExitStack() as joined:

        def of(topic: str, settings: KafkaSettings = kafka, **more: object) -> Member:
            member = Member(settings, f"{prefix}group", topic, **more)
            joined.callback(member.close)
            return member

        yield of


@pytest.fixture
def committed(admin: AdminClient, prefix: str) -> Callable[[str], dict[int, int]]:
    """The group's offsets by partition."""

    def of(topic: str) -> dict[int, int]:
        group = f"{prefix}group"
        count = len(admin.list_topics(topic, timeout=10).topics[topic].partitions)
        asked = ConsumerGroupTopicPartitions(
            group, [TopicPartition(topic, number) for number in range(count)]
        )
        answer = admin.list_consumer_group_offsets([asked])[group].result()
        return {p.partition: p.offset for p in answer.topic_partitions if p.offset >= 0}

    return of


# ---------------------------------------------------------------- where it starts


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


# ---------------------------------------------------------------- topics and brokers that are gone


def test_a_topic_that_is_not_there_is_fatal_and_says_what_to_do(prefix: str, join: Joined) -> None:
    member = join(f"{prefix}none")
    with pytest.raises(FatalError, match=r"none is not there .*'onehertz topics create' makes it"):
        eventually(member.take)


@pytest.mark.parametrize("anew", [False, True])
def test_a_topic_that_is_deleted_under_a_role_is_fatal(
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    admin: AdminClient,
    make_anew: Callable[..., None],
    join: Joined,
    anew: bool,
) -> None:
    topic = new_topic("in")
    produce(topic, b"a", b"b")
    member = join(topic)
    member.take_until(2)
    if anew:
        make_anew(topic)
    else:
        admin.delete_topics([topic])[topic].result()
    with pytest.raises(FatalError, match=r"topics create|was deleted and made anew"):
        eventually(member.take, 40)


def test_an_address_without_a_kafka_is_waited_for(prefix: str, join: Joined) -> None:
    member = join("any", KafkaSettings(bootstrap_servers="127.0.0.1:1"))
    assert member.take(0.3) == []
    assert not member.is_member


def test_a_consumer_that_can_not_be_is_the_users_to_mend(kafka: KafkaSettings) -> None:
    settings = kafka.model_copy(
        update={"security_protocol": "SSL", "ssl_ca_file": "/nowhere/ca.pem"}
    )
    with pytest.raises(UserError, match=r"section kafka does not work: .*ssl\.ca\.location"):
        Subscription(settings, "group", ["any"])


# ---------------------------------------------------------------- rebalances


def test_a_rebalance_between_two_members_loses_and_doubles_nothing(
    new_topic: NewTopicOf, produce: Callable[..., None], join: Joined
) -> None:
    topic = new_topic("in", 4)
    for number in range(4):
        produce(topic, *[b"%d" % n for n in range(10)], partition=number)
    one: Member = join(topic, revoked=lambda _: one.commit(one.done()))
    one.take_until(40)
    other = join(topic)
    eventually(lambda: polled(one, other) and len(one.owned) == len(other.owned) == 2)
    for number in range(4):
        produce(topic, *[b"%d" % n for n in range(10, 20)], partition=number)
    eventually(lambda: polled(one, other) and len(one.got) + len(other.got) >= 80)
    assert other.take(0.2) == one.take(0.2) == []
    assert sorted(one.got + other.got) == [(p, n) for p in range(4) for n in range(20)]


def test_partitions_that_stay_are_not_interrupted(
    new_topic: NewTopicOf, produce: Callable[..., None], join: Joined
) -> None:
    topic = new_topic("in", 4)
    one = join(topic)
    eventually(lambda: polled(one) and len(one.owned) == 4)
    other = join(topic)
    eventually(lambda: polled(one, other) and len(one.owned) == len(other.owned) == 2)
    (gained, revoked) = one.events[0], one.events[1]
    assert gained == ("+", [0, 1, 2, 3])
    assert revoked[0] == "-"
    assert len(revoked[1]) == 2
    assert ("+", revoked[1]) in other.events


SLEEPER = """
from runtime.kafka import KafkaSettings, transactional_config
from runtime.subscription import Subscription
settings = KafkaSettings(bootstrap_servers="{server}", session_timeout_ms=1_000)
events = []
def note(what):
    return lambda places: events.append(what)
member = Subscription(settings, "{group}", ["{topic}"],
    assigned=note("assigned"), revoked=note("revoked"), lost=note("lost"))
while len(events) < 2:
    member.poll(10, 0.05)
    if events == ["assigned"]:
        print("assigned", member.is_member, flush=True)
        events.append("told")
while len(events) < 3:
    member.poll(10, 0.05)
print(events[2], member.is_member, flush=True)
member.commit({{("{topic}", 0): 2}})
print("left out", flush=True)
"""


def test_partitions_of_a_member_that_sleeps_are_lost_not_revoked(
    new_topic: NewTopicOf,
    produce: Callable[..., None],
    join: Joined,
    kafka: KafkaSettings,
    prefix: str,
    committed: Callable[[str], dict[int, int]],
) -> None:
    topic = new_topic("in")
    produce(topic, b"a", b"b")
    source = SLEEPER.format(server=kafka.bootstrap_servers, group=f"{prefix}group", topic=topic)
    sleeper = subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "assigned True\n"
        sleeper.send_signal(signal.SIGSTOP)
        other = join(topic)
        assert other.take_until(2) == [b"a", b"b"]
        sleeper.send_signal(signal.SIGCONT)
        assert sleeper.stdout.readline() == "lost False\n"
        assert sleeper.stdout.readline() == "left out\n"
    finally:
        sleeper.kill()
        sleeper.communicate()
    assert committed(topic) == {0: 0}


def test_a_pause_keeps_the_membership_and_holds_for_partitions_that_come(
    new_topic: NewTopicOf, produce: Callable[..., None], join: Joined
) -> None:
    topic = new_topic("in", 2)
    one, other = join(topic), join(topic)
    eventually(lambda: polled(one, other) and len(one.owned) == len(other.owned) == 1)
    one.pause()
    for number in range(2):
        produce(topic, b"a", partition=number)
    other.take_until(1)
    other.commit(other.done())
    other.close()
    eventually(lambda: polled(one) and len(one.owned) == 2)
    produce(topic, b"b", partition=other.got[0][0])
    assert one.take(0.5) == []
    one.resume()
    assert sorted(one.take_until(2)) == [b"a", b"b"]


def test_lag_is_what_is_not_done(
    new_topic: NewTopicOf, produce: Callable[..., None], join: Joined
) -> None:
    topic = new_topic("in")
    produce(topic, b"a", b"b", b"c")
    member = join(topic)
    member.take_until(3)
    assert member.lag({(topic, 0): 1, (topic, 7): 0}) == {(topic, 0): 2}


# ---------------------------------------------------------------- exceptions in callbacks


@pytest.mark.parametrize("where", ["start_at", "assigned"])
def test_what_goes_wrong_while_taking_over_comes_out_of_poll(
    new_topic: NewTopicOf, join: Joined, where: str
) -> None:
    def fails(_places: list[Place]) -> dict[Place, int]:
        raise FatalError("no state")

    member = join(new_topic("in"), **{where: fails})
    with pytest.raises(FatalError, match="no state"):
        eventually(member.take)


def test_what_goes_wrong_while_leaving_comes_out_of_close(
    new_topic: NewTopicOf, join: Joined
) -> None:
    def fails(_places: list[Place]) -> None:
        raise FatalError("no last checkpoint")

    member = join(new_topic("in"), revoked=fails)
    eventually(lambda: polled(member) and member.owned)
    with pytest.raises(FatalError, match="no last checkpoint"):
        member.close()


def test_a_client_that_does_not_come_to_its_end_holds_up_nobody(
    new_topic: NewTopicOf,
    join: Joined,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("runtime.subscription._LEAVE_S", 0.2)
    goes_on = threading.Event()

    def hangs(_places: list[Place]) -> None:
        assert goes_on.wait(60)

    member = join(new_topic("in"), revoked=hangs)
    eventually(lambda: polled(member) and member.owned)
    member.close()
    assert "the group was not left in 0.2 s" in caplog.text
    goes_on.set()
    eventually(lambda: "leave the group" not in [one.name for one in threading.enumerate()])


def test_a_partition_that_is_held_up_lets_the_others_pass(
    new_topic: NewTopicOf, produce: Callable[..., None], join: Joined
) -> None:
    topic = new_topic("in", 2)
    member = join(topic)
    eventually(lambda: polled(member) and len(member.owned) == 2)
    member.hold_up(frozenset({(topic, 0)}))
    produce(topic, b"a", partition=0)
    produce(topic, b"b", partition=1)
    assert member.take_until(1) == [b"b"]
    assert member.take(0.5) == []
    member.hold_up(frozenset())
    assert member.take_until(1) == [b"a"]
