"""What a settings model says about a key: which types it may have, which keys lie below it.

Where several sections are possible (a union, or subclasses chosen by a key such as `kind`), those
count whose literal keys agree with the data that is there.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

from runtime.yaml_file import Key

Kind: TypeAlias = Any  # a type, or a generic one such as list[int]: typing has no name for both

_TEXT = (str, SecretStr, Path)


def kinds_at(model: type[BaseModel], key: Key, data: Any) -> list[Kind]:
    """The types that the value at `key` may have; none where the key leads nowhere."""
    kinds = _alternatives(model)
    for part in key:
        kinds = [found for kind in _fitting(kinds, data) for found in _inside(kind, part)]
        data = _step(data, part)
    return _fitting(kinds, data)


def known_keys(model: type[BaseModel], key: Key, data: Any) -> set[str]:
    """The keys that the section(s) at `key` may have."""
    return {
        name for kind in kinds_at(model, key, data) if _is_model(kind) for name in kind.model_fields
    }


def takes_text(kinds: Sequence[Kind]) -> bool:
    """Whether a value given as text is to be taken as it is."""
    return any(isinstance(kind, type) and issubclass(kind, _TEXT) for kind in kinds)


def nearest(model: type[BaseModel], key: Key, data: Any) -> Key | None:
    """A key that exists, for one that does not: spelled much like it, or with one part mended."""
    spelled = {"_".join(map(str, one)): one for one in _fixed_keys(model, ())}
    close = difflib.get_close_matches("_".join(map(str, key)), spelled, n=1, cutoff=0.85)
    if close:
        return spelled[close[0]]
    for n, part in enumerate(key):
        if not kinds_at(model, key[: n + 1], data):
            close = difflib.get_close_matches(str(part), known_keys(model, key[:n], data), n=1)
            mended = (*key[:n], *close, *key[n + 1 :])
            return mended if close and kinds_at(model, mended, data) else None
    return None


def _fixed_keys(model: type[BaseModel], key: Key) -> Iterator[Key]:
    """All keys below `model` but those that users name, such as cameras."""
    for name, field in model.model_fields.items():
        yield (*key, name)
        for kind in _alternatives(field.annotation):
            if _is_model(kind):
                yield from _fixed_keys(kind, (*key, name))


def _inside(kind: Kind, part: str | int) -> list[Kind]:
    """The types that a part of a `kind` may have."""
    if kind is Any:
        return [Any]
    if _is_model(kind):
        field = kind.model_fields.get(str(part))
        if field is None:
            return [] if kind.model_config.get("extra") == "forbid" else [Any]
        return _alternatives(field.annotation)
    origin, arguments = _generic(kind)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _alternatives(arguments[1])
    if not isinstance(origin, type) or not isinstance(part, int):
        return []
    if issubclass(origin, tuple) and arguments[-1] is not Ellipsis:
        return _alternatives(arguments[part]) if part < len(arguments) else []
    return _alternatives(arguments[0])


def _alternatives(kind: Kind) -> list[Kind]:
    """The types of a union without Annotated, and a model's subclasses with it."""
    origin, arguments = _generic(kind)
    if origin is Annotated:
        return _alternatives(arguments[0])
    if origin in (Union, types.UnionType):
        return [found for one in arguments for found in _alternatives(one)]
    if _is_model(kind):
        return [kind, *(found for one in kind.__subclasses__() for found in _alternatives(one))]
    return [kind]


def _fitting(kinds: list[Kind], data: Any) -> list[Kind]:
    """Those whose literal keys agree with the data; all, where none does."""
    return [kind for kind in kinds if _agrees(kind, data)] or kinds


def _agrees(kind: Kind, data: Any) -> bool:
    if not isinstance(data, Mapping) or not _is_model(kind):
        return True
    return all(
        data[name] in get_args(field.annotation)
        for name, field in kind.model_fields.items()
        if get_origin(field.annotation) is Literal and field.is_required() and name in data
    )


def _step(data: Any, part: str | int) -> Any:
    if isinstance(data, Mapping):
        return data.get(part)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return None


def _generic(kind: Kind) -> tuple[Any, tuple[Any, ...]]:
    """`list[int]` as (list, (int,)); (None, ()) for a plain type."""
    return get_origin(kind), get_args(kind)


def _is_model(kind: Kind) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
