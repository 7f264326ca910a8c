"""Thirty RTSP cameras in one process, their servers killed and started again: no tick is lost.

For a figure over a longer time, seen on the log:
`CHURN_S=600 python -m pytest tests/faults/test_live_churn.py --log-cli-level=INFO`
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest

from producers.live.backoff import FIRST_S, GOOD_AFTER_US, LONGEST_S
from schemas.codec import decode_raw
from schemas.messages import Captured, RawRecord
from tests.fixtures.servers import Servers
from tests.harness.line import Line, open_line
from tests.harness.observed import messages
from tests.producers.clips import write_clip
from tests.producers.live.gst_camera import GstServer, Stream
from tests.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.line, pytest.mark.usefixtures("gstreamer")]

CHURN_S = float(os.environ.get("CHURN_S", "25"))
SEED = int(os.environ.get("FAULT_SEED", "1"))
SERVERS, CAMERAS_EACH = 3, 10
INTERVAL_S = 0.5
# From a connection's first byte to its first frame, ten of them at once on a busy machine.
CONNECT_S = 4.0
DOWN_S = (0.5, 2.5)
# Long enough, after the longest wait, for a connection that makes the next wait short again.
UP_S = (4.0 + CONNECT_S + GOOD_AFTER_US / 1e6, 16.0)
FIRST_UP_S = (5.0, 11.0)


@dataclass
class Mount:
    """A server with some of the cameras, and when it was there."""

    server: GstServer
    plan: Iterator[float]  # s, from one change to the next: up, down, up …
    ups: list[tuple[float, float]] = field(default_factory=list)  # from, until: s since 1970
    change_at: float = 0.0  # s, monotonic
    since: float | None = None  # s since 1970; None: it is down

    def turn(self) -> None:
        """Start it, or kill it."""
        if self.since is None:
            self.server.start()
            self.since = time.time()
        else:
            self.ups.append((self.since, time.time()))
            self.server.kill()
            self.since = None
        self.change_at = time.monotonic() + next(self.plan)


def drawn(chance: random.Random) -> Iterator[float]:
    yield chance.uniform(*FIRST_UP_S)
    while True:
        yield chance.uniform(*DOWN_S)
        yield chance.uniform(*UP_S)


def longest_wait_s(down_s: float) -> float:
    """What a camera may still wait when its server comes back, by the back-off's own numbers.

    Each wait is shortened by up to a half: so soon may the next, longer one begin.
    """
    begun_s, wait_s = 0.0, FIRST_S
    while begun_s + wait_s / 2 <= down_s:
        begun_s, wait_s = begun_s + wait_s / 2, min(LONGEST_S, wait_s * 2)
    return wait_s


def returns(mount: Mount) -> Iterator[tuple[float, float, float]]:
    """Each time that it was there: from, until (s since 1970), and after which longest wait (s)."""
    gone: float | None = None
    for since, until in mount.ups:
        yield since, until, 0.0 if gone is None else longest_wait_s(since - gone)
        gone = until


def is_past(moment: float) -> bool:
    return time.monotonic() >= moment


def churn(line: Line, mounts: list[Mount], until: float) -> None:
    """Kill and start servers until then (s, monotonic); at the end all of them are dead."""
    while time.monotonic() < until:
        mount = min(mounts, key=lambda one: one.change_at)
        eventually(partial(is_past, min(mount.change_at, until)), 60)
        if time.monotonic() < until:
            line.note(f"{'start' if mount.since is None else 'kill'} port {mount.server.port}")
            mount.turn()
    for mount in mounts:
        if mount.since is not None:
            mount.turn()


def given(line: Line) -> dict[str, list[RawRecord]]:
    """All of frames-raw by camera, in its order."""
    found: dict[str, list[RawRecord]] = defaultdict(list)
    for at in messages(line, "frames-raw"):
        record = decode_raw(at.message)
        found[record.camera].append(record)
    return found


def assert_all_accounted_for(records: list[RawRecord], begun: float, ended: float) -> None:
    """One run without a gap, on its grid, from the beginning to the end (s since 1970)."""
    assert len({record.run for record in records}) == 1
    assert [record.seq for record in records] == list(range(len(records)))
    step_us = round(INTERVAL_S * 1e6)
    first_us = records[0].captured_at_us
    assert all(one.captured_at_us == first_us + one.seq * step_us for one in records)
    assert first_us / 1e6 <= begun + 2 * CONNECT_S
    assert records[-1].captured_at_us / 1e6 >= ended - 2 * INTERVAL_S


@dataclass(frozen=True)
class Figures:
    """Of all cameras together, since the beginning."""

    ticks: int
    captured: int
    up_s: float  # of their servers
    wait_s: float  # of their back-off, at the most
    all_s: float
    reconnects: int

    def __str__(self) -> str:
        return (
            f"{self.ticks} ticks of {self.all_s:.0f} s: {self.captured / self.ticks:.2%} captured;"
            f" servers there {self.up_s / self.all_s:.2%}; {self.reconnects} reconnects,"
            f" {self.lost_s / self.reconnects:.2f} s each (back-off: up to"
            f" {self.wait_s / self.reconnects:.2f} s)"
        )

    @property
    def lost_s(self) -> float:
        """Without a frame although the server was there."""
        return self.up_s - self.all_s * self.captured / self.ticks


def figures(
    records: dict[str, list[RawRecord]], cameras: dict[str, Mount], begun: float, ended: float
) -> Figures:
    since_then = [
        record
        for of_camera in records.values()
        for record in of_camera
        if begun <= record.captured_at_us / 1e6 < ended
    ]
    ups = [up for mount in cameras.values() for up in returns(mount)]
    return Figures(
        ticks=len(since_then),
        captured=sum(isinstance(record, Captured) for record in since_then),
        up_s=sum(until - max(since, begun) for since, until, _ in ups),
        wait_s=sum(wait_s for _, _, wait_s in ups),
        all_s=len(cameras) * (ended - begun),
        reconnects=len(ups) - len(cameras),
    )


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[list[Mount]]:
    clip = write_clip(
        tmp_path / "a.mkv",
        range(round((UP_S[1] + 5) * 10)),
        Fraction(1, 10),
        "libx264",
        b_frames=2,
        gop=5,
        fixed_gop=True,
    )
    streams = {str(number): Stream(str(clip)) for number in range(CAMERAS_EACH)}
    chance = random.Random(SEED)
    started = [Mount(GstServer(streams), drawn(chance)) for _ in range(SERVERS)]
    for mount in started:
        mount.turn()
    yield started
    for mount in started:
        mount.server.kill()


def camera(mount: Mount, number: int) -> dict[str, object]:
    source = {"kind": "rtsp", "url": mount.server.url(str(number))}
    return {"source": source, "interval_s": INTERVAL_S}


def test_thirty_cameras_whose_servers_come_and_go_account_for_every_tick(
    servers: Servers, mounts: list[Mount], tmp_path: Path
) -> None:
    cameras = {
        f"yard-{place}-{number}": (mount, number)
        for place, mount in enumerate(mounts)
        for number in range(CAMERAS_EACH)
    }
    overrides = {
        "cameras": {name: camera(*where) for name, where in cameras.items()},
        "produce": {"spool": {"path": str(tmp_path / "spool")}},
    }
    with open_line(servers, tmp_path, 0, overrides) as line:
        line.start("produce")
        given_total = "onehertz_records_given_total"
        eventually(lambda: line.metric("produce", given_total) >= len(cameras), 60)
        begun = time.time()
        churn(line, mounts, time.monotonic() + CHURN_S)
        ended = time.time()
        line.terminate_all()
        records = given(line)
    assert records.keys() == cameras.keys()
    for name, (mount, _) in cameras.items():
        assert_all_accounted_for(records[name], begun, ended)
        for since, until, wait_s in returns(mount):
            # From then on each tick has its frame, up to the last one before the server's end.
            from_us = (since + wait_s + CONNECT_S) * 1e6
            until_us = (until - INTERVAL_S) * 1e6
            owed = [one for one in records[name] if from_us <= one.captured_at_us <= until_us]
            assert all(isinstance(one, Captured) for one in owed)
    found = figures(records, {name: mount for name, (mount, _) in cameras.items()}, begun, ended)
    line.note(str(found))
    assert found.lost_s <= found.wait_s
