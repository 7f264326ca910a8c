"""Apache Kafka's jars, fetched once per user through Maven, or `jgo`'s resolver without Maven."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from onehertz.stack.problem import Problem
from onehertz.stack.space import require_space

KAFKA_VERSION = "4.3.1"
ARTIFACTS = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")

# 46 jars, 44 MB; and as much again in the Maven repository of the user.
NEEDED_BYTES = 150_000_000
FETCH_TIMEOUT_S = 900

COMPLETE = "complete.json"

Fetch = Callable[[Path], None]
Say = Callable[[str], None]


def kafka_jars(cache: Path, say: Say, environment: Mapping[str, str]) -> list[Path]:
    """Kafka's jars, in a fixed order, fetched if `cache` does not hold all of them yet.

    Safe when several processes ask at once: one fetches, the others wait for it. A fetch that was
    broken off leaves nothing that could be taken for the jars. Raises Problem.
    """
    return jars_in(cache, say, lambda folder: _fetch(folder, say, environment))


def jars_in(cache: Path, say: Say, fetch: Fetch) -> list[Path]:
    """`kafka_jars`, with the way to fetch them given: `fetch(folder)` fills an empty folder."""
    folder = jars_folder(cache)
    if (jars := complete_jars(folder)) is not None:
        return jars
    with _only_one(cache / f"{folder.name}.lock", say):
        # Another process may have fetched them while this one waited.
        if (jars := complete_jars(folder)) is not None:
            return jars
        require_space(
            cache,
            NEEDED_BYTES,
            advice="Free some space, or set ONEHERTZ_CACHE to a folder on another disk",
        )
        with tempfile.TemporaryDirectory(prefix=f"{folder.name}.partial-", dir=cache) as partial:
            fetched = Path(partial) / "jars"
            fetched.mkdir()
            fetch(fetched)
            _mark_complete(fetched)
            shutil.rmtree(folder, ignore_errors=True)
            fetched.replace(folder)
    jars = complete_jars(folder)
    if jars is None:
        raise Problem(f"{folder}: was changed while Kafka was fetched into it", "Try again")
    return jars


def jars_folder(cache: Path) -> Path:
    """Where in the user's cache the jars lie."""
    return cache / f"kafka-{KAFKA_VERSION}"


def ways_to_fetch(environment: Mapping[str, str]) -> list[str]:
    """Of mvn and jgo, those that are here, in the order in which they are tried."""
    maven = shutil.which("mvn", path=environment.get("PATH", "")) is not None
    jgo = importlib.util.find_spec("jgo") is not None
    return [name for name, here in (("mvn", maven), ("jgo", jgo)) if here]


def complete_jars(folder: Path) -> list[Path] | None:
    """The jars that the complete-marker of `folder` lists, or None where one is not as listed."""
    try:
        sizes: dict[str, int] = json.loads((folder / COMPLETE).read_text())["bytes"]
        jars = [folder / name for name in sorted(sizes)]
        if not jars or any(jar.stat().st_size != sizes[jar.name] for jar in jars):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return jars


def pom() -> str:
    """A Maven project that needs nothing but Kafka."""
    dependencies = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>"
        f"<version>{version}</version></dependency>"
        for group, artifact, version in (coordinates.split(":") for coordinates in ARTIFACTS)
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>onehertz</groupId>"
        "<artifactId>stack</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>\n"
    )


def _mark_complete(folder: Path) -> None:
    sizes = {jar.name: jar.stat().st_size for jar in folder.glob("*.jar")}
    if not any(name.startswith("kafka_") for name in sizes):
        raise Problem(
            f"Maven brought no Kafka {KAFKA_VERSION} ({len(sizes)} jars)",
            "Look at your Maven settings (~/.m2/settings.xml) and try again",
        )
    (folder / COMPLETE).write_text(json.dumps({"version": KAFKA_VERSION, "bytes": sizes}, indent=1))


def _fetch(folder: Path, say: Say, environment: Mapping[str, str]) -> None:
    fetchers = {"mvn": _fetch_by_maven, "jgo": _fetch_by_jgo}
    failures = []
    for way in ways_to_fetch(environment):
        say(f"fetching Apache Kafka {KAFKA_VERSION} through {way} (44 MB, once per user)")
        try:
            fetchers[way](folder, environment)
        except (OSError, subprocess.SubprocessError) as error:
            failures.append(f"{way}: {_first_error(error)}")
        else:
            return
    raise Problem(
        f"Apache Kafka {KAFKA_VERSION} could not be fetched "
        f"({'; '.join(failures) or 'neither mvn nor jgo is here'})",
        "It comes from a Maven repository: check the network and ~/.m2/settings.xml; install mvn, "
        "or pip install 'onehertz[stack]' for a resolver without it",
    )


def _fetch_by_maven(folder: Path, environment: Mapping[str, str]) -> None:
    project = folder.parent / "pom.xml"
    project.write_text(pom())
    _run(
        [
            *["mvn", "-q", "-B", "-Dstyle.color=never", "-f", str(project)],
            *["dependency:copy-dependencies", "-DincludeScope=runtime"],
            f"-DoutputDirectory={folder}",
        ],
        environment,
    )


def _fetch_by_jgo(folder: Path, environment: Mapping[str, str]) -> None:
    repository, linked = folder.parent / "repository", folder.parent / "linked"
    _run(
        [
            *[sys.executable, "-m", "jgo", "--resolver", "python"],
            *["--repo-cache", str(repository), "--cache-dir", str(linked)],
            *["--class-path-only", "info", "classpath", "+".join(ARTIFACTS)],
        ],
        environment,
    )
    for jar in linked.rglob("*.jar"):
        shutil.copyfile(jar, folder / jar.name)


def _run(command: list[str], environment: Mapping[str, str]) -> None:
    subprocess.run(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=FETCH_TIMEOUT_S,
        check=True,
    )


def _first_error(error: Exception) -> str:
    """What the failed command said: its first line with ERROR, else its last line."""
    said = ""
    if isinstance(error, subprocess.CalledProcessError):
        said = f"{error.stdout or ''}\n{error.stderr or ''}"
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    return (errors or lines[-1:] or [str(error)])[0][:300]


@contextmanager
def _only_one(lock: Path, say: Say) -> Iterator[None]:
    """Hold `lock`. The kernel frees it when its holder dies, so it is never stale."""
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another process that fetches Kafka")
            fcntl.flock(held, fcntl.LOCK_EX)
        _remove_leftovers(lock)
        yield


def _remove_leftovers(lock: Path) -> None:
    """Folders of fetches that were killed; called by the one holder of the lock."""
    for leftover in lock.parent.glob(f"{lock.stem}.partial-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    os.utime(lock)
