"""Fetching into a cache: once, checked, in the order of the sources."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from onehertz.assets import AssetsUnavailable, Catalogue, fetch, path_of, user_cache
from onehertz.assets.catalogue import Asset
from runtime.errors import UserError
from tests.onehertz.assets.conftest import MakeAsset
from tests.onehertz.assets.servers import FileServer

CONTENT = random.Random(2).randbytes(200_000)
WRONG = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])  # of the right size


@pytest.fixture
def clip(server: FileServer, make_asset: MakeAsset) -> Asset:
    server.files["/clip"] = CONTENT
    return make_asset("clip", CONTENT, {"kind": "https", "url": server.url("/clip")})


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_an_asset_is_kept_under_its_hash_and_found_by_its_name(cache: Path, clip: Asset) -> None:
    catalogue = Catalogue((clip,))
    paths = fetch(["clip"], catalogue=catalogue)
    assert paths == {"clip": cache / "assets" / clip.sha256 / "clip.bin"}
    assert paths["clip"].read_bytes() == CONTENT
    assert path_of("clip", catalogue=catalogue) == paths["clip"]


def test_nothing_else_is_left_in_the_cache(cache: Path, clip: Asset) -> None:
    fetch(["clip"], catalogue=Catalogue((clip,)))
    assert files_in(cache) == {"assets/lock", f"assets/{clip.sha256}/clip.bin"}


def test_what_is_there_is_not_fetched_again(cache: Path, clip: Asset, server: FileServer) -> None:
    for _ in range(2):
        fetch(["clip", "clip"], catalogue=Catalogue((clip,)))
    assert len(server.requests) == 1


def test_an_asset_of_another_name_with_the_same_content_is_another_file(
    cache: Path, server: FileServer, make_asset: MakeAsset
) -> None:
    server.files["/x"] = CONTENT
    one, two = (
        make_asset(name, CONTENT, {"kind": "https", "url": server.url("/x")})
        for name in ("one", "two")
    )
    paths = fetch(["one", "two"], catalogue=Catalogue((one, two)))
    assert [path.name for path in paths.values()] == ["one.bin", "two.bin"]


def test_a_wrong_hash_is_refused_and_the_next_source_is_tried(
    cache: Path, server: FileServer, make_asset: MakeAsset
) -> None:
    server.files |= {"/wrong": WRONG, "/right": CONTENT}
    asset = make_asset(
        "clip",
        CONTENT,
        {"kind": "https", "url": server.url("/wrong")},
        {"kind": "https", "url": server.url("/right")},
    )
    path = fetch(["clip"], catalogue=Catalogue((asset,)))["clip"]
    assert path.read_bytes() == CONTENT
    assert len(server.requested("/wrong")) == 1


def test_a_wrong_hash_from_the_only_source_leaves_nothing_behind(
    cache: Path, clip: Asset, server: FileServer
) -> None:
    server.files["/clip"] = WRONG
    with pytest.raises(AssetsUnavailable, match=rf"sha256 is .*, must be {clip.sha256}") as caught:
        fetch(["clip"], catalogue=Catalogue((clip,)))
    assert caught.value.refused
    assert files_in(cache) == {"assets/lock"}


def test_a_spoilt_beginning_is_thrown_away_and_the_source_tried_from_the_start(
    cache: Path, clip: Asset, server: FileServer
) -> None:
    partial = cache / "assets" / "partial" / clip.sha256
    partial.parent.mkdir(parents=True)
    partial.write_bytes(bytes(50_000))
    path = fetch(["clip"], catalogue=Catalogue((clip,)))["clip"]
    assert path.read_bytes() == CONTENT
    assert [request.range for request in server.requests] == ["bytes=50000-", None]


def test_without_a_source_it_says_what_to_put_where_and_that_works(
    cache: Path, clip: Asset, server: FileServer
) -> None:
    server.files.clear()
    catalogue = Catalogue((clip,))
    with pytest.raises(UserError) as caught:
        fetch(["clip"], catalogue=catalogue)
    told = str(caught.value)
    assert "404" in told
    assert clip.sha256 in told
    assert "200000 bytes" in told
    path = Path(told.splitlines()[-1].strip())
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert fetch(["clip"], catalogue=catalogue) == {"clip": path}


def test_what_was_put_there_by_hand_is_checked_too(cache: Path, clip: Asset) -> None:
    path = cache / "assets" / clip.sha256 / clip.file
    path.parent.mkdir(parents=True)
    path.write_bytes(WRONG)
    catalogue = Catalogue((clip,))
    with pytest.raises(UserError, match="not what the catalogue pins"):
        path_of("clip", catalogue=catalogue)
    assert fetch(["clip"], catalogue=catalogue)["clip"].read_bytes() == CONTENT


def test_what_was_not_fetched_is_told_with_the_command(cache: Path, clip: Asset) -> None:
    with pytest.raises(UserError, match="run `onehertz assets fetch clip`"):
        path_of("clip", catalogue=Catalogue((clip,)))


def test_one_asset_that_fails_does_not_keep_the_others_from_being_fetched(
    cache: Path, clip: Asset, server: FileServer, make_asset: MakeAsset
) -> None:
    gone = make_asset("gone", b"gone", {"kind": "https", "url": server.url("/gone")})
    catalogue = Catalogue((gone, clip))
    with pytest.raises(AssetsUnavailable, match="asset 'gone' could not be fetched") as caught:
        fetch(["gone", "clip"], catalogue=catalogue)
    assert caught.value.names == ("gone",)
    assert not caught.value.refused
    assert path_of("clip", catalogue=catalogue).read_bytes() == CONTENT


def test_an_unknown_name_fetches_nothing(cache: Path, clip: Asset, server: FileServer) -> None:
    with pytest.raises(UserError, match="no asset is called 'clipp'"):
        fetch(["clip", "clipp"], catalogue=Catalogue((clip,)))
    assert server.requests == []


def test_a_cache_that_can_not_be_written_is_told(tmp_path: Path, clip: Asset) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")
    with pytest.raises(UserError, match="set ONEHERTZ_CACHE"):
        fetch(["clip"], cache=occupied, catalogue=Catalogue((clip,)))


def test_the_cache_is_the_users_unless_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ONEHERTZ_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert user_cache() == tmp_path / ".cache" / "onehertz"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert user_cache() == tmp_path / "xdg" / "onehertz"
    monkeypatch.setenv("ONEHERTZ_CACHE", str(tmp_path / "own"))
    assert user_cache() == tmp_path / "own"


# Prints a line when the first bytes are here, and the notes.
_FETCH = """
import sys
from pathlib import Path
from onehertz.assets import fetch, load_catalogue
class Told:
    def begin(self, what, total_bytes): print("begin", flush=True)
    def reached(self, done_bytes): print("reached", done_bytes, flush=True)
    def note(self, text): print("note", text, flush=True)
