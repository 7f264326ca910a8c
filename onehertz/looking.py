"""What `onehertz detect` looks at, one picture after the other: files, folders, videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onehertz.pictures import SUFFIXES, Image, files_in, read_picture
from runtime.errors import UserError

VIDEO_SUFFIXES: Final = (
    ".avi", ".flv", ".h264", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ts",
    ".webm", ".wmv",
)  # fmt: skip


@dataclass(frozen=True)
class Looked:
    """A picture; of a video, the frame that serves a tick."""

    source: Path
    image: Image
    drawing: Path  # where a drawing of it goes, below the folder for these
    at_s: float | None = None  # since the video's first frame


@dataclass(frozen=True)
class Source:
    """A file to look at, and the name by which drawings of it are told."""

    path: Path
    name: Path

    @property
    def is_video(self) -> bool:
        return self.path.suffix.lower() in VIDEO_SUFFIXES


def sources(paths: Sequence[Path]) -> list[Source]:
    """Files as they are; of folders, all pictures and videos in them and below, sorted.

    Raises UserError for a folder with nothing in it.
    """
    found = []
    for path in paths:
        if not path.is_dir():
            found.append(Source(path, Path(path.name)))
            continue
        inside = files_in(path, (*SUFFIXES, *VIDEO_SUFFIXES))
        if not inside:
            raise UserError(f"{path}: holds neither pictures nor videos")
        found += [Source(one, one.relative_to(path)) for one in inside]
    return found


def look(files: Sequence[Source], every_s: float, unusable: list[str]) -> Iterator[Looked]:
    """All pictures, and of videos a frame every so many seconds.

    Files that are none of both are skipped, and named in `unusable`.
    """
    taken: set[Path] = set()
    for file in files:
        try:
            for one in _video(file, every_s) if file.is_video else _picture(file):
                yield Looked(one.source, one.image, _free(one.drawing, taken), one.at_s)
        except UserError as error:
            unusable.append(str(error))


def _picture(file: Source) -> Iterator[Looked]:
    image = read_picture(file.path)
    if image is None:
        raise UserError(f"{file.path}: is not an image that can be read")
    yield Looked(file.path, image, file.name.with_suffix(".png"))


def _video(file: Source, every_s: float) -> Iterator[Looked]:
    # Imported here: pictures need no decoder of videos, which comes with another extra.
    try:
        from producers.sampler import sample
        from producers.sources.base import SourceError, SourceFrame
        from producers.sources.files import LocalFile
        from producers.sources.video import VideoSource
    except ModuleNotFoundError as error:
        raise UserError(
            f"{file.path}: videos need the package {error.name}: pip install 'onehertz[edge]'"
        ) from error
    for one in sample(VideoSource(LocalFile(file.path)).frames(), round(every_s * 1e6)):
        if not isinstance(one.outcome, SourceFrame):
            continue
        try:
            image = one.outcome.load().pixels()
        except SourceError:  # damaged: as if the video had no frame there
            continue
        at_s = one.outcome.media_time_us / 1e6
        drawing = file.name.with_suffix("") / f"{at_s:010.3f}.png"
        yield Looked(file.path, image, drawing, at_s)


def _free(drawing: Path, taken: set[Path]) -> Path:
    """Two files of one name don't overwrite each other's drawings."""
    free, number = drawing, 2
    while free in taken:
        free, number = drawing.with_stem(f"{drawing.stem}-{number}"), number + 1
    taken.add(free)
    return free
