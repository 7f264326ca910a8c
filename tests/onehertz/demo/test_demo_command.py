"""`onehertz demo`, whole: played to its end, killed in part and as a whole, and interrupted."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from click.testing import CliRunner

from onehertz.assets import load_catalogue
from onehertz.cli.demo import demo as command
from onehertz.demo.prepare import DETECTOR
from onehertz.stack.leash import leashed
from onehertz.stack.stack import Stack
from tests.fixtures.assets import FetchedAssets
from tests.onehertz.demo.command import Demo, Ended, on_a_terminal
from tests.onehertz.living import is_gone
from tests.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.line]

STACK = ".onehertz/stack"
TICKS = 24  # of each camera: 6 seconds at four times real time
# Played again, the same start gives the same rows: the gate's audit goes by capture times.
WORDS = ("--seconds", "6", "--start-at", "2026-11-01T12:00:00Z", "--json")
ROLES = {"gate", "infer", "sql", "alerts", "produce"}


@pytest.fixture(scope="module")
def folder(assets: FetchedAssets, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which a stack is up: the demos in it find it so, and leave it so."""
    for name in (*DETECTOR, "vtest", "tree"):
        if name in DETECTOR:
            assets.need(name)
        assets.get(name)
    folder = tmp_path_factory.mktemp("demo")
    with leashed(Stack(folder / STACK)):
        yield folder


