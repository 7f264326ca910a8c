"""Roles as child processes: started, watched, and started again when they die."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import SystemRandom

from prometheus_client.parser import text_string_to_metric_families

from onehertz.stack.ports import choose_port, is_free
from runtime.environment import is_setting
from runtime.errors import FatalError

# Looked up here and not in the child: between fork and exec another thread's lock may be held.
_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
_PR_SET_PDEATHSIG = 1
_BEGAN_S = time.monotonic()
_LOG_LINES = 15
_STOP_S = 40.0


class RoleProcess:
    """One role in a process of its own; its log goes to `<folder>/<name>.log`.

    It ends with the thread that starts it (Linux: SIGKILL by the kernel), however that ends: start
    it in the main thread. Of this process' environment it gets all but settings (`ONEHERTZ_…`):
    what counts are its arguments and the file that they name.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "onehertz"),
    ) -> None:
        """`arguments` are those of `program`, say ("sink", "sql", "--config", …).

        To them is added `--set health.port=N`: there it answers for its health.
        """
        self.name = name
        self.log = folder / f"{name}.log"
        self.starts = 0
        self._command = [*program, *arguments]
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def start(self, extra_environment: Mapping[str, str] | None = None) -> None:
        """Start it, or start it again."""
        self._port = choose_port(SystemRandom(), avoid=(), free=is_free)
        self.starts += 1
        command = [*self._command, "--set", f"health.port={self._port}"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_without_settings() | self._environment | dict(extra_environment or {}),
                start_new_session=True,  # Ctrl-C goes to the parent alone, which then ends them
                preexec_fn=partial(_end_with, os.getpid()),
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was never started")
        return self._process

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to exactly this process."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def stop(self, within_s: float = _STOP_S) -> int:
        """SIGTERM, wait, and its exit code; a process that takes longer is killed."""
        self.ask_to_stop()
        return self.wait(within_s)

    def ask_to_stop(self) -> None:
        """SIGTERM. Once is enough: a role takes a second one for the wish not to drain."""
        if self.is_running:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)  # a stopped process could not act on it

    def wait(self, within_s: float) -> int:
        """Wait for its end, and its exit code; a process that takes longer is killed."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.returncode

    def is_ready(self) -> bool:
        """Whether /readyz says so."""
        return self._get("/readyz") is not None

    def metrics(self) -> dict[str, float]:
        """The sum over labels of each of its metrics; empty when it does not answer."""
        text = self._get("/metrics")
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text or ""):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums

    def last_lines(self) -> str:
        """The end of its log, for an error message."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-_LOG_LINES:])

    def _get(self, path: str) -> str | None:
        try:
            url = f"http://127.0.0.1:{self._port}{path}"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return str(answer.read(), "utf-8")
        except (urllib.error.URLError, OSError):
            return None


class Supervisor:
    """Keeps roles running: one that dies is started again, one that keeps dying is an error."""

    def __init__(
        self,
        roles: Sequence[RoleProcess],
        say: Callable[[str], None],
        max_starts: int = 6,
    ) -> None:
        self.roles = {role.name: role for role in roles}
        self._say = say
        self._max_starts = max_starts
        self._retired: set[str] = set()

    def start(self, names: Sequence[str]) -> None:
        for name in names:
            self.roles[name].start()

    def check(self, ends_by_itself: Sequence[str] = ()) -> None:
        """Restart what has died. Those in `ends_by_itself` may end with exit code 0.

        Raises FatalError with the end of its log for a role that keeps dying, or that says that it
        can't run as it is configured (exit code 2).
        """
        for role in self.roles.values():
            if role.starts == 0 or role.is_running or role.name in self._retired:
                continue
            code = role.process.returncode
            if code == 0 and role.name in ends_by_itself:
                continue
            if code == 2 or role.starts >= self._max_starts:
                raise FatalError(
                    f"{role.name} ended with exit code {code}; the end of {role.log}:\n"
                    f"{role.last_lines()}"
                )
            self._say(f"{role.name} ended with exit code {code}: starting it again")
            role.start()

    def retire(self, name: str) -> int:
        """Ask one to stop, and its exit code; it is not started again."""
        self._retired.add(name)
        return self.roles[name].stop()

    def wait_ready(
        self,
        names: Sequence[str],
        within_s: float,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> None:
        """Until these roles are ready; `meanwhile` is called ten times a second.

        Raises FatalError when that takes too long, and as `check` does.
        """
        deadline = time.monotonic() + within_s
        waiting = list(names)
        while waiting:
            self.check()
            meanwhile()
            waiting = [name for name in waiting if not self.roles[name].is_ready()]
            if waiting and time.monotonic() > deadline:
                role = self.roles[waiting[0]]
                raise FatalError(
                    f"{role.name} was not ready within {within_s:.0f} s; the end of {role.log}:\n"
                    f"{role.last_lines()}"
                )
            time.sleep(0.1)

    def stop(self, within_s: float = _STOP_S) -> dict[str, int]:
        """Ask all to stop, and their exit codes. Those that take longer together are killed."""
        started = [role for role in self.roles.values() if role.starts]
        for role in started:
            role.ask_to_stop()
        deadline = time.monotonic() + within_s
        return {role.name: role.wait(max(0.0, deadline - time.monotonic())) for role in started}


def age_s() -> float:
    """Seconds since this process was started, its interpreter's own start included.

    Where there is no /proc: since this module was imported.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        # proc(5): field 22, in clock ticks since boot; the first after the name is number 3.
        started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started_s
    except (OSError, AttributeError):
        return time.monotonic() - _BEGAN_S


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not is_setting(name)}


def _end_with(parent: int) -> None:
    """In the child, before it becomes the role: end when the parent does, however that ends.

    Linux only; elsewhere a parent that is killed leaves its roles running.
    """
    if _PRCTL is not None:
        # Not SIGTERM: a paused process could not act on it, and nobody is left to see to it.
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended before the kernel was told
            os._exit(1)
