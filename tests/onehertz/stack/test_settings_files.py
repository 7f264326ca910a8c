"""What is written for the servers, as values: no server runs here."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some
from psycopg.conninfo import conninfo_to_dict

from onehertz.stack import postgres
from onehertz.stack.cache import java_cache_path
from onehertz.stack.class_data import (
    adopt_recording,
    archive_path,
    reading_options,
    recording_options,
)
from onehertz.stack.jars import KAFKA_VERSION
from onehertz.stack.java import Java
from onehertz.stack.kafka import kafka_uuid
from onehertz.stack.kafka_properties import KafkaSettings, render_properties, server_properties
from onehertz.stack.kafka_recovery import controller_properties, has_fenced, needs_recovery
from onehertz.stack.postgres import PostgresSettings, postmaster_process_id, server_options
from onehertz.stack.problem import Problem
from onehertz.stack.unprivileged import setpriv_prefix

JAVA_17 = Java(Path("/usr/bin/java"), "17.0.15")
JAVA_25 = Java(Path("/usr/bin/java"), "25.0.2")


def test_kafka_listens_on_this_machine_only_and_makes_no_topics_by_itself() -> None:
    properties = server_properties(20001, 20002, KafkaSettings())
    listeners = properties["listeners"].split(",")
    assert listeners == ["PLAINTEXT://127.0.0.1:20001", "CONTROLLER://127.0.0.1:20002"]
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20001"
    assert properties["auto.create.topics.enable"] == "false"


def test_one_node_is_asked_for_one_replica_of_everything() -> None:
    properties = server_properties(1, 2, KafkaSettings())
    replicas = [name for name in properties if name.endswith(("replication.factor", "min.isr"))]
    assert len(replicas) >= 6
    assert {properties[name] for name in replicas} == {"1"}


@given(interval=some.integers(1, 10_000_000))
def test_retention_is_first_looked_after_no_later_than_asked(interval: int) -> None:
    properties = server_properties(1, 2, KafkaSettings(retention_check_interval_ms=interval))
    assert properties["log.retention.check.interval.ms"] == str(interval)
    assert int(properties["log.initial.task.delay.ms"]) <= interval


def read_properties(text: str) -> dict[str, str]:
    """A reader of Java properties as java.util.Properties.load documents it, for one-line pairs."""
    pairs = {}
    for line in text.split("\n")[:-1]:
        key, _, raw = line.partition("=")
        value, characters = "", iter(raw.lstrip(" \t\f"))
        for character in characters:
            if character == "\\":
                character = next(characters)
                character = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}.get(character, character)
            value += character
        pairs[key] = value
    return pairs


@given(
    some.dictionaries(some.sampled_from(["a", "b.c"]), some.text(some.characters(codec="ascii")))
)
def test_properties_are_read_back_as_they_were(properties: dict[str, str]) -> None:
    assert read_properties(render_properties(properties)) == properties


@given(some.uuids())
def test_a_kafka_uuid_is_22_characters_of_the_same_bits(bits: uuid.UUID) -> None:
    text = kafka_uuid(bits)
    assert len(text) == 22
    assert base64.urlsafe_b64decode(text + "==") == bits.bytes


def test_postgres_listens_on_this_machine_only_and_is_durable() -> None:
    options = server_options(20003, PostgresSettings())
    assert options["listen_addresses"] == "127.0.0.1"
    assert options["unix_socket_directories"] == ""
    assert options["fsync"] == "on"


def test_even_a_postgres_for_tests_keeps_what_it_has_committed_when_killed() -> None:
    options = server_options(20003, PostgresSettings(durable=False))
    assert options["fsync"] == "off"
    # Without it a commit is acknowledged before the server has handed it to the kernel.
    assert options.get("synchronous_commit", "on") == "on"


def test_the_address_of_postgres_holds_no_password_but_its_file() -> None:
    file = Path("/home/some one/100%/pg&pass")
    parameters = conninfo_to_dict(postgres.dsn(20003, file))
    assert parameters["passfile"] == str(file)
    assert parameters["port"] == "20003"
    assert "password" not in parameters


@pytest.mark.parametrize(
    ("text", "pid"), [("4711\n/data\n", 4711), ("4711", 4711), ("", None), ("-5\n", None)]
)
def test_the_process_in_postgres_lock_file(text: str, pid: int | None) -> None:
    assert postmaster_process_id(text) == pid


@pytest.mark.parametrize(
    ("java", "records", "reads"),
    [
        (JAVA_17, "-XX:ArchiveClassesAtExit=", "-XX:SharedArchiveFile="),
        (JAVA_25, "-XX:AOTCacheOutput=", "-XX:AOTCache="),
    ],
)
def test_the_first_kafka_records_its_classes_and_later_ones_read_them(
    tmp_path: Path, java: Java, records: str, reads: str
) -> None:
    archive, recording = tmp_path / "archive", tmp_path / "recording"
    assert reading_options(java, archive) == []
    assert f"{records}{recording}" in recording_options(java, recording)
    recording.write_bytes(b"classes")
    adopt_recording(recording, archive)
    assert list(tmp_path.iterdir()) == [archive]
    assert f"{reads}{archive}" in reading_options(java, archive)


def test_nothing_recorded_is_nothing_adopted(tmp_path: Path) -> None:
    adopt_recording(tmp_path / "recording", tmp_path / "archive")
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_can_not_be_written_costs_no_error(tmp_path: Path) -> None:
    recording = tmp_path / "recording"
    recording.write_bytes(b"classes")
    adopt_recording(recording, tmp_path / "gone" / "archive")
    assert list(tmp_path.iterdir()) == []


def test_another_java_or_other_jars_have_another_archive(tmp_path: Path) -> None:
    jar = tmp_path / "kafka.jar"
    jar.touch()
    of_17 = archive_path(tmp_path, JAVA_17, [jar])
    assert of_17 == archive_path(tmp_path, JAVA_17, [jar])
    assert of_17 != archive_path(tmp_path, JAVA_25, [jar])
    assert of_17 != archive_path(tmp_path, JAVA_17, [jar, jar])
    assert KAFKA_VERSION in of_17.name


def test_the_cache_folder_goes_by_its_own_variable_then_by_xdg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert java_cache_path({"ONEHERTZ_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert java_cache_path({"XDG_CACHE_HOME": "/b"}) == Path("/b/onehertz")
    assert java_cache_path({"XDG_CACHE_HOME": "b"}) == tmp_path / ".cache/onehertz"
    assert java_cache_path({}) == tmp_path / ".cache/onehertz"


def test_a_cache_folder_that_java_can_not_use_is_told() -> None:
    with pytest.raises(Problem, match=r"class path.*ONEHERTZ_CACHE"):
        java_cache_path({"ONEHERTZ_CACHE": "/a:b"})


def test_without_need_no_capability_is_kept() -> None:
    assert "--inh-caps=-all" in setpriv_prefix(101, 104, "")
    prefix = setpriv_prefix(101, 104, "dac_read_search")
    assert "--ambient-caps=-all,+dac_read_search" in prefix
    assert "--securebits=+no_setuid_fixup" in prefix


def test_only_a_kafka_that_ran_and_did_not_end_well_needs_recovery(tmp_path: Path) -> None:
    assert not needs_recovery(tmp_path), "it has never run"
    (tmp_path / "__cluster_metadata-0").mkdir()
    assert needs_recovery(tmp_path)
    (tmp_path / ".kafka_cleanshutdown").touch()
    assert not needs_recovery(tmp_path)


def test_recovery_waits_for_what_comes_after_the_controller_is_active() -> None:
    change = (
        "INFO Replayed BrokerRegistrationChangeRecord modifying the registration for broker 1: x"
    )
    active = "WARN Performing controller activation."
    assert not has_fenced(f"{change}\n")
    assert not has_fenced(f"{change}\n{active}\n")
    assert has_fenced(f"{change}\n{active}\n{change}\n")


def test_the_recovering_controller_serves_no_clients() -> None:
    properties = controller_properties(20002)
    assert properties["process.roles"] == "controller"
    assert properties["listeners"] == "CONTROLLER://127.0.0.1:20002"
    assert "advertised.listeners" not in properties
