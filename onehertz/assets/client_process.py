"""Runs a registry's client (npm, pip, apt) and watches what it writes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onehertz.assets.sources import SourceFailed

_POLL_S = 0.1
_SAID_LINES = 3
_SAID_OF_LOGS = re.compile(r"log files were not written|complete log of this run", re.IGNORECASE)
_CREDENTIALS = re.compile(r"//[^/\s@]+@")


@dataclass(frozen=True)
class Patience:
    """How long a source may keep us waiting, in seconds."""

    connect_s: float = 15.0  # for a connection, and for more bytes on it
    # A client that writes nothing for so long is taken for hung. Longer than connect_s, since some
    # clients try twice, and unpack for a while on a busy machine.
    silence_s: float = 90.0


def run_client(
    tool: str,
    arguments: Sequence[str],
    folder: Path,
    *,
    patience: Patience,
    environment: Mapping[str, str] | None = None,
    reached: Callable[[int], None] = lambda _: None,
) -> None:
    """Run a client (called `tool` in messages) that writes into `folder`, where it works.

    `reached` is told how many bytes are in the folder while they grow. Raises SourceFailed with the
    client's last words if it fails or falls silent; the client never outlives this call.
    """
    log = folder / "client.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            arguments,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its children can be ended with it
        ) as process,
    ):
        try:
            silent = not _wait(process, folder, patience, reached)
        finally:
            _end(process)
    if silent:
        raise SourceFailed(f"{tool} wrote nothing for {patience.silence_s:g} s and was ended")
    if process.returncode:
        raise SourceFailed(f"{tool} failed ({process.returncode}): {_last_words(log)}")


def _wait(
    process: subprocess.Popen[bytes],
    folder: Path,
    patience: Patience,
    reached: Callable[[int], None],
) -> bool:
    """True once the client has ended, False as soon as it has been silent for too long."""
    size, grew_at = 0, time.monotonic()
    while True:
        try:
            process.wait(timeout=_POLL_S)
            return True
        except subprocess.TimeoutExpired:
            pass
        now, size_now = time.monotonic(), _bytes_in(folder)
        if size_now != size:
            size, grew_at = size_now, now
            reached(size)
        elif now - grew_at > patience.silence_s:
            return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:  # the client has moved it meanwhile
                continue
    return total


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    telling = [line for line in lines if line and not _SAID_OF_LOGS.search(line)]
    said = " | ".join(telling[-_SAID_LINES:])
    return _CREDENTIALS.sub("//", said) or "it said nothing"
