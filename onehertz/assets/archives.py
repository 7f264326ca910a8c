"""Takes single members out of a tarball, a wheel or a Debian package."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

from onehertz.assets.sources import SourceFailed

_CHUNK_BYTES = 1 << 20


def take_members(archive: Path, names: Collection[str], folder: Path) -> dict[str, Path]:
    """Write those of `names` that are in the archive into `folder`; returns where each one is.

    One pass, nothing else is unpacked. Names are as in the archive, without a leading "./". The
    files are called by number: a member's name never becomes a path. Raises SourceFailed for an
    archive that can't be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken: dict[str, Path] = {}
    readers = {".tgz": _in_tarball, ".whl": _in_wheel, ".deb": _in_deb}
    try:
        for name, stream in readers[archive.suffix](archive, frozenset(names)):
            target = folder / f"member-{len(taken)}"
            with target.open("wb") as file:
                shutil.copyfileobj(stream, file, _CHUNK_BYTES)
            taken[name] = target
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise SourceFailed(f"{archive.name} can't be unpacked: {error}") from error
    return taken


def cut(member: Path, byte_range: tuple[int, int] | None, target: Path) -> None:
    """Copy the piece [first, end) of `member` (all of it for None) to `target`."""
    first, end = byte_range or (0, member.stat().st_size)
    target.parent.mkdir(parents=True, exist_ok=True)
    with member.open("rb") as source, target.open("wb") as file:
        source.seek(first)
        left = end - first
        while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
            file.write(chunk)
            left -= len(chunk)


def _in_wheel(archive: Path, names: frozenset[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as wheel:
        for name in names.intersection(wheel.namelist()):
            with wheel.open(name) as stream:
                yield name, stream


def _in_tarball(archive: Path, names: frozenset[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with archive.open("rb") as file, tarfile.open(fileobj=file, mode="r|gz") as tarball:
        yield from _in_tar_stream(tarball, names)


def _in_deb(archive: Path, names: frozenset[str]) -> Iterator[tuple[str, IO[bytes]]]:
    # dpkg knows every compression that Debian and Ubuntu use (xz, zstd), Python's tarfile does not.
    dpkg = shutil.which("dpkg-deb")
    if not dpkg:
        raise SourceFailed("no dpkg-deb on this machine to unpack it")
    command = [dpkg, "--fsys-tarfile", str(archive)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    ) as process:
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tarball:
                yield from _in_tar_stream(tarball, names)
        finally:
            process.kill()  # what comes after the last member wanted is not worth unpacking


def _in_tar_stream(
    tarball: tarfile.TarFile, names: frozenset[str]
) -> Iterator[tuple[str, IO[bytes]]]:
    left = set(names)
    for entry in tarball:
        name = entry.name.removeprefix("./")
        stream = tarball.extractfile(entry) if name in left and entry.isfile() else None
        if stream:
            yield name, stream
            left.discard(name)
        if not left:
            return
