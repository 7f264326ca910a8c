"""`onehertz demo` as a user runs it: a process in a folder, with or without a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from onehertz.settings import Settings
from runtime.kafka import reader
from runtime.reading import read_all
from tests.onehertz.living import children_of
from tests.waiting import eventually

WAIT_S = 240.0  # on a machine that is busy with other things
_ONEHERTZ = (sys.executable, "-m", "onehertz")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Ended(NamedTuple):
    """A demo that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def said(self) -> dict[str, Any]:
        """The object on standard output; there must be exactly one, and nothing else."""
        (line,) = self.stdout.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


class Demo:
    """A demo that runs in `folder`. None outlives the `with`."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self.folder = folder
        self._out, self._err = folder / "out", folder / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*_ONEHERTZ, "demo", *words],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=os.environ | environment,
            )

    def __enter__(self) -> Demo:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            finally:
                self.process.kill()
                self.process.wait()

    def told(self) -> str:
        return self._err.read_text()

    def until(self, condition: Any, why: str) -> None:
        """Wait for it. Fails when the demo ends before."""
        eventually(
            lambda: condition() or self.process.poll() is not None,
            WAIT_S,
            why=f"{why}\n{self.told()}",
        )
        assert condition(), f"ended before {why}:\n{self.told()}"

    def roles(self) -> dict[str, int]:
        """Process ids of the roles that run: of gate, infer, produce, sql and alerts."""
        found = {}
        for pid, words in children_of(self.process.pid).items():
            if "onehertz" in words and "--config" in words:
                role = words[words.index("onehertz") + 1 :]
                found[role[1] if role[0] == "sink" else role[0]] = pid
        return found

    def captured(self) -> int:
        """Messages on frames-raw by now, the repeats of a restarted producer included."""
        config = self.folder / ".onehertz/demo/onehertz.yaml"
        settings = Settings.model_validate(yaml.safe_load(config.read_text()))
        with closing(reader(settings.kafka)) as consumer:
            topic = settings.line.topic("frames-raw")
            return sum(
                1
                for partition in range(settings.line.partitions)
                for _ in read_all(consumer, topic, partition)
            )

    def end(self) -> Ended:
        code = self.process.wait(WAIT_S)
        return Ended(code, self._out.read_text(), self._err.read_text())


@contextmanager
def on_a_terminal(
    folder: Path, columns: int, *words: str, environment: Mapping[str, str]
) -> Iterator[Terminal]:
    """A demo whose input and output is a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [*_ONEHERTZ, "demo", *words],
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, **environment, "TERM": "xterm"},
        start_new_session=True,
        preexec_fn=_take_terminal,  # so that Ctrl-C becomes a signal
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """What somebody sees who sits before it."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._raw = b""

    def press_ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def text(self) -> str:
        """Everything that was shown so far, without its colours and movements."""
        return _ESCAPES.sub("", self._raw.decode(errors="replace")).replace("\r", "")

    def read_until(self, wanted: str) -> None:
        """Until this regular expression is on the screen."""
        deadline = time.monotonic() + WAIT_S
        while not re.search(wanted, self.text()):
            assert self._read(), f"ended before {wanted!r}:\n{self.text()}"
            assert time.monotonic() < deadline, f"no {wanted!r} in:\n{self.text()}"

    def end(self) -> int:
        """Read to the end; its exit code."""
        while self._read():
            pass
        return self.process.wait(WAIT_S)

    def _read(self) -> bool:
        if not select.select([self._master], [], [], WAIT_S)[0]:
            return False
        try:
            piece = os.read(self._master, 65_536)
        except OSError:  # Linux: the other end is closed
            return False
        self._raw += piece
        return bool(piece)
