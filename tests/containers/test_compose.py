"""The compose file as a whole: the demo's clips, every process killed once and restarted once."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from random import SystemRandom
from typing import Any

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from onehertz.demo.plan import cameras, plan, rules
from onehertz.stack.ports import choose_port, is_free
from tests.containers.compose import Compose, compose_command
from tests.fixtures.servers import find_images
from tests.waiting import eventually

ROLES = ("gate", "infer", "sql", "alerts", "produce")
SERVERS = ("kafka", "db")
START = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECONDS, SPEED = 45, 4.0
CLIPS = Path("/var/cache/onehertz/clips")
_MINUTES = 180.0


class Composed:
    """The line in containers, and how to reach it from outside."""

    def __init__(self, compose: Compose, kafka_port: int, db_port: int, settings: Path) -> None:
        self.compose = compose
        self.settings = settings
        self.bootstrap_servers = f"127.0.0.1:{kafka_port}"
        self.healthy: set[str] = set()
        self.exit_codes: dict[str, int] = {}  # of those that were restarted
        self._db_port = db_port

    def note_health(self, services: set[str], within_s: float) -> None:
        """Who becomes healthy at the start. Later, the cameras have played and are gone."""
        deadline = time.monotonic() + within_s
        while (waiting := services - self.healthy) and time.monotonic() < deadline:
            self.healthy |= {one for one in waiting if self.compose.health(one) == "healthy"}

    @cached_property
    def dsn(self) -> str:
        password = self.compose.run("exec", "-T", "db", "cat", "/run/onehertz/db/password")
        return f"postgresql://onehertz:{password}@127.0.0.1:{self._db_port}/onehertz"

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    def rows(self) -> int:
        """Of the table frames; -1 while the database is away."""
        try:
            return int(self.ask("SELECT count(*) FROM frames")[0][0])
        except (psycopg.OperationalError, AssertionError):
            return -1

    def onehertz(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of ours, outside of the containers."""
        own = ["--config", str(self.settings)]
        own += ["--set", f"kafka.bootstrap_servers={self.bootstrap_servers}"]
        own += ["--set", f"sql.dsn={self.dsn}"]
        command = [sys.executable, "-m", "onehertz", *arguments, *own]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def settings_file(folder: Path) -> Path:
    """The demo's cameras and rules, from a fixed capture time on, as long as the demo plays."""
    played = plan(SECONDS, SPEED, round(datetime.now(UTC).timestamp() * 1e6), START)
    present = cameras(played, {"vtest": CLIPS / "vtest.avi", "tree": CLIPS / "tree.avi"})
    content = {
        "infer": {"max_wait_ms": 100, "max_batch": 4},
        "cameras": present,
        "rules": rules(present),
    }
    path = folder / "onehertz.yaml"
    path.write_text(yaml.safe_dump(content))
    path.chmod(0o644)
    return path


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    """All of it up, and everything gone afterwards."""
    images, _ = find_images()
    command = compose_command()
    assert images is not None
    assert command is not None
    folder = tmp_path_factory.mktemp("compose")
    folder.chmod(0o755)
    kafka_port = choose_port(SystemRandom(), avoid=(), free=is_free)
    db_port = choose_port(SystemRandom(), avoid=(kafka_port,), free=is_free)
    settings = settings_file(folder)
    compose = Compose(
        command,
        f"onehertz-test-{uuid.uuid4().hex[:8]}",
        {
            "COMPOSE_PROFILES": "cpu,demo,monitoring",
            "KAFKA_IMAGE": images.kafka,
            "DB_IMAGE": images.database,
            "KAFKA_PORT": str(kafka_port),
            "DB_PORT": str(db_port),
            "SETTINGS_FILE": str(settings),
        },
    )
    try:
        compose.run("build")
        # Not Prometheus and Grafana: no images of theirs are asked for. The cameras last: a worker
        # tries its engines first, and they would have played by then.
        composed = Composed(compose, kafka_port, db_port, settings)
        compose.up(*(role for role in ROLES if role != "produce"))
        compose.run("run", "--rm", "-T", "reader")
        composed.note_health({*ROLES, *SERVERS} - {"produce"}, _MINUTES)
        compose.up("produce")
        composed.note_health({"produce"}, 20.0)
        yield composed
    finally:
        compose.run("down", "--volumes", "--timeout", "20")
    assert compose.left_behind() == []


