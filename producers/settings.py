"""What a camera's part of the configuration may say."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from producers.landed.settings import LANDED
from producers.source_settings import LIVE, SourceSettings
from runtime.settings import Section
from schemas.messages import CAMERA_PATTERN
from schemas.wire import MAX_JPEG_BYTES
from vision.zones import Zone

# Keys of the configuration's `cameras:` mapping.
CameraKey = Annotated[str, StringConstraints(pattern=CAMERA_PATTERN)]


GatePlace = Literal["server", "edge", "off"]
# Corners in fractions of the frame's width and height.
Polygon = tuple[tuple[float, float], ...]


def _simple(polygon: Polygon) -> Polygon:
    """A self-crossing one would be painted with holes, and show what it should hide."""
    Zone(polygon)
    return polygon


def _plausible(moment: datetime) -> datetime:
    if moment < datetime(2000, 1, 1, tzinfo=UTC):
        raise ValueError("capture times before 2000 are refused by the line")
    return moment


class SpoolSettings(Section):
    """Where live cameras' ticks wait while the broker is away."""

    mode: Literal["outage", "always"] = Field(
        "outage",
        description="outage: what the broker does not take goes to disk; always: each tick is on"
        " disk before it is sent.",
    )
    path: Path = Field(
        Path(".onehertz/spool"), description="A folder on disk, of this producer alone."
    )
    max_bytes: int = Field(
        10_000_000_000,
        ge=10_000_000,
        description="On disk at most; then the oldest frames become missing ticks (spool-full).",
    )
    max_age_s: float = Field(
        172_800.0, gt=0.0, description="Older frames become missing ticks too."
    )
    replay_per_s: float = Field(
        200.0, gt=0.0, le=100_000.0, description="Ticks from disk at most, once the broker is back."
    )


class ProduceSettings(Section):
    """The producers: what all their cameras share."""

    spool: SpoolSettings = SpoolSettings()
    ledger: Path = Field(
        Path(".onehertz/landed"),
        description="A folder on disk, of this producer alone: which landed files it has played.",
    )


class CameraSettings(Section):
    """One camera: where its frames come from, and what is made of them."""

    source: SourceSettings = Field(description="Where its frames come from.")
    interval_s: float = Field(
        1.0, ge=0.1, le=86_400.0, description="Time between two ticks; 0.1 s to a day."
    )
    start_at: Literal["now", "file"] | Annotated[AwareDatetime, AfterValidator(_plausible)] = Field(
        "now",
        description="Capture time of the first tick: RFC 3339, or now (for a source faster than "
        "real time: so that it ends now), or file (when it was recorded, if it says so).",
    )
    speed: float | None = Field(
        1.0, gt=0.0, le=100_000.0, description="Times real time; null: as fast as it goes."
    )
    loop: int = Field(1, ge=0, description="How often the source is played; 0: without end.")
    stop_after_s: float | None = Field(
        None, gt=0.0, description="End after so much media time; null: when the source ends."
    )
    gate: GatePlace = Field(
        "server",
        description="Where frames that show nothing new are dropped. server: by the gate's role; "
        "edge: by the producer, so that only what is kept is sent with its picture; off: nowhere, "
        "every frame is kept and inferred.",
    )
    tiles: str | None = Field(
        None,
        pattern=r"^[1-8]x[1-8]$",
        description="ROWSxCOLUMNS, say 2x3: the worker looks at so many overlapping parts of each "
        "frame and at the whole, for small things far away; as many inferences more. The gate "
        "leaves such frames larger. null: at the whole only.",
    )
    jpeg_quality: int = Field(85, ge=1, le=100, description="Of frames that are encoded here.")
    longest_side: int | None = Field(
        None, ge=16, le=65_500, description="Shrink larger frames to it, pixels; null: as they are."
    )
    mask: tuple[Annotated[Polygon, AfterValidator(_simple)], ...] = Field(
        (),
        description="Polygons that are covered before anything sees the frame: corners "
        "[x, y] in fractions of its width and height.",
    )
    mask_style: Literal["black", "blur"] = Field(
        "black", description="What covers them: black, or the frame in 24 cells, blurred."
    )
    max_jpeg_bytes: int | None = Field(
        None,
        ge=4_000,
        le=MAX_JPEG_BYTES,
        description="Of a frame: larger ones are coded more coarsely, then made smaller; null: as"
        " many as a message can have, 8 MB.",
    )

    signature: bool = Field(
        False,
        description="Send the luma that the gate looks at beside each frame (3 to 8 kB): then it "
        "decodes none of those that it drops.",
    )

    @model_validator(mode="after")
    def _only_for_recordings(self) -> Self:
        """What a live camera shows, or what has landed, has times of its own and comes once."""
        if isinstance(self.source, (*LIVE, *LANDED)):
            for key in ("start_at", "speed", "loop", "stop_after_s"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(
                        f"{key} is for recordings, not for a {self.source.kind} source"
                    )
        return self

    @property
    def interval_us(self) -> int:
        return round(self.interval_s * 1_000_000)
