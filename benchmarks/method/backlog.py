"""Records for the stages to work through: the same ones for the same arguments, in any process."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any

from producers.sources.street import StreetSource
from runtime.kafka import KafkaSettings
from runtime.sender import Sender
from schemas.codec import encode_frame
from schemas.messages import Box, Captured, FrameRecord, Inferred, Kept, Unchanged, frame_id, to_us
from schemas.wire import Stage
from vision.jpeg import Bgr, decode_luma, encode_bgr, inspect
from vision.signature import encode_signature

CAMERAS = 100
WIDTH, HEIGHT = 640, 480
FRAME_BYTES = 30_000
_SCENES, _TICKS_PER_SCENE = 8, 8
_LARGEST_MISS = 0.1  # of FRAME_BYTES, for the mean of all pictures
_STAGES = ("produce", "gate", "infer")
_LABELS = ("person", "car", "bicycle", "dog")
_FLUSH_S = 120.0


def pictures() -> list[bytes]:
    """64 JPEGs of 640x480, 30 kB on the mean: eight ticks of each of eight streets.

    Raises ValueError where no quality gives that size.
    """
    streets = [StreetSource(seed=seed, activity=0.5, noise=4.0) for seed in range(_SCENES)]
    images = [
        street.render(60 + tick) for street, tick in product(streets, range(_TICKS_PER_SCENE))
    ]
    quality = _quality_for(images[::_TICKS_PER_SCENE])
    return [encode_bgr(image, quality) for image in images]


def _quality_for(images: Sequence[Bgr]) -> int:
    def miss(quality: int) -> float:
        mean = sum(len(encode_bgr(image, quality)) for image in images) / len(images)
        return abs(mean / FRAME_BYTES - 1)

    best = min(range(30, 100), key=miss)
    if miss(best) > _LARGEST_MISS:
        raise ValueError(f"the streets can't be encoded to {FRAME_BYTES} bytes")
    return best


def signatures(jpegs: Sequence[bytes]) -> list[bytes | None]:
    """What a producer would send beside each picture; None: it does not fit."""
    return [encode_signature(decode_luma(jpeg, inspect(jpeg))) for jpeg in jpegs]


def captured(
    jpegs: Sequence[bytes],
    count: int,
    began_at: datetime,
    cameras: int = CAMERAS,
    signatures: Sequence[bytes | None] | None = None,
) -> Iterator[Captured]:
    """`count` frames of 100 cameras, or so many, for frames-raw, one second after the other.

    Each camera shows one of the streets, its eight ticks over and over. `signatures`: one for each
    of the `jpegs`.
    """
    for tick in _ticks(count, began_at, cameras):
        scene = int(tick["camera"][3:]) % _SCENES
        number = scene * _TICKS_PER_SCENE + tick["seq"] % _TICKS_PER_SCENE
        yield Captured(
            **tick,
            jpeg=jpegs[number],
            signature=signatures[number] if signatures else None,
            stages={"produce": _times(tick, 0)},
        )


def kept(jpegs: Sequence[bytes], count: int, began_at: datetime) -> Iterator[Kept]:
    """The same as kept frames for frames-gated."""
    for record in captured(jpegs, count, began_at):
        tick = {name: getattr(record, name) for name in _TICK}
        stages = record.stages | {"gate": _times(tick, 1)}
        yield Kept(
            **tick, jpeg=record.jpeg, because="changed", score=9.5, raw_offset=1, stages=stages
        )


def results(count: int, began_at: datetime) -> Iterator[Inferred | Unchanged]:
    """`count` records for detections: each third one inferred, with nought to six boxes."""
    chance = random.Random(1)  # noqa: S311 # only to vary the boxes
    reference: dict[str, str] = {}
    for tick in _ticks(count, began_at):
        camera = tick["camera"]
        common = tick | {
            "raw_offset": tick["seq"],
            "gated_offset": tick["seq"],
            "stages": {
                name: _times(tick, n) for n, name in enumerate(("produce", "gate", "infer"))
            },
        }
        if tick["seq"] % 3:
            yield Unchanged(**common, same_as=reference[camera], score=1.25)
            continue
        reference[camera] = frame_id(camera, to_us(tick["captured_at"]))
        boxes = tuple(_box(chance) for _ in range(chance.randrange(7)))
        yield Inferred(**common, model="bench", boxes=boxes, because="changed", score=9.5)


def send(records: Iterable[FrameRecord], stage: Stage, kafka: KafkaSettings, topic: str) -> None:
    """Puts records onto a topic, and returns when the broker has them all."""
    sender = Sender(kafka)
    for record in records:
        sender.send(topic, encode_frame(record, stage))
    if left := sender.flush(_FLUSH_S):
        raise TimeoutError(f"{left} records of the backlog were not acknowledged")


_TICK = ("camera", "captured_at", "run", "seq", "width", "height")


def _ticks(count: int, began_at: datetime, cameras: int = CAMERAS) -> Iterator[dict[str, Any]]:
    for number in range(count):
        seq, camera = divmod(number, cameras)
        moment = began_at + timedelta(seconds=seq)
        values = (f"cam{camera:03}", moment, "bench", seq, WIDTH, HEIGHT)
        yield dict(zip(_TICK, values, strict=True))


def _times(tick: dict[str, Any], stages_before: int) -> tuple[int, int]:
    """A stage's times: 100 ms for itself, 100 ms more on the way to the next one."""
    took_us = to_us(tick["captured_at"]) + stages_before * 200_000
    return took_us, took_us + 100_000


def _box(chance: random.Random) -> Box:
    x1, y1 = (round(chance.uniform(0, 0.8), 5) for _ in range(2))
    return Box(
        label=chance.choice(_LABELS),
        score=round(chance.uniform(0.4, 1), 4),
        x1=x1, y1=y1, x2=round(x1 + 0.1, 5), y2=round(y1 + 0.2, 5),
    )  # fmt: skip
