"""The fixture `servers`, which all integration tests stand on."""

from __future__ import annotations

import time

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.fixtures.servers import (
    Images,
    Servers,
    choose_images,
    kafka_environment,
    pytest_report_header,
)
from tests.onehertz.stack.kafka_client import make_topic, produce_in_transaction, read

LONG_AGO_MS = 1_600_000_000_000


def test_the_newest_tags_of_both_images_are_chosen() -> None:
    tags = ["redis:7", "postgres:15", "apache/kafka:4.1.0", "postgres:16", "apache/kafka:4.3.1"]
    assert choose_images(tags) == Images("apache/kafka:4.3.1", "postgres:16")
    assert choose_images(["postgres:16", "bitnami/kafka:4"]) is None


def test_timescaledb_is_preferred_and_either_can_be_asked_for() -> None:
    tags = ["apache/kafka:4.1.0", "timescale/timescaledb:2.22.1-pg16", "postgres:16"]
    assert choose_images(tags) == Images("apache/kafka:4.1.0", "timescale/timescaledb:2.22.1-pg16")
    assert choose_images(tags, "postgres:16") == Images("apache/kafka:4.1.0", "postgres:16")
    assert choose_images(tags, "postgres:17") is None


def test_the_header_says_against_what_is_tested() -> None:
    assert pytest_report_header().startswith(("servers: embedded", "servers: testcontainers"))


def test_in_a_container_clients_and_the_broker_itself_have_an_address_each() -> None:
    variables = kafka_environment(20001)
    assert "PLAINTEXT://127.0.0.1:20001" in variables["KAFKA_ADVERTISED_LISTENERS"]
    assert variables["KAFKA_INTER_BROKER_LISTENER_NAME"] == "BROKER"
    assert variables["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


@pytest.mark.stack
def test_both_servers_work_for_tests(servers: Servers) -> None:
    topic = make_topic(servers.bootstrap_servers)
    produce_in_transaction(servers.bootstrap_servers, topic, [b"a"])
    assert read(servers.bootstrap_servers, topic, 1) == [b"a"]
    with psycopg.connect(servers.dsn) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)


@pytest.mark.stack
def test_a_postgres_that_restarts_keeps_what_was_committed(servers: Servers) -> None:
    with psycopg.connect(servers.dsn) as connection:
        connection.execute("CREATE TABLE kept_over_a_restart ()")
    servers.restart_postgres()
    with psycopg.connect(servers.dsn) as connection:
        connection.execute("DROP TABLE kept_over_a_restart")


@pytest.mark.stack
def test_retention_is_looked_after_while_a_test_waits(servers: Servers) -> None:
    settings = {"retention.ms": "1000", "message.timestamp.type": "CreateTime"}
    topic = make_topic(servers.bootstrap_servers, **settings)
    producer = Producer({"bootstrap.servers": servers.bootstrap_servers})
    producer.produce(topic, b"old", timestamp=LONG_AGO_MS)
    assert producer.flush(30) == 0
    reader = Consumer({"bootstrap.servers": servers.bootstrap_servers, "group.id": topic})
    deadline = time.monotonic() + 60
    partition = TopicPartition(topic, 0)
    while reader.get_watermark_offsets(partition, timeout=30) != (1, 1):
        assert time.monotonic() < deadline, "an old record outlived its retention"
    reader.close()
