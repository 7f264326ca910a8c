"""The compose file and its settings, without an engine: what must be so whatever runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from onehertz.demo.plan import cameras, plan, rules
from onehertz.settings import Settings
from runtime.settings import load

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]
ROLES = ["gate", "infer", "infer-gpu", "sql", "alerts", "produce"]
SQL_USERS = {"migrate", "sql", "reader"}
SETTINGS = ROOT / "deploy" / "compose" / "onehertz.yaml"


def mappings(node: yaml.Node) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from mappings(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from mappings(value)


def test_no_key_stands_twice_in_a_mapping() -> None:
    """Not "<<" either: Compose v2 refuses what Python's YAML and 1.29 put up with."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    root = yaml.compose(text)
    assert root is not None
    for mapping in mappings(root):
        keys = [key.value for key, _ in mapping.value]
        assert len(keys) == len(set(keys)), mapping.start_mark


def test_there_is_a_service_for_every_role() -> None:
    assert set(ROLES) <= set(OURS)


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_is_not_root_can_write_nothing_and_has_no_capability(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == "10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", ROLES)
def test_a_role_is_started_again_and_has_its_limits(name: str) -> None:
    assert SERVICES[name]["restart"] in ("unless-stopped", "on-failure")
    assert "mem_limit" in SERVICES[name]


def test_on_a_gpu_a_device_is_reserved_and_nothing_else_would_do() -> None:
    service = SERVICES["infer-gpu"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert service["environment"]["ONEHERTZ_INFER__DEVICE"] == "cuda"
    assert service["profiles"] == ["gpu"]
    assert SERVICES["infer"]["profiles"] == ["cpu"]


def test_nothing_is_published_beyond_loopback() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(str(port).startswith("127.0.0.1:") for port in published)


def test_no_password_is_written_down() -> None:
    for name, service in SERVICES.items():
        environment = service.get("environment", {})
        told = [key for key in environment if "PASSWORD" in key and not key.endswith("_FILE")]
        assert told == [], name


def test_no_variable_of_the_file_looks_like_a_setting() -> None:
    """It would be one for every onehertz command in the same shell, and refused."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    variables = re.findall(r"\$\{(\w+)", text)
    assert variables
    assert [name for name in variables if name.startswith("ONEHERTZ_")] == []


@pytest.mark.parametrize("name", OURS)
def test_the_environment_of_a_role_is_settings(name: str) -> None:
    environment = SERVICES[name]["environment"]
    settings = load(Settings, SETTINGS, environment=environment, overrides={})
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.sql.host == ("db" if name in SQL_USERS else None)


def test_only_those_who_use_the_database_have_its_password() -> None:
    having = {
        name
        for name, service in SERVICES.items()
        if any(str(volume).startswith("db-secret:") for volume in service.get("volumes", []))
    }
    assert having == {"secrets", "db", *SQL_USERS}


def test_the_cameras_and_rules_are_those_of_the_demo() -> None:
    """But that they play on, from now, as fast as time goes by."""
    folder = Path("/var/cache/onehertz/clips")
    now_us = round(datetime.now(UTC).timestamp() * 1e6)
    present = cameras(
        plan(45, 4.0, now_us), {"vtest": folder / "vtest.avi", "tree": folder / "tree.avi"}
    )
    ours = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    assert ours["rules"] == rules(present)
    assert {name: camera["source"] for name, camera in ours["cameras"].items()} == {
        name: camera["source"] for name, camera in present.items()
    }
