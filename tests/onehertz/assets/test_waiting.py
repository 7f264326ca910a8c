"""A worker that starts before its model has been fetched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onehertz.assets import Catalogue, fetch, wait_for
from onehertz.assets.catalogue import Asset
from runtime.errors import UserError
from tests.onehertz.assets.conftest import MakeAsset
from tests.onehertz.assets.servers import FileServer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def clip(server: FileServer, make_asset: MakeAsset) -> Asset:
    server.files["/clip"] = b"a clip"
    return make_asset("clip", b"a clip", {"kind": "https", "url": server.url("/clip")})


def test_what_is_there_is_not_waited_for(cache: Path, clip: Asset) -> None:
    catalogue = Catalogue((clip,))
    fetch(["clip"], catalogue=catalogue)
    wait_for(["clip"], lambda _: pytest.fail("it waits"), catalogue)


def test_it_goes_on_when_another_process_has_fetched_it(
    cache: Path, clip: Asset, caplog: pytest.LogCaptureFixture
) -> None:
    catalogue, paused = Catalogue((clip,)), list[float]()

    def pause(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 3:
            fetch(["clip"], catalogue=catalogue)

    with caplog.at_level("INFO"):
        wait_for(["clip"], pause, catalogue)
    assert len(paused) == 3
    (told,) = [record.message for record in caplog.records if "waiting until" in record.message]
    assert clip.sha256 in told


def test_an_unknown_name_is_not_waited_for(cache: Path, clip: Asset) -> None:
    with pytest.raises(UserError, match="no asset is called 'clipp'"):
        wait_for(["clipp"], lambda _: pytest.fail("it waits"), Catalogue((clip,)))


def test_a_worker_that_waits_for_its_model_can_be_stopped(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "onehertz", "infer", "--set", "health.port=null"]
    with subprocess.Popen(
        [*command, "--wait-for-asset", "ssd-mobilenetv2-oidv4"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "ONEHERTZ_CACHE": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stderr is not None
        assert any("waiting until somebody has fetched" in line for line in worker.stderr)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0, worker.stderr.read()
