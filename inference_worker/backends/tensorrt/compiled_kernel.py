"""The letterbox kernel as the driver loads it, compiled once for each kind of device.

It takes .2 s; what NVRTC made is kept in the cache. A file that doesn't hold what its own hash says
(cut short, written over) is made anew.
"""

from __future__ import annotations

import hashlib
import logging
from importlib import resources
from pathlib import Path
from typing import Final

from inference_worker.backends.tensorrt.nvrtc import OPTIONS, Nvrtc
from inference_worker.whole_file import write_whole

logger = logging.getLogger(__name__)

_PACKAGE: Final = "inference_worker.backends.tensorrt"
_HASH_BYTES: Final = hashlib.sha256().digest_size


def source() -> bytes:
    """Of the kernel, letterbox.cu."""
    return (resources.files(_PACKAGE) / "letterbox.cu").read_bytes()


def compiled_kernel(nvrtc: Nvrtc, capability: tuple[int, int], cache: Path | None) -> bytes:
    """A cubin or PTX for a device of this compute capability; see `Nvrtc.target`.

    `cache`: the folder for what engines compile; None: nothing is kept. Raises UserError where
    NVRTC can't compile it.
    """
    target = nvrtc.target(capability)
    if cache is None:
        return nvrtc.compile(source(), target)
    path = cache / "tensorrt" / f"letterbox-{target}-{_key(nvrtc, target)}.kernel"
    if (kept := _read(path)) is not None:
        return kept
    made = nvrtc.compile(source(), target)
    _write(path, made)
    return made


def _key(nvrtc: Nvrtc, target: str) -> str:
    parts = (source(), target.encode(), nvrtc.name.encode(), " ".join(OPTIONS).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    told, kernel = content[:_HASH_BYTES], content[_HASH_BYTES:]
    return kernel if told == hashlib.sha256(kernel).digest() else None


def _write(path: Path, kernel: bytes) -> None:
    try:
        write_whole(path, hashlib.sha256(kernel).digest() + kernel)
    except OSError as error:
        logger.warning("%s can't be written (%s): the next start compiles anew", path, error)
