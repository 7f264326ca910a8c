"""Roles as child processes, with small real ones in place of roles."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onehertz.processes import RoleProcess, Supervisor, age_s
from runtime.errors import FatalError
from tests.onehertz.living import is_gone
from tests.waiting import eventually

STAYS = """
    import signal, sys
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("up", flush=True)
    while True:
        signal.pause()
"""
# Ready as soon as there is a file `ready` beside its log.
SERVES = """
    import http.server, pathlib, sys
    port = int(sys.argv[-1].partition("=")[2])
    METRICS = (
        b'# TYPE seen_total counter\\n'
        b'seen_total{stage="a"} 2\\nseen_total{stage="b"} 3\\n# TYPE size gauge\\nsize 7\\n'
    )
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            ready = pathlib.Path("ready").exists()
            good = self.path == "/metrics" or ready
            self.send_response(200 if good else 503)
            self.end_headers()
            self.wfile.write(METRICS)
        def log_message(self, *_): pass
    print("serving", flush=True)
    http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""

Make = Callable[..., RoleProcess]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """A role whose program is this Python source. None of them outlives the test."""
    monkeypatch.chdir(tmp_path)
    made: list[RoleProcess] = []

    def _make(source: str, name: str = "role", **environment: str) -> RoleProcess:
        script = tmp_path / f"{name}.py"
        script.write_text(textwrap.dedent(source))
        role = RoleProcess(name, [], tmp_path, environment, program=[sys.executable, str(script)])
        made.append(role)
        return role

    yield _make
    for role in made:
        if role.starts:
            role.kill()


def log_of(role: RoleProcess) -> str:
    return role.log.read_text() if role.log.exists() else ""


def ended(role: RoleProcess) -> None:
    eventually(lambda: not role.is_running)


# ---------------------------------------------------------------- one role


def test_a_role_that_is_asked_to_stop_gives_its_exit_code(make: Make) -> None:
    role = make(STAYS)
    role.start()
    eventually(lambda: "up" in log_of(role))
    assert role.is_running
    assert role.stop() == 0
    assert not role.is_running


def test_a_role_that_does_not_stop_in_time_is_killed(make: Make) -> None:
    role = make(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
        "while True: signal.pause()"
    )
    role.start()
    eventually(lambda: "up" in log_of(role))
    assert role.stop(within_s=0.2) == -signal.SIGKILL


def test_a_role_that_was_paused_can_still_be_stopped(make: Make) -> None:
    role = make(STAYS)
    role.start()
    eventually(lambda: "up" in log_of(role))
    role.send(signal.SIGSTOP)
    assert role.stop() == 0


def test_a_role_that_was_never_started_does_not_run(make: Make) -> None:
    role = make(STAYS)
    assert not role.is_running
    with pytest.raises(RuntimeError, match="never started"):
        _ = role.process


def test_a_role_is_ready_when_it_says_so(make: Make, tmp_path: Path) -> None:
    role = make(SERVES)
    assert not role.is_ready()
    role.start()
    eventually(lambda: role.metrics())
    assert not role.is_ready()
    (tmp_path / "ready").touch()
    assert role.is_ready()


def test_metrics_are_summed_over_their_labels(make: Make) -> None:
    role = make(SERVES)
    assert role.metrics() == {}
    role.start()
    assert eventually(lambda: role.metrics()) == {"seen_total": 5.0, "size": 7.0}


