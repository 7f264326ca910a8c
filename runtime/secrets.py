"""Secrets in settings: given as text or as the name of a file that holds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr

from runtime.errors import UserError
from runtime.yaml_file import read_text


def reveal(value: SecretStr | None, file: Path | None, key: str) -> str | None:
    """A secret's text from its value or its file. Raises UserError for both, or no such file."""
    if value is not None and file is not None:
        raise UserError(f"{key} and {key}_file are both set: keep one")
    if file is not None:
        return read_text(file).strip()
    return None if value is None else value.get_secret_value()


def secrets_in(section: BaseModel) -> list[str]:
    """All secret texts in a section and below, for logs to hide.

    With the contents of `…_file`s that can be read, and the passwords within connection strings.
    """
    found = [text for text in _secrets(section) if text]
    return found + [password for text in found for password in _passwords_in(text) if password]


def _secrets(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from _from_files(value)
        yield from _in_all(value.__dict__.values())
    elif isinstance(value, Mapping):
        yield from _in_all(value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from _in_all(value)


def _in_all(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from _secrets(value)


def _from_files(section: BaseModel) -> Iterator[str]:
    """`password_file` beside `password` holds a secret. What can't be read is reported on use."""
    for name, value in section.__dict__.items():
        secret, suffix, rest = name.rpartition("_file")
        if isinstance(value, Path) and suffix and not rest and secret in section.__dict__:
            try:
                yield read_text(value).strip()
            except UserError:
                continue


def _passwords_in(text: str) -> Iterator[str]:
    """Of `scheme://user:password@host`, quoted and not, and of `host=db password=...`.

    An address' query too, as one: `?token=...`.
    """
    if query := re.fullmatch(r"\w+://[^?#]*(\?[^#]+).*", text, re.DOTALL):
        yield query[1]
    url = re.fullmatch(r"\w+://[^/?#]*?:([^/?#]*)@.*", text, re.DOTALL)
    if url:
        yield from (url[1], unquote(url[1]))
    for quoted, plain in re.findall(r"\bpassword\s*=\s*(?:'((?:\\.|[^'\\])*)'|([^\s']+))", text):
        yield re.sub(r"\\(.)", r"\1", quoted or plain)