catalogue = load_catalogue([Path(sys.argv[1])])
fetch(["clip"], catalogue=catalogue, progress=Told())
print("done", flush=True)
"""


@contextlib.contextmanager
def fetching(clip: Asset, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that fetches the clip into the same cache."""
    catalogue = tmp_path / "catalogue.yaml"
    catalogue.write_text(yaml.safe_dump({"assets": [clip.model_dump(mode="json")]}))
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", _FETCH, str(catalogue)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(process: subprocess.Popen[str], beginning: str) -> None:
    assert process.stdout
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(f"the process ended without a line {beginning!r}")


def test_two_processes_fetch_once(
    cache: Path, clip: Asset, server: FileServer, tmp_path: Path
) -> None:
    second_waits = threading.Event()
    server.cuts = [1000]
    server.before_cut = lambda: second_waits.wait(timeout=30)
    with fetching(clip, tmp_path) as first:
        wait_for(first, "reached 1000")
        with fetching(clip, tmp_path) as second:
            wait_for(second, "note another process is fetching")
            second_waits.set()
            wait_for(second, "done")
            wait_for(first, "done")
    assert server.sent_bytes == len(CONTENT)


def test_a_process_killed_in_the_middle_leaves_no_lock_and_its_bytes_are_used(
    cache: Path, clip: Asset, server: FileServer, tmp_path: Path
) -> None:
    killed = threading.Event()
    server.cuts = [120_000]
    server.before_cut = lambda: killed.wait(timeout=30)
    with fetching(clip, tmp_path) as process:
        wait_for(process, "reached 120000")
        process.kill()
        process.wait()
        killed.set()
    fetch(["clip"], catalogue=Catalogue((clip,)))
    assert server.requests[0].range is None
    continued = server.requests[1].range
    assert continued
    # What lay in the killed process's own buffer is lost; whole chunks before it are not.
    assert 0 < int(continued.removeprefix("bytes=").removesuffix("-")) <= 120_000
