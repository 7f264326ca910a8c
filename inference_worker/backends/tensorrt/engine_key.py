"""What an engine was built of and for: it serves there and nowhere else. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from inference_worker.backends.tensorrt.profiles import Profile

# Of how we build (flags, how graphs are rewritten): another one's engines are built anew.
RECIPE = 1


class EngineKey(msgspec.Struct, frozen=True):
    """All that an engine depends on; not how much memory was free, which changes by the hour."""

    model: str  # sha256 of all its files
    tensorrt: str
    gpu: str
    compute_capability: str
    precision: str
    profiles: tuple[Profile, ...]  # asked for; a graph for one image has none
    shapes: dict[str, tuple[int, ...]]  # known of the inputs, without the batch
    recipe: int = RECIPE

    @property
    def digest(self) -> str:
        """Names the engine's files."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:32]

    def differs(self, other: EngineKey) -> str:
        """What is not as in `other`, in words; empty: nothing."""
        return ", ".join(
            f"{field} is {getattr(self, field)}, here it is {getattr(other, field)}"
            for field in self.__struct_fields__
            if getattr(self, field) != getattr(other, field)
        )


class Sidecar(msgspec.Struct, frozen=True):
    """What lies beside an engine, as JSON."""

    key: EngineKey
    name: str  # the model's file, for people
    sha256: str  # of the engine
    max_batch: int  # that it takes
    profiles: tuple[Profile, ...]  # that it has
    build_s: float
    built_at: str  # ISO 8601, UTC
