"""What every place where files land promises (`producers.landed.stores.Store`), held by each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from producers.landed.landings import store_of
from producers.landed.stores import Store, StoreError
from producers.settings import CameraSettings
from producers.sources.video import VideoSource
from runtime.errors import UserError
from tests.producers.clips import number_in, write_clip
from tests.producers.landed.s3_server import BUCKET, S3Server, s3_server


@dataclass
class Place:
    """Where a test lets files land, as a user would."""

    keys: dict[str, Any]  # of the settings
    put: Callable[[str, bytes], None]
    names: Callable[[], set[str]]
    get: Callable[[str], bytes]

    def store(self, **more: Any) -> Store:
        settings = CameraSettings.model_validate({"source": {**self.keys, **more}})
        return store_of(settings.source)  # type: ignore[arg-type] # of these two kinds


def folder(path: Path) -> Place:
    def put(name: str, content: bytes) -> None:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)

    def names() -> set[str]:
        return {one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file()}

    keys = {"kind": "landed", "path": str(path)}
    return Place(keys, put, names, lambda name: (path / name).read_bytes())


def bucket(server: S3Server, prefix: str) -> Place:
    keys = {"kind": "s3", "bucket": BUCKET, "prefix": prefix, **server.login()}
    return Place(
        keys,
        lambda name, content: server.put(prefix + name, content),
        lambda: {key.removeprefix(prefix) for key in server.all_keys() if key.startswith(prefix)},
        lambda name: server.get(prefix + name),
    )


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as opened:
        yield opened


@pytest.fixture(params=["landed", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "landed":
        (tmp_path / "landed").mkdir()
        return folder(tmp_path / "landed")
    return bucket(request.getfixturevalue("server"), f"{tmp_path.name}/")


def names_in(store: Store) -> set[str]:
    return {found.name for found in store.look()}


def test_files_are_found_also_in_folders(place: Place) -> None:
    for name in ("a.mp4", "2026/03/b.MKV", "c with space+plus.mp4"):
        place.put(name, b"x")
    assert names_in(place.store()) == {"a.mp4", "2026/03/b.MKV", "c with space+plus.mp4"}


def test_other_files_are_left_alone(place: Place) -> None:
    for name in ("a.mp4", "a.mp4.part", ".a.mp4", "a.txt", ".cache/b.mp4", "tmp.tmp/c.mp4"):
        place.put(name, b"x")
    assert names_in(place.store()) == {"a.mp4"}
    assert names_in(place.store(files=["*.txt"])) == {"a.txt"}
    assert place.store().look_at("a.txt") is None


def test_a_file_is_the_same_until_it_is_written_anew(place: Place) -> None:
    store = place.store()
    place.put("a.mp4", b"first")
    first = store.look_at("a.mp4")
    assert first is not None
    assert first in set(store.look())
    assert store.look_at("a.mp4") == first
    place.put("a.mp4", b"second!")
    second = store.look_at("a.mp4")
    assert second is not None
    assert second.version != first.version


def test_what_is_not_there_is_none(place: Place) -> None:
    assert place.store().look_at("nowhere.mp4") is None


def test_a_video_is_played_from_where_it_lies(place: Place, tmp_path: Path) -> None:
    clip = write_clip(
        tmp_path / "clip.mp4", range(40), Fraction(1, 4), created="2026-03-01T08:00:00Z"
    )
    place.put("day/clip.mp4", clip.read_bytes())
    store = place.store()
    found = store.look_at("day/clip.mp4")
    assert found is not None
    source = VideoSource(store.file(found))
    assert source.recorded_at_us == 1_772_352_000_000_000
    numbers = [number_in(frame.load().pixels()) for frame in source.frames()]
    assert numbers == list(range(40))
    late = [number_in(frame.load().pixels()) for frame in source.frames(8_000_000)]
    assert late == list(range(32, 40))
    assert source.identity == VideoSource(store.file(found)).identity


def test_a_file_that_is_gone_is_told(place: Place) -> None:
    store = place.store()
    place.put("a.mp4", b"x")
    found = store.look_at("a.mp4")
    assert found is not None
    store.delete("a.mp4")
    store.delete("a.mp4")
    with pytest.raises(UserError, match=r"a\.mp4 (does not exist|is not there any more)"):
        list(VideoSource(store.file(found)).frames())


def test_a_file_that_is_no_video_is_told(place: Place) -> None:
    store = place.store()
    place.put("a.mp4", b"this is no video" * 100)
    found = store.look_at("a.mp4")
    assert found is not None
    with pytest.raises(UserError, match=r"a\.mp4 can't be read as a video"):
        list(VideoSource(store.file(found)).frames())


def test_done_files_are_moved_out_of_the_way(place: Place) -> None:
    store = place.store(finished="move")
    place.put("day/a.mp4", b"x")
    place.put("b.mp4", b"y")
    store.move("day/a.mp4", "done")
    store.move("day/a.mp4", "done")  # again, after a kill
    store.move("b.mp4", "aside", "no video in it")
    assert place.names() == {"done/day/a.mp4", "aside/b.mp4", "aside/b.mp4.reason.txt"}
    assert place.get("aside/b.mp4.reason.txt") == b"no video in it\n"
    assert names_in(store) == set()
    assert names_in(place.store()) == {"done/day/a.mp4", "aside/b.mp4"}  # names as any other


# ---------------------------------------------------------------- of one kind only


def test_a_file_that_somebody_writes_is_known(tmp_path: Path) -> None:
    store = folder(tmp_path).store()
    with (tmp_path / "a.mp4").open("wb") as file:
        file.write(b"x")
        assert store.is_being_written("a.mp4")
    assert not store.is_being_written("a.mp4")
    with (tmp_path / "a.mp4").open("rb"):
        assert not store.is_being_written("a.mp4")
    assert not store.is_being_written("nowhere.mp4")


def test_a_folder_that_is_away_is_no_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is no folder, or not there now"):
        list(folder(tmp_path / "nfs").store().look())


def test_a_bucket_that_is_not_there_is_told_without_its_secret(server: S3Server) -> None:
    place = bucket(server, "")
    with pytest.raises(StoreError, match="S3 refuses: NoSuchBucket") as caught:
        list(place.store(bucket="nobodys-bucket").look())
    assert server.login()["secret_access_key"] not in str(caught.value)


def test_a_server_that_is_away_is_no_verdict_on_a_file(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", range(4000), Fraction(1, 25), "mjpeg")
    with s3_server() as server:
        place = bucket(server, f"{tmp_path.name}/")
        place.put("clip.avi", clip.read_bytes())
        store = place.store()
        found = store.look_at("clip.avi")
        assert found is not None
        frames = VideoSource(store.file(found)).frames()
        next(frames)
    with pytest.raises(StoreError, match="S3 can't be reached"):
        list(frames)
    with pytest.raises(StoreError, match="S3 can't be reached"):
        list(store.look())


def test_an_object_that_is_written_anew_is_not_mixed_with_the_old_one(
    server: S3Server, tmp_path: Path
) -> None:
    place = bucket(server, f"{tmp_path.name}/")
    clip = write_clip(tmp_path / "clip.avi", range(4000), Fraction(1, 25), "mjpeg")
    assert clip.stat().st_size > 3_000_000  # of several requests
    place.put("clip.avi", clip.read_bytes())
    store = place.store()
    found = store.look_at("clip.avi")
    assert found is not None
    frames = VideoSource(store.file(found)).frames()
    next(frames)
    place.put("clip.avi", clip.read_bytes()[::-1])
    with pytest.raises(UserError, match=r"clip\.avi was written anew while it was read"):
        list(frames)
