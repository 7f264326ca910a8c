"""The whole configuration: the sections of all stages, checked together."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from inference_worker.settings import InferSettings
from inference_worker.tile_grid import Grid, grid_of
from producers.settings import CameraKey, CameraSettings, ProduceSettings
from runtime.checkpoint import CheckpointSettings
from runtime.health import HealthSettings
from runtime.kafka import KafkaSettings
from runtime.lifecycle import LifecycleSettings
from runtime.logs import LogSettings
from runtime.settings import Section
from runtime.topics import LineSettings
from sinks.alerts.rules import Rules, check_cameras
from sinks.alerts.settings import AlertsSettings
from sinks.sql.settings import SqlSettings
from stream_processors.settings import GateSettings


class Settings(Section):
    """`onehertz.yaml`. Every role reads the same file and takes its own sections."""

    cameras: dict[CameraKey, CameraSettings] = Field(
        default_factory=dict, description="The cameras by their id."
    )
    rules: Rules = Field((), description="The alert rules.")
    line: LineSettings = LineSettings()
    kafka: KafkaSettings = KafkaSettings()
    produce: ProduceSettings = ProduceSettings()
    gate: GateSettings = GateSettings()
    infer: InferSettings = InferSettings()
    sql: SqlSettings = SqlSettings()
    alerts: AlertsSettings = AlertsSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    log: LogSettings = LogSettings()
    health: HealthSettings = HealthSettings()
    lifecycle: LifecycleSettings = LifecycleSettings()

    @model_validator(mode="after")
    def _rules_name_known_cameras(self) -> Self:
        # A host that runs only sinks may leave the cameras to the producers' files.
        if self.cameras:
            check_cameras(self.rules, self.cameras)
        return self

    @property
    def ungated(self) -> frozenset[str]:
        """Cameras of which every frame is inferred."""
        return frozenset(name for name, camera in self.cameras.items() if camera.gate == "off")

    @property
    def grids(self) -> dict[str, Grid]:
        """Tiles of the cameras that are looked at in tiles."""
        return {
            name: grid_of(camera.tiles) for name, camera in self.cameras.items() if camera.tiles
        }

    @property
    def magnified(self) -> dict[str, int]:
        """How many times larger the gate leaves the frames of these cameras: as tiles need it."""
        return {name: max(grid) for name, grid in self.grids.items()}
