"""Fake of TensorRT's small types: enumerations as pybind11 makes them, shapes, memory, logger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np


class Enumeration:
    """Members are attributes of the class, made by `members`; no `enum.Enum`."""

    def __init__(self, value: int, name: str = "???") -> None:
        self._value, self._name = int(value), name

    def __int__(self) -> int:
        return self._value

    __index__ = __int__

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and int(other) == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self._name}: {self._value}>"

    def __str__(self) -> str:
        return f"{type(self).__name__}.{self._name}"

    @property
    def name(self) -> str:
        return self._name

    @property
    def value(self) -> int:
        return self._value


def members(kind: type[Enumeration], **values: int) -> None:
    for name, value in values.items():
        setattr(kind, name, kind(value, name))


class DataType(Enumeration):
    pass


class TensorIOMode(Enumeration):
    pass


class TensorLocation(Enumeration):
    pass


class MemoryPoolType(Enumeration):
    pass


class BuilderFlag(Enumeration):
    pass


class NetworkDefinitionCreationFlag(Enumeration):
    pass


class Severity(Enumeration):
    pass


members(DataType, FLOAT=0, HALF=1, INT8=2, INT32=3, BOOL=4, UINT8=5, FP8=6, BF16=7, INT64=8, INT4=9)
members(TensorIOMode, NONE=0, INPUT=1, OUTPUT=2)
members(TensorLocation, DEVICE=0, HOST=1)
members(MemoryPoolType, WORKSPACE=0)
members(BuilderFlag, TF32=6)
members(NetworkDefinitionCreationFlag, STRONGLY_TYPED=1)
members(Severity, INTERNAL_ERROR=0, ERROR=1, WARNING=2, INFO=3, VERBOSE=4)

_NUMPY = {
    DataType.FLOAT: np.float32,
    DataType.HALF: np.float16,
    DataType.INT8: np.int8,
    DataType.INT32: np.int32,
    DataType.INT64: np.int64,
    DataType.BOOL: np.bool_,
    DataType.UINT8: np.uint8,
}


def nptype(trt_type: DataType) -> type[np.generic]:
    if trt_type not in _NUMPY:
        raise TypeError("Could not resolve TensorRT datatype to an equivalent numpy datatype.")
    return _NUMPY[trt_type]


def data_type(dtype: np.dtype[np.generic]) -> DataType:
    return next(ours for ours, theirs in _NUMPY.items() if np.dtype(theirs) == dtype)


class Dims:
    MAX_DIMS: ClassVar[int] = 8

    def __init__(self, shape: Sequence[int] = ()) -> None:
        self._sizes = [int(size) for size in shape]
        if len(self._sizes) > self.MAX_DIMS:
            raise ValueError(f"Input length {len(shape)}. Max expected length is {self.MAX_DIMS}")

    def __len__(self) -> int:
        return len(self._sizes)

    def __getitem__(self, index: int | slice) -> int | tuple[int, ...]:
        found = self._sizes[index]
        return tuple(found) if isinstance(found, list) else found

    def __iter__(self) -> Iterator[int]:
        return iter(self._sizes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple | list | Dims) and list(other) == self._sizes

    __hash__ = None  # type: ignore[assignment] # as pybind11's

    def __repr__(self) -> str:
        return str(tuple(self._sizes))


class IHostMemory(bytes):
    """Before Python 3.12 only C types can be buffers, so this is one; its other names are not."""

    @property
    def nbytes(self) -> int:
        return len(self)


class _ToBeSubclassed:
    """pybind11 refuses an heir whose `__init__` doesn't call this one."""

    def __init__(self) -> None:
        self._made = True


class ILogger(_ToBeSubclassed):
    Severity = Severity

    def log(self, severity: Severity, msg: str) -> None:
        raise RuntimeError('Tried to call pure virtual function "ILogger::log"')


for _name in ("INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"):
    setattr(ILogger, _name, getattr(Severity, _name))


class IProgressMonitor(_ToBeSubclassed):
    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


def checked(what: object, kind: type[_ToBeSubclassed]) -> None:
    """As pybind11 checks an argument. Raises TypeError."""
    if not isinstance(what, kind):
        raise TypeError(f"incompatible function arguments: {kind.__name__} is wanted")
    if not getattr(what, "_made", False):
        raise TypeError(f"{kind.__name__}.__init__() must be called when overriding __init__")
