"""Alert rules over detections: one transaction publishes alerts, the state behind them and offsets.

The state of a camera is small, so every transaction that carries alerts carries the snapshots too:
what is published and what is remembered never differ.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Collection
from typing import Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from runtime.checkpoint import Checkpoints, CheckpointSettings, StageTopics
from runtime.context import Context
from runtime.dead_letters import FailureGuard, dead_letter
from runtime.errors import Fenced
from runtime.kafka import now_us, place_of, received
from runtime.outbox import Outbox, Output
from runtime.subscription import Place, Subscription
from runtime.topics import check_topics
from runtime.transactions import Transactions
from schemas.codec import decode_result, encode_alert, encode_snapshot
from schemas.errors import InvalidMessage
from schemas.messages import AlertRecord, Snapshot, from_us
from sinks.alerts.engine import CameraRules
from sinks.alerts.kinds import Rule
from sinks.alerts.settings import AlertsSettings

log = logging.getLogger("onehertz.alerts")

STAGE: Final = "alerts"
_TOPICS = ("detections", "alerts", "rule-state", "detections-dlq")


def run_alerts(
    context: Context,
    settings: AlertsSettings,
    checkpoint: CheckpointSettings,
    rules: Collection[Rule],
) -> None:
    """Run the role until `context.stop` is requested. Raises UserError, FatalError."""
    check_topics(context.kafka, context.line, list(_TOPICS))
    sink = _Sink(context, settings, checkpoint, rules)
    try:
        while not context.stop.requested:
            sink.turn()
        sink.checkpoint(final=True)
    finally:
        sink.close()


class _Sink:
    """Wires Kafka and the rules' engine together; decides nothing."""

    def __init__(
        self,
        context: Context,
        settings: AlertsSettings,
        checkpoint: CheckpointSettings,
        rules: Collection[Rule],
    ) -> None:
        self._context = context
        self._settings = settings
        self._interval_s = checkpoint.interval_s
        self._rules = tuple(rules)
        self._input = context.line.topic("detections")
        self._output = context.line.topic("alerts")
        self._state = context.line.topic("rule-state")
        self._group = context.line.group(STAGE)
        self._guard = FailureGuard()
        self._cameras: dict[int, dict[str, CameraRules]] = defaultdict(dict)  # by partition
        self._must_rejoin = False
        self._outbox = Outbox(checkpoint.snapshot_interval_s)
        self._checkpoint_at_s = 0.0
        self._has_alerts = False  # the batch that is being published
        self._checkpoints = Checkpoints(
            context.kafka, StageTopics(STAGE, self._group, self._input, self._state)
        )
        self._transactions = Transactions(
            context.kafka,
            context.transactional_id(STAGE),
            self._input,
            self._before_commit,
            lambda: context.health.beat(progressed=False, waiting_for_work=False),
        )
        self._subscription = self._joined()

    def turn(self) -> None:
        """Read, judge, publish what is due."""
        if self._must_rejoin:
            self._rejoin()
        messages = self._subscription.poll(self._settings.max_batch, self._interval_s)
        began_us = now_us()
        for message in messages:
            self._take(message)
        busy_s = (now_us() - began_us) / 1e6
        self._context.metrics.count("onehertz_busy_seconds_total", busy_s, stage=STAGE)
        if time.monotonic() - self._checkpoint_at_s >= self._interval_s:
            self.checkpoint()
            self._report_lag()
        self._context.health.assigned = self._subscription.is_member
        self._context.health.beat(progressed=bool(messages), waiting_for_work=not messages)

    def checkpoint(self, *, final: bool = False) -> None:
        """Publish alerts, snapshots and offsets as one. Refused: drop everything, rejoin later."""
        self._checkpoint_at_s = time.monotonic()
        with_snapshots = final or self._outbox.waiting() > 0
        batch = self._outbox.take(self._checkpoint_at_s, self._snapshot, final=with_snapshots)
        if batch is None:
            return
        self._has_alerts = any(output.topic == self._output for output in batch.outputs)
        try:
            self._transactions.commit(batch, self._subscription.group_metadata())
        except Fenced as error:
            log.warning("%s: state dropped, rejoining", error)
            self._context.metrics.count("onehertz_fenced_total", stage=STAGE)
            self._outbox.disown_all()
            self._must_rejoin = True
            return
        took_s = time.monotonic() - self._checkpoint_at_s
        self._context.metrics.observe("onehertz_commit_seconds", took_s, stage=STAGE)

    def _before_commit(self) -> None:
        if self._has_alerts:
            self._context.failpoints.passing("alerts.before-commit")

    def close(self) -> None:
        self._subscription.close()

    # ------------------------------------------------------------ records

    def _take(self, message: Message) -> None:
        place = place_of(message)
        if not self._outbox.expects(place.partition, place.offset):
            return
        self._context.metrics.count("onehertz_records_taken_total", stage=STAGE)
        try:
            record = decode_result(received(message))
        except InvalidMessage as error:
            self._outbox.add(place.partition, place.offset, None, [self._dead(message, error)])
            self._guard.failed(received(message).key, error)
            return
        self._guard.succeeded()
        cameras = self._cameras[place.partition]
        if record.camera not in cameras:
            cameras[record.camera] = CameraRules(record.camera, self._rules)
        late = self._settings.is_late(record.captured_at_us, _appended_at_us(message))
        changes = cameras[record.camera].take(
            record, partition=place.partition, offset=place.offset, late=late
        )
        outputs = [self._alert(change, place.partition) for change in changes]
        self._outbox.add(place.partition, place.offset, record.camera, outputs)
        # Whether or not it has changed an alert.
        self._context.metrics.observe_tick(
            record.stages, now_us(), stage=STAGE, before="infer", is_last=True
        )

    def _report_lag(self) -> None:
        done = {(self._input, number): at for number, at in self._outbox.positions.items()}
        for (_, number), lag in self._subscription.lag(done).items():
            self._context.metrics.set(
                "onehertz_lag_records", lag, stage=STAGE, partition=str(number)
            )

    def _alert(self, alert: AlertRecord, partition: int) -> Output:
        change = type(alert).__name__.lower()
        self._context.metrics.count("onehertz_alerts_total", rule=alert.rule, change=change)
        log.info("%s %s on %s at %s", alert.rule, change, alert.camera, alert.at.isoformat())
        return Output(self._output, partition, encode_alert(alert))

    def _dead(self, message: Message, error: InvalidMessage) -> Output:
        origin = place_of(message)
        self._context.metrics.count("onehertz_dead_letters_total", stage=STAGE, reason=error.reason)
        log.warning("%s[%d]@%d to the dead letters: %s", *origin, error)
        raw = received(message)
        topic, wire = dead_letter(origin, raw.key, raw.value, raw.headers, STAGE, error)
        return Output(topic, origin.partition, wire)

    def _snapshot(self, camera: str, partition: int, offset: int) -> Output:
        message = Snapshot(
            camera=camera,
            stage=STAGE,
            topic=self._input,
            topic_id=self._checkpoints.input_id,
            partition=partition,
            offset=offset,
            state=self._cameras[partition][camera].state(),
        )
        return Output(self._state, partition, encode_snapshot(message, from_us(now_us())))

    # ------------------------------------------------------------ ownership

    def _joined(self) -> Subscription:
        return Subscription(
            self._context.kafka,
            self._group,
            [self._input],
            assigned=self._assigned,
            revoked=self._revoked,
            lost=self._forget,
            start_at=self._take_over,
        )

    def _take_over(self, places: list[Place]) -> dict[Place, int]:
        taken = self._checkpoints.take_over([number for _, number in places])
        for number, found in taken.items():
            self._cameras[number] = {
                camera: CameraRules(camera, self._rules, state)
                for camera, state in found.states.items()
            }
            self._outbox.own(number, start=found.start, published_to=-1)
        return {(topic, number): taken[number].start for topic, number in places}

    def _assigned(self, places: list[Place]) -> None:
        self._context.metrics.count("onehertz_rebalances_total", stage=STAGE)
        log.info("partitions +%s", ", ".join(str(number) for _, number in sorted(places)) or "none")

    def _revoked(self, places: list[Place]) -> None:
        self.checkpoint(final=True)
        self._forget(places)

    def _forget(self, places: list[Place]) -> None:
        for _, number in places:
            self._outbox.disown(number)
            self._cameras.pop(number, None)

    def _rejoin(self) -> None:
        """Leave the group without a checkpoint and come back as a new member."""
        self._must_rejoin = False
        self._cameras.clear()
        self._subscription.close()
        self._subscription = self._joined()


def _appended_at_us(message: Message) -> int:
    kind, at_ms = message.timestamp()
    return now_us() if kind == TIMESTAMP_NOT_AVAILABLE else at_ms * 1000
