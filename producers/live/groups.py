"""Pictures out of a stream's packets, decoding as few of them as will do.

A key frame is decoded alone: fed, drained, and the decoder emptied. Without that the picture would
come out late by the frames that the decoder holds back for B-frames, and of key frames alone by
whole key intervals (H.264 with two B-frames: 1.9 s late at one key frame a second, seen). Another
frame costs all frames since its key frame that have not been decoded for an earlier one.

Where pictures are refreshed bit by bit (H.264's periodic intra refresh), what is marked as a key
frame can't be decoded alone. After a few tries such a stream is decoded as one group without end.
"""

from __future__ import annotations

import threading
from collections import deque
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

# Key frames in a row that gave no picture alone, without being damaged.
MAX_MUTE_KEYS = 3

_Packet: TypeAlias = "Packet[VideoStream]"


@dataclass(slots=True)
class _Group:
    """A key frame's packet and those after it, up to the next key frame."""

    waiting: deque[_Packet] = field(default_factory=deque)
    waiting_bytes: int = 0
    gone: int = 0  # packets before those, decoded and let go
    decoded: int = 0  # packets since the first one that went into the decoder since it was empty
    shown: VideoFrame | None = None  # the last picture that came out

    @property
    def broken(self) -> bool:
        """What has gone out of the decoder can't be put into it again."""
        return self.decoded < self.gone

    def append(self, packet: _Packet) -> int:
        """Its place in the group, from 0."""
        self.waiting.append(packet)
        self.waiting_bytes += packet.size
        return self.gone + len(self.waiting) - 1

    def let_go(self) -> None:
        """Of what is decoded."""
        for _ in range(self.decoded - self.gone):
            self.waiting_bytes -= self.waiting.popleft().size
        self.gone = max(self.gone, self.decoded)


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
        self._mute_keys = 0  # in a row

    def add(self, packet: _Packet, arrived_us: int) -> Arrival | None:
        """The packet as an arrival; None before the first key frame, and for an empty one."""
        if not packet.size:
            return None
        if packet.is_keyframe:
            self._keys.note(arrived_us)
        with self._lock:
            if packet.is_keyframe and self._begins_anew():
                self._group = _Group()
            group = self._group
            if group is None:
                return None
            index = group.append(packet)
            if group.waiting_bytes > MAX_WAITING_BYTES and index:
                try:
                    self._go_on_to(group, index)
                except SourceError:  # no reason to connect anew: the next key frame helps
                    self._empty()
                    self._group = None
                    return None
            alone = self._mute_keys < MAX_MUTE_KEYS
        patient = alone and self._keys.expected_us(arrived_us) <= self._patience_us
        load = partial(self._load, group, index)
        return Arrival(arrived_us, load, whole=alone and index == 0, patient=patient)

    def _begins_anew(self) -> bool:
        """Whether a key frame is the beginning of a group."""
        group = self._group
        return self._mute_keys < MAX_MUTE_KEYS or group is None or group.broken

    def _load(self, group: _Group, index: int) -> Picture:
        with self._lock:
            frame = self._key_frame(group) if index == 0 else self._frame_at(group, index)
        if frame is None:
            raise SourceError("undecodable", "the decoder gave no picture")
        if frame.is_corrupt:
            raise SourceError("undecodable", "the picture is damaged")
        return picture_of(frame)

    def _key_frame(self, group: _Group) -> VideoFrame | None:
        if group.gone:  # decoded since, for a later tick: then that one was wanted
            return group.shown
        self._empty()
        frames = [*self._decoded(group.waiting[0]), *self._decoded(None)]
        self._empty()
        self._mute_keys = 0 if frames else self._mute_keys + 1
        return frames[0] if frames else None

    def _frame_at(self, group: _Group, index: int) -> VideoFrame | None:
        """The newest picture that has come out once that packet is in."""
        try:
            self._go_on_to(group, index)
            if group.shown is None:  # all held back; they are kept, to be decoded once more
                frames = self._decoded(None)
                group.shown = frames[0] if frames else None  # later ticks show later ones
                self._empty()
        except SourceError:
            self._empty()
            raise
        return group.shown

    def _go_on_to(self, group: _Group, index: int) -> None:
        if self._inside is not group:
            self._empty()
            self._inside = group
        if group.broken:
            raise SourceError("undecodable", "its beginning is gone: the next key frame helps")
        for place in range(group.decoded, index + 1):
            frames = self._decoded(group.waiting[place - group.gone])
            group.decoded = place + 1
            if frames:
                group.shown = frames[-1]
                group.let_go()

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
