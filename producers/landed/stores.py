"""What a place where files land promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from producers.sources.files import VideoFile
from runtime.errors import OnehertzError


class StoreError(OnehertzError):
    """A place, or the ledger, can't be used now. Says nothing about files: to be tried again."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it was seen. `name`: its path below the place, with slashes.

    `version`: another one means other content; `changed_us`: when it was last written, µs since
    1970.
    """

    name: str
    version: str
    changed_us: int


# Names under which tools keep what they have not finished.
UNFINISHED = (".*", "*.part", "*.tmp", "*.partial", "*.crdownload", "*~")


def is_wanted(name: str, patterns: Sequence[str], left_out: Sequence[str]) -> bool:
    """Whether a path, with slashes, is a file to be played: by its last part and its first."""
    parts = name.split("/")
    if len(parts) > 1 and parts[0] in left_out:
        return False
    if any(fnmatchcase(part, pattern) for part in parts for pattern in UNFINISHED):
        return False
    return any(fnmatchcase(parts[-1].lower(), pattern.lower()) for pattern in patterns)


class Store(Protocol):
    """Constructing one does no work and raises nothing. All else raises StoreError."""

    def look(self) -> Iterator[Found]:
        """The files that are there now, of the wanted names, in no order."""

    def look_at(self, name: str) -> Found | None:
        """One of them; None where it is not there, or not wanted."""

    def is_being_written(self, name: str) -> bool:
        """Whether somebody is known to have it open for writing."""

    def file(self, found: Found) -> VideoFile:
        """What is in it. Raises UserError on use where it is not that version any more."""

    def delete(self, name: str) -> None:
        """Nothing, where it is not there."""

    def move(self, name: str, folder: str, reason: str | None = None) -> None:
        """Into a folder below the place, which `look` leaves out; with the reason beside it."""
