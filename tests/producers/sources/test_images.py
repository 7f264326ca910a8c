from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import pytest

from producers.sources.base import SourceError
from producers.sources.images import ImagesSource
from runtime.errors import UserError
from tests.producers.clips import number_in, numbered

SECOND = 1_000_000


def jpeg(number: int = 0) -> bytes:
    return cv2.imencode(".jpg", numbered(number))[1].tobytes()


def huge_png() -> bytes:
    """The head of a picture of 20,000 x 20,000 pixels; its 1.2 GB would be decoded from 100 B."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))


def huge_jpeg() -> bytes:
    data = bytearray(jpeg())
    frame_header = data.index(b"\xff\xc0")
    data[frame_header + 5 : frame_header + 9] = struct.pack(">HH", 20_000, 20_000)
    return bytes(data)


def test_pictures_come_in_the_order_of_their_names_one_per_interval(tmp_path: Path) -> None:
    for number, name in enumerate(["a.jpg", "b.png", "c.JPEG", "d.bmp"]):
        encoded = cv2.imencode(Path(name).suffix.lower(), numbered(number))[1]
        (tmp_path / name).write_bytes(encoded.tobytes())
    frames = list(ImagesSource(tmp_path, every_us=2 * SECOND).frames())
    assert [frame.media_time_us for frame in frames] == [0, 2 * SECOND, 4 * SECOND, 6 * SECOND]
    assert [number_in(frame.load().pixels()) for frame in frames] == [0, 1, 2, 3]


def test_a_jpeg_file_passes_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(5))
    picture = next(ImagesSource(tmp_path, every_us=SECOND).frames()).load()
    assert picture.jpeg == jpeg(5)
    assert (picture.width, picture.height) == (160, 96)


def test_other_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "b.jpg").mkdir()
    assert len(list(ImagesSource(tmp_path, every_us=SECOND).frames())) == 1


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.jpg", b"", "empty"),
        ("a.jpg", b"this is no picture", "no JPEG"),
        ("a.jpg", jpeg()[: len(jpeg()) // 2], "cut"),
        ("a.jpg", jpeg()[:30], "cut"),
        ("a.jpg", jpeg()[: len(jpeg()) * 2 // 3] + b"\xff\xd9", "cut"),
        ("a.jpg", huge_jpeg(), "20000x20000"),
        ("a.png", huge_png(), "20000x20000"),
        ("a.png", huge_png()[:20], "cut"),
        ("a.png", cv2.imencode(".png", numbered(1))[1].tobytes()[:60], "broken"),
    ],
)
def test_a_broken_picture_is_undecodable_and_its_time_remains(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "b.jpg").write_bytes(jpeg(9))
    broken, good = ImagesSource(tmp_path, every_us=SECOND).frames()
    with pytest.raises(SourceError, match=f"{name}.*{why}") as caught:
        broken.load()
    assert caught.value.reason == "undecodable"
    assert number_in(good.load().pixels()) == 9


def test_a_picture_that_vanishes_is_undecodable(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    frame = next(ImagesSource(tmp_path, every_us=SECOND).frames())
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(SourceError, match="No such file"):
        frame.load()


def test_an_empty_folder_is_told_to_the_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no picture \(.*\.jpg"):
        list(ImagesSource(tmp_path, every_us=SECOND).frames())


def test_a_folder_that_is_not_there_is_told_to_the_user(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere can't be read"):
        list(ImagesSource(tmp_path / "nowhere", every_us=SECOND).frames())


def test_the_identity_changes_with_any_picture_and_with_the_interval(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    before = ImagesSource(tmp_path, every_us=SECOND).identity
    assert ImagesSource(tmp_path, every_us=2 * SECOND).identity != before
    (tmp_path / "a.jpg").write_bytes(jpeg(2))
    assert ImagesSource(tmp_path, every_us=SECOND).identity != before
