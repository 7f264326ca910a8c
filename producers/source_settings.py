"""What `source:` of a camera may say, kind by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from producers.landed.settings import LandedSettings, S3Settings
from runtime.secrets import reveal
from runtime.settings import Section


class VideoSettings(Section):
    """A video file, or a part of it."""

    kind: Literal["video"]
    path: Path = Field(description="The video file.")
    start_s: float = Field(0.0, ge=0.0, description="Begin so long after its first frame.")
    stop_s: float | None = Field(
        None, gt=0.0, description="End so long after its first frame; null: at its end."
    )

    @model_validator(mode="after")
    def _check_part(self) -> Self:
        if self.stop_s is not None and self.stop_s <= self.start_s:
            raise ValueError(f"stop_s ({self.stop_s:g}) must be after start_s ({self.start_s:g})")
        return self


class ImagesSettings(Section):
    """A folder of JPEG, PNG or BMP pictures, in the order of their names."""

    kind: Literal["images"]
    path: Path = Field(description="The folder.")
    every_s: float | None = Field(
        None, ge=0.001, description="Time between two pictures; null: the camera's interval."
    )


class StreetSettings(Section):
    """A synthetic street: no material needed, the same one for the same seed."""

    kind: Literal["street"]
    seed: int = Field(0, ge=0, lt=2**63, description="Another seed, another street.")
    width: int = Field(640, ge=16, le=8192, description="Pixels.")
    height: int = Field(480, ge=16, le=8192, description="Pixels.")
    every_s: float | None = Field(
        None, ge=0.001, description="Time between two frames; null: the camera's interval."
    )
    length_s: float | None = Field(None, gt=0.0, description="How long; null: without end.")
    activity: float = Field(
        0.3, ge=0.0, le=1.0, description="Share of the minutes in which somebody comes by."
    )
    day_s: float = Field(
        86_400.0, ge=1.0, description="Length of a day; it begins at noon, half of it is dark."
    )
    noise: float = Field(
        2.0, ge=0.0, le=50.0, description="Sensor noise by day, grey levels; by night three times."
    )
    clock: bool = Field(True, description="Write the time into the picture.")


class _NetworkSettings(Section):
    """A camera that is reached by an address."""

    url: SecretStr = Field(description="The camera's address; never shown, it may hold a password.")
    user: str | None = Field(None, description="Who asks, if not in the address.")
    password: SecretStr | None = Field(None, description="Password (better: the file).")
    password_file: Path | None = Field(None, description="File that holds the password.")
    connect_timeout_s: float = Field(5.0, gt=0.0, le=60.0, description="For a connection.")
    read_timeout_s: float = Field(
        5.0, gt=0.0, le=60.0, description="Without anything from it, the camera is stalled."
    )

    def address(self) -> str:
        """The address with user and password in it: a secret. Raises UserError: no such file."""
        return with_credentials(self._chosen_url(), *self.credentials())

    def bare_url(self) -> str:
        """The address without user and password."""
        return with_credentials(self._chosen_url(), None, None)

    def credentials(self) -> tuple[str | None, str | None]:
        """User and password, from the keys or from the address. Raises UserError."""
        inside = urlsplit(self._chosen_url())
        user = self.user or (unquote(inside.username) if inside.username else None)
        password = reveal(self.password, self.password_file, "password")
        if password is None and inside.password is not None:
            password = unquote(inside.password)
        return user, password

    def _chosen_url(self) -> str:
        return self.url.get_secret_value()

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are both set: keep one")
        return self


class RtspSettings(_NetworkSettings):
    """An RTSP camera, H.264, H.265 or MJPEG."""

    kind: Literal["rtsp"]
    sub_url: SecretStr | None = Field(None, description="Its second, smaller stream.")
    stream: Literal["main", "sub"] = Field("main", description="Which of the two is taken.")
    transport: Literal["tcp", "udp"] = Field(
        "tcp", description="tcp loses nothing; udp for cameras that know nothing else."
    )
    # Not qsv and drm: FFmpeg has them as decoders of their own names, not for its H.264 and H.265.
    hwaccel: Literal["cuda", "vaapi"] | None = Field(
        None,
        description="Decode on this kind of device, where there is one and PyAV's FFmpeg knows it"
        " (its wheels: cuda only); else on the CPU.",
    )

    @field_validator("url", "sub_url")
    @classmethod
    def _rtsp(cls, value: SecretStr | None) -> SecretStr | None:
        return _of_scheme(value, "rtsp", "rtsps")

    @model_validator(mode="after")
    def _has_sub(self) -> Self:
        if self.stream == "sub" and self.sub_url is None:
            raise ValueError("stream: sub, but no sub_url is given")
        return self

    def _chosen_url(self) -> str:
        chosen = self.sub_url if self.stream == "sub" and self.sub_url is not None else self.url
        return chosen.get_secret_value()


class _HttpSettings(_NetworkSettings):
    @field_validator("url")
    @classmethod
    def _http(cls, value: SecretStr) -> SecretStr | None:
        return _of_scheme(value, "http", "https")


class MjpegSettings(_HttpSettings):
    """A camera that sends JPEGs over HTTP, one after the other."""

    kind: Literal["mjpeg"]


class SnapshotSettings(_HttpSettings):
    """A camera that is asked for a JPEG over HTTP at each tick."""

    kind: Literal["snapshot"]


class WebcamSettings(Section):
    """A USB camera of this machine (V4L2)."""

    kind: Literal["webcam"]
    device: Path = Field(Path("/dev/video0"), description="The device.")
    width: int | None = Field(None, ge=16, le=8192, description="Pixels; null: the camera's own.")
    height: int | None = Field(None, ge=16, le=8192, description="Pixels; null: the camera's own.")
    fps: int | None = Field(None, ge=1, le=240, description="Of the camera; null: its own.")
    format: str = Field(
        "mjpeg", pattern=r"^[a-z0-9]{2,16}$", description="The camera's pixel format."
    )

    @model_validator(mode="after")
    def _whole_size(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height are given together, or neither")
        return self


LiveSettings = RtspSettings | MjpegSettings | SnapshotSettings | WebcamSettings
LIVE = (RtspSettings, MjpegSettings, SnapshotSettings, WebcamSettings)
FileSettings = VideoSettings | ImagesSettings | StreetSettings
SourceSettings = Annotated[
    FileSettings | LandedSettings | S3Settings | LiveSettings, Field(discriminator="kind")
]


def with_credentials(url: str, user: str | None, password: str | None) -> str:
    """The address with these in it, quoted, in place of any that it had."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    if user is not None:
        secret = "" if password is None else f":{quote(password, safe='')}"
        place = f"{quote(user, safe='')}{secret}@{place}"
    return urlunsplit(parts._replace(netloc=place))


def _of_scheme(value: SecretStr | None, *schemes: str) -> SecretStr | None:
    if value is None:
        return None
    try:
        parts = urlsplit(value.get_secret_value())
        port = parts.port
    except ValueError as error:
        raise ValueError("is no address: its port must be a number up to 65535") from error
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise ValueError(f"is no address such as {schemes[0]}://192.0.2.7/stream")
    return value
