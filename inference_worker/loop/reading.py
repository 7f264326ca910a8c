"""How much is read, and of which partitions."""

from __future__ import annotations

import time
from typing import Final

from confluent_kafka import Message

from inference_worker.loop.room import Room
from runtime.subscription import Subscription

_AT_ONCE: Final = 128
_STUCK_S: Final = 1.0  # without reading: then the partitions are paused, to stay in the group


class Reading:
    """Reads as much as there is room for."""

    def __init__(self, subscription: Subscription, topic: str, room: Room) -> None:
        self._subscription = subscription
        self._topic = topic
        self._room = room
        self._read_at_s = time.monotonic()

    def read(self, timeout_s: float) -> list[Message]:
        """What there is, waiting `timeout_s` at most. Raises as `Subscription.poll`."""
        room = min(self._room.left, _AT_ONCE)
        if room == 0:
            return self._nothing()
        self._read_at_s = time.monotonic()
        self._subscription.resume()
        numbers = [number for _, number in self._subscription.owned]
        held_up = self._room.held_up(numbers)
        self._subscription.hold_up(frozenset((self._topic, number) for number in held_up))
        # The client waits for as many as it is asked for, to the end of the time-out: so first one.
        first = self._subscription.poll(1, timeout_s)
        return first + self._subscription.poll(room - 1, 0) if first and room > 1 else first

    def _nothing(self) -> list[Message]:
        """Too much is in hand. A pause throws away what the client has fetched: not at once."""
        if time.monotonic() < self._read_at_s + _STUCK_S:
            return []
        self._subscription.pause()
        return self._subscription.poll(1, 0)
