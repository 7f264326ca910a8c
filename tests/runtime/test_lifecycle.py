"""How a role starts and stops: real processes, real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runtime.lifecycle import Stop

ROOT = Path(__file__).parents[2]

# What every process of these tests does around its own part: `stop` is there.
FRAME = """
import logging, os, sys, threading, time
from runtime.errors import FatalError, Fenced, Unreachable, UserError
from runtime.lifecycle import run_role
from runtime.logs import LogSettings, configure
configure(LogSettings(), "test", ["hunter2"])

def say(what):
    print(what, flush=True)

def role(stop):
{role}
sys.exit(run_role(role, drain_deadline_s={deadline_s}))
"""


class Process:
    """A role of a few lines, in a process of its own."""

    def __init__(self, role: str, deadline_s: float) -> None:
        lines = "".join(f"    {line}\n" for line in role.strip().splitlines())
        source = FRAME.format(role=lines, deadline_s=deadline_s)
        self._process = subprocess.Popen(
            [sys.executable, "-c", source],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def heard(self, what: str) -> None:
        """Wait until the process has said it."""
        assert self._process.stdout is not None
        too_late = threading.Timer(30, self._process.kill)
        too_late.start()
        try:
            assert self._process.stdout.readline() == f"{what}\n"
        finally:
            too_late.cancel()

    def signal(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def end(self) -> tuple[int, list[str]]:
        """Its exit code, and the lines of its standard error without the time."""
        _, said = self._process.communicate(timeout=30)
        return self._process.returncode, [line[13:] for line in said.splitlines()]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    with ExitStack() as running:

        def of(role: str, deadline_s: float = 20) -> Process:
            process = Process(role, deadline_s)
            running.callback(process.kill)
            return process

        yield of


LOOPING = """
say("started")
while not stop.wait(0.01): pass
say("draining")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_exits_with_0(start: Callable[..., Process], number: int) -> None:
    process = start(LOOPING)
    process.heard("started")
    process.signal(number)
    process.heard("draining")
    assert process.end() == (0, ["test    stopped as asked"])


def test_a_role_that_is_done_exits_with_0(start: Callable[..., Process]) -> None:
    assert start("pass").end() == (0, [])


LISTENING = """
from runtime.lifecycle import hangups
asked = hangups()
say("listening")
while not stop.wait(0.01):
    if asked(): say("asked" + " again" * asked())
"""


def test_a_hangup_is_told_once_and_ends_nothing(start: Callable[..., Process]) -> None:
    process = start(LISTENING)
    process.heard("listening")
    for _ in range(2):
        process.signal(signal.SIGHUP)
        process.heard("asked")
    process.signal()
    assert process.end() == (0, ["test    stopped as asked"])


STUBBORN = """
say("started")
while not stop.wait(0.01): pass
say("draining")
threading.Event().wait()
"""
# Inside C code that waits, Python runs no signal handler.
IN_C_CODE = """
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
producer.produce("t", b"x")
stop.on_request(lambda: say("draining"))
say("started")
producer.flush(60)
"""


@pytest.mark.parametrize("role", [STUBBORN, IN_C_CODE])
def test_a_second_signal_exits_at_once(start: Callable[..., Process], role: str) -> None:
    process = start(role)
    process.heard("started")
    process.signal()
    process.heard("draining")
    process.signal()
    assert process.end() == (1, ["test    ERROR stopped at once by a second signal"])


@pytest.mark.parametrize("role", [STUBBORN, IN_C_CODE])
def test_a_drain_that_takes_too_long_is_given_up(start: Callable[..., Process], role: str) -> None:
    process = start(role, deadline_s=0.3)
    process.heard("started")
    process.signal()
    process.heard("draining")
    said = "test    ERROR stopped: still not done 0.3 s after the stop was asked for"
    assert process.end() == (1, [said])


def test_the_deadline_counts_until_the_process_has_ended(start: Callable[..., Process]) -> None:
    process = start(
        """
        threading.Thread(target=threading.Event().wait).start()  # not a daemon: holds up the end
        say("started")
        stop.wait(60)
        """.replace("        ", ""),
        deadline_s=0.3,
    )
    process.heard("started")
    process.signal()
    code, said = process.end()
    assert code == 1
    assert said[-1] == "test    ERROR stopped: still not done 0.3 s after the stop was asked for"


def test_what_the_user_can_mend_is_a_line_each_and_2(start: Callable[..., Process]) -> None:
    code, said = start('raise UserError("a: wrong\\nb: too, hunter2")').end()
    assert (code, said) == (2, ["test    ERROR a: wrong", "test    ERROR b: too, ***"])


def test_a_server_that_is_away_is_a_line_each_and_1_since_it_may_come_back(
    start: Callable[..., Process],
) -> None:
    code, said = start('raise Unreachable("a: no answer\\nb: try c")').end()
    assert (code, said) == (1, ["test    ERROR a: no answer", "test    ERROR b: try c"])


@pytest.mark.parametrize("kind", ["FatalError", "Fenced"])
def test_what_ends_the_process_is_one_line_and_1(start: Callable[..., Process], kind: str) -> None:
    code, said = start(f'raise {kind}("the broker\\nis hunter2")').end()
    assert (code, said) == (1, ["test    ERROR stopped: the broker\\nis ***"])


def test_a_defect_of_ours_is_logged_with_its_traceback_and_1(
    start: Callable[..., Process],
) -> None:
    code, said = start('raise KeyError("hunter2")').end()
    assert code == 1
    assert said[0] == "test    ERROR stopped by a defect in onehertz; please report it"
    assert any("role" in line for line in said)
    assert not [line for line in said if "hunter2" in line]


def test_a_defect_in_another_thread_is_logged_too(start: Callable[..., Process]) -> None:
    code, said = start(
        'thread = threading.Thread(target=lambda: {}["hunter2"], name="camera"); thread.start()\n'
        "thread.join()"
    ).end()
    assert code == 0
    assert said[0] == "test    ERROR a defect in onehertz ended the thread camera"
    assert not [line for line in said if "hunter2" in line]


# ---------------------------------------------------------------- Stop


def test_who_wants_to_be_told_of_the_stop_is_told_once() -> None:
    stop, told = Stop(), list[str]()
    stop.on_request(lambda: told.append("early"))
    assert not stop.requested
    stop.request()
    stop.request()
    stop.on_request(lambda: told.append("late"))
    assert stop.requested
    assert told == ["early", "late"]


def test_one_who_can_not_be_told_keeps_nobody_from_it() -> None:
    stop, told = Stop(), list[str]()
    stop.on_request(lambda: told.remove("what is not there"))
    stop.on_request(lambda: told.append("the other"))
    stop.request()
    assert told == ["the other"]


def test_waiting_ends_with_the_stop() -> None:
    stop = Stop()
    assert not stop.wait(-1)
    threading.Thread(target=stop.request).start()
    assert stop.wait(60)


def test_a_signal_that_ends_a_forked_child_is_none_to_the_role(
    start: Callable[..., Process],
) -> None:
    """OpenVINO forked one, and ended it so."""
    process = start("""
import signal
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.write(writing, b".")
    signal.pause()
    os._exit(0)
os.read(reading, 1)
os.kill(child, 15)
_, status = os.waitpid(child, 0)
say(f"child: {os.WTERMSIG(status)}, asked to stop: {stop.wait(0.3)}")
""")
    process.heard("child: 15, asked to stop: False")
    assert process.end() == (0, [])
