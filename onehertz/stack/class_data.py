"""Java's class-data archive: Kafka's classes as they lie in memory, so that it starts in half.

The first Kafka of a user records it while it runs and writes it when it stops; later ones read it.
Java ignores an archive that does not fit it, so a wrong one costs time only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from onehertz.stack.jars import KAFKA_VERSION
from onehertz.stack.java import Java

# From this one on, Java writes an AOT cache (JEP 483, 514) instead of a dynamic archive (JEP 350).
FIRST_MAJOR_WITH_AOT_CACHE = 25


def archive_path(cache: Path, java: Java, jars: Sequence[Path]) -> Path:
    """Where the archive of this Java and these jars lies; Java checks their paths and times too."""
    parts = [str(java.executable.resolve()), java.version]
    parts += [f"{jar} {jar.stat().st_mtime_ns}" for jar in jars]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return cache / f"kafka-{KAFKA_VERSION}-java-{java.major}-{key}.classes"


def reading_options(java: Java, archive: Path) -> list[str]:
    """Options to start with `archive`, if it is there."""
    if not archive.exists():
        return []
    if java.major >= FIRST_MAJOR_WITH_AOT_CACHE:
        # Java 25 warns at every start about some of the code that it has itself put there.
        return [f"-XX:AOTCache={archive}", "-Xlog:aot*=error"]
    return [f"-XX:SharedArchiveFile={archive}"]


def recording_options(java: Java, recording: Path) -> list[str]:
    """Options to write an archive to `recording` when Java ends."""
    if java.major >= FIRST_MAJOR_WITH_AOT_CACHE:
        return [f"-XX:AOTCacheOutput={recording}", "-Xlog:aot*=error"]
    return [f"-XX:ArchiveClassesAtExit={recording}"]


def adopt_recording(recording: Path, archive: Path) -> None:
    """Put what a Kafka that ended well has recorded into the cache, for all later ones."""
    if not recording.exists():
        return
    partial = archive.with_name(f"{archive.name}.partial-{os.getpid()}")
    # Without the archive Kafka starts all the same: a full disk is no reason to fail here.
    with suppress(OSError):
        shutil.copyfile(recording, partial)
        partial.replace(archive)
    partial.unlink(missing_ok=True)
    recording.unlink(missing_ok=True)
