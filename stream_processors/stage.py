"""The gate stage over values: messages in, the outbox filled. No Kafka client, no wall clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import UTC
from types import MappingProxyType

import msgspec

from runtime.dead_letters import FailureGuard, Origin, dead_letter
from runtime.metrics import Metrics
from runtime.outbox import Outbox, Output
from runtime.recovery import Taken
from schemas.codec import (
    Received,
    decode_raw,
    decode_result,
    encode_frame,
    encode_snapshot,
    salvage,
)
from schemas.errors import DecodeError, InvalidMessage
from schemas.messages import (
    Captured,
    GatedRecord,
    Missing,
    RawRecord,
    Rejected,
    Snapshot,
    Unchanged,
    from_us,
)
from stream_processors.processor import STAGE, CameraGate
from stream_processors.scenes import Scenes
from stream_processors.settings import GateSettings
from vision.gate import UnreadableState

log = logging.getLogger("onehertz.gate")


class GateStage:
    """All cameras of this process' partitions."""

    def __init__(
        self,
        settings: GateSettings,
        outbox: Outbox,
        metrics: Metrics,
        now_us: Callable[[], int],
        topics: dict[str, str],
        ungated: Collection[str] = (),
        magnified: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Every frame of the `ungated` cameras is kept; those of the `magnified` ones go on so many
        times larger.

        `topics` maps the names frames-raw, frames-gated and gate-state to those on the broker.

        `now_us` gives µs since 1970: it only dates outputs and decides nothing.
        """
        self._settings = settings
        self._ungated = frozenset(ungated)
        self._magnified = magnified
        self._outbox = outbox
        self._metrics = metrics
        self._now_us = now_us
        self._topics = topics
        self._guard = FailureGuard()
        self._cameras: dict[str, CameraGate] = {}
        self._scenes = Scenes(metrics)
        self._partitions: dict[str, int] = {}  # on which each camera's ticks come
        self.input_id = ""

    def own(self, partition: int, taken: Taken) -> None:
        """Go on with a partition where its last owner's checkpoint ended."""
        for camera, state in taken.states.items():
            try:
                self._add(camera, partition, state)
            except UnreadableState as error:
                # The next frame is kept as the camera's first: that costs one inference.
                log.warning("%s: state dropped, it starts anew: %s", camera, error)
        self._outbox.own(
            partition,
            start=taken.start,
            published_to=taken.published_to,
            feedback=taken.feedback,
        )
        self._metrics.set("onehertz_cameras", len(self._cameras), stage=STAGE)

    def disown_all(self) -> None:
        """Forget all state: it belongs to whoever has the partitions now."""
        self._cameras.clear()
        self._scenes.forget_all()
        self._partitions.clear()
        self._outbox.disown_all()
        self._metrics.set("onehertz_cameras", 0, stage=STAGE)

    def take(self, message: Received, origin: Origin, appended_at_us: int) -> None:
        """Work on one message of frames-raw.

        Raises TooManyFailures. Messages of partitions that are not owned, and ones that were
        worked on before, change nothing.
        """
        if not self._outbox.expects(origin.partition, origin.offset):
            return
        self._metrics.count("onehertz_records_taken_total", stage=STAGE)
        try:
            record = decode_raw(message)
        except DecodeError as error:
            rejected = salvage(message, error)
            if rejected is None:
                letter = self._dead(message, origin, error)
                self._add_work(message, origin, None, [letter])
                self._guard.failed(message.key, error)
            else:
                self._decide(rejected, message, origin, appended_at_us, broken=error)
            return
        self._decide(record, message, origin, appended_at_us)

    def learn(self, message: Received, origin: Origin) -> None:
        """Take one message of detections: what the detector saw may teach its camera's gate.

        One that is of no use changes nothing and is counted: whoever stores it says what is wrong.
        """
        if not self._outbox.expects_feedback(origin.partition, origin.offset):
            return
        camera = self._learn(message, origin.partition) if _says_what_was_seen(message) else None
        self._outbox.add_feedback(origin.partition, origin.offset, camera)

    def _learn(self, message: Received, partition: int) -> str | None:
        """The camera whose gate has learnt from the message, if one has."""
        try:
            record = decode_result(message)
        except DecodeError:
            self._count_feedback("unusable")
            return None
        if record.camera in self._ungated:
            return None
        # A snapshot is of one partition: feedback that comes on another can't go with it.
        is_mine = self._partitions.get(record.camera) == partition
        if is_mine and self._cameras[record.camera].learn(record):
            self._count_feedback("learnt")
            return record.camera
        # Of the rejected frames most were never kept.
        if not isinstance(record, Rejected):
            self._count_feedback("forgotten")
        return None

    def _count_feedback(self, result: str) -> None:
        self._metrics.count("onehertz_gate_feedback_total", result=result)

    def _decide(
        self,
        record: RawRecord | Rejected,
        message: Received,
        origin: Origin,
        appended_at_us: int,
        *,
        broken: DecodeError | None = None,
    ) -> None:
        """`broken`: why the message does not decode; then `record` is what is left of it."""
        camera = self._camera(record.camera, origin.partition)
        outcome = camera.take(
            record,
            appended_at_us=appended_at_us,
            raw_offset=origin.offset,
            took_us=self._now_us(),
            repeated=self._outbox.is_published(origin.partition, origin.offset),
        )
        if outcome.fell_back:
            self._metrics.count("onehertz_signature_fallbacks_total", stage=STAGE)
        if isinstance(record, Captured):
            self._scenes.tell(record.camera, outcome.scene)
        outputs = []
        if outcome.record is not None:
            outputs.append(self._output(outcome.record, origin.partition))
        elif outcome.dead is None:
            self._metrics.count("onehertz_repeats_total", stage=STAGE)
        error = broken or outcome.dead
        if error is not None:
            outputs.append(self._dead(message, origin, error))
        # No snapshot where nothing went on: one beside an output topic that still ends with records
        # of an earlier frames-raw would make those look like what was published of this one.
        moved = None if outcome.record is None else record.camera
        self._add_work(message, origin, moved, outputs)
        if error is not None:
            self._guard.failed(message.key, error)
        else:
            self._guard.succeeded()

    def _add_work(
        self, message: Received, origin: Origin, moved: str | None, outputs: list[Output]
    ) -> None:
        size = len(message.value or b"")
        self._outbox.add(origin.partition, origin.offset, moved, outputs, size)

    def _camera(self, name: str, partition: int) -> CameraGate:
        if name not in self._cameras:
            self._add(name, partition, None)
            self._metrics.set("onehertz_cameras", len(self._cameras), stage=STAGE)
        return self._cameras[name]

    def _add(self, camera: str, partition: int, state: bytes | None) -> None:
        """Raises UnreadableState."""
        ungated = camera in self._ungated
        settings = self._settings.without_gate() if ungated else self._settings
        settings = settings.magnified(self._magnified.get(camera, 1))
        self._cameras[camera] = CameraGate(camera, settings, state)
        self._partitions[camera] = partition

    def _output(self, record: GatedRecord, partition: int) -> Output:
        took_us, _ = record.stages[STAGE]
        now_us = self._now_us()
        stages = record.stages | {STAGE: (took_us, now_us)}
        self._metrics.count("onehertz_records_given_total", stage=STAGE, status=record.status)
        self._metrics.count("onehertz_busy_seconds_total", (now_us - took_us) / 1e6, stage=STAGE)
        self._metrics.observe_tick(record.stages, now_us, stage=STAGE, before="produce")
        record = msgspec.structs.replace(record, stages=stages)
        return Output(self._topics["frames-gated"], partition, encode_frame(record, STAGE))

    def _dead(self, message: Received, origin: Origin, error: InvalidMessage) -> Output:
        self._metrics.count("onehertz_dead_letters_total", stage=STAGE, reason=error.reason)
        log.warning("%s[%d]@%d to the dead letters: %s", *origin, error)
        topic, wire = dead_letter(origin, message.key, message.value, message.headers, STAGE, error)
        return Output(topic, origin.partition, wire)

    def snapshot(self, camera: str, partition: int, offset: int) -> Output:
        """A camera's state after all input before `offset`, as a message for gate-state."""
        message = Snapshot(
            camera=camera,
            stage=STAGE,
            topic=self._topics["frames-raw"],
            topic_id=self.input_id,
            partition=partition,
            offset=offset,
            state=self._cameras[camera].state(),
        )
        wire = encode_snapshot(message, from_us(self._now_us()).astimezone(UTC))
        return Output(self._topics["gate-state"], partition, wire)


def _says_what_was_seen(message: Received) -> bool:
    """Whether it can be of use to a gate: nine in ten are *unchanged* and need no decoding."""
    kinds = [value for name, value in message.headers or () if name == "ce_type"]
    return kinds not in ([Unchanged.type.encode()], [Missing.type.encode()])
