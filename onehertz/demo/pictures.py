"""The best frame of each camera, with its boxes drawn: read back from frames-raw by its offset."""

from __future__ import annotations

from pathlib import Path

import psycopg
from confluent_kafka import Consumer

from onehertz.settings import Settings
from runtime.kafka import reader, received
from runtime.reading import read_all
from schemas.codec import decode_raw
from schemas.messages import Box, Captured
from sinks.sql import queries
from vision.draw import draw_boxes, write_png
from vision.jpeg import decode_bgr, inspect

_SQL = queries.load("demo.sql", "onehertz.demo")


def save_best_frames(
    settings: Settings, connection: psycopg.Connection, folder: Path
) -> dict[str, Path]:
    """One PNG per camera that has an inferred frame; where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob("*.png"):
        earlier.unlink()
    saved = {}
    consumer = reader(settings.kafka)
    try:
        best = connection.execute(_SQL["best_frames"]).fetchall()
        for camera, captured_at, partition, offset in best:
            record = _captured(consumer, settings, partition, offset)
            if record is None:
                continue
            where = {"camera": camera, "captured_at": captured_at}
            boxes = [_box(row) for row in connection.execute(_SQL["boxes"], where)]
            image = decode_bgr(record.jpeg, inspect(record.jpeg))
            saved[camera] = folder / f"{camera}.png"
            write_png(saved[camera], draw_boxes(image, boxes))
    finally:
        consumer.close()
    return saved


def _captured(
    consumer: Consumer, settings: Settings, partition: int, offset: int
) -> Captured | None:
    topic = settings.line.topic("frames-raw")
    for message in read_all(consumer, topic, partition, offset):
        record = decode_raw(received(message))
        return record if isinstance(record, Captured) else None
    return None


def _box(row: tuple[str, float, float, float, float, float]) -> Box:
    label, score, x1, y1, x2, y2 = row
    return Box(label=label, score=score, x1=x1, y1=y1, x2=x2, y2=y2)
