"""One Apache Kafka node, broker and controller in one (KRaft), on 127.0.0.1."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from onehertz.stack.class_data import adopt_recording, archive_path, java_options
from onehertz.stack.jars import KAFKA_VERSION
from onehertz.stack.java import Java
from onehertz.stack.server import Server
from runtime.errors import FatalError

NODE_ID = 1
DATA = "data"
START_WAIT_S = 120.0
# Writing the class-data archive, once per user, takes a few seconds of it.
STOP_WAIT_S = 60.0


@dataclass(frozen=True)
class KafkaSettings:
    """How the embedded Kafka differs from one stack to another.

    `retention_check_interval_ms`: how often it looks for records past their retention, for the
    first time that long after its start.
    """

    heap_mb: int = 256
    retention_check_interval_ms: int = 300_000


def server_properties(
    broker_port: int, controller_port: int, settings: KafkaSettings
) -> dict[str, str]:
    """Kafka's settings: one node, small, quick to start, never a topic that nobody asked for."""
    broker = f"PLAINTEXT://127.0.0.1:{broker_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{broker},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": broker,
        # Relative to the folder that Kafka runs in: a path with a comma would be read as two.
        "log.dirs": DATA,
        "auto.create.topics.enable": "false",
        # One node holds the only replica of everything.
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # 50 by default; each costs files, and time at every start.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "1",
        # 3 s by default, at every first join of a group.
        "group.initial.rebalance.delay.ms": "0",
        # Let a test lose a member in a second instead of six.
        "group.min.session.timeout.ms": "1000",
        # 10 s by default: for so long an open transaction outlasts its own time-out.
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
        # 9 s and 2 s by default: after a kill -9 the controller lets the broker in again only when
        # the session of the killed one has run out (12 s measured for such a start, 6 s with this).
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "log.retention.check.interval.ms": str(settings.retention_check_interval_ms),
        "log.initial.task.delay.ms": str(min(settings.retention_check_interval_ms, 30_000)),
        # 128 MB by default: half the heap.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
        "background.threads": "4",
        "group.coordinator.threads": "1",
    }


def render_properties(properties: Mapping[str, str]) -> str:
    """The text of a Java properties file (java.util.Properties.load)."""
    escapes = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"})
    lines = []
    for key, value in properties.items():
        text = value.translate(escapes)
        # Blanks at the start of a value would be skipped.
        lines.append(f"{key}={chr(92) if text.startswith(' ') else ''}{text}\n")
    return "".join(lines)


def meta_properties(cluster_id: str, directory_id: str) -> str:
    """What `kafka-storage format` writes into a data folder to make it this node's own."""
    return render_properties(
        {
            "version": "1",
            "cluster.id": cluster_id,
            "node.id": str(NODE_ID),
            "directory.id": directory_id,
        }
    )


def kafka_uuid(bits: uuid.UUID) -> str:
    """A UUID as Kafka writes it: 22 characters of URL-safe base64."""
    return base64.urlsafe_b64encode(bits.bytes).decode().rstrip("=")


class Kafka(Server):
    """The embedded Kafka of a stack.

    Beside its data, `classes.recording` is what Java writes its class-data archive to, and
    `classes.archive` says where in the cache that belongs.
    """

    def __init__(self, folder: Path, settings: KafkaSettings) -> None:
        super().__init__("Kafka", folder, ask=signal.SIGTERM, stop_wait_s=STOP_WAIT_S)
        self._settings = settings
        self._data = folder / DATA
        self._recording = folder / "classes.recording"
        self._archive_note = folder / "classes.archive"

    def start(
        self,
        broker_port: int,
        controller_port: int,
        *,
        java: Java,
        jars: Sequence[Path],
        cache: Path,
        environment: Mapping[str, str],
    ) -> None:
        """Start Kafka and wait until it answers. Raises FatalError with its last words."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        properties = self.folder / "server.properties"
        properties.write_text(
            render_properties(server_properties(broker_port, controller_port, self._settings))
        )
        if not (self._data / "meta.properties").exists():
            self._format(java, jars, cache)
        archive = archive_path(cache, java, jars)
        self._archive_note.write_text(str(archive))
        self._recording.unlink(missing_ok=True)
        command = [
            *_java_command(java, jars, self._settings.heap_mb),
            *java_options(java, archive=archive, recording=self._recording),
            "kafka.Kafka",
            str(properties),
        ]
        logged = self.launch(command, environment, {})
        self.wait_until(lambda: answers(broker_port), logged=logged, wait_s=START_WAIT_S)

    def stop(self) -> bool:
        """Stop Kafka; the archive that it may have recorded goes to the user's cache."""
        ran = self.process() is not None
        well = super().stop()
        if ran and well and self._archive_note.exists():
            adopt_recording(self._recording, Path(self._archive_note.read_text()))
        self._recording.unlink(missing_ok=True)
        return well

    def _format(self, java: Java, jars: Sequence[Path], cache: Path) -> None:
        """Make the data folder a node's own, as `kafka-storage format` does, in no time."""
        levels = feature_levels(java, jars, cache)
        self._data.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(levels, self._data / "bootstrap.checkpoint")
        partial = self.folder / "meta.properties.new"
        partial.write_text(meta_properties(kafka_uuid(uuid.uuid4()), kafka_uuid(uuid.uuid4())))
        # Last, since it is what marks the folder as formatted.
        partial.replace(self._data / "meta.properties")


def feature_levels(java: Java, jars: Sequence[Path], cache: Path) -> Path:
    """Kafka's own list of the feature levels of a new cluster of this version.

    Without it a cluster starts with transactions and groups as they were years ago
    (transaction.version=0, group.version=0). Kafka's format tool writes it, in 1 to 10 s; it holds
    nothing of one cluster, so it is made once per user. Raises FatalError.
    """
    levels = cache / f"kafka-{KAFKA_VERSION}-bootstrap.checkpoint"
    if levels.exists():
        return levels
    with tempfile.TemporaryDirectory(prefix="format-", dir=cache) as scratch:
        properties = Path(scratch) / "server.properties"
        properties.write_text(render_properties(server_properties(1, 2, KafkaSettings())))
        formatting = subprocess.run(
            [
                *_java_command(java, jars, heap_mb=64),
                *["kafka.tools.StorageTool", "format", "-t", kafka_uuid(uuid.uuid4())],
                *["-c", str(properties)],
            ],
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=START_WAIT_S,
            check=False,
        )
        if formatting.returncode != 0:
            last = (formatting.stderr or formatting.stdout).strip().splitlines()[-1:]
            raise FatalError(f"Kafka's format tool failed: {''.join(last)}")
        (Path(scratch) / DATA / "bootstrap.checkpoint").replace(levels)
    return levels


def answers(port: int) -> bool:
    """Whether a Kafka on 127.0.0.1:`port` answers and counts itself as ready for work."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    client = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
    try:
        return bool(client.list_topics(timeout=5.0).brokers)
    except KafkaException:
        return False


def _java_command(java: Java, jars: Sequence[Path], heap_mb: int) -> list[str]:
    return [
        str(java.executable),
        f"-Xmx{heap_mb}m",
        # Compiling less and one collector thread: a start in half the time on two cores.
        *["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
        *["-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData"],
        *["-Djava.awt.headless=true", "-Djava.net.preferIPv4Stack=true"],
        *["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"],
        *["-Dorg.slf4j.simpleLogger.showDateTime=true"],
        *["-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX"],
        *["-cp", os.pathsep.join(str(jar) for jar in jars)],
    ]
