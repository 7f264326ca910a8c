"""Engines that were built, in the user's cache: two files each, the engine and what it is.

Workers may share the folder. A file is whole or not there, and one that is not what its sidecar
says, or was built for something else, is built anew.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from inference_worker.backends.compiled import engines_folder
from inference_worker.backends.tensorrt.build_lock import BuildLock, Waiting
from inference_worker.backends.tensorrt.engine_key import EngineKey, Sidecar
from inference_worker.whole_file import write_whole
from runtime.errors import UserError

logger = logging.getLogger(__name__)


class Stored(NamedTuple):
    """An engine and what it is."""

    engine: bytes
    about: Sidecar
    path: Path | None  # None: it is kept nowhere
    built: bool  # now, not taken from the cache


Make = Callable[[Callable[[], None]], tuple[bytes, Sidecar]]


class EngineCache:
    """A folder of engines; None: nothing is kept, each start builds."""

    def __init__(self, cache: Path | None, waiting: Waiting | None = None) -> None:
        self.folder = None if cache is None else engines_folder(cache)
        self._waiting = waiting

    def engine(self, key: EngineKey, make: Make) -> Stored:
        """The one for this key: as kept, or built now, or by another worker that is at it.

        `make` gets what is to be called every few seconds while it builds. Raises UserError where
        there is none and none can be kept, and what `make` raises.
        """
        if self.folder is None:
            return Stored(*make(lambda: None), path=None, built=True)
        if (kept := self.kept(key)) is not None:
            return kept
        try:
            return self._build(self.folder, key, make)
        except OSError as error:
            raise UserError(
                f"{self.folder}: there is no engine for this model and GPU, and none can be written"
                f" ({error.strerror or error}); build it where the folder can be written:"
                " `onehertz models build NAME`, or set ONEHERTZ_CACHE"
            ) from error

    def kept(self, key: EngineKey) -> Stored | None:
        """None where there is none, or none that can be used: a line in the log says why."""
        if self.folder is None:
            return None
        path = self.folder / f"{key.digest}.engine"
        try:
            about = read_sidecar(path)
            engine = path.read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            _drop(path, str(error))
            return None
        if why := about.key.differs(key):
            _drop(path, f"it was built for something else: {why}")
            return None
        if hashlib.sha256(engine).hexdigest() != about.sha256:
            _drop(path, "it is damaged: its sha256 is another")
            return None
        with suppress(OSError):  # so that they are not pruned; they may not be ours
            os.utime(path)
            os.utime(_sidecar_of(path))
        return Stored(engine, about, path, built=False)

    def discard(self, stored: Stored, why: str) -> None:
        """One that TensorRT refuses, whatever its sidecar says."""
        if stored.path is not None:
            _drop(stored.path, why)

    def _build(self, folder: Path, key: EngineKey, make: Make) -> Stored:
        folder.mkdir(parents=True, exist_ok=True)
        lock = BuildLock(folder / f"{key.digest}.lock", self._waiting)
        with lock.held(lambda: self._is_there(key)) as mine:
            if not mine and (kept := self.kept(key)) is not None:
                return kept
            engine, about = make(lock.touch)
            path = folder / f"{key.digest}.engine"
            # The sidecar comes last: without it there is no engine.
            _sidecar_of(path).unlink(missing_ok=True)
            write_whole(path, engine)
            write_whole(_sidecar_of(path), msgspec.json.format(msgspec.json.encode(about)))
            return Stored(engine, about, path, built=True)

    def _is_there(self, key: EngineKey) -> bool:
        """Whether it is worth reading."""
        return self.folder is not None and _sidecar_of(self.folder / f"{key.digest}.x").is_file()


def engines_in(cache: Path) -> Iterator[tuple[Path, Sidecar]]:
    """All that are there, with what they are; what can't be read is left out."""
    for path in sorted(engines_folder(cache).glob("*.engine")):
        with suppress(OSError, msgspec.DecodeError):
            yield path, read_sidecar(path)


def read_sidecar(engine: Path) -> Sidecar:
    """Raises OSError, msgspec.DecodeError."""
    return msgspec.json.decode(_sidecar_of(engine).read_bytes(), type=Sidecar)


def _drop(engine: Path, why: str) -> None:
    logger.warning("%s can't be used (%s): it is built anew", engine, why)
    with suppress(OSError):
        _sidecar_of(engine).unlink(missing_ok=True)
        engine.unlink(missing_ok=True)


def _sidecar_of(engine: Path) -> Path:
    return engine.with_suffix(".json")
