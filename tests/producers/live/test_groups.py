"""Pictures out of real packets: the right ones, none late, and few frames decoded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import av.error
import pytest
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from producers.live import groups
from producers.live.arrivals import Arrival
from producers.live.groups import GroupDecoder
from producers.sources.base import SourceError
from producers.sources.stream import decoder_of
from tests.producers.clips import number_in, write_clip

SECOND = 1_000_000
RATE = 25

# Codec, B-frames.
STREAMS = [("libx264", 0), ("libx264", 2), ("libx265", 0), ("libx265", 3), ("mpeg4", 0)]


class Counting:
    """A codec that counts the packets it is given."""

    def __init__(self, codec: VideoCodecContext) -> None:
        self._codec = codec
        self.packets = 0

    def decode(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        self.packets += packet is not None
        return self._codec.decode(packet)

    def flush_buffers(self) -> None:
        self._codec.flush_buffers()


class Opened:
    """A clip's packets, as arrivals in real time: packet n at n / RATE seconds."""

    def __init__(self, path: Path, interval_us: int = SECOND) -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert isinstance(stream, VideoStream)
            self.codec = Counting(decoder_of(stream, None))
            self.decoder = GroupDecoder(self.codec, interval_us)
            self.packets = [packet for packet in container.demux(stream) if packet.size]
        # The order in which frames are shown, for each packet.
        shown = sorted(range(len(self.packets)), key=lambda n: self.packets[n].pts)
        self.number = {packet: number for number, packet in enumerate(shown)}

    def arrive(self, count: int | None = None) -> list[Arrival]:
        arrivals = []
        for n, packet in enumerate(self.packets[:count]):
            arrival = self.decoder.add(packet, n * SECOND // RATE)
            assert arrival is not None
            arrivals.append(arrival)
        return arrivals


@pytest.fixture(params=STREAMS, ids=lambda stream: f"{stream[0]} with {stream[1]} B-frames")
def clip(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int, int], Path]:
    """Makes a clip of so many frames with a key frame every so many, at 25 a second."""
    codec, b_frames = request.param

    def make(frames: int, gop: int) -> Path:
        path = tmp_path / "clip.mkv"
        return write_clip(
            path,
            range(frames),
            Fraction(1, RATE),
            codec,
            b_frames=b_frames,
            gop=gop,
            fixed_gop=True,
        )

    return make


def broken(_: av.Packet | None) -> list[av.VideoFrame]:
    raise av.error.InvalidDataError(1, "broken")


def shown(arrival: Arrival) -> int:
    return number_in(arrival.load().pixels())


def test_a_key_frame_shows_itself_at_once_and_costs_itself_alone(
    clip: Callable[[int, int], Path],
) -> None:
    opened = Opened(clip(80, 25))
    keys = [(n, arrival) for n, arrival in enumerate(opened.arrive()) if arrival.whole]
    assert len(keys) == 4
    assert [shown(arrival) for _, arrival in keys] == [opened.number[n] for n, _ in keys]
    assert opened.codec.packets == 4


def test_another_frame_is_at_most_as_old_as_what_the_decoder_holds_back(
    clip: Callable[[int, int], Path],
) -> None:
    opened = Opened(clip(100, 100))
    arrivals = opened.arrive()
    numbers = [shown(arrivals[n]) for n in (24, 49, 74, 99)]
    assert all(n - 6 <= number <= n for number, n in zip(numbers, (24, 49, 74, 99), strict=True))
    assert opened.codec.packets == 100  # each once


def test_a_key_frame_between_does_not_spoil_what_comes_after(
    clip: Callable[[int, int], Path],
) -> None:
    opened = Opened(clip(100, 50))
    arrivals = opened.arrive()
    wanted = [n for n, arrival in enumerate(arrivals) if arrival.whole or n in (24, 74, 99)]
    numbers = [shown(arrivals[n]) for n in wanted]
    assert all(abs(number - n) <= 6 for number, n in zip(numbers, wanted, strict=True))
    # Each packet once, and a key frame twice where it was wanted by itself before.
    assert opened.codec.packets <= 100 + 2


def test_ticks_wait_for_key_frames_that_come_often_enough(clip: Callable[[int, int], Path]) -> None:
    arrivals = Opened(clip(120, 25)).arrive()
    assert all(arrival.patient for arrival in arrivals)
    assert all(arrival.patient for arrival in Opened(clip(120, 40)).arrive())


