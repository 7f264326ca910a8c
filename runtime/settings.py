"""Settings: command line > environment > file > default, checked whole before anything starts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every settings section: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
