"""What Kafka and PostgreSQL have in common as servers: a folder, a process, a log."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from onehertz.stack import processes
from onehertz.stack.processes import ProcessIdentity
from runtime.errors import FatalError

Say = Callable[[str], None]

POLL_S = 0.05
IDENTITY_WAIT_S = 10.0
LOG_KEPT_BYTES = 20_000_000

# What a server may see of this process' environment: nothing that could be a secret.
PASSED_ON = ("HOME", "LD_LIBRARY_PATH", "PATH", "TMPDIR")

PORT_TAKEN_SAYINGS = ("Address already in use", "Address in use")


class PortTaken(FatalError):
    """Another program took a port after it was chosen and before the server listened on it."""


class Server:
    """One server of a stack. All its files lie in `folder`.

    `name`: as users know it. `ask`: the signal that asks it to stop well.
    """

    def __init__(self, name: str, folder: Path, *, ask: signal.Signals, stop_wait_s: float) -> None:
        self.name = name
        self.folder = folder
        self.log_file = folder / f"{name.lower()}.log"
        self.identity_file = folder / "process"
        self._ask = ask
        self._stop_wait_s = stop_wait_s

    def process(self) -> ProcessIdentity | None:
        """The server's process, if it runs, whoever started it."""
        return processes.running_from(self.identity_file)

    def was_left_running(self) -> bool:
        """Whether the server was started and never stopped: if it does not run, it died."""
        return self.identity_file.exists()

    def stop(self) -> bool:
        """Ask the server to stop, and kill it if it does not; returns whether it stopped well."""
        process = self.process()
        well = process is None or processes.end(process, ask=self._ask, wait_s=self._stop_wait_s)
        self.identity_file.unlink(missing_ok=True)
        return well

    def kill(self) -> None:
        """End the server by SIGKILL, as a fault would. Its data stay for the next start."""
        process = self.process()
        if process is not None:
            processes.end(process, ask=signal.SIGKILL, wait_s=10.0)

    def launch(
        self, command: Sequence[str], environment: Mapping[str, str], extra: Mapping[str, str]
    ) -> int:
        """Start the server's process; returns the size of its log before, in bytes."""
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_KEPT_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        logged = self.log_file.stat().st_size if self.log_file.exists() else 0
        pid = processes.spawn(
            command,
            identity_file=self.identity_file,
            log_file=self.log_file,
            folder=self.folder,
            environment={key: environment[key] for key in PASSED_ON if key in environment}
            | dict(extra),
        )
        deadline = time.monotonic() + IDENTITY_WAIT_S
        while not self.identity_file.exists():
            if time.monotonic() > deadline:
                raise FatalError(f"{self.name} (process {pid}) did not start: {self.said(logged)}")
            time.sleep(POLL_S / 10)
        return logged

    def wait_until(self, answers: Callable[[], bool], *, logged: int, wait_s: float) -> None:
        """Wait until the server answers.

        Raises PortTaken or FatalError with its last words where it ends or takes `wait_s` seconds.
        `logged`: size of the log before this start.
        """
        deadline = time.monotonic() + wait_s
        while not answers():
            if self.process() is None:
                words = self.said(logged)
                if any(saying in words for saying in PORT_TAKEN_SAYINGS):
                    raise PortTaken(f"{self.name} found its port taken")
                raise FatalError(f"{self.name} ended while it started: {words}")
            if time.monotonic() > deadline:
                raise FatalError(
                    f"{self.name} does not answer after {wait_s:.0f} s: {self.said(logged)}"
                )
            time.sleep(POLL_S)

    def said(self, logged: int) -> str:
        """The last lines of the log since it had `logged` bytes, and where all of it is."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(0, os.SEEK_END)
                log.seek(max(logged, log.tell() - 4000))
                lines = log.read().decode(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return f"{' | '.join(lines[-12:]) or 'it said nothing'} (log: {self.log_file})"
