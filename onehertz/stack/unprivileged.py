"""As whom PostgreSQL runs where onehertz runs as root, since PostgreSQL refuses to run as root.

Nothing of the user's is opened up for it: where a folder on the way is closed to that user (root's
home is), the server gets the one capability that lets it pass, through util-linux' `setpriv`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from onehertz.stack.problem import Problem

# `postgres` where a PostgreSQL is installed anyway; `nobody` is everywhere.
ACCOUNTS = ("postgres", "nobody")

# The least first: none; to read files and pass folders; and, where even executing is for root
# alone (installed under umask 077), to do all that a file's owner may (capabilities(7)).
CAPABILITIES = ("", "dac_read_search", "dac_override")


@dataclass(frozen=True)
class Account:
    """Who owns the data and runs the server, and the words to put before its commands."""

    name: str
    uid: int
    gid: int
    prefix: tuple[str, ...]

    def own(self, folder: Path) -> None:
        """Give an empty folder to this account."""
        os.chown(folder, self.uid, self.gid)


def setpriv_prefix(uid: int, gid: int, capability: str) -> tuple[str, ...]:
    """The `setpriv` command that becomes the given user, with one capability or none."""
    become = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
    if not capability:
        return (*become, "--inh-caps=-all", "--ambient-caps=-all")
    kept = f"-all,+{capability}"
    return (
        *become,
        f"--inh-caps={kept}",
        f"--ambient-caps={kept}",
        # Else access(2), by which PostgreSQL finds itself, takes no account of capabilities
        # (capabilities(7), SECBIT_NO_SETUID_FIXUP).
        "--securebits=+no_setuid_fixup",
    )


def choose_account(program: Path, folder: Path, *, owner: int | None = None) -> Account | None:
    """As whom to run `program` inside `folder`; None: as oneself, not being root.

    `owner`: user id that owns the data already. Raises Problem where nobody can be found who can
    be brought to reach both.
    """
    if os.geteuid() != 0:
        return None
    if shutil.which("setpriv") is None:
        raise Problem(
            "PostgreSQL does not run as root, and the program setpriv, which would run it as "
            "somebody else, is not here",
            "Install util-linux, or run onehertz as an ordinary user",
        )
    entry = _entry(owner)
    for capability in CAPABILITIES:
        prefix = setpriv_prefix(entry.pw_uid, entry.pw_gid, capability)
        if _reaches(prefix, program, folder):
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, prefix)
    raise Problem(
        f"PostgreSQL does not run as root, and the user {entry.pw_name} does not reach both "
        f"{program} and {folder}",
        "Run onehertz as an ordinary user, or keep both in folders that others may pass",
    )


def _entry(owner: int | None) -> pwd.struct_passwd:
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name) if owner is None else pwd.getpwuid(owner)
        except KeyError:
            continue
        return entry
    raise Problem(
        "PostgreSQL does not run as root, and there is no user "
        + (" or ".join(ACCOUNTS) if owner is None else f"with the id {owner}, who owns its data"),
        "Create one (useradd --system postgres), or run onehertz as an ordinary user",
    )


def _reaches(prefix: Sequence[str], program: Path, folder: Path) -> bool:
    trial = '"$0" --version >/dev/null && cd "$1"'
    trying = subprocess.run(
        [*prefix, "sh", "-c", trial, str(program), str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    # A PostgreSQL that does not find itself says so, but still tells its version.
    return trying.returncode == 0 and not trying.stderr
