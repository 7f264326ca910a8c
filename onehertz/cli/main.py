"""The `onehertz` command. Subcommands load when they are used: a role needs only its extra."""

from __future__ import annotations

import importlib
import logging
import signal
import sys
from types import FrameType
from typing import Any

import click

from runtime.errors import FatalError, UserError
from runtime.lifecycle import EXIT_FAILED, EXIT_USAGE

# name → module, attribute, the extra that it needs
_COMMANDS = {
    "alerts": ("onehertz.cli.look", "alerts", "sinks"),
    "assets": ("onehertz.cli.assets", "assets", None),
    "config": ("onehertz.cli.config", "config", None),
    "db": ("onehertz.cli.db", "db", "sinks"),
    "demo": ("onehertz.cli.demo", "demo", "stack"),
    "detect": ("onehertz.cli.detect", "detect", "worker-cpu"),
    "detections": ("onehertz.cli.look", "detections", None),
    "dlq": ("onehertz.cli.look", "dlq", None),
    "doctor": ("onehertz.cli.stack", "doctor", "stack"),
    "down": ("onehertz.cli.stack", "down", "stack"),
    "evaluate": ("onehertz.cli.evaluate", "evaluate", "edge,worker-cpu"),
    "frames": ("onehertz.cli.look", "frames", None),
    "gate": ("onehertz.cli.roles", "gate", "gate"),
    "infer": ("onehertz.cli.roles", "infer", "worker-cpu"),
    "landed": ("onehertz.cli.landed", "landed", None),
    "models": ("onehertz.cli.models", "models", "worker-cpu"),
    "produce": ("onehertz.cli.roles", "produce", "edge"),
    "rules": ("onehertz.cli.rules", "rules", None),
    "sink": ("onehertz.cli.roles", "sink", "sinks"),
    "status": ("onehertz.cli.stack", "status", "stack"),
    "topics": ("onehertz.cli.topics", "topics", None),
    "up": ("onehertz.cli.stack", "up", "stack"),
    "verify": ("onehertz.cli.verify", "verify", "sinks"),
}


class _Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, attribute, extra = _COMMANDS[name]
        try:
            command: Any = getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            raise _missing(name, extra, error) from None
        return command  # type: ignore[no-any-return] # each attribute is a click command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Only names that can be loaded have a help text; the others say what they need."""
        rows = []
        for name in self.list_commands(ctx):
            try:
                command = self.get_command(ctx, name)
                rows.append((name, command.get_short_help_str(80) if command else ""))
            except UserError:
                rows.append((name, f"(needs the extra '{_COMMANDS[name][2]}')"))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _missing(name: str, extra: str | None, error: ModuleNotFoundError) -> UserError:
    hint = f"install it with: pip install 'onehertz[{extra}]'" if extra else "reinstall onehertz"
    return UserError(f"'onehertz {name}' needs the package {error.name}: {hint}")


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="onehertz")
def cli() -> None:
    """Video analytics at one frame a second: drop what does not matter, infer the rest, lose
    nothing."""


class _CtrlC:
    """Whether somebody has pressed it: an extension that is being loaded then makes an ImportError
    of the KeyboardInterrupt, and others what they like.
    """

    def __init__(self) -> None:
        self.pressed = False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
            signal.signal(signal.SIGINT, self._press)

    def _press(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        signal.default_int_handler(number, frame)


def main() -> None:
    """Entry point: 0 good, 1 the answer is no or it failed, 2 wrong usage or configuration."""
    ctrl_c = _CtrlC()
    try:
        code = _run()
    except (Exception, KeyboardInterrupt):
        if not ctrl_c.pressed:
            raise
        code = EXIT_FAILED
    if ctrl_c.pressed and code == EXIT_FAILED:
        sys.stderr.write("onehertz: stopped by Ctrl-C before it was done\n")
    logging.shutdown()
    sys.exit(code if isinstance(code, int) else 0)


def _run() -> object:
    try:
        return cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Abort:
        return EXIT_FAILED
    except ModuleNotFoundError as error:
        name = sys.argv[1] if len(sys.argv) > 1 else ""
        return _tell(_missing(name, _COMMANDS.get(name, ("", "", None))[2], error))
    except UserError as error:
        return _tell(error)
    except FatalError as error:
        sys.stderr.write(f"onehertz: {error}\n")
        return EXIT_FAILED


def _tell(error: UserError) -> int:
    for line in str(error).splitlines():
        sys.stderr.write(f"onehertz: {line}\n")
    return EXIT_USAGE
