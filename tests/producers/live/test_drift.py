"""An hour of a stream whose key frames come about once a tick, and what serves the ticks.

Simulated, as `LiveTicks` does it: packets as they would arrive, and the moments at which it asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import cast

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from producers.live.arrivals import Arrival
from producers.live.choice import Choice, Chooser
from producers.live.groups import GroupDecoder

SECOND = 1_000_000
TICKS = 3600
FRAMES_PER_KEY = 10


def arrivals(key_us: int, ahead_us: int, jitter_us: int) -> Iterator[Arrival]:
    """The first at 0; the others of a stream that began `ahead_us` before, each up to `jitter_us`
    late.
    """
    nobody_decodes = cast(VideoCodecContext, None)
    decoder = GroupDecoder(nobody_decodes, SECOND)
    chance = Random(1)
    arrived_us = 0
    for n in range((TICKS + 10) * FRAMES_PER_KEY):
        packet = av.Packet(1)
        packet.is_keyframe = n % FRAMES_PER_KEY == 0
        sent_us = n * key_us // FRAMES_PER_KEY - ahead_us
        arrived_us = max(arrived_us, sent_us + chance.randint(0, jitter_us))
        arrival = decoder.add(packet, arrived_us)
        assert arrival is not None
        yield arrival


def an_hour(coming: Iterator[Arrival]) -> list[Choice]:
    chooser = Chooser(SECOND, 0)
    choices: list[Choice] = []
    for arrival in coming:
        for asked_us in (chooser.due_us, chooser.wake_us(chooser.due_us)):
            if asked_us < arrival.arrived_us:
                choices += chooser.decide(asked_us)
        choices += chooser.offer(arrival)
    return choices[:TICKS]


@pytest.mark.parametrize("key_us", [1_000_000, 1_001_000, 999_000])
@pytest.mark.parametrize(
    ("ahead_us", "jitter_us"),
    [(0, 0), (550_000, 100_000)],  # the second: half way between two ticks
    ids=["steady", "jittery"],
)
def test_every_tick_of_an_hour_is_captured_and_nearly_all_by_key_frames(
    key_us: int, ahead_us: int, jitter_us: int
) -> None:
    choices = an_hour(arrivals(key_us, ahead_us, jitter_us))
    assert [choice.tick for choice in choices] == list(range(TICKS))
    served = [choice.arrival for choice in choices if choice.arrival is not None]
    assert len(served) == TICKS
    # Of key frames every 1.001 s, one tick in a thousand has none in its reach.
    assert len([arrival for arrival in served if not arrival.whole]) <= 4


def test_every_tick_of_an_hour_is_captured_where_key_frames_come_every_four() -> None:
    choices = an_hour(arrivals(4_000_000, 550_000, 100_000))
    assert [choice.tick for choice in choices] == list(range(TICKS))
    assert all(choice.arrival is not None for choice in choices)
