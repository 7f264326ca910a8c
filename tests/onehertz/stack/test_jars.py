from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from onehertz.stack import jars
from onehertz.stack.jars import complete_jars, jars_folder, jars_in, kafka_jars, pom
from onehertz.stack.problem import Problem


def silent(_line: str) -> None:
    """Nobody listens."""


def fetch_two(folder: Path) -> None:
    (folder / "kafka_2.13-4.3.1.jar").write_bytes(b"k" * 100)
    (folder / "slf4j.jar").write_bytes(b"s" * 10)


def fetch_never(folder: Path) -> None:
    raise AssertionError("fetched although all jars are there")


def test_jars_are_fetched_once(tmp_path: Path) -> None:
    first = jars_in(tmp_path, silent, fetch_two)
    assert [jar.name for jar in first] == ["kafka_2.13-4.3.1.jar", "slf4j.jar"]
    assert jars_in(tmp_path, silent, fetch_never) == first


@pytest.mark.parametrize("damage", ["shorter", "missing", "marker"])
def test_jars_that_are_not_whole_are_fetched_again(tmp_path: Path, damage: str) -> None:
    jar, *_ = jars_in(tmp_path, silent, fetch_two)
    if damage == "shorter":
        jar.write_bytes(b"k" * 50)
    elif damage == "missing":
        jar.unlink()
    else:
        (jar.parent / "complete.json").write_text("{half")
    assert complete_jars(jars_folder(tmp_path)) is None
    assert jars_in(tmp_path, silent, fetch_two)[0].stat().st_size == 100


def test_a_fetch_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def break_off(folder: Path) -> None:
        (folder / "kafka_2.13-4.3.1.jar").write_bytes(b"k")
        raise OSError("connection lost")

    with pytest.raises(OSError, match="connection lost"):
        jars_in(tmp_path, silent, break_off)
    assert [entry.suffix for entry in tmp_path.iterdir()] == [".lock"]


def test_what_a_killed_fetch_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / f"{jars_folder(tmp_path).name}.partial-x" / "jars"
    left.mkdir(parents=True)
    (left / "kafka_2.13-4.3.1.jar").write_bytes(b"half")
    jars_in(tmp_path, silent, fetch_two)
    assert not left.exists()


def test_a_fetch_without_kafka_in_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="brought no Kafka"):
        jars_in(tmp_path, silent, lambda folder: (folder / "x.jar").touch())
    assert complete_jars(jars_folder(tmp_path)) is None


def test_of_two_processes_one_fetches_and_the_other_waits(tmp_path: Path) -> None:
    """Each process adds a line to a log when it fetches, and waits for the other to have begun."""
    script = """
import sys
from pathlib import Path
from onehertz.stack.jars import jars_in
cache, log = Path(sys.argv[1]), Path(sys.argv[2])
def fetch(folder):
    with log.open("a") as lines:
        lines.write("fetched\\n")
    print("fetching", flush=True)
    sys.stdin.readline()  # until the other one waits
    (folder / "kafka_2.13-4.3.1.jar").write_bytes(b"k")
print(len(jars_in(cache, lambda line: print(line, flush=True), fetch)))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "cache"), str(tmp_path / "log")]
    (tmp_path / "cache").mkdir()
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as first,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as second,
    ):
        assert first.stdout is not None
        assert second.stdout is not None
        lines = {first: first.stdout.readline().strip(), second: second.stdout.readline().strip()}
        assert sorted(lines.values()) == [
            "fetching",
            "waiting for another process that fetches Kafka",
        ]
        for process, line in lines.items():
            if line == "fetching":
                out, _ = process.communicate("go\n", timeout=60)
                assert out.strip() == "1"
        for process, line in lines.items():
            if line != "fetching":
                out, _ = process.communicate(timeout=60)
                assert out.strip() == "1"
    assert (tmp_path / "log").read_text() == "fetched\n"


def test_no_room_for_the_jars_is_told_before_fetching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "NEEDED_BYTES", 10**18)
    with pytest.raises(Problem, match=r"MB free.*ONEHERTZ_CACHE"):
        jars_in(tmp_path, silent, fetch_never)


def test_a_maven_that_fails_is_quoted_and_the_way_out_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text("#!/bin/sh\necho '[ERROR] no route to the repository'\nexit 1\n")
    maven.chmod(0o755)
    # As on a machine without the resolver.
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(Problem, match=r"mvn: \[ERROR\] no route to the repository.*settings\.xml"):
        kafka_jars(tmp_path, silent, {"PATH": str(maven.parent)})


def test_the_project_names_kafka_in_its_version() -> None:
    assert "<artifactId>kafka_2.13</artifactId><version>4.3.1</version>" in pom()
