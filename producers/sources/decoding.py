"""One open video file: its packets decoded to timed frames, past whatever is damaged."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from typing import BinaryIO

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from producers.sources.base import Frames, Image, Picture, SourceError, SourceFrame, damaged_frame
from producers.sources.files import VideoFile
from producers.sources.times import MediaTimes
from runtime.errors import UserError

# FFmpeg reads any text file as a "video" of a terminal.
NO_VIDEO_FORMATS = frozenset({"tty", "bin", "xbin", "adf", "idf"})
AVFMT_TS_DISCONT = 0x0200  # libavformat/avformat.h: "format allows timestamp discontinuities"
# Reads that fail without one that succeeds, after which the rest of a file is given up.
UNREADABLE_PACKETS = 100


class Clip:
    """An open video file. `frames()` goes on from where the file stands; `seek` moves it."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        self._container = container
        self._stream = stream
        # One thread: frames come out with no delay, the same ones each time, and as many cameras
        # as there are cores don't fight over them.
        stream.codec_context.thread_count = 1

    @property
    def may_restart_its_times(self) -> bool:
        """Of this container format: then a place in the file can't be sought by its time."""
        return bool(self._container.format.flags & AVFMT_TS_DISCONT)

    @property
    def creation_time(self) -> str | None:
        """When the file says that it was recorded, as it is written there."""
        tags = self._stream.metadata, self._container.metadata
        return next((tag["creation_time"] for tag in tags if "creation_time" in tag), None)

    def frames(self, times: MediaTimes) -> Frames:
        """Frames in order of media time; a damaged one as its mark, at the time of its packet."""
        damage = _Damage(times)
        for packet in self._packets():
            try:
                decoded = packet.decode()
            except av.error.FFmpegError as error:
                damage.note(packet.pts, packet.time_base, error.strerror or "not decodable")
                continue
            for frame in decoded:
                if frame.is_corrupt:
                    damage.note(frame.pts, frame.time_base, "the picture is damaged")
                    continue
                media_us = times.place(frame.pts, frame.dts, frame.time_base, frame.duration)
                if media_us is not None:
                    yield from damage.before(media_us)
                    yield SourceFrame(media_us, partial(picture_of, frame))
        yield from damage.before(None)

    def seek(self, stamp_us: int) -> bool:
        """Go to the last key frame at or before a timestamp of the file; False: it can't be."""
        time_base = self._stream.time_base or Fraction(1, 1_000_000)
        offset = int(Fraction(stamp_us, 1_000_000) / time_base)
        try:
            self._container.seek(offset, stream=self._stream, backward=True)
        except av.error.FFmpegError:
            return False
        return True

    def end_us(self) -> int:
        """End of the last frame by its packet, as a timestamp of the file. Reads it to its end."""
        end = Fraction(0)
        for packet in self._packets():
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and packet.time_base:
                end = max(end, (stamp + max(1, packet.duration or 0)) * packet.time_base)
        return round(end * 1_000_000)

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        failures = 0
        while failures < UNREADABLE_PACKETS:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    yield packet
            except av.error.FFmpegError:
                failures += 1
            else:
                return


@contextmanager
def opened(file: VideoFile) -> Iterator[Clip]:
    """A video file, open for reading. Raises UserError where it is none."""
    with file.opened() as content, _container(file, content) as container:
        if container.format.name in NO_VIDEO_FORMATS or not container.streams.video:
            raise UserError(f"{file} holds no video")
        stream = container.streams.video[0]
        if stream.codec_context is None:  # its stub says otherwise; seen with a damaged codec tag
            raise UserError(f"{file} holds a video in a coding that is not known here")
        yield Clip(container, stream)


def _container(file: VideoFile, content: str | BinaryIO) -> InputContainer:
    try:
        # A playlist inside the file must not make us open other hosts.
        return av.open(
            content, "r", options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(f"{file} can't be read as a video: {error.strerror}") from error


class _Damage:
    """Frames that could not be decoded, put in order of time among those that could.

    A damaged P frame is read before good B frames that are shown before it.
    """

    def __init__(self, times: MediaTimes) -> None:
        self._times = times
        self._waiting: list[tuple[int, str]] = []  # heap, by media time
        self._given_us = -1

    def note(self, pts: int | None, time_base: Fraction | None, detail: str) -> None:
        origin_us = self._times.origin_us
        if pts is None or not time_base or origin_us is None:
            return  # nobody can say when it would have been shown
        heapq.heappush(self._waiting, (round(pts * time_base * 1_000_000) - origin_us, detail))

    def before(self, media_us: int | None) -> Iterator[SourceFrame]:
        """Marks of what lies before a good frame; of all that is left for None."""
        while self._waiting and (media_us is None or self._waiting[0][0] <= media_us):
            at_us, detail = heapq.heappop(self._waiting)
            if self._given_us < at_us != media_us:
                self._given_us = at_us
                yield damaged_frame(at_us, detail)
        if media_us is not None:
            self._given_us = media_us


def picture_of(frame: VideoFrame) -> Picture:
    return Picture(frame.width, frame.height, partial(_pixels, frame))


def _pixels(frame: VideoFrame) -> Image:
    try:
        return np.asarray(frame.to_ndarray(format="bgr24", threads=1), dtype=np.uint8)
    except (av.error.FFmpegError, ValueError) as error:
        raise SourceError("undecodable", f"no BGR from {frame.format.name}: {error}") from error
