"""Encoding and decoding one message, against msgspec's JSON of the same content, in this process.

What is more than bare JSON is the CloudEvents headers, and that everything is checked: a decoder
holds headers and payload to each other, an encoder reads its own result back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from benchmarks.method import backlog
from benchmarks.method.pairing import Pair, interleaved
from benchmarks.method.results import Result, result
from benchmarks.method.site import Site
from schemas.codec import Received, decode_gated, decode_raw, decode_result, encode_frame
from schemas.messages import Inferred, Tick

CALLS = 20_000
ROUNDS = 7

_JPEG = bytes(backlog.FRAME_BYTES)
_BARE_TICK = "bare msgspec JSON of the tick without its picture"
_BARE_PAYLOAD = "bare msgspec JSON of the payload"


def run(site: Site, rounds: int) -> list[Result]:
    """CPU microseconds of encoding and decoding, for each message that carries a picture or boxes.

    CPU, not time: what else runs on the machine is not the codec's.
    """
    calls = site.sized(CALLS)
    found = []
    for name, (ours, bare, compared_with) in _sides().items():
        sides = {"ours": partial(_timed, ours, calls), "bare": partial(_timed, bare, calls)}
        pairs = [Pair(run["ours"], run["bare"]) for run in interleaved(rounds, sides)]
        found.append(result(f"codec.{name}", pairs, "CPU µs/message", compared_with))
    return found


def _sides() -> dict[str, tuple[Callable[[], Any], Callable[[], Any], str]]:
    began_at = datetime(2026, 1, 1, tzinfo=UTC)
    captured = next(backlog.captured([_JPEG] * 64, 1, began_at))
    kept = next(backlog.kept([_JPEG] * 64, 1, began_at))
    # The first with three boxes, which is the mean.
    inferred = next(
        record
        for record in islice(backlog.results(1000, began_at), 1000)
        if isinstance(record, Inferred) and len(record.boxes) == 3
    )
    tick = Tick(**{name: getattr(kept, name) for name in kept.__struct_fields__ if name in _TICK})
    json_tick, json_payload = msgspec.json.encode(tick), msgspec.json.encode(inferred)
    from_raw = Received(*encode_frame(captured, "produce"))
    from_gate = Received(*encode_frame(kept, "gate"))
    from_worker = Received(*encode_frame(inferred, "infer"))
    write_tick = partial(msgspec.json.encode, tick)
    read_tick = partial(msgspec.json.decode, json_tick, type=Tick)
    return {
        "captured.encode": (partial(encode_frame, captured, "produce"), write_tick, _BARE_TICK),
        "captured.decode": (partial(decode_raw, from_raw), read_tick, _BARE_TICK),
        "kept.encode": (partial(encode_frame, kept, "gate"), write_tick, _BARE_TICK),
        "kept.decode": (partial(decode_gated, from_gate), read_tick, _BARE_TICK),
        "inferred.encode": (
            partial(encode_frame, inferred, "infer"),
            partial(msgspec.json.encode, inferred),
            _BARE_PAYLOAD,
        ),
        "inferred.decode": (
            partial(decode_result, from_worker),
            partial(msgspec.json.decode, json_payload, type=Inferred),
            _BARE_PAYLOAD,
        ),
    }


_TICK = frozenset(Tick.__struct_fields__)


def _timed(call: Callable[[], Any], calls: int) -> float:
    """CPU microseconds of one call, by the mean of many."""
    began_s = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - began_s) / calls * 1e6
