"""What we call of TensorRT 10.3 to 11.2: the bindings ship no types of their own.

Names and signatures are those of NVIDIA's bindings (python/src of NVIDIA/TensorRT);
tests/inference_worker/backends/test_typings.py holds them to what those versions really have.
`make lint` checks once as TensorRT 11 and once as 10: what only one has stands under TENSORRT_11.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar, overload

import numpy as np
from typing_extensions import Buffer

# Known to mypy alone (--always-true, --always-false); no module has it when it runs.
TENSORRT_11: bool

__version__: str

class _Enum:
    """A pybind11 enumeration: members of the class, no `enum.Enum`."""

    def __init__(self, value: int) -> None: ...
    def __int__(self) -> int: ...
    def __index__(self) -> int: ...
    def __hash__(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class Dims:
    """A shape; -1 stands for a dimension that is free."""

    MAX_DIMS: ClassVar[int]
    def __init__(self, shape: Sequence[int] = ...) -> None: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[int, ...]: ...
    def __iter__(self) -> Iterator[int]: ...

_Shape = Sequence[int] | Dims

class DataType(_Enum):
    FLOAT: ClassVar[DataType]
    HALF: ClassVar[DataType]
    BF16: ClassVar[DataType]
    INT8: ClassVar[DataType]
    INT32: ClassVar[DataType]
    INT64: ClassVar[DataType]
    BOOL: ClassVar[DataType]
    UINT8: ClassVar[DataType]
    FP8: ClassVar[DataType]
    INT4: ClassVar[DataType]

def nptype(trt_type: DataType) -> type[np.generic]:
    """Raises TypeError for a type that numpy doesn't have."""

class TensorIOMode(_Enum):
    NONE: ClassVar[TensorIOMode]
    INPUT: ClassVar[TensorIOMode]
    OUTPUT: ClassVar[TensorIOMode]

class TensorLocation(_Enum):
    DEVICE: ClassVar[TensorLocation]
    HOST: ClassVar[TensorLocation]

class MemoryPoolType(_Enum):
    WORKSPACE: ClassVar[MemoryPoolType]

class BuilderFlag(_Enum):
    TF32: ClassVar[BuilderFlag]
    if not TENSORRT_11:
        FP16: ClassVar[BuilderFlag]
        BF16: ClassVar[BuilderFlag]
        INT8: ClassVar[BuilderFlag]
        FP8: ClassVar[BuilderFlag]
        OBEY_PRECISION_CONSTRAINTS: ClassVar[BuilderFlag]
        PREFER_PRECISION_CONSTRAINTS: ClassVar[BuilderFlag]

class NetworkDefinitionCreationFlag(_Enum):
    STRONGLY_TYPED: ClassVar[NetworkDefinitionCreationFlag]
    if not TENSORRT_11:
        EXPLICIT_BATCH: ClassVar[NetworkDefinitionCreationFlag]

class ILogger:
    """To be subclassed; its own `__init__` must be called."""

    class Severity(_Enum):
        INTERNAL_ERROR: ClassVar[ILogger.Severity]
        ERROR: ClassVar[ILogger.Severity]
        WARNING: ClassVar[ILogger.Severity]
        INFO: ClassVar[ILogger.Severity]
        VERBOSE: ClassVar[ILogger.Severity]

    INTERNAL_ERROR: ClassVar[ILogger.Severity]
    ERROR: ClassVar[ILogger.Severity]
    WARNING: ClassVar[ILogger.Severity]
    INFO: ClassVar[ILogger.Severity]
    VERBOSE: ClassVar[ILogger.Severity]
    def __init__(self) -> None: ...
    def log(self, severity: ILogger.Severity, msg: str) -> None:
        """Called from any thread; what it raises is lost."""

class IProgressMonitor:
    """To be subclassed; its own `__init__` must be called. Any thread of the build may call."""

    def __init__(self) -> None: ...
    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None: ...
    def step_complete(self, phase_name: str, step: int) -> bool:
        """False: the build is to end, `build_serialized_network` gives None."""
    def phase_finish(self, phase_name: str) -> None: ...

