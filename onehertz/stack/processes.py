"""Server processes that outlive their starter, and are never mistaken for another.

A server writes its own identity to a file before it becomes the server, so there is no moment in
which it runs and nobody could find it, whatever is killed. The identity holds the start time and
the boot, so a recycled process id is never taken for the server. Linux only.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import FatalError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# The shell keeps its process id and start time when it becomes the server.
RECORD_THEN_RUN = (
    '(PATH="$PATH:/usr/bin:/bin"; '
    'cat /proc/$$/stat /proc/sys/kernel/random/boot_id > "$0.new" && mv "$0.new" "$0") || exit 1; '
    'cd "$1" || exit 1; shift; exec "$@"'
)

# Descriptors that a parent such as make may have left open; a server must not hold them.
FIRST_FOREIGN_DESCRIPTOR, LAST_FOREIGN_DESCRIPTOR = 3, 255


@dataclass(frozen=True)
class ProcessIdentity:
    """One process, for ever: `pid` alone is used again after a while.

    `started_ticks`: clock ticks from boot to its start. `boot_id`: which boot of the machine.
    """

    pid: int
    started_ticks: int
    boot_id: str


def parse_stat(stat: str) -> tuple[int, str, int]:
    """Process id, state letter and start in ticks since boot, from a line of /proc/<pid>/stat.

    Fields as in proc_pid_stat(5); the second one, the name, may hold spaces and parentheses.
    Raises ValueError where the line is none.
    """
    before, separator, after = stat.rpartition(") ")
    fields = after.split()
    if not separator or len(fields) < 20:
        raise ValueError(f"not a line of /proc/<pid>/stat: {stat[:80]!r}")
    return int(before.split(" ", 1)[0]), fields[0], int(fields[19])


def parse_identity(text: str) -> ProcessIdentity:
    """What a server wrote about itself: its stat line, then the boot id. Raises ValueError."""
    stat, _, boot_id = text.strip().rpartition("\n")
    pid, _, started_ticks = parse_stat(stat)
    return ProcessIdentity(pid, started_ticks, boot_id.strip())


def read_identity(file: Path) -> ProcessIdentity | None:
    """The identity in a file, or None where there is none or it can't be understood."""
    try:
        return parse_identity(file.read_text())
    except (OSError, ValueError):
        return None


def is_running(identity: ProcessIdentity) -> bool:
    """Whether exactly this process still runs; one that has ended unreaped does not."""
    with suppress(ChildProcessError):
        os.waitpid(identity.pid, os.WNOHANG)
    try:
        _, state, started_ticks = parse_stat(Path(f"/proc/{identity.pid}/stat").read_text())
        boot_id = BOOT_ID.read_text().strip()
    except (OSError, ValueError):
        return False
    same = started_ticks == identity.started_ticks and boot_id == identity.boot_id
    return same and state not in "ZX"


def running_from(file: Path) -> ProcessIdentity | None:
    """The process that wrote its identity to `file`, if it still runs."""
    identity = read_identity(file)
    return identity if identity is not None and is_running(identity) else None


def spawn(
    command: Sequence[str],
    *,
    identity_file: Path,
    log_file: Path,
    folder: Path,
    environment: Mapping[str, str],
) -> int:
    """Start `command` in a session of its own, inside `folder`; its output goes to `log_file`.

    Returns its process id. The process is no `Popen`: it is meant to outlive this one.
    """
    identity_file.unlink(missing_ok=True)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    closing = range(FIRST_FOREIGN_DESCRIPTOR, LAST_FOREIGN_DESCRIPTOR + 1)
    return os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", RECORD_THEN_RUN, str(identity_file), str(folder), *command],
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log_file), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in closing),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE],
    )


def end(identity: ProcessIdentity, *, ask: signal.Signals, wait_s: float) -> bool:
    """End a process: ask with the signal `ask`, and kill it after `wait_s` seconds.

    Returns whether it ended by itself. Raises FatalError where even SIGKILL did not end it.
    """
    try:
        handle = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return True
    try:
        # The handle is held: from here on the process id can't come to mean another process.
        if not is_running(identity):
            return True
        signal.pidfd_send_signal(handle, ask)
        if _has_ended(handle, wait_s):
            return ask is not signal.SIGKILL
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        if not _has_ended(handle, wait_s=10.0):
            raise FatalError(f"process {identity.pid} did not end, not even by SIGKILL")
        return False
    except ProcessLookupError:
        return True
    finally:
        os.close(handle)
        with suppress(ChildProcessError):
            os.waitpid(identity.pid, os.WNOHANG)


def memory_bytes(pid: int) -> int:
    """Memory of a process and its children in bytes, what they share counted once (PSS).

    What can't be read, having just ended, counts as nothing.
    """
    family = [pid]
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            family += [int(child) for child in (task / "children").read_text().split()]
    return sum(_proportional_bytes(member) for member in family)


def _proportional_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    return sum(kilobytes) * 1024


def _has_ended(handle: int, wait_s: float) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))
