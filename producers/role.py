"""Producers: one thread per camera takes its ticks from its source and sends them to frames-raw.

A camera whose source fails is reported and the others go on. After a restart a camera whose run is
a file goes on behind the last tick that the broker has.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaException

from producers.camera import CameraTicks, open_camera
from producers.pace import Pace
from producers.settings import CameraSettings
from runtime.context import Context
from runtime.errors import FatalError, OnehertzError
from runtime.kafka import as_fatal, now_us, reader, received
from runtime.reading import read_tail
from runtime.sender import Sender
from runtime.topics import check_topics
from schemas.codec import decode_raw, encode_frame
from schemas.errors import DecodeError
from schemas.messages import Captured, Missing

log = logging.getLogger("onehertz.produce")

STAGE: Final = "produce"
# Records per partition that are looked at for a camera's last tick. One that is not among them
# starts at its first tick again: every stage takes what it has seen before for a repeat.
_TAIL_RECORDS = 200
_FLUSH_S = 3600.0  # the lifecycle's deadline ends it sooner


def run_produce(context: Context, cameras: Mapping[str, CameraSettings]) -> None:
    """Run all cameras until their sources end or `context.stop` is requested.

    Raises UserError; FatalError when Kafka refuses a message, or when a camera's source failed
    (after the others have ended).
    """
    check_topics(context.kafka, context.line, ["frames-raw"])
    last_seqs = _last_seqs(context)
    sender = Sender(context.kafka)
    threads = [
        _CameraThread(context, sender, camera, settings, last_seqs)
        for camera, settings in cameras.items()
    ]
    for thread in threads:
        thread.start()
    context.health.assigned = True
    _watch(context, sender, threads)
    sender.flush(_FLUSH_S)
    failed = [thread for thread in threads if thread.failure is not None]
    if failed:
        names = "; ".join(str(thread.failure) for thread in failed)
        raise FatalError(f"{len(failed)} of {len(threads)} cameras failed: {names}")


def _watch(context: Context, sender: Sender, threads: list[_CameraThread]) -> None:
    """Serve acknowledgements and health until all cameras have ended."""
    sent_before = -1
    while any(thread.is_alive() for thread in threads):
        sender.poll(0.2)
        sent = sum(thread.sent for thread in threads)
        context.health.beat(progressed=sent != sent_before, waiting_for_work=len(sender) == 0)
        sent_before = sent


class _CameraThread(threading.Thread):
    """One camera, from its source to the sender's queue."""

    def __init__(
        self,
        context: Context,
        sender: Sender,
        camera: str,
        settings: CameraSettings,
        last_seqs: Mapping[tuple[str, str], int],
    ) -> None:
        super().__init__(name=camera, daemon=True)
        self.failure: OnehertzError | None = None
        self.sent = 0
        self._context = context
        self._sender = sender
        self._settings = settings
        self._last_seqs = last_seqs
        self._topic = context.line.topic("frames-raw")

    def run(self) -> None:
        try:
            self._run()
        except OnehertzError as error:
            log.error("%s", error)
            self.failure = error

    def _run(self) -> None:
        ticks = open_camera(self.name, self._settings, now_us)
        try:
            first = self._last_seqs.get((self.name, ticks.run), -1) + 1
            if first:
                log.info("%s: going on at tick %d", self.name, first)
                ticks.skip_to(first)
            self._send_all(ticks, first)
        finally:
            ticks.close()

    def _send_all(self, ticks: CameraTicks, first: int) -> None:
        started_us = time.monotonic_ns() // 1000
        pace = Pace(self._settings.interval_us, self._settings.speed, started_us, first)
        records = iter(ticks)
        # Wait first, then take: a frame that waits here would be sent old.
        for seq in itertools.count(first):
            wait_us = pace.wait_us(seq, time.monotonic_ns() // 1000)
            if self._is_over(seq) or self._context.stop.wait(wait_us / 1e6):
                break
            record = next(records, None)
            if record is None:
                break
            self._send(record)
        log.info("%s: ended after %d ticks", self.name, first + self.sent)

    def _is_over(self, seq: int) -> bool:
        stop_after_s = self._settings.stop_after_s
        return stop_after_s is not None and seq * self._settings.interval_us >= stop_after_s * 1e6

    def _send(self, record: Captured | Missing) -> None:
        took_us, gave_us = record.stages[STAGE]
        self._sender.send(self._topic, encode_frame(record, STAGE))
        self.sent += 1
        metrics = self._context.metrics
        metrics.count("onehertz_records_given_total", stage=STAGE, status=record.status)
        metrics.count("onehertz_busy_seconds_total", (gave_us - took_us) / 1e6, stage=STAGE)


def _last_seqs(context: Context) -> dict[tuple[str, str], int]:
    """The last tick that the broker has, by camera and run, as far as the topic's ends show it."""
    found: dict[tuple[str, str], int] = {}
    consumer = reader(context.kafka)
    topic = context.line.topic("frames-raw")
    try:
        for partition in range(context.line.partitions):
            for message in read_tail(consumer, topic, partition, _TAIL_RECORDS):
                try:
                    record = decode_raw(received(message))
                except DecodeError:
                    continue  # the gate writes its dead letter
                key = (record.camera, record.run)
                found[key] = max(record.seq, found.get(key, -1))
    except KafkaException as error:
        raise as_fatal(error, f"reading the end of {topic}") from None
    finally:
        consumer.close()
    return found
