"""A video's ticks as the line would see them: sampled, made JPEG, luma decoded, boxes detected.

A video is decoded twice, however many passes are made over its ticks: once to see which of its
frames serve them, once for those frames. What serves several passes is detected once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from onehertz.evaluate.judging import Boxes, Tick
from producers.sampler import sample
from producers.settings import CameraSettings
from producers.sources.base import Image, Picture, SourceError, SourceFrame
from producers.sources.files import LocalFile
from producers.sources.video import VideoSource
from vision.jpeg import decode_bgr, decode_luma, encode_bgr, inspect

# As a camera's frames are encoded where nothing else is set.
QUALITY: int = CameraSettings.model_fields["jpeg_quality"].default
# Frames that are held in memory and detected at a time.
_BATCH = 8


class Detecting(Protocol):
    """`inference_worker.detector.Detector`, as far as it is needed here."""

    def detect(self, images: Sequence[Image]) -> Sequence[Boxes]:
        """See `Detector.detect`."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Ticks of a video, `offset_us` later than those of the first pass, and by model what it sees.

    A tick without a picture is left out.
    """

    source: Path
    offset_us: int
    interval_us: int
    ticks: Sequence[Tick]
    seen: Mapping[str, Sequence[Boxes]]


def read(
    source: Path, interval_us: int, phases: int, detectors: Mapping[str, Detecting]
) -> list[Pass]:
    """So many passes, their first ticks spread over one interval. `detectors`: by name.

    Raises UserError where the file is no video.
    """
    times = [(frame.media_time_us, frame.damage) for frame in _frames(source)]
    offsets = [number * interval_us // phases for number in range(phases)]
    served = [_serving(times, offset_us, interval_us) for offset_us in offsets]
    ticks: dict[int, Tick] = {}
    boxes: dict[int, tuple[Boxes, ...]] = {}
    pictures = _as_sent(frames_at(source, {index for one in served for index in one}))
    while batch := list(islice(pictures, _BATCH)):
        images = [image for _, image in batch]
        seen = zip(*(detector.detect(images) for detector in detectors.values()), strict=True)
        for (tick, _), found in zip(batch, seen if detectors else [()] * len(batch), strict=True):
            ticks[tick.frame_index], boxes[tick.frame_index] = tick, found
    return [
        Pass(
            source,
            offset_us,
            interval_us,
            [ticks[index] for index in one if index in ticks],
            {
                name: [boxes[index][place] for index in one if index in ticks]
                for place, name in enumerate(detectors)
            },
        )
        for offset_us, one in zip(offsets, served, strict=True)
    ]


def frames_at(source: Path, wanted: Iterable[int]) -> Iterator[tuple[int, float, Image]]:
    """Number, time (s) and picture of the frames with these numbers; not of those without one."""
    numbers = set(wanted)
    for number, frame in enumerate(_frames(source)):
        if number in numbers:
            numbers.discard(number)
            try:
                yield number, frame.media_time_us / 1e6, frame.load().pixels()
            except SourceError:
                continue
        if not numbers:
            return


def served_at(source: Path, interval_us: int) -> list[int]:
    """Numbers of the frames that serve the ticks of the first pass."""
    times = [(frame.media_time_us, frame.damage) for frame in _frames(source)]
    return _serving(times, 0, interval_us)


def _frames(source: Path) -> Iterator[SourceFrame]:
    return VideoSource(LocalFile(source)).frames()


def _serving(
    times: Sequence[tuple[int, str | None]], offset_us: int, interval_us: int
) -> list[int]:
    """Numbers of the frames that serve the ticks of a pass, as the sampler chooses them."""
    later = [
        SourceFrame(at_us - offset_us, _not_loaded, damage)
        for at_us, damage in times
        if at_us >= offset_us
    ]
    numbers = {at_us - offset_us: number for number, (at_us, _) in enumerate(times)}
    return [
        numbers[taken.outcome.media_time_us]
        for taken in sample(later, interval_us)
        if isinstance(taken.outcome, SourceFrame)
    ]


def _not_loaded() -> Picture:
    raise SourceError("undecodable", "only its time was kept")


def _as_sent(pictures: Iterable[tuple[int, float, Image]]) -> Iterator[tuple[Tick, Image]]:
    for number, time_s, image in pictures:
        jpeg = encode_bgr(image, QUALITY)
        header = inspect(jpeg)
        luma = decode_luma(jpeg, header)
        yield Tick(time_s, number, luma, header.width, header.height), decode_bgr(jpeg, header)
