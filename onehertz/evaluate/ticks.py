"""A video's ticks as the line would see them: sampled, made JPEG, luma decoded, boxes detected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from inference_worker.detector import Detector
from onehertz.evaluate.judging import Tick
from producers.sampler import sample
from producers.settings import CameraSettings
from producers.sources.base import Image, SourceError, SourceFrame
from producers.sources.files import LocalFile
from producers.sources.video import VideoSource
from vision.jpeg import Luma, decode_bgr, decode_luma, encode_bgr, inspect

# As a camera's frames are encoded where nothing else is set.
_QUALITY: int = CameraSettings.model_fields["jpeg_quality"].default


@dataclass(frozen=True, slots=True)
class Phase:
    """Ticks of a video, its first one so much later than the video's first frame."""

    source: Path
    offset_us: int
    interval_us: int

    def ticks(self, detector: Detector) -> list[Tick]:
        """All of them. A tick without a picture is left out. Raises UserError: no such video."""
        found: list[Tick] = []
        pictures = self._pictures()
        while batch := list(islice(pictures, detector.backend.max_batch)):
            boxes = detector.detect([image for _, image in batch])
            found += [replace(tick, boxes=b) for (tick, _), b in zip(batch, boxes, strict=True)]
        return found

    def _pictures(self) -> Iterator[tuple[Tick, Image]]:
        numbers: dict[int, int] = {}  # of frames, by their time; of a tick's reach at most
        for taken in sample(self._frames(numbers), self.interval_us):
            if isinstance(taken.outcome, SourceError):
                continue
            try:
                image = taken.outcome.load().pixels()
            except SourceError:
                continue
            at_us = taken.outcome.media_time_us
            number = numbers[at_us]
            for other in [one for one in numbers if one < at_us]:
                del numbers[other]
            luma, seen = _as_sent(image)
            yield Tick((self.offset_us + at_us) / 1e6, number, luma, ()), seen

    def _frames(self, numbers: dict[int, int]) -> Iterator[SourceFrame]:
        for number, frame in enumerate(VideoSource(LocalFile(self.source)).frames()):
            if frame.media_time_us >= self.offset_us:
                at_us = frame.media_time_us - self.offset_us
                numbers[at_us] = number
                yield replace(frame, media_time_us=at_us)


def _as_sent(image: Image) -> tuple[Luma, Image]:
    jpeg = encode_bgr(image, _QUALITY)
    header = inspect(jpeg)
    return decode_luma(jpeg, header), decode_bgr(jpeg, header)


def phases(source: Path, interval_us: int, count: int) -> Sequence[Phase]:
    """So many, spread over one interval."""
    return [Phase(source, number * interval_us // count, interval_us) for number in range(count)]
