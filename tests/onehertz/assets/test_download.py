"""One file over HTTP, from a server that breaks in every way."""

from __future__ import annotations

import random
import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onehertz.assets.download import download
from onehertz.assets.sources import SourceFailed
from tests.onehertz.assets.servers import FileServer

CONTENT = random.Random(1).randbytes(300_000)


def get(server: FileServer, partial: Path, content: bytes = CONTENT) -> list[int]:
    """Download /file; returns the positions that were reported."""
    reached: list[int] = []
    download(server.url("/file"), partial, len(content), timeout_s=5.0, reached=reached.append)
    return reached


@pytest.fixture
def partial(tmp_path: Path, server: FileServer) -> Path:
    server.files["/file"] = CONTENT
    return tmp_path / "partial"


def test_a_file_is_downloaded_whole_and_its_progress_told(
    server: FileServer, partial: Path
) -> None:
    reached = get(server, partial)
    assert partial.read_bytes() == CONTENT
    assert reached == sorted(set(reached))
    assert reached[-1] == len(CONTENT)


def test_a_transfer_that_breaks_in_the_middle_is_continued_where_it_broke(
    server: FileServer, partial: Path
) -> None:
    server.cuts = [100_000, 50_000]
    get(server, partial)
    assert partial.read_bytes() == CONTENT
    assert [request.range for request in server.requests] == [
        None,
        "bytes=100000-",
        "bytes=150000-",
    ]
    assert server.sent_bytes == len(CONTENT)


def test_what_an_earlier_process_left_is_continued(server: FileServer, partial: Path) -> None:
    partial.write_bytes(CONTENT[:200_000])
    get(server, partial)
    assert partial.read_bytes() == CONTENT
    assert server.sent_bytes == 100_000


def test_nothing_is_requested_if_all_is_there(server: FileServer, partial: Path) -> None:
    partial.write_bytes(CONTENT)
    get(server, partial)
    assert server.requests == []


def test_a_partial_file_that_is_too_long_is_begun_again(server: FileServer, partial: Path) -> None:
    partial.write_bytes(CONTENT + b"more")
    get(server, partial)
    assert partial.read_bytes() == CONTENT


def test_a_server_without_ranges_begins_again(server: FileServer, partial: Path) -> None:
    server.knows_ranges = False
    server.cuts = [100_000]
    get(server, partial)
    assert partial.read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_breaks_is_given_up(
    server: FileServer, partial: Path
) -> None:
    server.knows_ranges = False
    server.cuts = [100_000] * 100
    with pytest.raises(SourceFailed, match="only 100000 of 300000 bytes came"):
        get(server, partial)


def test_a_server_that_breaks_for_ever_is_given_up(server: FileServer, partial: Path) -> None:
    server.cuts = [10] * 1000
    with pytest.raises(SourceFailed, match="broke off 20 times"):
        get(server, partial)
    assert partial.read_bytes() == CONTENT[:200]


def test_another_size_is_refused_before_a_byte_is_kept(server: FileServer, partial: Path) -> None:
    server.files["/file"] = b"<html>please log in</html>"
    with pytest.raises(SourceFailed, match="has 26 bytes there, must be 300000"):
        get(server, partial)
    assert not partial.exists()


def test_a_body_without_end_is_stopped_at_the_size(server: FileServer, partial: Path) -> None:
    server.says_length = False
    server.files["/file"] = CONTENT + CONTENT
    with pytest.raises(SourceFailed, match="gives more than 300000 bytes"):
        get(server, partial)
    assert partial.stat().st_size <= len(CONTENT)


def test_a_missing_file_is_told_with_the_servers_answer(server: FileServer, partial: Path) -> None:
    del server.files["/file"]
    with pytest.raises(SourceFailed, match="404"):
        get(server, partial)


def test_a_redirect_is_followed(server: FileServer, partial: Path) -> None:
    server.files["/elsewhere"] = server.files.pop("/file")
    server.redirects["/file"] = "/elsewhere"
    get(server, partial)
    assert partial.read_bytes() == CONTENT


def test_a_redirect_to_a_local_file_is_refused(server: FileServer, partial: Path) -> None:
    server.redirects["/file"] = "file:///etc/passwd"
    with pytest.raises(SourceFailed):
        get(server, partial)
    assert not partial.exists()


def test_a_refused_connection_is_told(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connecting is refused
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(SourceFailed, match="refused"):
            download(url, tmp_path / "p", 10, timeout_s=5.0, reached=lambda _: None)


def test_a_server_that_never_answers_is_left_after_the_time_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file"
        with pytest.raises(SourceFailed, match="timed out"):
            download(url, tmp_path / "p", 10, timeout_s=0.1, reached=lambda _: None)


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 2000), max_size=15), had=st.integers(0, 2000))
def test_wherever_it_breaks_the_file_is_the_same_and_no_byte_comes_twice(
    cuts: list[int], had: int
) -> None:
    content = CONTENT[:2000]
    with tempfile.TemporaryDirectory() as folder, FileServer({"/file": content}, cuts) as server:
        partial = Path(folder) / "partial"
        partial.write_bytes(content[:had])
        get(server, partial, content)
        assert partial.read_bytes() == content
        assert server.sent_bytes == len(content) - had
