"""The user's cache folder: assets by sha256, whole or not at all.

<cache>/assets/<sha256>/<file name>   an asset, moved here only once its hash was right
<cache>/assets/partial/<sha256>       a download that was broken off, to be continued
<cache>/assets/archives/<archive>/    what a registry client is writing
<cache>/assets/lock                   held by the one process that fetches
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from onehertz.assets.catalogue import Asset
from onehertz.assets.sources import Refused
from onehertz.cache import user_cache_path


def user_cache() -> Path:
    """The user's cache folder."""
    return user_cache_path(os.environ)


def sha256_of(path: Path) -> str:
    """The file's sha256 in hex; computed once per file for as long as it stays unchanged."""
    status = path.stat()
    return _sha256(path, status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, _inode: int, _size_bytes: int, _changed_at_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put(path: Path, folder: Path) -> Path:
    """A copy of a kept asset in `folder`, under its own name; made anew unless it is the same."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / path.name
    if not copy.is_file() or sha256_of(copy) != sha256_of(path):
        growing = folder / f".{path.name}.growing"
        shutil.copyfile(path, growing)
        growing.replace(copy)
    return copy


class Store:
    """The assets of one cache folder."""

    def __init__(self, cache: Path | None = None) -> None:
        self.root = (cache or user_cache()) / "assets"

    def path(self, asset: Asset) -> Path:
        """Where the asset lies, or would lie."""
        return self.root / asset.sha256 / asset.file

    def partial(self, asset: Asset) -> Path:
        """Where the asset grows while it is being fetched."""
        return self.root / "partial" / asset.sha256

    def archive_folder(self, archive: str) -> Path:
        """Where the registry client of this archive works."""
        slug = "".join(letter if letter.isalnum() or letter in ".-" else "_" for letter in archive)
        return self.root / "archives" / slug

    def holds(self, asset: Asset) -> bool:
        """Whether the asset is there with the right size and hash."""
        path = self.path(asset)
        return (
            path.is_file()
            and path.stat().st_size == asset.size_bytes
            and sha256_of(path) == asset.sha256
        )

    def keep(self, asset: Asset, candidate: Path) -> Path:
        """Move `candidate` in as the asset, atomically, if its hash is right.

        Raises Refused, after deleting `candidate`, if it is wrong.
        """
        found = sha256_of(candidate)
        if found != asset.sha256:
            candidate.unlink()
            raise Refused(f"refused: sha256 is {found}, must be {asset.sha256}")
        path = self.path(asset)
        path.parent.mkdir(parents=True, exist_ok=True)
        with candidate.open("rb") as file:
            os.fsync(file.fileno())
        candidate.replace(path)
        return path

    @contextmanager
    def lock(self, on_wait: Callable[[], None]) -> Iterator[None]:
        """Hold the cache alone; `on_wait` is called if another process has it.

        The kernel drops the lock with its process, so none is ever stale.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                on_wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield
