"""Capture times from the names of files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.messages import to_us

_DIRECTIVES: Final = {
    "Y": r"(?P<Y>(?:19|20)\d\d)",
    "m": r"(?P<m>0[1-9]|1[0-2])",
    "d": r"(?P<d>0[1-9]|[12]\d|3[01])",
    "H": r"(?P<H>[01]\d|2[0-3])",
    "M": r"(?P<M>[0-5]\d)",
    "S": r"(?P<S>[0-5]\d)",
    "f": r"(?P<f>\d{1,6})",
    "z": r"(?P<z>Z|[+-]\d\d:?\d\d)",
    "s": r"(?P<s>\d{9,10})",
    "%": "%",
}
# Of an hour that is there twice, the later one is meant by files that were written so long after.
_WRITTEN_WITHIN: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NameTimes:
    """Finds the time in a name. `expression`: as `time_expression` gives it."""

    expression: re.Pattern[str]
    zone: ZoneInfo

    def start_us(self, name: str, changed_us: int) -> int | None:
        """When a file of that name begins, µs since 1970; None where its name does not say.

        `changed_us`: when it was last written; used for nothing but which of two is meant, in the
        hour that a zone has twice when summer time ends.
        """
        found = self.expression.search(name)
        if found is None:
            return None
        parts = found.groupdict()
        if parts.get("s"):
            return int(parts["s"]) * 1_000_000
        try:
            moment = _moment(parts)
        except ValueError:  # the 31st of February
            return None
        if parts.get("z"):
            return to_us(datetime.fromisoformat(f"{moment.isoformat()}{parts['z']}"))
        return to_us(self._in_zone(moment, changed_us))

    def _in_zone(self, moment: datetime, changed_us: int) -> datetime:
        earlier = moment.replace(tzinfo=self.zone)
        later = moment.replace(tzinfo=self.zone, fold=1)
        begins, again = earlier.astimezone(UTC), later.astimezone(UTC)
        written = timedelta(microseconds=changed_us - to_us(again))
        # In the hour that spring leaves out, `later` lies before `earlier`.
        if again > begins and timedelta() <= written < _WRITTEN_WITHIN:
            return again
        return begins


def _moment(parts: dict[str, str | None]) -> datetime:
    year, month, day, hour, minute = (int(parts[key] or 0) for key in "YmdHM")
    fraction = (parts.get("f") or "0").ljust(6, "0")
    return datetime(  # noqa: DTZ001 - its zone comes later
        year, month, day, hour, minute, int(parts.get("S") or 0), int(fraction)
    )


def time_expression(pattern: str) -> re.Pattern[str]:
    """Of a pattern such as `%Y-%m-%d_%H-%M-%S`, found anywhere in a name; `*` is any text.

    Raises ValueError that tells what is wrong with it.
    """
    expression, used = "", set()
    for token in re.findall(r"%.?|[^%]", pattern, re.DOTALL):
        if token.startswith("%"):
            letter = token[1:]
            if letter not in _DIRECTIVES:
                raise ValueError(f"{token} is not known: %Y %m %d %H %M %S %f %z %s %% and * are")
            if letter in used and letter != "%":
                raise ValueError(f"{token} is there twice")
            used.add(letter)
            expression += _DIRECTIVES[letter]
        else:
            expression += ".*?" if token == "*" else re.escape(token)  # noqa: S105 - no password
    if "s" in used and used - {"s", "%"}:
        raise ValueError("%s (seconds since 1970) stands alone")
    if "s" not in used and not {"Y", "m", "d", "H", "M"} <= used:
        raise ValueError("needs at least %Y %m %d %H %M, or %s")
    # The digits of a time are not a part of a longer number.
    return re.compile(rf"(?<!\d){expression}(?!\d)")


def zone_of(name: str) -> ZoneInfo:
    """An IANA time zone. Raises ValueError where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}: give one as Europe/Berlin") from error
