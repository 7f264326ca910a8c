"""Options that many commands share: where the settings come from."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from onehertz.settings import Settings
from onehertz.watching import SettingsWatch
from runtime.environment import CONFIG
from runtime.errors import UserError
from runtime.settings import load

DEFAULT_CONFIG = Path("onehertz.yaml")


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--config` and `--set`, and the checked `settings` as its first argument."""

    @click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar=CONFIG,
        help=f"Settings file; default: ./{DEFAULT_CONFIG} if it is there.",
    )
    @click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE",
        help="One setting, say --set kafka.bootstrap_servers=broker:9092. Repeatable.",
    )  # fmt: skip
    @functools.wraps(command)
    def wrapped(*args: Any, config: Path | None, overrides: tuple[str, ...], **kwargs: Any) -> Any:
        settings = read_settings(config, overrides)
        return command(settings, *args, **kwargs)

    return wrapped


def settings_watch() -> SettingsWatch:
    """Of the file that the running command's settings come from."""
    parameters = click.get_current_context().params
    config, overrides = parameters["config"], parameters["overrides"]
    path = _path(config)
    return SettingsWatch(path, lambda: read_settings(path, overrides))


def _path(config: Path | None) -> Path | None:
    return config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None)


def read_settings(config: Path | None, overrides: tuple[str, ...] = ()) -> Settings:
    """The settings of all layers. Raises UserError with a line for each problem."""
    path = _path(config)
    pairs = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            name = re.match(r"[\w.-]*", key)  # no more of it: the rest may be a secret
            raise UserError(f"--set {name[0] if name else ''}: expected KEY=VALUE")
        pairs[key] = value
    return load(Settings, path, environment=os.environ, overrides=pairs)


def check_plot(path: Path | None) -> None:
    """Raises UserError where no plot can be written so; before hours of work."""
    if path is None:
        return
    if path.suffix.lower() not in {".html", ".htm"}:
        raise UserError(f"--plot {path}: a page is written; let its name end in .html")
    if not path.absolute().parent.is_dir():
        raise UserError(f"--plot {path}: there is no folder {path.absolute().parent}")
