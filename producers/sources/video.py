"""Frames of a video file, at the times that the file gives them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import chain

from producers.sources.base import Frames, SourceFrame
from producers.sources.decoding import Clip, opened
from producers.sources.files import VideoFile
from producers.sources.times import MediaTimes
from runtime.errors import UserError
from schemas.messages import to_us

# Sought this much early: the pictures just before a key frame may need the one before it (open
# groups of pictures), and some containers find their place by decoding time.
SEEK_EARLY_US = 1_000_000


class VideoSource:
    """A part of a video file: media time 0 is `start_us` after the file's first frame.

    `stop_us`, after the file's first frame too, is where the part ends (exclusive).
    """

    def __init__(self, file: VideoFile, *, start_us: int = 0, stop_us: int | None = None) -> None:
        self._file = file
        self._start_us = start_us
        self._stop_us = stop_us

    @cached_property
    def identity(self) -> str:
        part = f"{self._start_us}-{'' if self._stop_us is None else self._stop_us}"
        return f"video:{self._file.identity}:{part}"

    @cached_property
    def recorded_at_us(self) -> int | None:
        """The file's own `creation_time`, plus where the part begins."""
        with opened(self._file) as clip:
            written = clip.creation_time
        try:
            moment = datetime.fromisoformat(written or "")
        except ValueError:
            return None
        if moment.tzinfo is None or moment.year < 2000:  # cameras without a clock write 1904, 1970
            return None
        return to_us(moment) + self._start_us

    def frames(self, from_us: int = 0) -> Frames:
        """As `Source.frames`; UserError where the file is no video or the part holds no frame."""
        any_frame = False
        for frame in _frames_from(self._file, self._start_us + from_us):
            if self._stop_us is not None and frame.media_time_us >= self._stop_us:
                break
            any_frame = True
            yield replace(frame, media_time_us=frame.media_time_us - self._start_us)
        if not any_frame and from_us == 0:
            raise UserError(
                f"{self._file} holds no frame in its part from {self._start_us / 1e6:g} s "
                f"to {'its end' if self._stop_us is None else f'{self._stop_us / 1e6:g} s'}"
            )

    def length_us(self) -> int:
        return self._length_us

    def close(self) -> None:
        """Nothing to let go of: each pass opens the file for itself."""

    @cached_property
    def _length_us(self) -> int:
        end_us = _end_us(self._file)
        if self._stop_us is not None:
            end_us = min(end_us, self._stop_us)
        return max(1, end_us - self._start_us)


def _frames_from(file: VideoFile, from_us: int) -> Iterator[SourceFrame]:
    """The frames at or after `from_us`, sought rather than decoded up to where that is safe."""
    with opened(file) as clip:
        origin_us = _origin_us(clip, file)
        early_us = from_us - SEEK_EARLY_US
        seekable = early_us > 0 and not clip.may_restart_its_times
        if seekable and clip.seek(origin_us + early_us):
            frames = clip.frames(MediaTimes(origin_us))
            first = next(frames, None)
            if first is not None and first.media_time_us <= from_us:
                yield from _at_or_after(from_us, chain([first], frames))
                return
    with opened(file) as clip:  # the beginning, an index that is wrong, or nothing there
        yield from _at_or_after(from_us, clip.frames(MediaTimes()))


def _at_or_after(from_us: int, frames: Iterable[SourceFrame]) -> Iterator[SourceFrame]:
    return (frame for frame in frames if frame.media_time_us >= from_us)


def _origin_us(clip: Clip, file: VideoFile) -> int:
    """Timestamp of the file's first frame. Leaves the clip standing behind it."""
    times = MediaTimes()
    if next(clip.frames(times), None) is None or times.origin_us is None:
        raise UserError(f"{file} holds no frame that can be decoded")
    return times.origin_us


def _end_us(file: VideoFile) -> int:
    """Where the file's last frame ends, after its first frame."""
    with opened(file) as clip:
        restarts, origin_us = clip.may_restart_its_times, _origin_us(clip, file)
    with opened(file) as clip:
        if not restarts:
            return clip.end_us() - origin_us
        ends = [0, 0]  # of the last two frames: the last one is taken to last as long
        for frame in clip.frames(MediaTimes()):
            ends = [ends[1], frame.media_time_us]
        return 2 * ends[1] - ends[0]
