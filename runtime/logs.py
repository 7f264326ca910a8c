"""Logs to standard error: one line an event, for people (console) or machines (JSON).

Whatever is logged, by whomever: the secrets given to `configure` come out as ***.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TextIO

from pydantic import Field

from runtime.settings import Section

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
        self._secrets = sorted((s for s in secrets if s), key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = self._line(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line

    def _line(self, record: logging.LogRecord) -> str:
        raise NotImplementedError

    def _extras(self, record: logging.LogRecord) -> dict[str, object]:
        return {k: v for k, v in record.__dict__.items() if k not in _STANDARD}


class ConsoleFormatter(_Formatter):
    """`12:00:00.123 infer  WARNING text key=value`, a traceback below where there is one."""

    def _line(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        level = "" if record.levelno == logging.INFO else f"{record.levelname} "
        extras = "".join(f" {k}={v}" for k, v in self._extras(record).items())
        line = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {self._role:<7} {level}"
        line += record.getMessage() + extras
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(_Formatter):
    """One JSON object a line: at, level, role, logger, message, and the event's own fields."""

    def _line(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "message": record.getMessage(),
            **self._extras(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def configure(
    settings: LogSettings, role: str, secrets: Iterable[str], stream: TextIO | None = None
) -> None:
    """Make the root logger write as `settings` says. Call once per process."""
    kind = JsonFormatter if settings.format == "json" else ConsoleFormatter
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(kind(role, secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for chatty in ("aiokafka", "faust", "mode", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
