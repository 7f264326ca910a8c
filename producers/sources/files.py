"""A video file, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from producers.sources.fingerprint import file_fingerprint
from runtime.errors import UserError


class VideoFile(Protocol):
    """`str()` of it names it to a user."""

    @property
    def identity(self) -> str:
        """What is in it, wherever it lies: equal identity, equal frames. Raises UserError."""

    def opened(self) -> AbstractContextManager[str | BinaryIO]:
        """What FFmpeg reads: a path, or a file that can be read and sought.

        Raises UserError where there is no such file. Errors of another kind, also while it is read,
        say nothing about the file.
        """


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file on this machine."""

    path: Path

    @property
    def identity(self) -> str:
        return file_fingerprint(self.path)

    @contextmanager
    def opened(self) -> Iterator[str]:
        """See `VideoFile`."""
        if not self.path.is_file():
            what = "is a folder, not a video file" if self.path.is_dir() else "does not exist"
            raise UserError(f"{self.path} {what}")
        yield str(self.path)

    def __str__(self) -> str:
        return str(self.path)