@pytest.fixture(scope="module")
def calm(folder: Path) -> Ended:
    """A demo that nothing happened to."""
    # A setting of the user's environment is not for the demo's roles.
    with Demo(folder, *WORDS, ONEHERTZ_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1") as demo:
        ended = demo.end()
        assert not demo.roles()
        return ended


def test_a_demo_ends_well_and_prints_one_object(calm: Ended) -> None:
    assert calm.code == 0, calm.stderr
    assert calm.said["equal"] is True
    assert "starting it again" not in calm.stderr  # no role has died of its own accord


def test_every_captured_tick_is_a_row_of_one_status(calm: Ended) -> None:
    for name, camera in calm.said["cameras"].items():
        assert camera["captured"] == camera["rows"] == TICKS, name
        statuses = ("inferred", "unchanged", "rejected", "missing")
        assert sum(camera[status] for status in statuses) == TICKS, name


def test_the_clips_that_are_there_are_played_and_people_are_seen_on_the_campus(
    calm: Ended, assets: FetchedAssets
) -> None:
    expected = {"street"}
    if assets.get("vtest"):
        expected |= {"campus", "campus-quiet"}
        # By the clip's annotation at least two people on each of the ticks of both cameras.
        assert calm.said["detections"]["person"] >= 2 * TICKS
    if assets.get("tree"):
        expected |= {"tree"}
    assert set(calm.said["cameras"]) == expected


def test_nobody_ever_comes_by_at_the_tree_and_in_the_street(calm: Ended) -> None:
    for name in {"street", "tree"} & set(calm.said["cameras"]):
        assert calm.said["cameras"][name]["inferred"] < TICKS / 2


def test_the_latency_is_told(calm: Ended) -> None:
    latency_ms = calm.said["latency_ms"]
    assert 0 < latency_ms["p50"] <= latency_ms["p99"]


def test_the_first_detection_is_timed_from_the_start_of_the_command(
    calm: Ended, assets: FetchedAssets
) -> None:
    if not assets.get("vtest"):
        pytest.skip("without the clip nobody is seen so early")
    (line,) = (one for one in calm.stderr.splitlines() if "first detection" in one)
    told_at_s, first_s = float(line.split()[0]), float(line.split()[7])
    assert 0 < first_s <= told_at_s


@pytest.mark.usefixtures("calm")
def test_each_camera_has_a_snapshot_that_is_a_picture(folder: Path, calm: Ended) -> None:
    paths = {path.stem: path for path in (folder / ".onehertz/demo/snapshots").glob("*.png")}
    assert set(paths) == set(calm.said["cameras"])
    assert all(cv2.imread(str(path)) is not None for path in paths.values())


def test_a_role_that_is_killed_is_started_again_and_no_count_changes(
    folder: Path, calm: Ended
) -> None:
    cameras = len(calm.said["cameras"])
    with Demo(folder, *WORDS) as demo:
        demo.until(lambda: set(demo.roles()) == ROLES, "all roles run")
        demo.until(lambda: demo.captured() >= 2 * cameras, "some ticks were captured")
        assert demo.captured() < TICKS * cameras
        for pid in demo.roles().values():
            os.kill(pid, signal.SIGKILL)
        ended = demo.end()
    assert ended.code == 0, ended.stderr
    for role in ROLES:
        assert f"{role} ended with exit code -9: starting it again" in ended.stderr
    assert _counts(ended) == _counts(calm)


def _counts(ended: Ended) -> dict[str, Any]:
    return {key: value for key, value in ended.said.items() if key != "latency_ms"}


def test_a_demo_that_is_killed_takes_its_roles_along_and_leaves_the_servers(folder: Path) -> None:
    with Demo(folder, *WORDS) as demo:
        demo.until(lambda: set(demo.roles()) == ROLES, "all roles run")
        roles = demo.roles()
        demo.process.kill()
        demo.process.wait()
    eventually(lambda: all(is_gone(pid) for pid in roles.values()), why=f"{roles} outlive it")
    assert Stack(folder / STACK).status().is_up


def test_ctrl_c_ends_the_cameras_and_reports_and_the_stack_that_was_started_is_stopped(
    assets: FetchedAssets, tmp_path: Path
) -> None:
    """On a terminal of 80 columns, in an empty folder, and where no clip can be had."""
    cache = tmp_path / "cache"
    for name in DETECTOR:
        asset = load_catalogue().asset(name)
        target = cache / "assets" / asset.sha256 / asset.file
        target.parent.mkdir(parents=True)
        shutil.copyfile(assets.need(name), target)
    environment = _without_sources(tmp_path, cache)
    stack = Stack(tmp_path / STACK)
    with on_a_terminal(tmp_path, 80, "--seconds", "60", environment=environment) as terminal:
        try:
            terminal.read_until("the synthetic street alone")
            terminal.read_until(r"street +[1-9][0-9]*/240")
            terminal.press_ctrl_c()
            code = terminal.end()
        finally:
            was_left_up = stack.down()
    text = terminal.text()
    assert code == 130, text
    assert not was_left_up
    assert "Has every captured tick exactly one row? yes" in text
    for heading in ("camera", "kept %", "unchanged", "detections", "captured", "missing"):
        assert heading in text
    assert "Traceback" not in text


def _without_sources(folder: Path, cache: Path) -> dict[str, str]:
    """As on a machine from which no source of a clip can be reached; Kafka's jars are there."""
    from onehertz.cache import user_cache_path

    for entry in user_cache_path(os.environ).glob("kafka-*"):
        (cache / entry.name).symlink_to(entry)
    programs = folder / "programs"
    programs.mkdir()
    for name in ("java", "sh", "setpriv", "su"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    proxy = "http://127.0.0.1:9"  # nobody listens there
    return {
        "PATH": str(programs),
        "ONEHERTZ_CACHE": str(cache),
        "https_proxy": proxy,
        "HTTPS_PROXY": proxy,
        "no_proxy": "",
        "NO_PROXY": "",
    }


@pytest.mark.parametrize("words", [["--seconds", "2"], ["--speed", "0"], ["--start-at", "noon"]])
def test_what_makes_no_sense_is_refused_before_anything_starts(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, words)
    assert result.exit_code != 0
    assert list(tmp_path.iterdir()) == []


def test_help_has_an_example_and_says_what_ctrl_c_and_kill_do() -> None:
    output = CliRunner().invoke(command, ["--help"]).output
    assert "Example: onehertz demo" in output
    assert "Ctrl-C" in output
    assert "onehertz down" in output
