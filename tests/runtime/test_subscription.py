"""Members of a consumer group: rebalances, what is gone, what goes wrong; on a real Kafka."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from runtime.errors import FatalError, UserError
from runtime.kafka import KafkaSettings
from runtime.subscription import Place, Subscription
from tests.runtime.conftest import NewTopicOf
from tests.runtime.members import Joined, Member, polled
from tests.waiting import eventually

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
