"""How the servers of a stack are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from onehertz.stack import processes
from onehertz.stack.server import Server

# stopped: by `onehertz down`, or never started. died: it ended by itself or was killed.
# silent: it runs, but does not answer.
State = Literal["running", "stopped", "died", "silent"]


@dataclass(frozen=True)
class Endpoints:
    """Where clients find the servers.

    The embedded stack's `dsn` names the file with the password; another's may hold the password
    itself, so it is never shown by accident.
    """

    bootstrap_servers: str
    dsn: str = field(repr=False)


@dataclass(frozen=True)
class ServerStatus:
    """One server as it is now. `memory_bytes`: with its children, shared memory counted once."""

    name: str
    state: State
    port: int | None
    pid: int | None
    memory_bytes: int
    log: Path


@dataclass(frozen=True)
class StackStatus:
    """Both servers; `endpoints` once the stack has been up in this folder."""

    folder: Path
    kafka: ServerStatus
    postgres: ServerStatus
    endpoints: Endpoints | None

    @property
    def is_up(self) -> bool:
        """Whether both servers run and answer."""
        return self.kafka.state == self.postgres.state == "running"


def server_status(server: Server, port: int | None, answers: Callable[[], bool]) -> ServerStatus:
    """How a server is; `answers` asks it, and is called only if it runs."""
    process = server.process()
    if process is None:
        return ServerStatus(
            server.name,
            "died" if server.was_left_running() else "stopped",
            port,
            None,
            0,
            server.log_file,
        )
    return ServerStatus(
        server.name,
        "running" if answers() else "silent",
        port,
        process.pid,
        processes.memory_bytes(process.pid),
        server.log_file,
    )
