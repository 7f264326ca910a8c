"""Producers: one thread per camera takes its ticks from its source and sends them to frames-raw.

A camera whose source fails is reported and the others go on. After a restart a camera whose run is
a file goes on behind the last tick that the broker has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaException

from producers.settings import CameraSettings
from producers.threads import CameraThread, camera_thread
from runtime.context import Context
from runtime.errors import FatalError
from runtime.kafka import as_fatal, reader, received
from runtime.reading import read_tail
from runtime.sender import Sender
from runtime.topics import check_topics
from schemas.codec import decode_raw, encode_frame
from schemas.errors import DecodeError
from schemas.messages import Captured, Missing

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
    outlet = _Outlet(context)
    threads = [
        camera_thread(camera, settings, outlet.hand, lambda *run: last_seqs.get(run, -1))
        for camera, settings in cameras.items()
    ]
    for thread in threads:
        thread.start()
        context.stop.on_request(thread.close)
    context.health.assigned = True
    outlet.serve(threads)
    outlet.sender.flush(_FLUSH_S)
    failed = [thread for thread in threads if thread.failure is not None]
    if failed:
        names = "; ".join(str(thread.failure) for thread in failed)
        raise FatalError(f"{len(failed)} of {len(threads)} cameras failed: {names}")


class _Outlet:
    """From the cameras' threads to the topic."""

    def __init__(self, context: Context) -> None:
        self.sender = Sender(context.kafka)
        self._context = context
        self._topic = context.line.topic("frames-raw")

    def hand(self, record: Captured | Missing) -> None:
        """Queue a tick; waits while the queue is full. Raises FatalError as `Sender.send` does."""
        took_us, gave_us = record.stages[STAGE]
        self.sender.send(self._topic, encode_frame(record, STAGE))
        metrics = self._context.metrics
        metrics.count("onehertz_records_given_total", stage=STAGE, status=record.status)
        metrics.count("onehertz_busy_seconds_total", (gave_us - took_us) / 1e6, stage=STAGE)

    def serve(self, threads: list[CameraThread]) -> None:
        """Serve acknowledgements and health until all cameras have ended."""
        handed_before = -1
        while any(thread.is_alive() for thread in threads):
            self.sender.poll(0.2)
            handed = sum(thread.handed for thread in threads)
            self._context.health.beat(
                progressed=handed != handed_before, waiting_for_work=len(self.sender) == 0
            )
            handed_before = handed


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
