"""Pictures out of a stream's packets, decoding as few of them as will do.

A key frame is decoded alone: fed, drained, and the decoder emptied. Without that the picture would
come out late by the frames that the decoder holds back for B-frames, and of key frames alone by
whole key intervals (H.264 with two B-frames: 1.9 s late at one key frame a second, seen). Another
frame costs all frames since its key frame that have not been decoded for an earlier one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import av.error
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from producers.live.arrivals import Arrival
from producers.live.keys import KeyIntervals
from producers.sources.base import Picture, SourceError
from producers.sources.decoding import picture_of

# Of packets that wait, in case that a picture is wanted of them: 4 s of 32 Mbit/s. What would be
# more is decoded as it comes, and forgotten.
MAX_WAITING_BYTES = 16_000_000
# Up to that a tick can wait for a key frame; of the ticks that none comes for, each costs a part of
# a group. Where key frames come more seldom, going on from tick to tick costs less.
PATIENT_INTERVALS = 2.0

_Packet: TypeAlias = "Packet[VideoStream]"


@dataclass(slots=True)
class _Group:
    """A key frame's packet and those after it, up to the next key frame."""

    packets: list[_Packet | None] = field(default_factory=list)  # None: decoded and let go
    waiting_bytes: int = 0
    decoded: int = 0  # of `packets`, since the decoder was last empty
    shown: VideoFrame | None = None  # the last picture that came out


class GroupDecoder:
    """One stream's packets in, arrivals out. `add` and the loads may be on different threads."""

    def __init__(self, codec: VideoCodecContext, interval_us: int) -> None:
        """`codec`: open for decoding, and nobody else's; `interval_us`: between two ticks."""
        self._codec = codec
        self._patience_us = PATIENT_INTERVALS * interval_us
        self._keys = KeyIntervals()
        self._lock = threading.Lock()
        self._group: _Group | None = None  # that grows
        self._inside: _Group | None = None  # that the decoder has frames of

    def add(self, packet: _Packet, arrived_us: int) -> Arrival | None:
        """The packet as an arrival; None before the first key frame, and for an empty one."""
        if not packet.size:
            return None
        if packet.is_keyframe:
            self._keys.note(arrived_us)
            self._group = _Group()
        group = self._group
        if group is None:
            return None
        with self._lock:
            group.packets.append(packet)
            group.waiting_bytes += packet.size
            index = len(group.packets) - 1
            if group.waiting_bytes > MAX_WAITING_BYTES and index:
                try:
                    self._go_on_to(group, index)
                except SourceError:  # no reason to connect anew: the next key frame helps
                    self._empty()
                    self._group = None
                    return None
        patient = self._keys.expected_us(arrived_us) <= self._patience_us
        load = partial(self._load, group, index)
        return Arrival(arrived_us, load, whole=index == 0, patient=patient)

    def _load(self, group: _Group, index: int) -> Picture:
        with self._lock:
            frame = self._key_frame(group) if index == 0 else self._frame_at(group, index)
        if frame is None:
            raise SourceError("undecodable", "the decoder gave no picture")
        if frame.is_corrupt:
            raise SourceError("undecodable", "the picture is damaged")
        return picture_of(frame)

    def _key_frame(self, group: _Group) -> VideoFrame | None:
        packet = group.packets[0]
        if packet is None:  # decoded since, for a later tick: then that one was wanted
            return group.shown
        self._empty()
        frames = [*self._decoded(packet), *self._decoded(None)]
        self._empty()
        return frames[0] if frames else None

    def _frame_at(self, group: _Group, index: int) -> VideoFrame | None:
        """The newest picture that has come out once that packet is in."""
        try:
            self._go_on_to(group, index)
            if group.shown is None:  # all held back; what comes after needs the next key frame
                frames = self._decoded(None)
                group.shown = frames[-1] if frames else None
                self._empty()
        except SourceError:
            self._empty()
            raise
        return group.shown

    def _go_on_to(self, group: _Group, index: int) -> None:
        if self._inside is not group:
            self._empty()
            self._inside = group
        for place in range(group.decoded, index + 1):
            packet = group.packets[place]
            if packet is None:
                raise SourceError("undecodable", "its beginning is gone: the next key frame helps")
            frames = self._decoded(packet)
            group.shown = frames[-1] if frames else group.shown
            group.packets[place] = None
            group.waiting_bytes -= packet.size
            group.decoded = place + 1

    def _empty(self) -> None:
        self._codec.flush_buffers()
        if self._inside is not None:
            self._inside.decoded = 0
        self._inside = None

    def _decoded(self, packet: _Packet | None) -> list[VideoFrame]:
        try:
            return self._codec.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            raise SourceError("undecodable", error.strerror or "not decodable") from error
