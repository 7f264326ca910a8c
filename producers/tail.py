"""What the broker has of a producer's cameras, as far as the end of frames-raw shows it."""

from __future__ import annotations

from confluent_kafka import KafkaException

from runtime.context import Context
from runtime.kafka import as_fatal, reader, received
from runtime.reading import read_tail
from schemas.codec import decode_raw
from schemas.errors import DecodeError
from schemas.messages import RawRecord

# Records per partition that are looked at for a camera's last tick. One that is not among them
# starts at its first tick again: every stage takes what it has seen before for a repeat.
_RECORDS = 200


class Tail:
    """The last ticks of cameras and their runs."""

    def __init__(self) -> None:
        self._last_seq: dict[tuple[str, str], int] = {}
        self._last_captured_us: dict[str, int] = {}

    def note(self, record: RawRecord) -> None:
        """A record of the broker."""
        key = record.camera, record.run
        self._last_seq[key] = max(record.seq, self._last_seq.get(key, -1))
        last_us = self._last_captured_us.get(record.camera, record.captured_at_us)
        self._last_captured_us[record.camera] = max(record.captured_at_us, last_us)

    def last_seq(self, camera: str, run: str) -> int:
        """-1 for none."""
        return self._last_seq.get((camera, run), -1)

    def last_captured_us(self, camera: str) -> int | None:
        """Capture time of a camera's last tick, of any run, µs since 1970."""
        return self._last_captured_us.get(camera)


def read_broker(context: Context) -> Tail:
    """Raises FatalError where the broker can't be read."""
    tail = Tail()
    consumer = reader(context.kafka)
    topic = context.line.topic("frames-raw")
    try:
        for partition in range(context.line.partitions):
            for message in read_tail(consumer, topic, partition, _RECORDS):
                try:
                    tail.note(decode_raw(received(message)))
                except DecodeError:
                    continue  # the gate writes its dead letter
    except KafkaException as error:
        raise as_fatal(error, f"reading the end of {topic}") from None
    finally:
        consumer.close()
    return tail
