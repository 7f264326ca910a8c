"""A line's topics on a broker: make them, and refuse to run on ones that are not as needed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from pydantic import AfterValidator, Field

from runtime.errors import FatalError, UserError
from runtime.kafka import (
    MISSING_TOPIC,
    KafkaSettings,
    admin_client,
    as_fatal,
    asked,
    missing_topic,
    text_of,
)
from runtime.settings import Section
from schemas.catalogue import DLQ_SUFFIX, TopicSpec, line_topics

log = logging.getLogger("onehertz.topics")

_TIMEOUT_S = 15.0


def _no_dead_letters(name: str) -> str:
    if f"-{name}".endswith(DLQ_SUFFIX):
        raise ValueError("a name that ends with 'dlq' would be taken for dead letters")
    return name


Challenger = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$"), AfterValidator(_no_dead_letters)
]


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

    challengers: tuple[Challenger, ...] = Field(
        (),
        description="Names of models on trial, each with a topic detections-NAME, which `onehertz "
        "infer --challenger NAME` writes and the SQL sink reads.",
    )

    def topics(self) -> dict[str, TopicSpec]:
        """All topics of the line by their name without prefix."""
        return line_topics(self.challengers)

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
    with _asking("creating topics"):
        there = _existing_names(admin)
        missing = [spec for spec in line.topics().values() if line.topic(spec.name) not in there]
        created = _create(admin, [_new_topic(spec, line) for spec in missing])
        # Also those that another process makes beside us.
        _wait_until_known(admin, [line.topic(spec.name) for spec in missing])
    check_topics(kafka, line, list(line.topics()))
    return created


def _create(admin: AdminClient, wanted: list[NewTopic]) -> list[str]:
    created = []
    futures = admin.create_topics(wanted, request_timeout=_TIMEOUT_S) if wanted else {}
    for name, future in futures.items():
        try:
            future.result()
            created.append(name)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # made beside us
                raise UserError(f"{name}: can't be created: {text_of(error)}") from None
    return sorted(created)


def _wait_until_known(admin: AdminClient, names: list[str]) -> None:
    """The controller has made them; the broker that is asked may learn of it a little later."""
    deadline = time.monotonic() + _TIMEOUT_S
    while not _existing_names(admin).issuperset(names):
        if time.monotonic() > deadline:
            raise FatalError(f"topics were created and can't be seen: {', '.join(names)}")
        time.sleep(0.05)


def _new_topic(spec: TopicSpec, line: LineSettings) -> NewTopic:
    config = spec.config()
    if spec.compacted:
        # Snapshots of one camera replace each other every few seconds: clean often, stay small. The
        # last segment is never cleaned, and a new owner reads all of it.
        config |= {"segment.bytes": str(16 * 1024 * 1024), "min.cleanable.dirty.ratio": "0.2"}
    return NewTopic(
        line.topic(spec.name),
        num_partitions=line.partitions,
        replication_factor=line.replication,
        config=config,
    )


def check_topics(kafka: KafkaSettings, line: LineSettings, names: list[str]) -> dict[str, str]:
    """Topic ids by name (without prefix).

    Raises UserError with a line for each topic that is absent, has another partition count, or is
    kept in another way than the catalogue says.
    """
    admin = admin_client(kafka)
    with _asking("looking at topics"):
        there = _existing_names(admin)
        absent = [line.topic(name) for name in names if line.topic(name) not in there]
        if absent:
            raise UserError(
                f"no such topic: {', '.join(absent)}; make them with 'onehertz topics create'"
            )
        ids, problems = _check_partitions(admin, line, names)
        problems += _check_configs(admin, kafka, line, names)
    if problems:
        raise UserError("\n".join(problems))
    return ids


def _check_partitions(
    admin: AdminClient, line: LineSettings, names: list[str]
) -> tuple[dict[str, str], list[str]]:
    """Topic ids by name, and what is wrong."""
    full_names = [line.topic(name) for name in names]
    described = admin.describe_topics(TopicCollection(full_names), request_timeout=_TIMEOUT_S)
    ids, problems = {}, []
    for name, full_name in zip(names, full_names, strict=True):
        topic = described[full_name].result()
        ids[name] = str(topic.topic_id)
        count = len(topic.partitions)
        if count != line.partitions:
            problems.append(
                f"{full_name} has {count} partitions, line.partitions is {line.partitions}. All "
                f"topics of a line have the same number: set line.partitions to {count} if that is "
                "what all have, or delete the topic and run 'onehertz topics create'"
            )
    return ids, problems


def _check_configs(
    admin: AdminClient, kafka: KafkaSettings, line: LineSettings, names: list[str]
) -> list[str]:
    """What is wrong."""
    resources = {ConfigResource(ResourceType.TOPIC, line.topic(name)): name for name in names}
    answers = admin.describe_configs(list(resources), request_timeout=_TIMEOUT_S)
    problems, specs = [], line.topics()
    for resource, future in answers.items():
        actual: dict[str, Any] = {key: entry.value for key, entry in future.result().items()}
        expected = specs[resources[resource]].config()
        problems += [
            f"{resource.name}: {key} is {actual.get(key)}, it must be {expected[key]}, or "
            "retention deletes what was not read yet. Mend it: kafka-configs.sh "
            f"--bootstrap-server {kafka.bootstrap_servers} --alter --topic {resource.name} "
            f"--add-config {key}={expected[key]}"
            for key in ("message.timestamp.type", "cleanup.policy")
            if actual.get(key) != expected[key]
        ]
        size = int(actual.get("max.message.bytes") or 0)
        if size < int(expected["max.message.bytes"]):
            log.warning(
                "%s: max.message.bytes is %d, smaller than %s: large frames will be refused",
                resource.name,
                size,
                expected["max.message.bytes"],
            )
    return problems


def _existing_names(admin: AdminClient) -> set[str]:
    return set(admin.list_topics(timeout=_TIMEOUT_S).topics)


@contextmanager
def _asking(doing: str) -> Iterator[None]:
    """What Kafka refuses comes out as FatalError."""
    try:
        yield
    except KafkaException as error:
        raise as_fatal(error, doing) from None


def topic_id(admin: AdminClient, name: str) -> str:
    """The broker's id of a topic: another one after it was deleted and made anew."""
    try:
        wanted = TopicCollection([name])
        found = asked(
            lambda: admin.describe_topics(wanted, request_timeout=_TIMEOUT_S)[name].result()
        )
        return str(found.topic_id)
    except KafkaException as error:
        if error.args[0].code() in MISSING_TOPIC:
            raise FatalError(missing_topic(name)) from None
        raise as_fatal(error, f"looking at {name}") from None
