"""What workers keep in a folder that they share."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from inference_worker import whole_file
from inference_worker.whole_file import write_whole


def test_a_file_is_written_with_its_folder_and_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kept.json"
    write_whole(path, b"first")
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in path.parent.iterdir()] == ["kept.json"]


def test_workers_that_write_at_once_leave_one_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In containers all are process 1; each has written its part before the first is put there."""
    path, workers = tmp_path / "kept.json", 4
    meeting, flushed = threading.Barrier(workers), os.fsync

    def fsync(file: int) -> None:
        flushed(file)
        meeting.wait(20)

    monkeypatch.setattr(os, "getpid", lambda: 1)
    monkeypatch.setattr(whole_file.os, "fsync", fsync)
    contents = [bytes([65 + number]) * 10_000 for number in range(workers)]
    threads = [threading.Thread(target=write_whole, args=(path, one)) for one in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]


def test_what_cannot_be_written_whole_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    path = tmp_path / "kept.json"
    write_whole(path, b"before")
    monkeypatch.setattr(whole_file.os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["kept.json"]
