"""How well a way to run a model sees, as `evaluate model` or `models check` has measured it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from onehertz.cost.speeds import Way
from runtime.errors import UserError

NOT_MEASURED = "not measured"

_Key = tuple[str, str, str]  # model, engine, precision
Accuracies = Mapping[_Key, str]


class _Evaluated(msgspec.Struct, kw_only=True):
    """A line of `evaluate model --json`."""

    model: str
    engine: str
    precision: str
    images: int
    ap50: float | None


class _Parity(msgspec.Struct):
    boxes: int
    matched: int
    moved: int


class _Engine(msgspec.Struct):
    engine: str
    precision: str
    parity: _Parity | None


class _Checked(msgspec.Struct):
    """The object of `models check --json`."""

    model: str
    engines: list[_Engine]


def read_accuracies(paths: Iterable[Path]) -> dict[_Key, str]:
    """In words, by model, engine and precision; average precision beats the admission test.

    Raises UserError for a file that is the saved output of neither command.
    """
    evaluated: dict[_Key, str] = {}
    checked: dict[_Key, str] = {}
    for path in paths:
        for number, line in enumerate(_lines(path), 1):
            try:
                one = msgspec.json.decode(line)
                if isinstance(one, dict) and "engines" in one:
                    checked |= _of_check(msgspec.convert(one, _Checked))
                else:
                    evaluated |= _of_evaluation(msgspec.convert(one, _Evaluated))
            except msgspec.MsgspecError as error:
                raise UserError(
                    f"{path}:{number}: is no line of `evaluate model --json` or of"
                    f" `models check --json`: {error}"
                ) from error
    return checked | evaluated


def accuracy_of(way: Way, known: Accuracies) -> str:
    """`NOT_MEASURED` where nobody has. The device counts by the engine that runs on it."""
    return known.get((way.model, way.engine, way.precision), NOT_MEASURED)


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: can't be read: {error}") from error


def _of_evaluation(one: _Evaluated) -> dict[_Key, str]:
    if one.ap50 is None:
        return {}
    figure = f"AP50 {one.ap50:.3f} ({one.images} pictures)"
    return {(one.model, one.engine, one.precision): figure}


def _of_check(one: _Checked) -> dict[_Key, str]:
    return {
        (one.model, engine.engine, engine.precision): (
            f"{engine.parity.matched} of {engine.parity.boxes} boxes, {engine.parity.moved} moved"
        )
        for engine in one.engines
        if engine.parity is not None
    }
