"""Runs the demo: assets, servers, roles, watching, counting. Each step is told in a line."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
import yaml
from psycopg import sql
from psycopg.conninfo import make_conninfo

from onehertz.assets import AssetsUnavailable, fetch
from onehertz.assets.progress import Progress
from onehertz.demo.outcome import Outcome, Saving, count_alert_changes, count_captured
from onehertz.demo.plan import Plan, configuration, plan
from onehertz.demo.watch import View, Watcher
from onehertz.processes import RoleProcess, Supervisor
from onehertz.settings import Settings
from onehertz.stack.stack import Stack
from onehertz.stack.status import Endpoints
from runtime.errors import FatalError, UserError
from runtime.kafka import admin_client, now_us
from runtime.settings import load
from runtime.topics import create_topics
from sinks.sql.migrate import migrate

DATABASE = "demo"
PREFIX = "demo-"
DETECTOR = ("ssd-mobilenetv2-oidv4", "ssd-mobilenetv2-oidv4-labels")
CLIPS = ("vtest", "tree")
CONSUMERS = ("gate", "infer", "sql", "alerts")
_READY_S = 120.0
_DRAIN_S = 120.0
_CPU = "process_cpu_seconds_total"

Say = Callable[[str], None]


class Screen(Protocol):
    """Where the live table goes."""

    def show(self, watcher: Watcher, planned: int) -> None:
        """Look at the line once, and show it."""


@dataclass(frozen=True)
class Running:
    """A demo whose roles run."""

    settings: Settings
    plan: Plan
    connection: psycopg.Connection
    watcher: Watcher
    supervisor: Supervisor


def fetch_assets(say: Say, progress: AbstractContextManager[Progress]) -> dict[str, Path]:
    """The detector, which is needed, and the clips that can be had. Raises UserError."""
    with progress as shown:
        fetch(DETECTOR, progress=shown)
        clips: dict[str, Path] = {}
        for name in CLIPS:
            try:
                clips |= fetch([name], progress=shown)
            except AssetsUnavailable as error:
                if error.refused:
                    raise
                say(f"the clip {name} can't be had; going on without it ({_first_line(error)})")
    if not clips:
        say("no clip can be had: the demo runs on the synthetic street alone")
    return clips


def prepare(
    folder: Path, endpoints: Endpoints, clips: dict[str, Path], seconds: int, speed: float
) -> tuple[Settings, Plan, Path]:
    """Write the demo's configuration; make its database and topics anew."""
    folder.mkdir(parents=True, exist_ok=True)
    played = plan(seconds, speed, now_us())
    prefix = f"{PREFIX}{played.start_at:%Y%m%d-%H%M%S}-{now_us() % 100_000}-"
    dsn = make_conninfo(endpoints.dsn, dbname=DATABASE)
    config = folder / "onehertz.yaml"
    content = configuration(played, clips, endpoints, prefix, dsn)
    config.touch(mode=0o600)
    config.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    settings = load(Settings, config, environment={}, overrides={})
    _forget_last_demo(settings, endpoints)
    create_topics(settings.kafka, settings.line)
    migrate(dsn)
    return settings, played, config


def _forget_last_demo(settings: Settings, endpoints: Endpoints) -> None:
    admin = admin_client(settings.kafka)
    old = [name for name in admin.list_topics(timeout=15).topics if name.startswith(PREFIX)]
    if old:
        for future in admin.delete_topics(old).values():
            future.result()
    with psycopg.connect(endpoints.dsn, autocommit=True) as connection:
        name = sql.Identifier(DATABASE)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))


def supervisor(config: Path, logs: Path, say: Say) -> Supervisor:
    """The five roles as processes, not started yet."""
    logs.mkdir(parents=True, exist_ok=True)
    for log in logs.glob("*.log"):
        log.unlink()
    arguments = {
        "gate": ["gate", "--slot", "demo"],
        "infer": ["infer"],
        "sql": ["sink", "sql"],
        "alerts": ["sink", "alerts", "--slot", "demo"],
        "produce": ["produce"],
    }
    settings = ["--config", str(config)]
    roles = [RoleProcess(name, [*words, *settings], logs) for name, words in arguments.items()]
    return Supervisor(roles, say)


def play(running: Running, screen: Screen, say: Say) -> Outcome:
    """Play the cameras to their end, wait until the line has drained, and count."""
    line = running.supervisor
    line.wait_ready(CONSUMERS, _READY_S)
    cpu_before = _cpu(line)
    began_s = time.monotonic()
    first_s: float | None = None
    line.start(["produce"])
    while line.roles["produce"].is_running or _died(line):
        line.check(ends_by_itself=["produce"])
        screen.show(running.watcher, running.plan.media_s)
        if first_s is None and running.watcher.view().detections:
            first_s = time.monotonic() - began_s
            say(f"first detection in the database {first_s:.1f} s after the cameras started")
    captured = _drain(running, screen)
    cpu = _cpu_spent(line, cpu_before)
    view = running.watcher.view()
    inferred = sum(camera.inferred for camera in view.cameras.values())
    saving = Saving(view.rows, inferred, *cpu) if cpu is not None else None
    return Outcome(captured, view, running.watcher.alert_changes(), saving)


def _died(line: Supervisor) -> bool:
    return line.roles["produce"].process.returncode != 0


def _drain(running: Running, screen: Screen) -> dict[str, int]:
    """Wait until every captured tick has its row. What was captured, by camera."""
    captured = count_captured(running.settings)
    deadline = time.monotonic() + _DRAIN_S
    while time.monotonic() < deadline:
        running.supervisor.check(ends_by_itself=["produce"])
        screen.show(running.watcher, running.plan.media_s)
        view = running.watcher.view()
        if view.rows >= sum(captured.values()) and _alerts_are_in(running, view):
            break
    return captured


def _alerts_are_in(running: Running, view: View) -> bool:
    """Whether the rules have seen everything, and all that they said is in the database."""
    if view.lags.get("alerts") != 0:
        return False
    in_database = sum(running.watcher.alert_changes().values())
    return in_database >= count_alert_changes(running.settings)


def _cpu(line: Supervisor) -> dict[str, tuple[int, float | None]]:
    """Of gate and worker: how often started, and CPU seconds so far."""
    names = ("infer", "gate")
    return {n: (line.roles[n].starts, line.roles[n].metrics().get(_CPU)) for n in names}


def _cpu_spent(
    line: Supervisor, before: dict[str, tuple[int, float | None]]
) -> tuple[float, float] | None:
    spent = []
    for name, (starts, cpu_s) in _cpu(line).items():
        starts_before, cpu_before_s = before[name]
        if starts != starts_before or cpu_s is None or cpu_before_s is None:
            return None
        spent.append(cpu_s - cpu_before_s)
    return spent[0], spent[1]


def stop(running: Running) -> None:
    """Stop the roles. Raises FatalError if one did not stop as it should."""
    codes = running.supervisor.stop()
    running.connection.close()
    bad = {name: code for name, code in codes.items() if code != 0}
    if bad:
        raise FatalError(f"roles that did not stop cleanly: {bad}")


def stack_in(folder: Path, say: Say) -> Stack:
    return Stack(folder, say=say)


def _first_line(error: UserError) -> str:
    return str(error).splitlines()[0]
