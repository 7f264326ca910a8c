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


class _Waiting(NamedTuple):
    came_ms: float
    inferences: int


class Batcher(Generic[Item]):
    """Collects frames, and closes batches of them as a controller plans.

    A frame in tiles is several inferences: it counts as so many, and is never parted.

    A camera's frames keep their order. Of many cameras each gets one frame into a round, and rounds
    are worked off one after the other: a camera that sends thousands at once waits for itself.
    (Start-time fair queueing, Goyal, Vin and Cheng 1996, with packets of one size.)

    Time is the caller's: milliseconds of any clock that never steps back.
    """

    def __init__(self, controller: BatchController) -> None:
        self.controller = controller
        self._turns: list[tuple[_Turn, Item]] = []  # a heap; no two turns are equal
        self._waiting: OrderedDict[int, _Waiting] = OrderedDict()  # by number, the oldest first
        self._inferences = 0  # of all that wait
        self._round = 0  # that is worked off
        self._next_round: dict[str, int] = {}  # of each camera
        self._numbers = 0
        self._running: deque[int] = deque()  # inferences of the batches that the engine has
        self._free_at_ms = -math.inf  # when it is expected to be done with them

    @property
    def inferences(self) -> int:
        """That wait."""
        return self._inferences

    def __len__(self) -> int:
        """Frames that wait."""
        return len(self._turns)

    def add(self, camera: str, item: Item, now_ms: float, inferences: int = 1) -> None:
        """`item` came at `now_ms`. It may make the batch full: call `take` next."""
        turn = max(self._round, self._next_round.get(camera, 0))
        self._next_round[camera] = turn + 1
        self._numbers += 1
        heapq.heappush(self._turns, (_Turn(turn, self._numbers), item))
        self._waiting[self._numbers] = _Waiting(now_ms, inferences)
        self._inferences += inferences
        self.controller.arrived(now_ms, inferences)

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
        """The batch that was taken first has come through the engine.

        `size`: inferences of it that tell what batches take; 0: nothing is to be learnt from it.
        """
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
            self._inferences -= self._waiting.pop(turn.number).inferences
        self._turns = [entry for entry in self._turns if entry[0].number in self._waiting]
        heapq.heapify(self._turns)
        return [item for _, item in dropped]

    def _plan(self, now_ms: float) -> Plan:
        oldest_ms = next(iter(self._waiting.values())).came_ms
        return self.controller.plan(self._inferences, oldest_ms, now_ms, self._free_at_ms)

    def _first(self, size: int, now_ms: float) -> tuple[Item, ...]:
        taken: list[Item] = []
        inferences = 0
        while self._turns and (not taken or inferences + self._next_costs() <= size):
            turn, item = heapq.heappop(self._turns)
            taken.append(item)
            inferences += self._waiting.pop(turn.number).inferences
            self._round = max(self._round, turn.round)
        self._inferences -= inferences
        if len(self._next_round) > _FORGET_ABOVE:
            self._next_round = {c: n for c, n in self._next_round.items() if n > self._round}
        if taken:
            self._begin(inferences, now_ms)
        return tuple(taken)

    def _next_costs(self) -> int:
        return self._waiting[self._turns[0][0].number].inferences

    def _begin(self, inferences: int, now_ms: float) -> None:
        self._running.append(inferences)
        ready_at_ms = now_ms + self.controller.ready_ms(inferences)
        self._free_at_ms = max(ready_at_ms, self._free_at_ms)
        self._free_at_ms += self.controller.engine_ms(inferences)
