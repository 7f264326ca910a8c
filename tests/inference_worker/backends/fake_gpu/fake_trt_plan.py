"""What a fake engine is as bytes: a header that says for what it was built, and the ONNX."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

_MAGIC = b"A FAKE TENSORRT ENGINE\n"
_DIGEST = 32

Profile = dict[str, tuple[list[int], list[int], list[int]]]


@dataclass(frozen=True)
class Plan:
    tensorrt: str
    gpu: str
    compute_capability: tuple[int, int]
    tf32: bool
    profiles: list[Profile]
    model: bytes

    def encode(self) -> bytes:
        header = {key: value for key, value in asdict(self).items() if key != "model"}
        written = json.dumps(header).encode()
        body = len(written).to_bytes(4, "big") + written + self.model
        return _MAGIC + body + hashlib.sha256(body).digest()


def decode(data: bytes) -> Plan | None:
    """None if they are not, or no longer, an engine."""
    body = data[len(_MAGIC) : -_DIGEST]
    if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != data[-_DIGEST:]:
        return None
    end = 4 + int.from_bytes(body[:4], "big")
    header = json.loads(body[4:end])
    header["compute_capability"] = tuple(header["compute_capability"])
    return Plan(**header, model=body[end:])
