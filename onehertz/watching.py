"""Notices when the settings file has been edited, and reads it again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from onehertz.settings import Settings
from runtime.errors import UserError

log = logging.getLogger("onehertz")

_LOOK_EVERY_S = 1.0


class SettingsWatch:
    """Looks at a file once a second at most. A broken edit is refused, with its reason."""

    def __init__(
        self,
        path: Path | None,
        read: Callable[[], Settings],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read`: the settings of all layers. Without a path nothing ever changes."""
        self._path = path
        self._read = read
        self._clock = clock
        self._looked_s = clock()
        self._seen = self._look()

    def changed(self) -> Settings | None:
        """The new settings, once after each edit that is sound."""
        if self._path is None or self._clock() - self._looked_s < _LOOK_EVERY_S:
            return None
        self._looked_s = self._clock()
        seen = self._look()
        if seen is None or seen == self._seen:
            return None
        self._seen = seen
        try:
            return self._read()
        except UserError as error:
            for line in str(error).splitlines():
                log.error("%s", line)
            log.error("%s: refused; what was set before stays in force", self._path)
            return None

    def _look(self) -> tuple[int, int, int] | None:
        """What an edit changes; None while an editor has the file away."""
        try:
            status = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        return status and (status.st_mtime_ns, status.st_size, status.st_ino)