def test_a_role_gets_no_settings_of_this_environment(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEHERTZ_KAFKA__BOOTSTRAP_SERVERS", "production:9092")
    monkeypatch.setenv("ONEHERTZ_CACHE", "/the/cache")
    role = make(
        "import os; print(sorted(n for n in os.environ if 'ONEHERTZ' in n))", ONEHERTZ_X="1"
    )
    role.start({"ONEHERTZ_FAILPOINT": "somewhere"})
    ended(role)
    role.start()
    ended(role)
    assert log_of(role).splitlines() == [
        "['ONEHERTZ_CACHE', 'ONEHERTZ_FAILPOINT', 'ONEHERTZ_X']",
        "['ONEHERTZ_CACHE', 'ONEHERTZ_X']",
    ]


def test_a_role_has_a_session_of_its_own_so_that_ctrl_c_does_not_reach_it(make: Make) -> None:
    role = make(STAYS)
    role.start()
    eventually(lambda: "up" in log_of(role))
    assert os.getsid(role.process.pid) == role.process.pid


@pytest.mark.parametrize("paused", [False, True])
def test_a_role_ends_with_its_parent_however_that_ends(tmp_path: Path, paused: bool) -> None:
    script = tmp_path / "role.py"
    script.write_text(textwrap.dedent(STAYS))
    parent_source = f"""
        import pathlib, signal, sys
        from onehertz.processes import RoleProcess
        role = RoleProcess("role", [], pathlib.Path({str(tmp_path)!r}),
                           program=[sys.executable, {str(script)!r}])
        role.start()
        print(role.process.pid, flush=True)
        signal.pause()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(parent_source)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        eventually(lambda: "up" in (tmp_path / "role.log").read_text())
        if paused:
            os.kill(child, signal.SIGSTOP)
        parent.kill()
    eventually(lambda: is_gone(child), why="the role outlives its parent")


def test_the_age_of_a_process_counts_its_interpreter_s_start() -> None:
    before_s = time.monotonic()
    printed = subprocess.run(
        [sys.executable, "-c", "from onehertz.processes import age_s; print(age_s())"],
        capture_output=True,
        check=True,
        text=True,
    )
    took_s = time.monotonic() - before_s
    # A process' start is known to a hundredth of a second.
    assert 0.01 <= float(printed.stdout) <= took_s + 0.02
    assert age_s() > took_s


# ---------------------------------------------------------------- several of them


def test_a_role_that_dies_is_started_again_and_it_is_told(make: Make) -> None:
    told: list[str] = []
    role = make(STAYS)
    supervisor = Supervisor([role], told.append)
    supervisor.start(["role"])
    supervisor.check()
    assert told == []
    role.kill()
    supervisor.check()
    assert role.is_running
    assert role.starts == 2
    assert told == ["role ended with exit code -9: starting it again"]


def test_what_was_not_started_is_not_looked_after(make: Make) -> None:
    role = make(STAYS)
    Supervisor([role], print).check()
    assert role.starts == 0


@pytest.mark.parametrize(("code", "starts"), [(0, 1), (1, 2), (3, 2)])
def test_one_that_may_end_by_itself_is_started_again_only_after_a_failure(
    make: Make, code: int, starts: int
) -> None:
    role = make(f"raise SystemExit({code})")
    supervisor = Supervisor([role], lambda _line: None)
    supervisor.start(["role"])
    ended(role)
    supervisor.check(ends_by_itself=["role"])
    assert role.starts == starts


def test_one_that_should_go_on_is_started_again_even_after_a_good_end(make: Make) -> None:
    role = make("raise SystemExit(0)")
    supervisor = Supervisor([role], lambda _line: None)
    supervisor.start(["role"])
    ended(role)
    supervisor.check()
    assert role.starts == 2


def test_exit_code_2_is_final_and_told_with_the_log_s_end(make: Make) -> None:
    role = make("print('first'); print('no such topic'); raise SystemExit(2)")
    supervisor = Supervisor([role], print)
    supervisor.start(["role"])
    ended(role)
    with pytest.raises(
        FatalError, match=r"(?s)role ended with exit code 2.*role\.log.*no such topic"
    ):
        supervisor.check()
    assert role.starts == 1


def test_one_that_keeps_dying_is_given_up_with_the_log_s_end(make: Make) -> None:
    told: list[str] = []
    role = make("raise SystemExit('the disk is full')")
    supervisor = Supervisor([role], told.append, max_starts=3)
    supervisor.start(["role"])

    def look_after() -> None:
        ended(role)
        supervisor.check()

    look_after()
    look_after()
    with pytest.raises(FatalError, match=r"(?s)exit code 1.*the disk is full"):
        look_after()
    assert role.starts == 3
    assert len(told) == 2


def test_one_that_was_retired_stays_down(make: Make) -> None:
    role = make(STAYS)
    supervisor = Supervisor([role], print)
    supervisor.start(["role"])
    supervisor.retire("role")
    supervisor.check()
    assert not role.is_running
    assert role.starts == 1


def test_waiting_for_readiness_looks_after_the_others_and_after_the_screen(
    make: Make, tmp_path: Path
) -> None:
    served, other = make(SERVES, "served"), make(STAYS, "other")
    supervisor = Supervisor([served, other], lambda _line: None)
    supervisor.start(["served", "other"])
    calls = 0

    def meanwhile() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            other.kill()
        if calls == 3:
            (tmp_path / "ready").touch()

    supervisor.wait_ready(["served"], 30.0, meanwhile)
    assert calls >= 3
    assert other.starts == 2


def test_one_that_does_not_get_ready_is_named_with_the_log_s_end(make: Make) -> None:
    role = make(SERVES)
    supervisor = Supervisor([role], print)
    supervisor.start(["role"])
    eventually(lambda: "serving" in log_of(role))
    with pytest.raises(FatalError, match=r"(?s)role was not ready within 0 s.*serving"):
        supervisor.wait_ready(["role"], 0.3)


def test_stopping_asks_all_at_once_and_kills_what_takes_too_long(make: Make) -> None:
    stubborn = make(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
        "while True: signal.pause()",
        "stubborn",
    )
    roles = [stubborn, make(STAYS, "one"), make(STAYS, "two"), make(STAYS, "spare")]
    supervisor = Supervisor(roles, print)
    supervisor.start(["stubborn", "one", "two"])
    eventually(lambda: all("up" in log_of(role) for role in roles[:3]))
    assert supervisor.stop(within_s=3.0) == {"stubborn": -signal.SIGKILL, "one": 0, "two": 0}


def test_the_end_of_a_log_is_a_few_lines(make: Make) -> None:
    role = make("for n in range(100): print('line', n)")
    assert role.last_lines() == ""
    role.start()
    ended(role)
    lines = role.last_lines().splitlines()
    assert lines[-1] == "line 99"
    assert len(lines) < 30
