"""A folder of this machine in which files land."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from producers.landed.stores import Found, StoreError, is_wanted
from producers.sources.files import LocalFile, VideoFile


class FolderStore:
    """`patterns`: of the names wanted, such as `*.mp4`; `left_out`: folders just below."""

    def __init__(self, folder: Path, patterns: Sequence[str], left_out: Sequence[str]) -> None:
        self._folder = folder
        self._patterns = patterns
        self._left_out = left_out

    def look(self) -> Iterator[Found]:
        """See `Store`. Folders within are looked into, links to folders are not."""
        if not self._folder.is_dir():
            raise StoreError(f"{self._folder} is no folder, or not there now")
        for folder, folders, names in os.walk(self._folder, onerror=_unreadable):
            below = Path(folder).relative_to(self._folder)
            if not below.parts:  # what is done may be more than all else
                folders[:] = [one for one in folders if one not in self._left_out]
            for name in names:
                found = self.look_at((below / name).as_posix())
                if found is not None:
                    yield found

    def look_at(self, name: str) -> Found | None:
        """See `Store`."""
        if not is_wanted(name, self._patterns, self._left_out):
            return None
        try:
            stat = (self._folder / name).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"{self._folder / name}: {error.strerror}") from error
        version = f"{stat.st_size}-{stat.st_mtime_ns}-{stat.st_ino}"
        return Found(name, version, stat.st_mtime_ns // 1000)

    def is_being_written(self, name: str) -> bool:
        """See `Store`: asks the kernel, where it tells (not on network folders)."""
        try:
            handle = os.open(self._folder / name, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return False
        try:
            return _has_writer(handle)
        finally:
            os.close(handle)

    def file(self, found: Found) -> VideoFile:
        """See `Store`."""
        return LocalFile(self._folder / found.name)

    def delete(self, name: str) -> None:
        """See `Store`."""
        with _told(self._folder / name):
            (self._folder / name).unlink(missing_ok=True)

    def move(self, name: str, folder: str, reason: str | None = None) -> None:
        """See `Store`."""
        target = self._folder / folder / name
        with _told(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            if reason is not None:
                target.with_name(f"{target.name}.reason.txt").write_text(reason + "\n")
            with suppress(FileNotFoundError):  # moved before
                (self._folder / name).replace(target)


def _has_writer(handle: int) -> bool:
    """Whether a lease for reading is refused: it is while anybody has the file open for writing."""
    try:
        # By default the kernel's signal to whoever holds a lease ends the process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except BlockingIOError:
        return True
    except OSError:  # not ours, or a file system without leases: then settling alone decides
        return False
    fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _unreadable(error: OSError) -> None:
    raise StoreError(f"{error.filename} can't be read: {error.strerror}") from error


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path} can't be moved or deleted: {error.strerror}") from error
