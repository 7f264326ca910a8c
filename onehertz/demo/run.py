"""Runs the demo: prepare, start the roles, play the cameras, wait for the last tick, count."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from confluent_kafka import KafkaException

from onehertz.assets.progress import Progress
from onehertz.demo import prepare
from onehertz.demo.interruption import Interrupted, Interruption
from onehertz.demo.lags import Lags
from onehertz.demo.outcome import Outcome, Saving, count_alert_changes, count_captured
from onehertz.demo.pictures import save_best_frames
from onehertz.demo.plan import STREET_IS_EMPTY_UNTIL_S, Plan, plan
from onehertz.demo.prepare import Servers
from onehertz.demo.screen import Screen
from onehertz.demo.watch import View, Watcher
from onehertz.processes import Supervisor, age_s
from onehertz.settings import Settings
from runtime.errors import FatalError
from runtime.kafka import as_fatal, now_us
from runtime.topics import create_topics

FOLDER = Path(".onehertz/demo")
# The slowest to start first: it loads a model and puts it through its admission test.
_NEED_TOPICS = ("infer", "gate", "alerts")
_NEEDS_TABLES = "sql"
_MUST_BE_READY = ("infer", "gate")  # before a frame comes, or the first ones wait
_READY_S = 120.0
_DRAIN_S = 120.0
_STOP_AT_ONCE_S = 5.0
_POLL_S = 0.1
_CPU = "process_cpu_seconds_total"


@dataclass(frozen=True)
class Wish:
    """What the user asked for."""

    seconds: int
    speed: float
    start_at: datetime | None = None
    keep: bool = False


@dataclass(frozen=True)
class Ended:
    """A demo that has played; its servers are still up, its roles are not."""

    outcome: Outcome
    pictures: dict[str, Path]
    connection: psycopg.Connection
    config: Path
    dsn: str
    servers_stay_up: bool


@dataclass(frozen=True)
class Running:
    """A demo whose roles run."""

    settings: Settings
    plan: Plan
    watcher: Watcher
    lags: Lags
    line: Supervisor
    screen: Screen
    interruption: Interruption

    def show(self, phase: str) -> View | None:
        """Look at the line and show it, where it is time to; the demo's heart beat."""
        if not self.screen.is_due():
            return None
        view = self.watcher.view()
        self.screen.show(view, self.plan.media_s, phase)
        return view


def run(
    wish: Wish,
    stack_folder: Path,
    screen: Screen,
    progress: AbstractContextManager[Progress],
    interruption: Interruption,
    report: Callable[[Ended], None],
) -> Outcome:
    """The whole demo. `report` is called at its end, before the servers are stopped.

    Raises UserError, FatalError; Interrupted where a signal left nothing to report. Whatever it
    raises, no role and no server that it started runs any more.
    """
    played = plan(wish.seconds, wish.speed, now_us(), wish.start_at)
    with (
        interruption,
        prepare.alone(FOLDER),
        _failures_told(),
        prepare.servers(stack_folder, screen.say, keep=wish.keep) as servers,
        _no_more_signals(interruption),
    ):
        screen.say("looking for the detector and the clips")
        clips = prepare.fetch_assets(screen.say, progress)
        return _run_on(servers, clips, played, screen, interruption, report)


def _run_on(
    servers: Servers,
    clips: dict[str, Path],
    played: Plan,
    screen: Screen,
    interruption: Interruption,
    report: Callable[[Ended], None],
) -> Outcome:
    endpoints = servers.endpoints()
    prepared = prepare.configure(FOLDER, endpoints, clips, played, now_us())
    settings = prepared.settings
    screen.say(
        f"{played.media_s} ticks each of {', '.join(settings.cameras)}; "
        f"{played.speed:g} x real time"
    )
    if not clips and played.media_s < STREET_IS_EMPTY_UNTIL_S:
        screen.say(
            "nobody will be seen: in the street somebody comes by after a minute of its time"
        )
    line = prepare.supervisor(prepared.config, FOLDER / "logs", screen.say)
    with ThreadPoolExecutor(1, "database") as pool, _stopped_at_the_end(line, interruption):
        tables = pool.submit(prepare.make_database, endpoints, prepared)
        create_topics(settings.kafka, settings.line)
        screen.say(f"starting the roles: infer, gate, two sinks; logs in {FOLDER / 'logs'}")
        line.start(_NEED_TOPICS)
        tables.result()
        line.start([_NEEDS_TABLES])
        with (
            psycopg.connect(settings.sql.conninfo(), autocommit=True) as connection,
            Lags(settings) as lags,
        ):
            watcher = Watcher(settings.cameras, connection, lags)
            running = Running(settings, played, watcher, lags, line, screen, interruption)
            with screen.table():
                prepare.forget_earlier(endpoints, prepared)
                outcome = play(running)
            line.stop()
            pictures = save_best_frames(settings, connection, FOLDER / "snapshots")
            report(
                Ended(
                    outcome,
                    pictures,
                    connection,
                    prepared.config,
                    prepared.dsn,
                    servers.stay_up,
                )
            )
    return outcome


