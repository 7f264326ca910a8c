"""What `onehertz produce --check` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from producers.check import Checked, check_all
from producers.settings import CameraSettings
from runtime.errors import UserError

_SECONDS = 6.0


def print_checks(
    cameras: dict[str, CameraSettings], thumbnails: Path | None, as_json: bool
) -> bool:
    """Try every camera once and print what is found. Whether all are reachable."""
    tried = []
    for found, encoded in check_all(cameras, _SECONDS):
        path = None
        if encoded is not None and thumbnails is not None:
            path = _save(encoded.jpeg, thumbnails / f"{found.camera}.jpg")
        tried.append(replace(found, thumbnail=path))
    if as_json:
        for found in tried:
            click.echo(json.dumps(asdict(found)))
    else:
        _print_table(tried)
    return all(found.reachable for found in tried)


def _save(jpeg: bytes, path: Path) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)
    except OSError as error:
        raise UserError(f"--thumbnails: {path}: {error.strerror}") from error
    return str(path)


def _print_table(tried: Sequence[Checked]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("camera", "kind", "codec", "size", "fps", "key frames", "CPU", "uplink"):
        table.add_column(title, justify="left" if title in ("camera", "kind") else "right")
    for found in tried:
        size = f"{found.width}x{found.height}" if found.width else ""
        table.add_row(
            found.camera,
            found.kind,
            found.codec or "",
            size,
            _number(found.fps, ""),
            _number(found.key_interval_s, " s"),
            _number(found.cpu_ms, " ms"),
            _number(found.uplink_kbit_s, " kbit/s"),
        )
    Console().print(table)
    for found in tried:
        notes = [] if found.reason is None else [found.reason]
        for note in (*notes, *filter(None, found.advice)):
            click.echo(f"{found.camera}: {note}")


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:g}{unit}"
