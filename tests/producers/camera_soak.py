"""Adds and takes out cameras, thousands of them, and tells what the process holds before and after.

`python -m tests.producers.camera_soak CAMERAS` prints one JSON object: `cameras` that came and
went, `seconds`, and what was held after a fifth of them (`warm`) and after the last (`end`). 2,000,
as the test has them, take 15 s on two cores.
"""

from __future__ import annotations

import gc
import json
import logging
import resource
import socket
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from producers.fleet import Fleet
from producers.settings import CameraSettings
from producers.threads import CameraThread, camera_thread
from schemas.messages import Captured, Missing
from tests.producers.live.http_camera import PASSWORD, USER, HttpCamera, jpeg
from tests.waiting import eventually

AT_ONCE = 50
INTERVAL_S = 0.1
# Each takes five connections that come at once; a sixth would wait a second for its second try.
_SERVERS = 9
_PAGE_BYTES = resource.getpagesize()


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    memory_bytes: int  # resident
    threads: int
    files: int  # descriptors

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        files = len(list(Path("/proc/self/fd").iterdir()))
        return cls(pages * _PAGE_BYTES, threading.active_count(), files)


class Soak:
    """A fleet whose cameras are real, and what they hand on."""

    def __init__(self, places: list[str]) -> None:
        """`places`: host and port of cameras, some of which may not be there."""
        self._places = places
        self._ticks: dict[str, int] = {}
        self._fleet = Fleet(self._make)
        self._fleet.begin({})
        self._number = 0
        self._idle_threads = threading.active_count()

    def turn(self, count: int) -> None:
        """So many new cameras in place of all others; until each has handed on a tick."""
        self._ticks.clear()
        cameras = {f"c{self._number + n}": self._settings(n) for n in range(count)}
        self._number += count
        self._fleet.change(cameras)
        eventually(lambda: self._tended() and cameras.keys() <= self._ticks.keys(), 60)

    def rest(self) -> Held:
        """No camera any more; what is held then."""
        self._fleet.change({})
        eventually(
            lambda: self._tended() and threading.active_count() <= self._idle_threads,
            60,
            why="all threads end",
        )
        return Held.now()

    def _tended(self) -> bool:
        self._fleet.tend()
        return True

    def _settings(self, number: int) -> CameraSettings:
        place = self._places[number % len(self._places)]
        url = f"http://{place}/snapshot.jpg"
        source = {"kind": "snapshot", "url": url, "user": USER, "password": PASSWORD}
        return CameraSettings.model_validate({"source": source, "interval_s": INTERVAL_S})

    def _make(self, camera: str, settings: CameraSettings) -> CameraThread:
        return camera_thread(camera, settings, self._hand, lambda _camera, _run: -1)

    def _hand(self, record: Captured | Missing) -> None:
        self._ticks[record.camera] = self._ticks.get(record.camera, 0) + 1


def soak(cameras: int) -> dict[str, object]:
    """Let so many cameras come and go."""
    began_s = time.monotonic()
    with ExitStack() as opened:
        places = [opened.enter_context(_camera(n)).place for n in range(_SERVERS)]
        nobody = opened.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))  # and does not listen: connections are refused
        soaking = Soak([*places, f"127.0.0.1:{nobody.getsockname()[1]}"])
        turns = [min(AT_ONCE, cameras - done) for done in range(0, cameras, AT_ONCE)]
        warm_turns = max(1, len(turns) // 5)
        held = []
        for some in (turns[:warm_turns], turns[warm_turns:]):
            for count in some:
                soaking.turn(count)
            held.append(asdict(soaking.rest()))
    seconds = round(time.monotonic() - began_s, 1)
    return {"cameras": cameras, "seconds": seconds, "warm": held[0], "end": held[1]}


def _camera(number: int) -> HttpCamera:
    camera = HttpCamera("digest" if number % 2 else None)
    camera.answer = jpeg(number)  # it remembers all that it sent: let that be one picture
    return camera


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # a line or two of each camera
    sys.stdout.write(json.dumps(soak(int(sys.argv[1]))) + "\n")
