"""Ticks whose picture is given up on its way: still ticks, and honest ones."""

from __future__ import annotations

from typing import Final

from schemas.codec import decode_raw, encode_frame
from schemas.messages import Missing, frame_id
from schemas.wire import JPEG, Received, Wire

REFERENCE_LOST: Final = "the frame that it equals was given up"


def without_picture(wire: Wire, detail: str = "the spool was full") -> Wire:
    """The same tick as a *missing* one, if it has a picture."""
    return as_missing(wire, detail) if has_picture(wire) else wire


def has_picture(wire: Wire) -> bool:
    """Whether it is a captured tick."""
    return ("content-type", JPEG) in wire.headers


def refers_to(wire: Wire, camera: str, captured_us: int) -> bool:
    """Whether it is an unchanged tick that equals that frame."""
    return ("ce_sameas", frame_id(camera, captured_us).encode()) in wire.headers


def as_missing(wire: Wire, detail: str) -> Wire:
    """The same tick as a *missing* one, for want of room."""
    record = decode_raw(Received(wire.key, wire.value, list(wire.headers)))
    missing = Missing(
        camera=record.camera,
        captured_at=record.captured_at,
        run=record.run,
        seq=record.seq,
        reason="spool-full",
        detail=detail,
        stages=record.stages,
    )
    return encode_frame(missing, "produce")