@pytest.fixture(scope="module")
def disturbed(composed: Composed) -> Composed:
    """Everything played; each process of it killed once meanwhile, and then restarted once."""
    for number, service in enumerate((*ROLES, *SERVERS), 1):
        eventually(lambda least=45 * number: composed.rows() >= least, _MINUTES)
        composed.compose.kill_process(service)
    for service in (*ROLES, *SERVERS):
        eventually(
            lambda s=service: composed.compose.container(s)["RestartCount"] > 0,
            _MINUTES,
            why=f"{service} is started again",
        )
    for number, service in enumerate((*ROLES, *SERVERS), 8):
        eventually(lambda least=45 * number: composed.rows() >= least, _MINUTES)
        composed.exit_codes[service] = composed.compose.restart(service)
    eventually(lambda: composed.rows() == 4 * SECONDS * SPEED, _MINUTES)
    # All may have been written before the servers were restarted.
    for service in SERVERS:
        eventually(
            lambda s=service: composed.compose.health(s) == "healthy",
            _MINUTES,
            why=f"{service} is there again",
        )
    return composed


@pytest.mark.parametrize("service", [*ROLES, *SERVERS])
def test_every_service_becomes_healthy(composed: Composed, service: str) -> None:
    assert service in composed.healthy


@pytest.mark.parametrize("service", ROLES)
def test_a_role_may_do_nothing_but_its_work(composed: Composed, service: str) -> None:
    container = composed.compose.container(service)
    host = container["HostConfig"]
    assert container["Config"]["User"] == "10001"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] in (None, [])
    assert "no-new-privileges:true" in host["SecurityOpt"]
    assert host["Memory"] > 0


def test_nothing_is_published_beyond_loopback(composed: Composed) -> None:
    addresses = {
        bound["HostIp"]
        for service in (*ROLES, *SERVERS)
        for ports in (
            composed.compose.container(service)["HostConfig"]["PortBindings"] or {}
        ).values()
        for bound in ports
    }
    assert addresses == {"127.0.0.1"}


def test_the_counts_are_those_of_the_demo_whatever_was_killed_or_restarted(
    disturbed: Composed, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "onehertz", "demo", "--json", "--start-at", START.isoformat()]
    command += ["--seconds", str(SECONDS), "--speed", str(SPEED)]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    demo = json.loads(done.stdout)
    by_status: dict[str, dict[str, int]] = {name: {} for name in demo["cameras"]}
    for camera, status, count in disturbed.ask(
        "SELECT camera, status, count(*) FROM frames GROUP BY 1, 2"
    ):
        by_status[camera][status] = count
    for name, counted in demo["cameras"].items():
        assert sum(by_status[name].values()) == counted["rows"] == SECONDS * SPEED
        for status in ("inferred", "unchanged", "rejected", "missing"):
            assert by_status[name].get(status, 0) == counted[status], (name, status)
    labels = dict(disturbed.ask("SELECT label, count(*) FROM detections GROUP BY 1"))
    assert labels == demo["detections"]


@pytest.mark.parametrize("service", ROLES)
def test_a_role_that_is_stopped_drains_and_ends_well(disturbed: Composed, service: str) -> None:
    # 137 if it had to be killed, as where the signal does not reach it.
    assert disturbed.exit_codes[service] == 0


def test_verify_agrees_from_outside(disturbed: Composed) -> None:
    told = disturbed.onehertz("verify", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    assert json.loads(told.stdout)["ticks"] == 4 * SECONDS * SPEED


def test_alerts_were_raised_and_cleared(disturbed: Composed) -> None:
    states = dict(disturbed.ask("SELECT state, count(*) FROM alerts GROUP BY 1"))
    assert states.get("cleared", 0) >= 1


def test_the_login_of_grafana_reads(disturbed: Composed) -> None:
    secret = "/run/onehertz/reader/password"
    cat = ("run", "--rm", "-T", "--no-deps", "--entrypoint", "cat", "reader", secret)
    password = disturbed.compose.run(*cat)
    dsn = make_conninfo(disturbed.dsn, user="grafana", password=password)
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT count(*) FROM frames").fetchone()
        assert found == (4 * SECONDS * SPEED,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("DELETE FROM frames")
