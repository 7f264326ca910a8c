"""The producers' process as fast as it goes, against bare loops from the source to the JPEG.

Four cameras each, ten ticks to a media second: of a video file (768x576, decoded by PyAV) and of
synthetic streets (640x480, drawn).
"""

from __future__ import annotations

from typing import Any

from benchmarks.method.metering import Work, compared
from benchmarks.method.pairing import interleaved
from benchmarks.method.results import Result
from benchmarks.method.site import Line, Site
from onehertz.assets import AssetsUnavailable, fetch

CAMERAS = 4
TICKS_PER_CAMERA = 780  # vtest.avi has 795 at ten a second
ROUNDS = 3

_INTERVAL_S = 0.1
_BARE = "bare loop from source to JPEG, one thread per camera"


def run(site: Site, rounds: int) -> list[Result]:
    """Ticks/s and CPU per tick, of each kind of source that can be had."""
    found: list[Result] = []
    for name, sources in _sources(site).items():
        found += _of_kind(site, rounds, name, sources)
    return found


def _sources(site: Site) -> dict[str, list[dict[str, Any]]]:
    streets = [{"kind": "street", "seed": n, "activity": 0.5} for n in range(CAMERAS)]
    try:
        clip = str(fetch(["vtest"])["vtest"])
    except AssetsUnavailable as error:
        site.say(f"produce.video is left out: {error}")
        return {"street": streets}
    return {"video": [{"kind": "video", "path": clip}] * CAMERAS, "street": streets}


def _of_kind(site: Site, rounds: int, name: str, sources: list[dict[str, Any]]) -> list[Result]:
    ticks = site.sized(TICKS_PER_CAMERA)
    cameras = {
        f"{name}-{number}": {
            "source": source,
            "interval_s": _INTERVAL_S,
            "stop_after_s": round(ticks * _INTERVAL_S, 3),
            "speed": None,
            "start_at": "2026-01-01T00:00:00Z",  # long past: no capture time runs ahead
        }
        for number, source in enumerate(sources)
    }
    line = site.line(name, {"cameras": cameras})
    measured = interleaved(
        rounds,
        {
            "ours": lambda: _producers(site, line, ticks * len(cameras)),
            "bare": lambda: site.bare("encode", config=str(line.config)),
        },
    )
    return compared(f"produce.{name}", measured, ("ours", "bare"), "tick", _BARE, wanted_cpu=1.25)


def _producers(site: Site, line: Line, ticks: int) -> Work:
    site.forget(line, "produce", ["frames-raw"])
    return line.metered("produce", "produce", counter="onehertz_records_given_total", total=ticks)
