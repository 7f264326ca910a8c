"""Logs to standard error: one line an event, for people (console) or machines (JSON).

Whatever is logged, by whomever: the secrets given to `configure` come out as ***.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TextIO
from urllib.parse import quote

from pydantic import Field

from runtime.settings import Section

# The loggers that say the same many times a second while a broker is away.
_REPETITIVE = frozenset({"onehertz.librdkafka", "onehertz.subscription"})
_REPEAT_AFTER_S = 30.0

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class LogSettings(Section):
    """How to log."""

    format: Literal["console", "json"] = Field("console", description="Lines for people or JSON.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least important level that is logged."
    )


class _Formatter(logging.Formatter):
    """Text with secrets hidden; subclasses say what a line looks like."""

    def __init__(self, role: str, secrets: Iterable[str]) -> None:
        super().__init__()
        self._role = role
        spelled = {form for secret in secrets if secret for form in _spellings(secret)}
        self._secrets = sorted(spelled, key=len, reverse=True)

    def _hidden(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _extras(self, record: logging.LogRecord) -> dict[str, object]:
        return {k: v for k, v in record.__dict__.items() if k not in _STANDARD}


class ConsoleFormatter(_Formatter):
    """`12:00:00.123 infer  WARNING text key=value`; a traceback in the lines below it."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        extras = "".join(f" {k}={v}" for k, v in self._extras(record).items())
        # A message may hold what came from outside: it can't begin a line of its own.
        said = (record.getMessage() + extras).replace("\r", "\\r").replace("\n", "\\n")
        line = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {self._role:<7} {level}{said}"
        if record.exc_info:
            line += f"\n{self.formatException(record.exc_info)}"
        return self._hidden(line)


class JsonFormatter(_Formatter):
    """One JSON object a line: at, level, role, logger, message, and the event's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            **{
                self._hidden(name): self._plain(value)
                for name, value in self._extras(record).items()
            },
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "message": self._hidden(record.getMessage()),
        }
        if record.exc_info:
            entry["traceback"] = self._hidden(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)

    def _plain(self, value: object) -> object:
        """A value for JSON. Hidden before it is escaped: afterwards a secret may look otherwise."""
        text = str(value)
        hidden = self._hidden(text)
        is_plain = value is None or isinstance(value, bool | int | float)
        return value if is_plain and hidden == text else hidden


class _Seldom(logging.Filter):
    """Of lines that differ in numbers only, one in 30 s; it says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, tuple[float, int]] = {}  # when, and how many were left out since

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name not in _REPETITIVE:
            return True
        said = record.getMessage()
        alike = re.sub(r"\d+", "#", said)
        shown_at, left_out = self._shown.get(alike, (-math.inf, 0))
        if record.created - shown_at < _REPEAT_AFTER_S:
            self._shown[alike] = (shown_at, left_out + 1)
            return False
        self._shown[alike] = (record.created, 0)
        if left_out:
            record.msg, record.args = "%s (and %d more like it)", (said, left_out)
        return True


def _spellings(secret: str) -> set[str]:
    """A secret as it is, and as it looks within a repr, JSON or a URL."""
    return {
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
    }


def configure(
    settings: LogSettings, role: str, secrets: Iterable[str], stream: TextIO | None = None
) -> None:
    """Make the root logger write as `settings` says. Call once per process."""
    kind = JsonFormatter if settings.format == "json" else ConsoleFormatter
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(kind(role, secrets))
    handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    logging.captureWarnings(True)
    # urllib3 would tell whole addresses, in which a mistyped password can look like a host.
    for chatty in ("aiokafka", "faust", "mode", "asyncio", "urllib3"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
