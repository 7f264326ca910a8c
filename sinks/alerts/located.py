"""Errors that say where in the settings they are, so that a file's line can be shown."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Location = tuple[str | int, ...]


def located(problems: Iterable[tuple[Location, str]]) -> ValidationError:
    """One error for all `problems`: where, seen from the value being validated, and what is wrong.

    Raised inside a pydantic validator, the locations are joined to the validator's own.
    """
    details = [
        InitErrorDetails(
            # The message goes in as a value: its braces are not a template's.
            type=PydanticCustomError("invalid", "{reason}", {"reason": reason}),
            loc=where,
            input=None,
        )
        for where, reason in problems
    ]
    return ValidationError.from_exception_data("rules", details)
