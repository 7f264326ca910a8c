"""Where an asset can come from: the typed entries under `sources:` in the catalogue."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from runtime.errors import OnehertzError
from runtime.settings import Section

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class SourceFailed(OnehertzError):
    """This source could not give the asset; its text says why. The next source is tried."""


class Refused(SourceFailed):
    """The source gave something, but not what the catalogue pins."""


class _Member(Section):
    """A file inside an archive, or a piece of that file."""

    member: str
    # Half open, as in Python's slices: several assets can be packed into one member.
    byte_range: tuple[int, int] | None = None

    @model_validator(mode="after")
    def _range_runs_forward(self) -> _Member:
        if self.byte_range and not 0 <= self.byte_range[0] < self.byte_range[1]:
            raise ValueError("byte_range must be [first, end] with 0 <= first < end")
        return self


class NpmSource(_Member):
    """A member of an npm package's tarball, got by `npm pack`."""

    kind: Literal["npm"]
    package: str
    version: str
    archive_sha256: Sha256
    archive_bytes: int

    @property
    def archive(self) -> str:
        return f"npm package {self.package} {self.version}"


class PypiSource(_Member):
    """A member of a wheel, got by `pip download`."""

    kind: Literal["pypi"]
    package: str
    version: str
    archive_sha256: Sha256
    archive_bytes: int

    @property
    def archive(self) -> str:
        return f"PyPI wheel {self.package} {self.version}"


class DebSource(_Member):
    """A member of a Debian package, got by `apt-get download` (no root needed).

    The archive's hash is left open, since each release of Debian and Ubuntu has a build of its own;
    apt checks its signature and the asset's own sha256 is checked in any case.
    """

    kind: Literal["deb"]
    package: str
    archive_bytes: int  # of one release: for the progress bar only

    @property
    def archive(self) -> str:
        return f"Debian package {self.package}"


class HttpsSource(Section):
    """The file itself at its publisher's address. Plain http is for this machine alone."""

    kind: Literal["https"]
    url: Annotated[str, Field(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])")]

    def __str__(self) -> str:
        return urlsplit(self.url).netloc


class ConversionSource(Section):
    """Another asset, a TFLite model, as ONNX (`conversion.py`)."""

    kind: Literal["conversion"]
    of: str  # the asset's name

    def __str__(self) -> str:
        return f"conversion of {self.of}"


ArchiveSource = NpmSource | PypiSource | DebSource
Source = Annotated[ArchiveSource | HttpsSource | ConversionSource, Field(discriminator="kind")]
