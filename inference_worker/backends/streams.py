"""Images of a batch inferred side by side, each alone.

On CPUs this was the faster way for every model tried but on the fewest milliseconds: an engine that
gets one image of a known size plans better than for any batch, and a thread for each image waits
for no other. An image can't depend on its neighbours, and a graph made for one image takes batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

import numpy as np

from inference_worker.backends.base import Outputs, Tensor

Request = TypeVar("Request")
RunOne = Callable[[Request, Mapping[str, Tensor]], Outputs]


class Streams(Generic[Request]):
    """Gives each image to the first of some requests that is free."""

    def __init__(self, requests: list[Request], run_one: RunOne[Request]) -> None:
        """`run_one(request, inputs)` infers a batch of 1; its arrays belong to the caller.

        It is called from a thread per request, with a request that no other thread has.
        """
        self._run_one = run_one
        self._free: SimpleQueue[Request] = SimpleQueue()
        for request in requests:
            self._free.put(request)
        self._pool = ThreadPoolExecutor(len(requests), "stream")

    def infer(self, inputs: Mapping[str, Tensor], batch: int) -> Outputs:
        """All images of a batch. Raises what `run_one` raises, once none of them is under way."""
        if batch == 1:
            return self._one(inputs)
        singles = [
            {name: tensor[index : index + 1] for name, tensor in inputs.items()}
            for index in range(batch)
        ]
        futures = [self._pool.submit(self._one, single) for single in singles]
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            raise errors[0]
        answers = [future.result() for future in futures]
        return {name: np.concatenate([one[name] for one in answers]) for name in answers[0]}

    def close(self) -> None:
        """End its threads."""
        self._pool.shutdown()

    def _one(self, inputs: Mapping[str, Tensor]) -> Outputs:
        request = self._free.get()
        try:
            return self._run_one(request, inputs)
        finally:
            self._free.put(request)