class IHostMemory:
    """Bytes that belong to TensorRT; `bytes(memory)` copies them."""

    @property
    def nbytes(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

class ITensor:
    name: str
    shape: Dims
    @property
    def dtype(self) -> DataType: ...

class INetworkDefinition:
    @property
    def num_inputs(self) -> int: ...
    @property
    def num_outputs(self) -> int: ...
    def get_input(self, index: int) -> ITensor: ...
    def get_output(self, index: int) -> ITensor: ...

class IOptimizationProfile:
    def set_shape(self, input: str, min: _Shape, opt: _Shape, max: _Shape) -> None:
        """Raises RuntimeError if they contradict each other."""
    def get_shape(self, input: str) -> list[Dims]:
        """min, opt, max; empty if none were set."""

class ITimingCache:
    def serialize(self) -> IHostMemory: ...

class IBuilderConfig:
    builder_optimization_level: int
    progress_monitor: IProgressMonitor | None
    def set_flag(self, flag: BuilderFlag) -> None: ...
    def clear_flag(self, flag: BuilderFlag) -> None: ...
    def get_flag(self, flag: BuilderFlag) -> bool: ...
    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None: ...
    def create_timing_cache(self, serialized_timing_cache: Buffer) -> ITimingCache | None: ...
    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool: ...
    def get_timing_cache(self) -> ITimingCache | None: ...
    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        """The profile's index; -1 if it isn't valid."""

class Builder:
    def __init__(self, logger: ILogger) -> None:
        """Raises TypeError (pybind11's, for a null pointer) where no device or driver is."""
    def create_network(self, flags: int = 0) -> INetworkDefinition: ...
    def create_builder_config(self) -> IBuilderConfig: ...
    def create_optimization_profile(self) -> IOptimizationProfile: ...
    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None:
        """None after an error, which the logger was told. Lets other Python threads run."""
    if not TENSORRT_11:
        @property
        def platform_has_fast_fp16(self) -> bool: ...
        @property
        def platform_has_fast_int8(self) -> bool: ...

class ParserError:
    def code(self) -> _Enum: ...
    def desc(self) -> str: ...
    def node(self) -> int:
        """The node's index in the graph; -1 if the error isn't a node's."""
    def node_name(self) -> str: ...
    def node_operator(self) -> str: ...

class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None: ...
    def parse(self, model: Buffer, path: str | None = None) -> bool: ...
    @property
    def num_errors(self) -> int: ...
    def get_error(self, index: int) -> ParserError: ...

class Runtime:
    def __init__(self, logger: ILogger) -> None: ...
    def deserialize_cuda_engine(self, serialized_engine: Buffer) -> ICudaEngine | None:
        """None after an error, which the logger was told."""

class ICudaEngine:
    @property
    def name(self) -> str: ...
    @property
    def num_io_tensors(self) -> int: ...
    @property
    def num_optimization_profiles(self) -> int: ...
    @property
    def device_memory_size_v2(self) -> int: ...
    if not TENSORRT_11:
        @property
        def device_memory_size(self) -> int: ...

    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_mode(self, name: str) -> TensorIOMode: ...
    def get_tensor_dtype(self, name: str) -> DataType: ...
    def get_tensor_shape(self, name: str) -> Dims: ...
    def get_tensor_location(self, name: str) -> TensorLocation: ...
    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[Dims]:
        """min, opt, max."""
    def create_execution_context(self) -> IExecutionContext | None:
        """None where the device has no memory left for it; the logger was told."""

class IExecutionContext:
    @property
    def engine(self) -> ICudaEngine: ...
    @property
    def active_optimization_profile(self) -> int: ...
    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        """Enqueues copies on the stream. Raises RuntimeError if it can't."""
    def set_input_shape(self, name: str, shape: _Shape) -> bool: ...
    def get_tensor_shape(self, name: str) -> Dims: ...
    def get_tensor_strides(self, name: str) -> Dims: ...
    def set_tensor_address(self, name: str, memory: int) -> bool: ...
    def get_tensor_address(self, name: str) -> int: ...
    def infer_shapes(self) -> list[str]:
        """Names of the inputs that still lack something. Raises RuntimeError."""
    def execute_async_v3(self, stream_handle: int) -> bool:
        """False after an error, which the logger was told. Lets other Python threads run."""
