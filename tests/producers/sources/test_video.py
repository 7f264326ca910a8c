from __future__ import annotations

import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.sources.files import LocalFile
from producers.sources.video import VideoSource
from runtime.errors import UserError
from schemas.messages import from_us
from tests.producers.clips import avi_pictures, number_in, spoil_picture, write_clip

TENTHS = Fraction(1, 10)


def numbers_of(source: VideoSource) -> list[int]:
    return [number_in(frame.load().pixels()) for frame in source.frames()]


@pytest.mark.parametrize("name", ["clip.mp4", "clip.avi", "clip.mkv"])
def test_frames_with_b_frames_come_in_the_order_in_which_they_are_shown(
    tmp_path: Path, name: str
) -> None:
    path = write_clip(tmp_path / name, range(50), TENTHS, b_frames=2)
    frames = list(VideoSource(LocalFile(path)).frames())
    assert [frame.media_time_us for frame in frames] == [k * 100_000 for k in range(50)]
    assert [number_in(frame.load().pixels()) for frame in frames] == list(range(50))


def test_no_frame_is_lost_or_made_up_against_a_count_of_the_file_itself(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", range(37), TENTHS, "mjpeg")
    assert (
        len(list(VideoSource(LocalFile(path)).frames()))
        == len(list(avi_pictures(path.read_bytes())))
        == 37
    )


def test_times_are_those_of_the_file_and_not_counted_at_its_rate(tmp_path: Path) -> None:
    stamps = [0, 1, 2, 40, 41, 90, 93]
    path = write_clip(tmp_path / "clip.mkv", stamps, TENTHS, b_frames=2)
    times = [frame.media_time_us for frame in VideoSource(LocalFile(path)).frames()]
    assert times == [stamp * 100_000 for stamp in stamps]


def test_a_part_begins_and_ends_where_it_is_told_to(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(60), TENTHS, b_frames=2)
    part = VideoSource(LocalFile(path), start_us=2_000_000, stop_us=4_500_000)
    assert numbers_of(part) == list(range(20, 45))
    assert next(part.frames()).media_time_us == 0
    assert part.length_us() == 2_500_000


def test_a_part_that_holds_no_frame_is_told_to_the_user(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(20), TENTHS)
    with pytest.raises(UserError, match=r"clip\.mp4 holds no frame in its part from 60 s to"):
        list(VideoSource(LocalFile(path), start_us=60_000_000).frames())


def test_parts_of_one_file_have_identities_of_their_own(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(20), TENTHS)
    parts = [
        VideoSource(LocalFile(path)),
        VideoSource(LocalFile(path), start_us=1),
        VideoSource(LocalFile(path), stop_us=10**6),
    ]
    assert len({part.identity for part in parts}) == 3


def test_a_file_keeps_its_identity_when_it_moves_to_another_folder(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(20), TENTHS)
    before = VideoSource(LocalFile(path)).identity
    (tmp_path / "other").mkdir()
    moved = path.rename(tmp_path / "other" / "clip.mp4")
    assert VideoSource(LocalFile(moved)).identity == before


def test_a_damaged_frame_is_marked_and_the_others_come(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", range(30), TENTHS, "mjpeg")
    spoil_picture(path, 17)
    frames = list(VideoSource(LocalFile(path)).frames())
    assert [frame.media_time_us for frame in frames] == [k * 100_000 for k in range(30)]
    assert [k for k, frame in enumerate(frames) if frame.damage is not None] == [17]
    good = [number_in(frame.load().pixels()) for frame in frames if frame.damage is None]
    assert good == [k for k in range(30) if k != 17]


def test_a_picture_that_the_decoder_patched_up_is_damaged_too(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", range(12), TENTHS, gop=1)
    whole = path.read_bytes()
    told: set[str | None] = set()
    for number, (offset, size) in enumerate(avi_pictures(whole)):
        middle = offset + size // 2
        spoilt = random.Random(number).randbytes(20)
        path.write_bytes(whole[:middle] + spoilt + whole[middle + len(spoilt) :])
        damage = [frame.damage for frame in VideoSource(LocalFile(path)).frames()]
        assert [k for k, why in enumerate(damage) if why is not None] in ([], [number])
        told.update(damage)
    assert "the picture is damaged" in told


def test_a_file_that_was_cut_gives_what_is_left_of_it(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", range(40), TENTHS, "mjpeg")
    data = path.read_bytes()
    offset, _ = list(avi_pictures(data))[25]
    path.write_bytes(data[:offset])
    assert numbers_of(VideoSource(LocalFile(path))) == list(range(25))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("noise.mp4", random.Random(1).randbytes(50_000), "can't be read as a video"),
        ("empty.mp4", b"", "can't be read as a video"),
        ("notes.txt", b"this is a text, not a video\n" * 200, "holds no video"),
    ],
)
def test_a_file_that_is_no_video_is_told_to_the_user(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        list(VideoSource(LocalFile(path)).frames())
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_told_to_the_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        list(VideoSource(LocalFile(tmp_path / "nowhere.mp4")).frames())
    with pytest.raises(UserError, match="can't be read"):
        _ = VideoSource(LocalFile(tmp_path / "nowhere.mp4")).identity
    with pytest.raises(UserError, match="is a folder"):
        list(VideoSource(LocalFile(tmp_path)).frames())


def test_a_file_says_when_it_was_recorded(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(20), TENTHS, created="2026-03-01T12:00:00Z")
    at_us = VideoSource(LocalFile(path), start_us=1_500_000).recorded_at_us
    assert at_us is not None
    assert from_us(at_us).isoformat() == "2026-03-01T12:00:01.500000+00:00"


@pytest.mark.parametrize("created", [None, "1904-01-01T00:00:00Z"])
def test_a_file_without_a_believable_time_says_nothing(tmp_path: Path, created: str | None) -> None:
    path = write_clip(tmp_path / "clip.mp4", range(20), TENTHS, created=created)
    assert VideoSource(LocalFile(path)).recorded_at_us is None


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(["d.mp4", "d.avi", "d.mkv", "d.ts"]),
    seed=st.integers(0, 2**32),
    holes=st.integers(1, 6),
)
def test_a_file_damaged_anywhere_gives_rising_times_or_tells_the_user(
    tmp_path: Path, name: str, seed: int, holes: int
) -> None:
    whole = tmp_path / f"whole-{name}"
    if not whole.exists():
        codec = "mpeg2video" if name.endswith("ts") else "mpeg4"
        write_clip(whole, range(40), TENTHS, codec, b_frames=2)
    chance = random.Random(seed)
    data = bytearray(whole.read_bytes())
    for _ in range(holes):
        at, size = chance.randrange(len(data)), chance.randrange(1, 400)
        data[at : at + size] = chance.randbytes(size)
    path = tmp_path / name
    path.write_bytes(data)
    times: list[int] = []
    told = ""
    try:
        times.extend(frame.media_time_us for frame in VideoSource(LocalFile(path)).frames())
    except UserError as error:
        told = str(error)
    assert str(path) in told if told else times
    assert all(a < b for a, b in pairwise(times))