def test_ticks_do_not_wait_for_key_frames_that_are_rare(clip: Callable[[int, int], Path]) -> None:
    arrivals = Opened(clip(240, 100)).arrive()
    assert not arrivals[60].patient  # 2.4 s after the first one
    assert not arrivals[150].patient


def test_nothing_comes_before_the_first_key_frame(clip: Callable[[int, int], Path]) -> None:
    opened = Opened(clip(60, 25))
    assert opened.decoder.add(opened.packets[3], 0) is None
    assert opened.decoder.add(opened.packets[0], 1) is not None


def test_packets_that_nobody_wants_are_decoded_as_they_come_rather_than_kept(
    clip: Callable[[int, int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(clip(100, 100))
    monkeypatch.setattr(groups, "MAX_WAITING_BYTES", 3 * max(p.size for p in opened.packets))
    arrivals = opened.arrive()
    assert opened.codec.packets > 10
    assert abs(shown(arrivals[99]) - 99) <= 6


def test_a_broken_packet_among_those_ends_its_group_and_not_the_connection(
    clip: Callable[[int, int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(clip(60, 25))
    monkeypatch.setattr(groups, "MAX_WAITING_BYTES", 0)
    monkeypatch.setattr(opened.codec, "decode", broken)
    assert opened.decoder.add(opened.packets[0], 0) is not None
    assert opened.decoder.add(opened.packets[1], 1) is None
    assert opened.decoder.add(opened.packets[2], 2) is None  # what comes after it stands on nothing
    assert opened.decoder.add(opened.packets[25], 3) is not None


def test_a_group_whose_beginning_is_gone_says_so(clip: Callable[[int, int], Path]) -> None:
    opened = Opened(clip(60, 25))
    arrivals = opened.arrive()
    shown(arrivals[20])  # of the first group
    shown(arrivals[25])  # the second group's key frame empties the decoder
    with pytest.raises(SourceError, match="its beginning is gone"):
        arrivals[22].load()


def test_a_frame_soon_after_its_key_frame_costs_none_of_those_that_follow(
    clip: Callable[[int, int], Path],
) -> None:
    opened = Opened(clip(60, 60))
    arrivals = opened.arrive()
    numbers = [shown(arrivals[n]) for n in (1, 2, 12, 30, 59)]
    assert numbers == sorted(numbers)
    assert all(n - 6 <= number for number, n in zip(numbers, (1, 2, 12, 30, 59), strict=True))


def test_a_stream_that_is_refreshed_bit_by_bit_is_decoded_as_one_group(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write_clip(path, range(250), Fraction(1, RATE), "libx264", gop=RATE, intra_refresh=True)
    opened = Opened(path)
    captured = []
    for n, packet in enumerate(opened.packets):
        arrival = opened.decoder.add(packet, n * SECOND // RATE)
        assert arrival is not None
        if arrival.whole or (n % RATE == 0 and not arrival.patient):  # as ticks would have it
            with suppress(SourceError):
                captured.append((n, shown(arrival)))
    # Three marked key frames gave no picture; from then on each tick shows its own.
    assert captured == [(n, n) for n in (0, 100, 125, 150, 175, 200, 225)]


def test_a_broken_packet_of_such_a_stream_costs_what_follows_up_to_the_next_refresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mkv"
    write_clip(path, range(250), Fraction(1, RATE), "libx264", gop=RATE, intra_refresh=True)
    opened = Opened(path)
    captured = []
    for n, packet in enumerate(opened.packets):
        arrival = opened.decoder.add(packet, n * SECOND // RATE)
        assert arrival is not None
        if n % RATE == 0:
            with monkeypatch.context() as patch, suppress(SourceError):
                if n == 125:
                    patch.setattr(opened.codec, "decode", broken)
                captured.append((n, shown(arrival)))
    assert captured == [(n, n) for n in (0, 100, 175, 200, 225)]


def test_a_broken_packet_is_undecodable_and_the_next_key_frame_helps(tmp_path: Path) -> None:
    opened = Opened(
        write_clip(
            tmp_path / "a.mkv", range(60), Fraction(1, RATE), "libx264", gop=25, fixed_gop=True
        )
    )
    spoilt = av.Packet(b"\0" * opened.packets[0].size)
    spoilt.is_keyframe = True
    first = opened.decoder.add(spoilt, 0)
    assert first is not None
    with pytest.raises(SourceError, match="undecodable"):
        first.load()
    second = opened.decoder.add(opened.packets[25], SECOND)
    assert second is not None
    assert shown(second) == 25
