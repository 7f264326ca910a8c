"""Another model in place of the one that serves: loaded and tested beside it, or refused."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

from inference_worker.admission.trial import Previous, nothing_before
from inference_worker.detector import Detector
from inference_worker.settings import InferSettings
from runtime.errors import FatalError, UserError

log = logging.getLogger("onehertz.infer")

_LOOK_EVERY_S: Final = 2.0

Load = Callable[[InferSettings, Previous], Detector]
# Of each file: its path, and what an edit changes (None: it isn't there).
Stamp = tuple[tuple[Path, tuple[int, int, int] | None], ...]


class Loaded(NamedTuple):
    """A model that has passed its test, and the settings that it was loaded by."""

    detector: Detector
    settings: InferSettings


class FileWatch:
    """Notices that files were replaced or edited, once they have been left alone for one look."""

    def __init__(
        self,
        files: Callable[[], Iterable[Path]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`files`: those that matter, asked for at each look. Looks every two seconds at most."""
        self._files = files
        self._clock = clock
        self.settle()

    def settle(self) -> None:
        """What is there now is known."""
        self._known = self._seen = self._look()
        self._looked_s = self._clock()

    def changed(self) -> bool:
        """Whether the files are others than those known; they then are known."""
        if self._clock() - self._looked_s < _LOOK_EVERY_S:
            return False
        self._looked_s = self._clock()
        before, self._seen = self._seen, self._look()
        if self._seen != before or self._seen == self._known:
            return False  # somebody is at it, or nothing is new
        self._known = self._seen
        return True

    def _look(self) -> Stamp:
        return tuple((path, _stamp(path)) for path in self._files())


class ModelSwap:
    """Loads a model in a thread of its own when there is a reason to. For one thread."""

    def __init__(
        self,
        load: Load,
        settings: InferSettings,
        files: Callable[[InferSettings], Iterable[Path]],
        asked: Callable[[], bool],
        edited: Callable[[], InferSettings | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`load`: the model of these settings, tested, also against the speed of what serves;
        raises UserError. `files`: what the model is made of. `asked`: somebody wants the model
        loaded anew, once for each time; `edited`: new settings, once for each edit.
        """
        self._load = load
        self._settings = settings
        self._asked = asked
        self._edited = edited
        self._watch = FileWatch(lambda: files(self._settings), clock)
        self._thread: threading.Thread | None = None
        self._outcome: Loaded | UserError | None = None

    @property
    def is_loading(self) -> bool:
        """Whether its thread is at work, maybe for a minute. Nothing stops it but `leave`."""
        return self._thread is not None and self._thread.is_alive()

    def look(self, previous_images_per_s: Previous = nothing_before) -> Loaded | UserError | None:
        """A model that is ready to serve, or why the one that was to serve can't: once for each.

        Starts loading where there is a reason to. `previous_images_per_s`: of what serves now.
        """
        if self._thread is None:
            self._start(self._reason(), previous_images_per_s)
            return None
        if self.is_loading:
            return None
        self._thread = None
        outcome, self._outcome = self._outcome, None
        return outcome

    def _start(self, reason: str, previous: Previous) -> None:
        if not reason:
            return
        log.info("%s: %s is loaded beside the model that serves", reason, self._settings.model)
        self._thread = threading.Thread(
            target=self._try, args=(previous,), name="load a model", daemon=True
        )
        self._thread.start()

    def _reason(self) -> str:
        edited = self._edited()
        if edited is not None and edited != self._settings:
            self._settings = edited
            self._watch.settle()
            return "the settings were edited"
        if self._asked():
            self._watch.settle()
            return "asked by SIGHUP"
        return "its files have changed" if self._watch.changed() else ""

    def _try(self, previous: Previous) -> None:
        try:
            self._outcome = Loaded(self._load(self._settings, previous), self._settings)
        except UserError as error:
            self._outcome = error
        except FatalError as error:
            self._outcome = UserError(f"{self._settings.model}: {error}")
        except Exception as error:  # whatever it is, it is no reason to end the one that serves
            log.exception("loading a model failed in a way that nobody foresaw")
            self._outcome = UserError(f"{self._settings.model}: {error}")


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
