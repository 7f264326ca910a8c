"""Producers: one thread per camera takes its ticks from its source and sends them to frames-raw.

A camera whose source fails is reported and the others go on. After a restart a camera whose run is
a file goes on behind the last tick that the broker has.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import Literal

from producers.courier import Courier, CourierLimits
from producers.edge import EdgeGates, References
from producers.fleet import Fleet
from producers.landed.landings import Landings
from producers.landed.settings import LANDED
from producers.outlet import STAGE, LiveOutlet, PatientOutlet
from producers.settings import CameraSettings, ProduceSettings, SpoolSettings
from producers.source_settings import LIVE
from producers.spool import Spool, Tick
from producers.tail import Tail, read_broker
from producers.threads import CameraThread, Hand, PatientHand, camera_thread
from runtime.context import Context
from runtime.errors import FatalError, Unreachable
from runtime.sender import Sender
from runtime.topics import check_topics
from vision.gate import GateRule

log = logging.getLogger("onehertz.produce")

_FLUSH_S = 3600.0  # the lifecycle's deadline ends it sooner
_LAST_CHANCE_S = 5.0  # for what else stays on disk
_MOMENT_S = 0.2  # for acknowledgements where there are recordings alone


def run_produce(
    context: Context,
    settings: ProduceSettings,
    cameras: Mapping[str, CameraSettings],
    changed: Callable[[], Mapping[str, CameraSettings] | None] = lambda: None,
    rule: GateRule | None = None,
) -> None:
    """Run all cameras until their sources end or `context.stop` is requested.

    `changed`: the cameras anew, once after each change of them; asked a few times a second.
    `rule`: what cameras gate by that do so here; None: the line has no gate. Raises UserError;
    FatalError when Kafka refuses a message, or when a camera's source failed (after the others have
    ended).
    """
    all_live = all(isinstance(one.source, LIVE) for one in cameras.values())
    _check_topic(context, may_be_away=all_live)
    with ExitStack() as opened:
        gates = EdgeGates(rule, References())
        outlets = _Outlets(context, settings.spool, opened, gates.references)
        # Only recordings go on where they were.
        tail = Tail() if all_live else read_broker(context)
        counted = partial(_count_file, context)
        landings = opened.enter_context(closing(Landings(settings.ledger, tail, counted, gates)))

        def make(camera: str, one: CameraSettings) -> CameraThread:
            if isinstance(one.source, LANDED):
                return landings.camera(camera, one, one.source, outlets.patient(one))
            return camera_thread(camera, one, outlets.hand(one), tail.last_seq, gates)

        fleet = Fleet(make)
        fleet.begin(cameras)
        context.stop.on_request(fleet.close)
        context.health.assigned = True
        _serve(context, outlets, fleet, changed)
    if fleet.failures:
        names = "; ".join(map(str, fleet.failures.values()))
        raise FatalError(f"{len(fleet.failures)} of {len(cameras)} cameras failed: {names}")


class _Outlets:
    """Where ticks are handed to; that of live cameras is opened for the first of them."""

    def __init__(
        self,
        context: Context,
        settings: SpoolSettings,
        opened: ExitStack,
        references: References,
    ) -> None:
        self._context = context
        self._settings = settings
        self._opened = opened
        self._references = references
        self._patient = PatientOutlet(context)
        self._live: LiveOutlet | None = None

    def patient(self, camera: CameraSettings) -> PatientHand:
        """Of a recording."""
        return partial(self._patient.hand, signed=camera.signature)

    def hand(self, camera: CameraSettings) -> Hand:
        """Raises UserError where the spool can't be used."""
        if not isinstance(camera.source, LIVE):
            return partial(self._patient.hand, signed=camera.signature)
        if self._live is None:
            self._live = self._opened.enter_context(
                live_outlet(self._context, self._settings, self._references)
            )
        return partial(self._live.hand, signed=camera.signature)

    def serve(self) -> None:
        """Serve both for a moment; a tick that a live camera hands on ends the wait."""
        if self._live is None:
            self._patient.serve(_MOMENT_S)
            return
        self._live.wait()
        self._live.serve()
        self._patient.serve(0.0)

    def finish(self) -> None:
        """Wait for what recordings gave; keep what live cameras gave."""
        if self._live is not None:
            self._live.finish(_LAST_CHANCE_S)
        self._patient.finish(_FLUSH_S)

    @property
    def idle(self) -> bool:
        return not len(self._patient) and (self._live is None or not len(self._live))


def _check_topic(context: Context, *, may_be_away: bool) -> None:
    """Raises UserError for a topic that isn't there or isn't right, and for no broker.

    `may_be_away`: live cameras begin without a broker too, their ticks go to disk.
    """
    try:
        check_topics(context.kafka, context.line, ["frames-raw"])
    except Unreachable as error:
        if not may_be_away:
            raise
        log.warning("%s; the cameras begin without it", error)


def _serve(
    context: Context,
    outlets: _Outlets,
    fleet: Fleet,
    changed: Callable[[], Mapping[str, CameraSettings] | None],
) -> None:
    """Serve acknowledgements and health until all cameras have ended and what they gave is safe."""
    handed_before = -1
    while fleet.is_alive:
        outlets.serve()
        fleet.tend()
        cameras = changed()
        if cameras is not None and not context.stop.requested:
            fleet.change(cameras)
        context.health.beat(progressed=fleet.handed != handed_before, waiting_for_work=outlets.idle)
        handed_before = fleet.handed
    fleet.tend()
    outlets.finish()


def _count_file(context: Context, status: Literal["done", "aside"]) -> None:
    context.metrics.count("onehertz_landed_files_total", stage=STAGE, status=status)


@contextmanager
def live_outlet(
    context: Context, settings: SpoolSettings, references: References | None = None
) -> Iterator[LiveOutlet]:
    """Where live cameras hand on their ticks. Raises UserError where the spool can't be used.

    `references` is told of each picture that is given up.
    """
    references = references or References()
    spool = Spool(settings.path, settings.max_bytes)
    try:
        if spool.rows:
            log.info("%d ticks on disk from before are sent first", spool.rows)
        sender = Sender(context.kafka)
        topic = context.line.topic("frames-raw")

        def send(tick: Tick, landed: Callable[[], None]) -> None:
            sender.send(topic, tick.wire, acknowledged=lambda _: landed())

        limits = CourierLimits(
            # Half of what the client takes, so that sending never waits.
            window_bytes=context.kafka.send_buffer_bytes // 2,
            replay_per_s=settings.replay_per_s,
            max_age_us=round(settings.max_age_s * 1e6),
        )
        courier = Courier(spool, send, limits, settings.mode)
        yield LiveOutlet(context, sender, courier, references.lose)
    finally:
        spool.close()
