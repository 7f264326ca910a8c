"""A live camera's records, collected while a test goes on; and what is to hold for them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np

from producers.camera import encoder_of
from producers.live.arrivals import Arrival, Demand, LiveSource
from producers.live.backoff import Backoff
from producers.live.ticks import LiveTicks, monotonic_us
from producers.settings import CameraSettings
from producers.sources.base import Picture
from producers.sources.registry import build_live
from runtime.kafka import now_us
from schemas.messages import Captured, Missing, RawRecord
from tests.producers.clips import number_in

Records = Sequence[RawRecord]

INTERVAL_S = 0.2
INTERVAL_US = 200_000
READ_TIMEOUT_S = 0.6


class Soon(Backoff):
    """Tries again after 50 ms."""

    def wait_s(self, connected_us: int) -> float:
        return 0.05


def camera(url: str, interval_s: float = INTERVAL_S, **keys: Any) -> CameraSettings:
    """An RTSP camera that is given up soon. `keys`: more of its source's settings."""
    source = {"kind": "rtsp", "url": url, "read_timeout_s": READ_TIMEOUT_S, **keys}
    return CameraSettings.model_validate({"source": source, "interval_s": interval_s})


def source_of(settings: CameraSettings) -> LiveSource:
    return build_live(settings.source, settings.interval_us, monotonic_us)


def live(url: str, **keys: Any) -> LiveTicks:
    settings = camera(url, **keys)
    return ticks_of(source_of(settings), settings)


def ticks_of(source: LiveSource, settings: CameraSettings) -> LiveTicks:
    encoder = encoder_of(settings)
    return LiveTicks("door", source, settings.interval_us, encoder, now_us, backoff=Soon())


class Watched:
    """A camera's records, collected on a thread of their own while the test goes on."""

    def __init__(self, ticks: LiveTicks) -> None:
        self.records: list[RawRecord] = []
        self._ticks = ticks
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def _collect(self) -> None:
        for record in self._ticks:
            with self._changed:
                self.records.append(record)
                self._changed.notify_all()

    def until(self, condition: Callable[[Records], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.records), 30), self._told()

    def _told(self) -> str:
        last = [getattr(record, "detail", record.status) for record in self.records[-5:]]
        return f"{len(self.records)} ticks, the last ones: {last}"

    def close(self) -> None:
        self._ticks.close()
        self._thread.join(30)
        assert not self._thread.is_alive()


@dataclass(frozen=True)
class Loaded:
    """A picture that was made for a tick."""

    place: int  # of its frame among all that came
    number: int  # that it shows


class Traced:
    """A live source that remembers what came, and what was made of it."""

    def __init__(self, source: LiveSource) -> None:
        self.codec = source.codec
        self.came: list[Arrival] = []
        self.loaded: list[Loaded] = []
        self.useless = 0  # packets that no picture can be made of
        self._source = source

    def arrivals(self, demand: Demand) -> Generator[Arrival | None]:
        for arrival in self._source.arrivals(demand):
            if arrival is None:
                self.useless += 1
                yield None
                continue
            self.came.append(arrival)
            yield replace(arrival, load=partial(self._load, len(self.came) - 1))

    def _load(self, place: int) -> Picture:
        picture = self.came[place].load()
        self.loaded.append(Loaded(place, number_in(picture.pixels())))
        return picture


def last_are(status: str, count: int) -> Callable[[Records], bool]:
    return lambda records: (
        len(records) >= count and all(one.status == status for one in records[-count:])
    )


def reasons(records: Records) -> set[str]:
    """Of the missing ticks."""
    return {record.reason for record in records if isinstance(record, Missing)}


def shown(record: RawRecord) -> int:
    assert isinstance(record, Captured)
    image = cv2.imdecode(np.frombuffer(record.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return number_in(np.asarray(image, np.uint8))


def assert_gap_free(records: Records, interval_us: int = INTERVAL_US) -> None:
    """One run, numbers without gaps, capture times exactly an interval apart."""
    assert len({record.run for record in records}) == 1
    assert [record.seq for record in records] == list(range(len(records)))
    first_us = records[0].captured_at_us
    assert [record.captured_at_us - first_us for record in records] == [
        seq * interval_us for seq in range(len(records))
    ]
