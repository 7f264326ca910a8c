"""Before Kafka starts again after a kill -9: let its controller see that the broker is gone.

Kafka 4.3.1 needs this where one process is controller and broker. The controller dies with the
broker, so the metadata still say that the broker leads its partitions. Started at once, the broker
takes up its pending transactions, is fenced while it registers anew, sees partitions without a
leader, takes them for deleted (TransactionMarkerChannelManager, KRaftMetadataCache) and drops the
markers. A transaction whose commit was acknowledged just before the kill then hangs for ever, and
read_committed consumers with it: seen after 4 of 20 kills right after a commit.

So the controller first runs alone until it has fenced the broker of before; then the start is as
after a clean stop. It costs 2 to 3 s, and saves the 9 s that a broker otherwise waits for the old
session to end.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path

from onehertz.stack.class_data import archive_path, reading_options
from onehertz.stack.kafka_command import KafkaPrograms, java_command
from onehertz.stack.kafka_properties import (
    DATA,
    NODE_ID,
    KafkaSettings,
    render_properties,
    server_properties,
)
from onehertz.stack.server import Server

ACTIVE = "Performing controller activation"
TELLING = "org.apache.kafka.controller.ClusterControlManager"
CHANGED = f"Replayed BrokerRegistrationChangeRecord modifying the registration for broker {NODE_ID}"

# After so long without a heartbeat the controller fences a broker; here nobody sends one.
SESSION_MS = 500
# If nothing is fenced until then, it was fenced before.
ACTIVE_WAIT_S = 4.0
START_WAIT_S = 120.0
CONTROLLER_HEAP_MB = 128


def needs_recovery(data: Path) -> bool:
    """Whether a Kafka ran on this data folder and did not end well.

    Kafka leaves a marker when it stops, and removes it when it starts.
    """
    ran = (data / "__cluster_metadata-0").exists()
    return ran and not (data / ".kafka_cleanshutdown").exists()


def controller_properties(controller_port: int) -> dict[str, str]:
    """Kafka's settings for the controller alone, in a folder beside the data folder."""
    properties = server_properties(0, controller_port, KafkaSettings()) | {
        "process.roles": "controller",
        "listeners": f"CONTROLLER://127.0.0.1:{controller_port}",
        "log.dirs": f"../{DATA}",
        "broker.session.timeout.ms": str(SESSION_MS),
        "broker.heartbeat.interval.ms": str(SESSION_MS // 5),
    }
    del properties["advertised.listeners"]
    return properties


def has_fenced(said: str) -> bool:
    """Whether the controller's log says that it changed the broker since it became active."""
    _, _, since = said.partition(ACTIVE)
    return CHANGED in since


class KafkaRecovery(Server):
    """The controller, alone, for as long as it takes."""

    def __init__(self, folder: Path) -> None:
        super().__init__("Controller", folder, ask=signal.SIGTERM, stop_wait_s=30.0)

    def run(self, controller_port: int, programs: KafkaPrograms) -> None:
        """Let the controller fence the broker that was killed. Raises PortTaken or FatalError."""
        self.stop()
        self.folder.mkdir(mode=0o700, exist_ok=True)
        properties = self.folder / "controller.properties"
        properties.write_text(render_properties(controller_properties(controller_port)))
        archive = archive_path(programs.cache, programs.java, programs.jars)
        command = [
            *java_command(
                programs,
                CONTROLLER_HEAP_MB,
                f"-Dorg.slf4j.simpleLogger.log.{TELLING}=info",
                *reading_options(programs.java, archive),
            ),
            "kafka.Kafka",
            properties.name,
        ]
        logged = self.launch(command, programs.environment, {})
        try:
            self.wait_until(lambda: ACTIVE in self._log(logged), logged=logged, wait_s=START_WAIT_S)
            deadline = time.monotonic() + ACTIVE_WAIT_S
            self.wait_until(
                lambda: has_fenced(self._log(logged)) or time.monotonic() > deadline,
                logged=logged,
                wait_s=START_WAIT_S,
            )
        finally:
            self.stop()

    def _log(self, logged: int) -> str:
        with self.log_file.open("rb") as log:
            log.seek(logged)
            return log.read().decode(errors="replace")
