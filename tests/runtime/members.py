"""Members of a consumer group, as tests have them."""

from __future__ import annotations

from collections.abc import Callable

from confluent_kafka import Message

from runtime.kafka import KafkaSettings
from runtime.subscription import Place, Subscription
from tests.waiting import eventually

Joined = Callable[..., "Member"]


class Member(Subscription):
    """A subscription that remembers what it was told."""

    def __init__(self, settings: KafkaSettings, group: str, topic: str, **more: object) -> None:
        self.events: list[tuple[str, list[int]]] = []
        self.got: list[tuple[int, int]] = []  # partition, offset
        callbacks = {"assigned": self._note("+"), "revoked": self._note("-")}
        callbacks["lost"] = self._note("lost")
        super().__init__(settings, group, [topic], **(callbacks | more))  # type: ignore[arg-type] # tests give callbacks by name

    def _note(self, what: str) -> Callable[[list[Place]], None]:
        return lambda places: self.events.append((what, sorted(number for _, number in places)))

    def take(self, timeout_s: float = 0.05) -> list[bytes]:
        messages = self.poll(100, timeout_s)
        self.got += [(m.partition() or 0, m.offset() or 0) for m in messages]
        return values(messages)

    def take_until(self, count: int) -> list[bytes]:
        """Poll until that many messages have come."""
        found: list[bytes] = []

        def enough() -> bool:
            found.extend(self.take())
            return len(found) >= count

        eventually(enough)
        return found

    def done(self) -> dict[Place, int]:
        topic = next(iter(self.owned))[0]
        return {(topic, number): offset + 1 for number, offset in sorted(self.got)}


def polled(*members: Member) -> bool:
    for member in members:
        member.take()
    return True


def values(messages: list[Message]) -> list[bytes]:
    return [message.value() or b"" for message in messages]
