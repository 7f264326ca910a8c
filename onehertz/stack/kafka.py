"""One Apache Kafka node, broker and controller in one (KRaft), on 127.0.0.1."""

from __future__ import annotations

import base64
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from onehertz.stack.class_data import (
    adopt_recording,
    archive_path,
    reading_options,
    recording_options,
)
from onehertz.stack.jars import KAFKA_VERSION
from onehertz.stack.kafka_command import KafkaPrograms, java_command
from onehertz.stack.kafka_properties import (
    DATA,
    NODE_ID,
    KafkaSettings,
    render_properties,
    server_properties,
)
from onehertz.stack.kafka_recovery import KafkaRecovery, needs_recovery
from onehertz.stack.server import Server
from runtime.errors import FatalError

PROPERTIES = "server.properties"
FORMAT_HEAP_MB = 64
START_WAIT_S = 120.0
# Writing the class-data archive, once per user, takes a few seconds of it.
STOP_WAIT_S = 60.0


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
        self._recovery = KafkaRecovery(folder / "recovery")
        self._recording = folder / "classes.recording"
        self._archive_note = folder / "classes.archive"

    def was_killed(self) -> bool:
        """Whether Kafka did not end well the last time, so that its next start takes longer."""
        return needs_recovery(self._data)

    def start(self, broker_port: int, controller_port: int, programs: KafkaPrograms) -> None:
        """Start Kafka and wait until it answers. Raises PortTaken or FatalError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self._data / "meta.properties").exists():
            self._format(programs)
        elif self.was_killed():
            self._recovery.run(controller_port, programs)
        properties = server_properties(broker_port, controller_port, self._settings)
        (self.folder / PROPERTIES).write_text(render_properties(properties))
        command = [
            *java_command(programs, self._settings.heap_mb, *self._class_data(programs)),
            "kafka.Kafka",
            PROPERTIES,
        ]
        logged = self.launch(command, programs.environment, {})
        self.wait_until(lambda: answers(broker_port), logged=logged, wait_s=START_WAIT_S)

    def stop(self) -> bool:
        """Stop Kafka; the archive that it may have recorded goes to the user's cache."""
        self._recovery.stop()
        ran = self.process() is not None
        well = super().stop()
        if ran and well and self._archive_note.exists():
            adopt_recording(self._recording, Path(self._archive_note.read_text()))
        self._recording.unlink(missing_ok=True)
        return well

    def _class_data(self, programs: KafkaPrograms) -> list[str]:
        archive = archive_path(programs.cache, programs.java, programs.jars)
        self._recording.unlink(missing_ok=True)
        self._archive_note.write_text(str(archive))
        reading = reading_options(programs.java, archive)
        return reading or recording_options(programs.java, self._recording)

    def _format(self, programs: KafkaPrograms) -> None:
        """Make the data folder a node's own, as `kafka-storage format` does, in no time."""
        levels = feature_levels(programs)
        self._data.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(levels, self._data / "bootstrap.checkpoint")
        partial = self.folder / "meta.properties.new"
        partial.write_text(meta_properties(kafka_uuid(uuid.uuid4()), kafka_uuid(uuid.uuid4())))
        # Last, since it is what marks the folder as formatted.
        partial.replace(self._data / "meta.properties")


def feature_levels(programs: KafkaPrograms) -> Path:
    """Kafka's own list of the feature levels of a new cluster of this version.

    Without it a cluster starts with transactions and groups as they were years ago
    (transaction.version=0, group.version=0). Kafka's format tool writes it, in 1 to 10 s; it holds
    nothing of one cluster, so it is made once per user. Raises FatalError.
    """
    levels = programs.cache / f"kafka-{KAFKA_VERSION}-bootstrap.checkpoint"
    if levels.exists():
        return levels
    with tempfile.TemporaryDirectory(prefix="format-", dir=programs.cache) as scratch:
        properties = render_properties(server_properties(1, 2, KafkaSettings()))
        (Path(scratch) / PROPERTIES).write_text(properties)
        formatting = subprocess.run(
            [
                *java_command(programs, FORMAT_HEAP_MB),
                *["kafka.tools.StorageTool", "format", "-t", kafka_uuid(uuid.uuid4())],
                *["-c", PROPERTIES],
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
