"""One long-running command per role. Each stops cleanly on SIGTERM."""

from __future__ import annotations

import faulthandler
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from onehertz.cli.options import settings_watch, with_settings
from onehertz.settings import Settings
from producers.settings import CameraSettings
from runtime.context import Context
from runtime.environment import FAILPOINT
from runtime.errors import UserError
from runtime.failpoints import Failpoints
from runtime.health import Health, HealthServer
from runtime.kafka import wait_for_kafka
from runtime.lifecycle import Stop, hangups, leave, run_role
from runtime.logs import configure
from runtime.metrics import Metrics
from runtime.settings import secrets_in
from runtime.systemd import Systemd

if TYPE_CHECKING:
    from inference_worker.detector import Detector

log = logging.getLogger("onehertz")

slot_option = click.option(
    "--slot",
    metavar="NAME",
    help="Names this process among its role's, the same after a restart: then a killed one is "
    "replaced in about a second. Two running processes must not share one.",
)


def _run(
    name: str,
    settings: Settings,
    slot: str | None,
    role: Callable[[Context], None],
    stages_told: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run a role with everything around it; ends the command with the role's exit code."""
    configure(settings.log, name, secrets_in(settings))
    failpoints = Failpoints(os.environ.get(FAILPOINT))
    metrics = Metrics(stages_told)
    health = Health(settings.health.stalled_after_s)

    def run(stop: Stop) -> None:
        server = HealthServer(settings.health, health, metrics) if _wants(settings) else None
        if server is not None:
            log.info("health on http://%s:%d/readyz", settings.health.host, server.port)
        try:
            with Systemd(health, stop, os.environ) as told:
                if told.is_watched:
                    faulthandler.enable()  # says where a loop stood when the watchdog ends it
                kafka, line = settings.kafka, settings.line
                if settings.lifecycle.wait_for_kafka and not wait_for_kafka(kafka, stop.wait):
                    return
                role(Context(kafka, line, stop, metrics, health, slot, failpoints))
        finally:
            if server is not None:
                server.close()

    code = run_role(run, drain_deadline_s=settings.lifecycle.drain_deadline_s)
    raise click.exceptions.Exit(code)


def _wants(settings: Settings) -> bool:
    return settings.health.port is not None


@click.command(epilog="Example: onehertz produce --config onehertz.yaml --camera north")
@with_settings
@click.option("--camera", "chosen", multiple=True, help="Only this camera. Repeatable.")
@click.option("--check", is_flag=True, help="Try every camera once, print what it sends, end.")
@click.option(
    "--thumbnails",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --check: a frame of each camera, as it would be sent, into this folder.",
)
@click.option("--json", "as_json", is_flag=True, help="With --check: one JSON object per camera.")
def produce(
    settings: Settings,
    chosen: tuple[str, ...],
    check: bool,
    thumbnails: Path | None,
    as_json: bool,
) -> None:
    """Push one frame a second of each camera to Kafka.

    With --check the exit code is 1 if a camera gives no frame.
    """
    from producers.role import run_produce

    unknown = set(chosen) - settings.cameras.keys()
    if unknown:
        raise UserError(f"--camera: not in the settings: {', '.join(sorted(unknown))}")

    def cameras_of(current: Settings) -> dict[str, CameraSettings]:
        return {c: s for c, s in current.cameras.items() if not chosen or c in chosen}

    cameras = cameras_of(settings)
    if not cameras:
        raise UserError("cameras: there are none; add one to onehertz.yaml, see the README")
    if check:
        from onehertz.cli.camera_check import print_checks

        configure(settings.log, "produce", secrets_in(settings))
        raise click.exceptions.Exit(0 if print_checks(cameras, thumbnails, as_json) else 1)
    watch = settings_watch()

    def changed() -> dict[str, CameraSettings] | None:
        current = watch.changed()
        if current is None:
            return None
        # The log hides what the new settings keep secret, and the old ones too.
        configure(settings.log, "produce", [*secrets_in(settings), *secrets_in(current)])
        return cameras_of(current)

    rule = settings.gate.rule() if settings.gate.enabled else None
    _run(
        "produce",
        settings,
        None,
        lambda context: run_produce(context, settings.produce, cameras, changed, rule),
    )


@click.command(epilog="Example: onehertz gate --slot gate-1")
@with_settings
@slot_option
def gate(settings: Settings, slot: str | None) -> None:
    """Drop near-duplicate frames, downscale the rest."""
    from stream_processors.role import run_gate

    _run(
        "gate",
        settings,
        slot,
        lambda context: run_gate(
            context, settings.gate, settings.checkpoint, settings.ungated, settings.magnified
        ),
    )


@click.command(epilog="Example: onehertz infer --set infer.max_batch=16")
@with_settings
@click.option(
    "--challenger",
    metavar="NAME",
    help="Try a model beside the one that serves: its boxes go to detections-NAME, from there to "
    "SQL, and nowhere else. NAME is in line.challengers.",
)
@click.option("--model", help="With --challenger: the model on trial.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.1,
    show_default=True,
    help="With --challenger: of the frames that it looks at, drawn by their identity.",
)
@click.option(
    "--wait-for-asset",
    "awaited",
    metavar="NAME",
    multiple=True,
    help="Start when another process (`onehertz assets fetch`) has it in the same cache; more than "
    "one may be given.",
)
def infer(
    settings: Settings,
    challenger: str | None,
    model: str | None,
    share: float,
    awaited: tuple[str, ...],
) -> None:
    """Detect objects on what the gate kept, in batches.

    When the settings' section infer, or a file of the model, is edited, or on SIGHUP, the model is
    loaded and tested beside the one that serves, and takes its place if it passes.
    """
    from inference_worker.admission.trial import Previous, nothing_before
    from inference_worker.loading import load_detector, model_files
    from inference_worker.loop.challenger import challenge
    from inference_worker.loop.opening import Opening
    from inference_worker.loop.swap import ModelSwap
    from inference_worker.role import run_infer
    from inference_worker.settings import InferSettings
    from onehertz.assets import path_of, user_cache, wait_for

    on_trial = None
    if challenger is not None:
        on_trial = challenge(challenger, share, model, settings.infer, settings.line)
    _check_model_is_a_challengers(model, challenger)
    # Its figures must not be taken for those of the workers that serve.
    told = "challenger" if on_trial else "infer"
    watch = settings_watch()

    def ours(current: Settings) -> InferSettings:
        return on_trial.settings(current.infer) if on_trial else current.infer

    def edited() -> InferSettings | None:
        current = watch.changed()
        if current is None:
            return None
        configure(settings.log, told, [*secrets_in(settings), *secrets_in(current)])
        return ours(current)

    def load(wanted: InferSettings, previous: Previous = nothing_before) -> Detector:
        wait_for(awaited)
        return load_detector(wanted, path_of, path_of, user_cache(), previous)

    first = ours(settings)
    opening = Opening(lambda: load(first))
    swap = ModelSwap(load, first, model_files, hangups(), edited)

    def role(context: Context) -> None:
        detector = opening.detector(context.stop, context.health)
        if detector is not None:
            run_infer(context, first, detector, swap, on_trial, settings.grids)

    try:
        _run(told, settings, None, role, {"infer": told})
    except click.exceptions.Exit as ended:
        if opening.is_left or swap.is_loading:
            leave(ended.exit_code)
        raise


def _check_model_is_a_challengers(model: str | None, challenger: str | None) -> None:
    if model is not None and challenger is None:
        raise UserError(f"--model: is a challenger's; what serves: --set infer.model={model}")


@click.group()
def sink() -> None:
    """Write rows, raise alerts."""


@sink.command(epilog="Example: onehertz sink sql --set sql.host=db --set sql.user=onehertz")
@with_settings
def sql(settings: Settings) -> None:
    """Write detections and alerts to PostgreSQL or TimescaleDB."""
    from sinks.sql.role import run_sql

    _run("sql", settings, None, lambda context: run_sql(context, settings.sql))


@sink.command(epilog="Example: onehertz sink alerts --slot alerts-1")
@with_settings
@slot_option
def alerts(settings: Settings, slot: str | None) -> None:
    """Judge detections by the rules, publish alerts."""
    from sinks.alerts.role import run_alerts

    _run(
        "alerts",
        settings,
        slot,
        lambda context: run_alerts(context, settings.alerts, settings.checkpoint, settings.rules),
    )
