"""The cameras that run in one process, and what becomes of them when their settings change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from producers.settings import CameraSettings
from producers.threads import CameraThread
from runtime.errors import OnehertzError, UserError

log = logging.getLogger("onehertz.produce")

Make = Callable[[str, CameraSettings], CameraThread]


class Fleet:
    """Used by one thread. No camera is there twice: the new one waits for the old one's end."""

    def __init__(self, make: Make) -> None:
        """`make`: a camera's thread, not yet started; may raise UserError."""
        self._make = make
        self._settings: dict[str, CameraSettings] = {}
        self._threads: dict[str, CameraThread] = {}
        self._wanted: set[str] = set()  # to be started once their older selves have ended
        self._handed_before = 0  # by threads that are gone
        self._closed = False
        self.failures: dict[str, OnehertzError] = {}  # by camera: why it ended by itself

    @property
    def handed(self) -> int:
        """Ticks that have been handed on so far."""
        return self._handed_before + sum(thread.handed for thread in self._threads.values())

    @property
    def is_alive(self) -> bool:
        """Whether any camera runs, or is about to."""
        return bool(self._wanted) or any(one.is_alive() for one in self._threads.values())

    def begin(self, cameras: Mapping[str, CameraSettings]) -> None:
        """Start these. Raises UserError, before any of them runs, where one can't be made."""
        made = {camera: self._make(camera, settings) for camera, settings in cameras.items()}
        self._settings = dict(cameras)
        self._threads = made
        for thread in made.values():
            thread.start()

    def change(self, cameras: Mapping[str, CameraSettings]) -> None:
        """From now on these and no others, with these settings; what is the same goes on."""
        for camera in self._settings.keys() - cameras.keys():
            log.info("%s: taken out of the settings", camera)
            self._end(camera)
        for camera, settings in cameras.items():
            before = self._settings.get(camera)
            if settings != before:
                log.info("%s: %s", camera, "new" if before is None else "its settings have changed")
                self._end(camera)
                self._wanted.add(camera)
        self._settings = dict(cameras)
        self.tend()

    def tend(self) -> None:
        """Start what is wanted and free; let go of what has ended. To be called now and then."""
        for camera, thread in list(self._threads.items()):
            if thread.is_alive():
                continue
            if camera in self._wanted or camera not in self._settings:
                self._forget(camera)
            elif thread.failure is not None:
                self.failures[camera] = thread.failure
        for camera in sorted(self._wanted - self._threads.keys()):
            self._wanted.discard(camera)
            if not self._closed and camera in self._settings:
                self._start(camera)

    def close(self) -> None:
        """Ask all of them to end; from any thread."""
        self._closed = True
        for thread in list(self._threads.values()):
            thread.close()

    def _end(self, camera: str) -> None:
        self.failures.pop(camera, None)
        self._wanted.discard(camera)
        if camera in self._threads:
            self._threads[camera].close()

    def _forget(self, camera: str) -> None:
        self._handed_before += self._threads.pop(camera).handed

    def _start(self, camera: str) -> None:
        try:
            thread = self._make(camera, self._settings[camera])
        except UserError as error:  # of one camera: the others go on
            log.error("%s", error)
            self.failures[camera] = error
            return
        self._threads[camera] = thread
        thread.start()
        if self._closed:
            thread.close()
