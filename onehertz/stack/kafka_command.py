"""The command that runs one of Kafka's programs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onehertz.stack.java import Java


@dataclass(frozen=True)
class KafkaPrograms:
    """What Kafka's programs need: a Java, the jars, the user's cache folder, the environment."""

    java: Java
    jars: Sequence[Path]
    cache: Path
    environment: Mapping[str, str]


def java_command(programs: KafkaPrograms, heap_mb: int, *options: str) -> list[str]:
    """A Java for Kafka, to be followed by the class to run and its arguments."""
    return [
        str(programs.java.executable),
        f"-Xmx{heap_mb}m",
        # Compiling less and one collector thread: a start in half the time on two cores.
        *["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
        *["-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"],
        *["-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true"],
        *["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"],
        *["-Dorg.slf4j.simpleLogger.showDateTime=true"],
        *["-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX"],
        *options,
        *["-cp", os.pathsep.join(str(jar) for jar in programs.jars)],
    ]
