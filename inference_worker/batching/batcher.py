"""Frames that wait for the engine: each camera in turn, so that none holds up the others."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from inference_worker.batching.controller import BatchController, Plan

Item = TypeVar("Item")

_FORGET_ABOVE = 4_096  # cameras; those that have had their turn need not be remembered


class _Turn(NamedTuple):
    """When an item is taken: rounds first, in a round by arrival. Numbers are unique."""

    round: int
    number: int


class Batcher(Generic[Item]):
    """Collects frames, and closes batches of them as a controller plans.

    A camera's frames keep their order. Of many cameras each gets one frame into a round, and rounds
    are worked off one after the other: a camera that sends thousands at once waits for itself.
    (Start-time fair queueing, Goyal, Vin and Cheng 1996, with packets of one size.)

    Time is the caller's: milliseconds of any clock that never steps back.
    """

    def __init__(self, controller: BatchController) -> None:
        self.controller = controller
        self._turns: list[tuple[_Turn, Item]] = []  # a heap; no two turns are equal
        self._came_ms: OrderedDict[int, float] = OrderedDict()  # by number, the oldest first
        self._round = 0  # that is worked off
        self._next_round: dict[str, int] = {}  # of each camera
        self._numbers = 0
        self._running: deque[int] = deque()  # sizes of the batches that the engine has
        self._free_at_ms = -math.inf  # when it is expected to be done with them

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, camera: str, item: Item, now_ms: float) -> None:
        """`item` came at `now_ms`. It may make the batch full: call `take` next."""
        turn = max(self._round, self._next_round.get(camera, 0))
        self._next_round[camera] = turn + 1
        self._numbers += 1
        heapq.heappush(self._turns, (_Turn(turn, self._numbers), item))
        self._came_ms[self._numbers] = now_ms
        self.controller.arrived(now_ms)

    def take(self, now_ms: float) -> tuple[Item, ...]:
        """The next batch for the engine if it has closed, else nothing."""
        if not self._turns:
            return ()
        plan = self._plan(now_ms)
        return self._first(plan.size, now_ms) if plan.close_at_ms <= now_ms else ()

    def flush(self, now_ms: float) -> tuple[Item, ...]:
        """The next frames, up to a full batch, closed or not: nothing more will come."""
        return self._first(self.controller.max_batch, now_ms)

    def through(self, size: int, engine_ms: float, ready_ms: float, now_ms: float) -> None:
        """The batch that was taken first has come through the engine, `size` frames of it."""
        if size:
            self.controller.observe(size, engine_ms, ready_ms, now_ms)
        self._running.popleft()
        self._free_at_ms = now_ms + sum(map(self.controller.engine_ms, self._running))

    def due_at_ms(self, now_ms: float) -> float | None:
        """When the open batch closes if nothing else comes; None if nothing waits."""
        return self._plan(now_ms).close_at_ms if self._turns else None

    def drop(self, unwanted: Callable[[Item], bool]) -> list[Item]:
        """Take frames out, such as those of a partition that now belongs to another worker."""
        dropped = sorted(entry for entry in self._turns if unwanted(entry[1]))
        for turn, _ in dropped:
            del self._came_ms[turn.number]
        self._turns = [entry for entry in self._turns if entry[0].number in self._came_ms]
        heapq.heapify(self._turns)
        return [item for _, item in dropped]

    def _plan(self, now_ms: float) -> Plan:
        oldest_ms = next(iter(self._came_ms.values()))
        return self.controller.plan(len(self), oldest_ms, now_ms, self._free_at_ms)

    def _first(self, size: int, now_ms: float) -> tuple[Item, ...]:
        taken = [heapq.heappop(self._turns) for _ in range(min(size, len(self._turns)))]
        for turn, _ in taken:
            del self._came_ms[turn.number]
            self._round = max(self._round, turn.round)
        if len(self._next_round) > _FORGET_ABOVE:
            self._next_round = {c: n for c, n in self._next_round.items() if n > self._round}
        if taken:
            self._running.append(len(taken))
            ready_at_ms = now_ms + self.controller.ready_ms(len(taken))
            self._free_at_ms = max(ready_at_ms, self._free_at_ms)
            self._free_at_ms += self.controller.engine_ms(len(taken))
        return tuple(item for _, item in taken)
