from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from onehertz.stack import processes
from onehertz.stack.processes import ProcessIdentity, parse_stat
from onehertz.stack.server import Server


def identity_of(pid: int) -> ProcessIdentity:
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text()
    return processes.parse_identity(Path(f"/proc/{pid}/stat").read_text() + boot_id)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@given(some.text(some.characters(codec="ascii", exclude_characters="\n"), max_size=15))
def test_any_process_name_is_read_over(name: str) -> None:
    fields = " ".join(str(number) for number in range(4, 53))
    assert parse_stat(f"42 ({name}) S {fields}\n") == (42, "S", 22)


@pytest.mark.parametrize("line", ["", "42", "42 (sh) S 1 2", "x (sh) " + "1 " * 30])
def test_what_is_no_stat_line_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"stat|invalid literal"):
        parse_stat(line)


def test_a_process_is_running_until_it_has_ended(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identity_of(sleeper.pid)
    assert processes.is_running(identity)
    sleeper.kill()
    sleeper.wait()
    assert not processes.is_running(identity)


@pytest.mark.parametrize("of", ["another start", "another boot"])
def test_a_recycled_process_id_is_neither_taken_for_the_server_nor_killed(
    sleeper: subprocess.Popen[bytes], of: str
) -> None:
    identity = identity_of(sleeper.pid)
    earlier = replace(identity, started_ticks=identity.started_ticks - 1)
    recycled = earlier if of == "another start" else replace(identity, boot_id="before")
    assert not processes.is_running(recycled)
    assert processes.end(recycled, ask=signal.SIGKILL, wait_s=1.0)
    assert sleeper.poll() is None


def test_a_process_that_ignores_the_request_is_killed() -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", deaf + "signal.pause()"], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        ended_well = processes.end(identity_of(process.pid), ask=signal.SIGTERM, wait_s=0.2)
    assert not ended_well


def spawned(tmp_path: Path, script: str, **environment: str) -> Server:
    """A server that is a shell script."""
    server = Server("Shell", tmp_path, ask=signal.SIGTERM, stop_wait_s=10.0)
    server.launch(["sh", "-c", script], os.environ, environment)
    return server


def test_a_server_is_found_by_its_own_file_and_stops(tmp_path: Path) -> None:
    server = spawned(tmp_path, "sleep 600 & wait")
    process = server.process()
    assert process is not None
    assert os.getsid(process.pid) == process.pid, "it must outlive a terminal"
    assert server.stop()
    assert server.process() is None
    assert not server.was_left_running()


def test_a_killed_server_counts_as_left_running(tmp_path: Path) -> None:
    server = spawned(tmp_path, "exec sleep 600")
    server.kill()
    assert server.process() is None
    assert server.was_left_running()


def test_a_server_sees_no_variable_that_could_be_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    server = spawned(tmp_path, "env; echo end", TZ="UTC")
    server.wait_until(lambda: "end" in server.log_file.read_text(), logged=0, wait_s=10.0)
    assert "TZ=UTC" in server.log_file.read_text()
    assert "hunter2" not in server.log_file.read_text()
    server.stop()


def test_a_server_holds_no_descriptor_of_its_starter(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    server = spawned(tmp_path, "exec sleep 600")
    os.close(writing)
    # The end of the pipe comes only when nobody holds its writing end.
    assert os.read(reading, 1) == b""
    os.close(reading)
    server.stop()


def test_memory_of_a_process_counts_its_children() -> None:
    alone = processes.memory_bytes(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", "x = b'x' * 50_000_000; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        together = processes.memory_bytes(os.getpid())
        child.communicate(b"\n")
    assert together - alone > 50_000_000
