"""Between a message and what Kafka carries: key, value, headers (CloudEvents 1.0, binary mode).

A record's attributes are in its headers. Its value is
- the JPEG itself, for a captured or kept frame;
- the whole record as JSON, for every other type, so that an analyst needs no header;
- empty, for *unchanged* on the frame topics: there it is nine records in ten.

This is all that a stage needs: `encode_*` gives a Wire or raises EncodeError, `decode_*` takes
what a client received and gives a message or raises one of the DecodeErrors of `schemas.errors`.
"""

from __future__ import annotations

from schemas.decode import (
    decode_alert,
    decode_gated,
    decode_raw,
    decode_result,
    decode_snapshot,
    salvage,
)
from schemas.encode import encode_alert, encode_frame, encode_snapshot
from schemas.errors import DecodeError, EncodeError
from schemas.wire import (
    MAX_JPEG_BYTES,
    MAX_JSON_BYTES,
    MAX_KEY_BYTES,
    MAX_STATE_BYTES,
    Received,
    Stage,
    Wire,
)

__all__ = [
    "MAX_JPEG_BYTES",
    "MAX_JSON_BYTES",
    "MAX_KEY_BYTES",
    "MAX_STATE_BYTES",
    "DecodeError",
    "EncodeError",
    "Received",
    "Stage",
    "Wire",
    "decode_alert",
    "decode_gated",
    "decode_raw",
    "decode_result",
    "decode_snapshot",
    "encode_alert",
    "encode_frame",
    "encode_snapshot",
    "salvage",
]
