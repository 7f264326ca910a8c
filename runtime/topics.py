"""A line's topics on a broker: make them, and refuse to run on ones that are not as needed."""

from __future__ import annotations

import logging
import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from pydantic import Field

from runtime.errors import FatalError, UserError
from runtime.kafka import KafkaSettings, admin_client, as_fatal, unreachable
from runtime.settings import Section
from schemas.catalogue import TopicSpec, topics

log = logging.getLogger("onehertz.topics")

_TIMEOUT_S = 15.0


class LineSettings(Section):
    """One line: the set of topics that belong together."""

    prefix: str = Field(
        "", pattern=r"^([A-Za-z0-9._-]{0,40})$", description="Put before every topic and group."
    )
    partitions: int = Field(
        8, ge=1, le=1024, description="Of every topic of the line; fixed when they are created."
    )
    replication: int = Field(
        -1, ge=-1, description="Copies of each partition; -1: the broker's default."
    )

    def topic(self, name: str) -> str:
        """The topic's name on the broker."""
        return self.prefix + name

    def group(self, role: str) -> str:
        """The consumer group of a role."""
        return f"{self.prefix}onehertz-{role}"


def create_topics(kafka: KafkaSettings, line: LineSettings) -> list[str]:
    """Create what is missing of the line's topics; the names created. Raises UserError.

    Topics that exist are checked, not changed.
    """
    admin = admin_client(kafka)
    there = _existing_names(admin, kafka)
    missing = [spec for spec in topics().values() if line.topic(spec.name) not in there]
    futures = admin.create_topics([_new_topic(spec, line) for spec in missing]) if missing else {}
    created = []
    for name, future in futures.items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # made beside us
                raise UserError(f"{name}: can't be created: {error.args[0].str()}") from None
    _wait_until_known(admin, kafka, created)
    check_topics(kafka, line, list(topics()))
    return sorted(created)


def _wait_until_known(admin: AdminClient, kafka: KafkaSettings, names: list[str]) -> None:
    """The controller has made them; the broker that is asked next may learn of it a little later."""
    deadline = time.monotonic() + _TIMEOUT_S
    while not _existing_names(admin, kafka).issuperset(names):
        if time.monotonic() > deadline:
            raise FatalError(f"topics were created and can't be seen: {', '.join(names)}")
        time.sleep(0.05)


def _new_topic(spec: TopicSpec, line: LineSettings) -> NewTopic:
    config = spec.config()
    if spec.compacted:
        # Snapshots of one camera replace each other every few seconds: clean often, stay small.
        config |= {"segment.bytes": str(64 * 1024 * 1024), "min.cleanable.dirty.ratio": "0.2"}
    return NewTopic(
        line.topic(spec.name),
        num_partitions=line.partitions,
        replication_factor=line.replication,
        config=config,
    )


def check_topics(kafka: KafkaSettings, line: LineSettings, names: list[str]) -> dict[str, str]:
    """Topic ids by name (without prefix).

    Raises UserError for a topic that is absent, has another partition count, or is kept in another
    way than the catalogue says.
    """
    admin = admin_client(kafka)
    there = _existing_names(admin, kafka)
    absent = [line.topic(name) for name in names if line.topic(name) not in there]
    if absent:
        raise UserError(
            f"no such topic: {', '.join(absent)}; make them with 'onehertz topics create'"
        )
    ids = {}
    full_names = [line.topic(name) for name in names]
    described = admin.describe_topics(TopicCollection(full_names), request_timeout=_TIMEOUT_S)
    for name, full_name in zip(names, full_names, strict=True):
        topic = described[full_name].result()
        _check_partitions(full_name, len(topic.partitions), line)
        ids[name] = str(topic.topic_id)
    _check_configs(admin, line, names)
    return ids


def _check_partitions(name: str, count: int, line: LineSettings) -> None:
    if count != line.partitions:
        raise UserError(
            f"{name} has {count} partitions, line.partitions is {line.partitions}. All topics of a "
            f"line have the same number: set line.partitions to {count} if that is what all have, "
            "or delete the topic and run 'onehertz topics create'"
        )


def _check_configs(admin: AdminClient, line: LineSettings, names: list[str]) -> None:
    resources = {ConfigResource(ResourceType.TOPIC, line.topic(name)): name for name in names}
    answers = admin.describe_configs(list(resources), request_timeout=_TIMEOUT_S)
    for resource, future in answers.items():
        actual: dict[str, Any] = {key: entry.value for key, entry in future.result().items()}
        expected = topics()[resources[resource]].config()
        for key in ("message.timestamp.type", "cleanup.policy"):
            if actual.get(key) != expected[key]:
                raise UserError(
                    f"{resource.name}: {key} is {actual.get(key)}, it must be {expected[key]}, or "
                    "retention deletes what was not read yet. Mend it: kafka-configs.sh --alter "
                    f"--topic {resource.name} --add-config {key}={expected[key]}"
                )
        size = int(actual.get("max.message.bytes") or 0)
        if size < int(expected["max.message.bytes"]):
            log.warning(
                "%s: max.message.bytes is %d, smaller than %s: large frames will be refused",
                resource.name,
                size,
                expected["max.message.bytes"],
            )


def _existing_names(admin: AdminClient, kafka: KafkaSettings) -> set[str]:
    try:
        return set(admin.list_topics(timeout=_TIMEOUT_S).topics)
    except KafkaException as error:
        if error.args[0].code() in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
            raise unreachable(kafka) from None
        raise as_fatal(error, "listing topics") from None


def topic_id(admin: AdminClient, name: str) -> str:
    """The broker's id of a topic: another one after it was deleted and made anew."""
    try:
        answer = admin.describe_topics(TopicCollection([name]), request_timeout=_TIMEOUT_S)
        return str(answer[name].result().topic_id)
    except KafkaException as error:
        raise FatalError(f"{name}: {error.args[0].str()}") from None