@contextmanager
def _failures_told() -> Iterator[None]:
    """A server that dies in mid-demo is one line, not a traceback."""
    try:
        yield
    except psycopg.Error as error:
        raise FatalError(f"PostgreSQL: {str(error).strip()}") from None
    except KafkaException as error:
        raise as_fatal(error, "Kafka") from None


@contextmanager
def _no_more_signals(interruption: Interruption) -> Iterator[None]:
    """From here outwards everything is being stopped."""
    try:
        yield
    finally:
        interruption.ignore()


@contextmanager
def _stopped_at_the_end(line: Supervisor, interruption: Interruption) -> Iterator[None]:
    """No role outlives this. Interrupted, they get little time to finish."""
    try:
        yield
    except BaseException as error:
        interruption.ignore()
        line.stop(_STOP_AT_ONCE_S) if isinstance(error, Interrupted) else line.stop()
        raise
    line.stop()


# ---------------------------------------------------------------- playing


def play(running: Running) -> Outcome:
    """Play the cameras to their end, wait until the line has drained, and count.

    A first signal ends the cameras early. Raises FatalError where a role can't run.
    """
    line, screen, interruption = running.line, running.screen, running.interruption
    line.wait_ready(_MUST_BE_READY, _READY_S, lambda: running.show("waiting for the roles"))
    cpu_before = _cpu(line)
    screen.say("gate and worker are ready: the cameras start")
    line.start(["produce"])
    with interruption.noted():
        first_s = _watch_cameras(running)
        if interruption.requested:
            screen.say("interrupted: finishing what has come (again: at once)")
            line.retire("produce")
        captured = _drain(running)
        cpu = _cpu_spent(line, cpu_before)
    view = running.watcher.view()
    inferred = sum(camera.inferred for camera in view.cameras.values())
    saving = Saving(view.rows, inferred, *cpu) if cpu is not None else None
    return Outcome(captured, view, running.watcher.alert_changes(), saving, first_s)


def _watch_cameras(running: Running) -> float | None:
    """Until the cameras have ended, or a signal came. When the first detection was there."""
    produce = running.line.roles["produce"]
    began_s = time.monotonic()
    first_s: float | None = None
    while not running.interruption.requested:
        running.line.check(ends_by_itself=["produce"])
        played_s = min(time.monotonic() - began_s, running.plan.seconds)
        view = running.show(f"playing, {played_s:.0f} of {running.plan.seconds} s")
        if first_s is None and view is not None and view.first_detection_at is not None:
            first_s = age_s() - (time.time() - view.first_detection_at.timestamp())
            running.screen.say(
                f"first detection in the database {first_s:.1f} s after the start of the command"
            )
        if not produce.is_running and produce.process.returncode == 0:
            break
        time.sleep(_POLL_S)
    return first_s


def _drain(running: Running) -> dict[str, int]:
    """Wait until every captured tick has its row. What was captured, by camera."""
    captured = count_captured(running.settings)
    deadline = time.monotonic() + _DRAIN_S
    while time.monotonic() < deadline:
        running.line.check(ends_by_itself=["produce"])
        view = running.show("waiting for the last ticks")
        if view is not None and view.rows >= sum(captured.values()) and _alerts_are_in(running):
            break
        time.sleep(_POLL_S)
    return captured


def _alerts_are_in(running: Running) -> bool:
    """Whether the rules have seen everything, and all that they said is in the database."""
    if running.lags.read("alerts") != 0:
        return False
    in_database = sum(running.watcher.alert_changes().values())
    return in_database >= count_alert_changes(running.settings)


def _cpu(line: Supervisor) -> dict[str, tuple[int, float | None]]:
    """Of worker and gate: how often started, and CPU seconds so far."""
    return {
        name: (line.roles[name].starts, line.roles[name].metrics().get(_CPU))
        for name in _MUST_BE_READY
    }


def _cpu_spent(
    line: Supervisor, before: dict[str, tuple[int, float | None]]
) -> tuple[float, float] | None:
    """CPU seconds of worker and gate since `before`; None where one was started again."""
    spent = []
    for name, (starts, cpu_s) in _cpu(line).items():
        starts_before, cpu_before_s = before[name]
        if starts != starts_before or cpu_s is None or cpu_before_s is None:
            return None
        spent.append(cpu_s - cpu_before_s)
    return spent[0], spent[1]
