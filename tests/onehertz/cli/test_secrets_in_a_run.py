"""Runs of real roles at the finest log level: no secret in any line, nor in a metric."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Protocol
from urllib.error import HTTPError

import pytest
import yaml
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from runtime.kafka import KafkaSettings
from runtime.topics import LineSettings, create_topics
from schemas.catalogue import topics
from tests.waiting import eventually

ROOT = Path(__file__).parents[3]
SASL_SECRET = 'hunter2"\\%/kafka'
WRONG_SECRET = "hunter2@wrong:sql"

pytestmark = pytest.mark.stack


class HasServers(Protocol):
    """What is needed of the fixture `servers`."""

    @property
    def bootstrap_servers(self) -> str: ...


class Role:
    """`onehertz …` as a process; what it says goes to a file."""

    def __init__(self, command: str, config: Path, said: IO[str]) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ONEHERTZ_")}
        self._said = Path(said.name)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "onehertz", *command.split(), "--config", str(config)],
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd=config.parent,
            env=inherited | {"PYTHONPATH": str(ROOT)},
        )

    def lines(self) -> list[str]:
        return self._said.read_text().splitlines()

    def get(self, path: str) -> str:
        """What its health port answers; nothing while it does not, or not well."""
        found = re.search(r"health on (http://[\d.:]+)/readyz", self._said.read_text())
        if found is None:
            assert self.process.poll() is None, self.lines()
            return ""
        try:
            with urllib.request.urlopen(found[1] + path, timeout=10) as answer:  # noqa: S310
                return str(answer.read(), "utf-8")
        except (HTTPError, OSError):
            return ""

    def end(self) -> int:
        return self.process.wait(60)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Role]]:
    with ExitStack() as running:

        def of(command: str, settings: dict[str, object]) -> Role:
            config = tmp_path / "onehertz.yaml"
            config.write_text(yaml.safe_dump(settings))
            said = running.enter_context((tmp_path / "said").open("w"))
            role = Role(command, config, said)
            running.callback(role.process.wait)
            running.callback(role.process.kill)
            return role

        yield of


@pytest.fixture
def line(servers: HasServers) -> Iterator[dict[str, object]]:
    """Settings of a line whose topics are there; secrets are in them and do not matter yet."""
    settings = LineSettings(prefix=f"t{uuid.uuid4().hex[:10]}.", partitions=1)
    kafka = KafkaSettings(bootstrap_servers=servers.bootstrap_servers)
    create_topics(kafka, settings)
    yield {
        "line": settings.model_dump(),
        "kafka": {
            "bootstrap_servers": servers.bootstrap_servers,
            "sasl_username": "me",
            "sasl_password": SASL_SECRET,
        },
        "log": {"level": "debug"},
        "health": {"port": 0},
    }
    admin = AdminClient({"bootstrap.servers": servers.bootstrap_servers})
    for future in admin.delete_topics([settings.topic(name) for name in topics()]).values():
        future.exception()


def shown(secrets: list[str], *texts: str) -> list[str]:
    """The lines that hold a secret, as it is or as JSON, Python or a URL spell it."""
    spelled = [form for secret in secrets for form in (secret, secret.replace("\\", "\\\\"))]
    spelled += [secret.split('"')[0] for secret in secrets]
    return [line for text in texts for line in text.splitlines() if any(s in line for s in spelled)]


def password_of(dsn: str) -> str:
    """From the DSN, or from the password file (host:port:database:user:password) that it names."""
    parts = conninfo_to_dict(dsn)
    if "password" in parts:
        return str(parts["password"])
    return Path(str(parts["passfile"])).read_text().splitlines()[0].split(":")[4]


@pytest.mark.parametrize(
    ("command", "kind"), [("sink sql", "console"), ("sink alerts", "json"), ("gate", "console")]
)
def test_a_role_that_works_shows_no_secret(
    start: Callable[..., Role], line: dict[str, object], database: str, command: str, kind: str
) -> None:
    password = password_of(database)
    dsn = make_conninfo(database, password=password, passfile=os.devnull)
    role = start(command, line | {"sql": {"dsn": dsn}, "log": {"level": "debug", "format": kind}})
    eventually(lambda: role.get("/readyz") == "ready\n", 60, why=str(role.lines))
    metrics = role.get("/metrics")
    role.process.send_signal(signal.SIGTERM)
    assert role.end() == 0, role.lines()
    assert len(role.lines()) > 2
    assert "onehertz_rebalances_total" in metrics
    assert shown([password, dsn, SASL_SECRET], metrics, *role.lines()) == []


def test_a_login_that_kafka_refuses_shows_no_secret(
    start: Callable[..., Role], line: dict[str, object]
) -> None:
    kafka = line["kafka"]
    assert isinstance(kafka, dict)
    refused = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN"}
    role = start("sink alerts", line | {"kafka": kafka | refused})
    assert role.end() == 1  # it may be put right at the server, so it may be tried again
    assert "SASL PLAIN mechanism handshake failed" in role.lines()[-1]
    assert shown([SASL_SECRET], *role.lines()) == []


@pytest.mark.parametrize("way", ["dsn", "password", "password_file"])
def test_a_login_that_the_database_refuses_shows_no_secret(
    start: Callable[..., Role], line: dict[str, object], database: str, tmp_path: Path, way: str
) -> None:
    parts = conninfo_to_dict(database)
    sql = {key: parts[key] for key in ("host", "port", "dbname", "user")}
    if way == "dsn":
        quoted = WRONG_SECRET.replace("@", "%40").replace(":", "%3A")
        dsn = "postgresql://{user}:{quoted}@{host}:{port}/{dbname}".format(quoted=quoted, **sql)
        sql = {"dsn": dsn}
    elif way == "password":
        sql |= {"password": WRONG_SECRET}
    else:
        (tmp_path / "secret").write_text(WRONG_SECRET)
        sql |= {"password_file": str(tmp_path / "secret")}
    role = start("sink sql", line | {"sql": sql})
    assert role.end() == 1, role.lines()
    assert "password authentication failed" in role.lines()[-1]
    assert shown([WRONG_SECRET, "hunter2%40wrong"], *role.lines()) == []
