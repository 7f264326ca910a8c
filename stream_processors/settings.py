"""Settings of the gate stage's decisions: section `gate` of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from runtime.settings import Section
from vision.gate import GateRule
from vision.jpeg import MAX_PIXELS, MIN_SIDE_PX


class GateSettings(Section):
    """When a frame is kept, and in what size it goes on."""

    enabled: Annotated[
        bool, Field(description="false: every frame of every camera is kept and inferred")
    ] = True
    threshold: Annotated[
        float,
        Field(
            gt=0,
            le=100,
            description="how far a cluster of three tiles must have moved, in multiples of their "
            "own noise, for a frame to be kept; higher drops and misses more (usual: 8 to 12)",
        ),
    ] = 10.0
    refresh_s: Annotated[
        float,
        Field(
            gt=0,
            le=600,
            description="a frame is kept at the latest this many seconds after the last kept one",
        ),
    ] = 60.0
    audit_rate: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="share of the frames to drop that are kept all the same, so that what the "
            "gate misses is measured",
        ),
    ] = 0.02
    frozen_after_s: Annotated[
        float,
        Field(
            ge=0,
            le=3600,
            description="a camera whose picture has noise, and then is the same bit for bit for so "
            "long, is frozen: its ticks are rejected, for they do not show what is there; 0: never",
        ),
    ] = 60.0
    audit_seed: Annotated[
        int, Field(description="changes which frames are drawn for the audit")
    ] = 0
    feedback: Annotated[
        bool,
        Field(
            description="the gate learns from the detections: tiles that trigger without changing "
            "them grow less sensitive, tiles where they changed grow more so"
        ),
    ] = False
    # 640 is the largest input of the detectors in the catalogue (300 to 640), so none has to blow
    # a picture up; a 1080p frame keeps 1/9 of its pixels.
    largest_side_px: Annotated[
        int,
        Field(
            ge=64,
            le=8192,
            description="kept frames are brought down to this many pixels on their longer side; "
            "smaller ones pass through as they are",
        ),
    ] = 640
    jpeg_quality: Annotated[
        int, Field(ge=50, le=100, description="JPEG quality of frames that were brought down")
    ] = 90
    min_side_px: Annotated[
        int, Field(ge=8, le=1024, description="a frame with a shorter side is rejected: too-small")
    ] = MIN_SIDE_PX
    max_pixels: Annotated[
        int,
        Field(
            ge=10_000,
            le=400_000_000,
            description="a frame with more pixels is rejected before decoding: too-large",
        ),
    ] = MAX_PIXELS

    def without_gate(self) -> GateSettings:
        """These settings for a camera of which every frame is kept."""
        return self.model_copy(update={"enabled": False})

    def magnified(self, times: int) -> GateSettings:
        """These settings for a camera whose frames go on so many times larger."""
        return self.model_copy(update={"largest_side_px": min(8192, self.largest_side_px * times)})

    @property
    def learns(self) -> bool:
        """Whether detections are read at all."""
        return self.enabled and self.feedback

    def rule(self) -> GateRule:
        """The part that the gate itself goes by."""
        return GateRule(
            threshold=self.threshold,
            refresh_us=round(self.refresh_s * 1_000_000),
            audit_rate=self.audit_rate,
            seed=self.audit_seed,
            frozen_us=round(self.frozen_after_s * 1_000_000),
            feedback=self.feedback,
        )
