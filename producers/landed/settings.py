"""What `source:` of a camera may say where its videos land as files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from producers.landed.names import NameTimes, time_expression, zone_of
from runtime.secrets import reveal
from runtime.settings import Section


class _LandingSettings(Section):
    """Files that appear, finished."""

    files: tuple[str, ...] = Field(
        ("*.mp4", "*.mkv", "*.mov", "*.avi", "*.ts", "*.m4v", "*.webm"),
        min_length=1,
        description="Names of the files that are played; others are left alone.",
    )
    name_time: str | None = Field(
        None,
        description="How a file's name (with folders) tells when it begins, such as "
        "%Y-%m-%d_%H-%M-%S; also %f, %z, %s, and * for any text; null: by its own creation_time.",
    )
    timezone: str = Field("UTC", description="Of the times in names, as Europe/Berlin.")
    settle_s: float = Field(
        10.0, ge=0.0, description="A file that is the same for so long is finished."
    )
    max_overlap_s: float = Field(
        2.0,
        ge=0.0,
        description="Of what the camera already has, so much is left out of a file's beginning; "
        "one that overlaps by more is set aside.",
    )
    speed: float | None = Field(
        None, gt=0.0, le=100_000.0, description="Times real time; null: as fast as it goes."
    )
    finished: Literal["keep", "move", "delete"] = Field(
        "keep",
        description="What becomes of a file that has been played; move: into a folder done, and "
        "what can't be played into a folder aside, with the reason.",
    )

    @field_validator("name_time")
    @classmethod
    def _known_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            time_expression(value)
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        zone_of(value)
        return value

    @property
    def name_times(self) -> NameTimes | None:
        """None where the file itself tells."""
        if self.name_time is None:
            return None
        return NameTimes(time_expression(self.name_time), zone_of(self.timezone))


class LandedSettings(_LandingSettings):
    """Video files that land, finished, in a folder: each is played once, in order."""

    kind: Literal["landed"]
    path: Path = Field(description="The folder; folders within it count too.")
    look_every_s: float = Field(5.0, ge=0.1, description="Time between two looks at it.")


class S3Settings(_LandingSettings):
    """Video files that land in a bucket of S3, or of what speaks its language."""

    kind: Literal["s3"]
    bucket: str = Field(min_length=3, max_length=63, description="The bucket.")
    prefix: str = Field("", description="What the camera's keys begin with, as door/.")
    queue_url: str | None = Field(
        None,
        description="Queue of SQS that hears of new objects; cameras may share it. "
        "null: found by listing alone.",
    )
    look_every_s: float = Field(
        60.0,
        ge=0.1,
        description="Time between two listings of all keys; with a queue, an hour is enough.",
    )
    endpoint_url: str | None = Field(
        None, pattern=r"^https?://", description="For other stores than AWS: their address."
    )
    region: str | None = Field(None, description="null: as the AWS command line would.")
    profile: str | None = Field(None, description="null: as the AWS command line would.")
    access_key_id: str | None = Field(
        None, description="null: as the AWS command line would (environment, file, machine's role)."
    )
    secret_access_key: SecretStr | None = Field(None, description="Better: the file.")
    secret_access_key_file: Path | None = Field(None, description="File that holds it.")

    def secret(self) -> str | None:
        """The secret access key. Raises UserError where its file can't be read."""
        return reveal(self.secret_access_key, self.secret_access_key_file, "secret_access_key")

    @model_validator(mode="after")
    def _whole_key(self) -> Self:
        given = self.secret_access_key, self.secret_access_key_file
        if None not in given:
            raise ValueError("secret_access_key and secret_access_key_file are both set: keep one")
        if (self.access_key_id is None) != (given == (None, None)):
            raise ValueError("access_key_id and secret_access_key are given together, or neither")
        return self


LANDED = (LandedSettings, S3Settings)
