"""Places where a test can make a process die, or stand still, as if it had been killed or stopped.

`ONEHERTZ_FAILPOINT=gate.before-commit:3` ends the process with SIGKILL when it comes by that place
for the third time; `gate.before-commit:3:stop` stops it there until SIGCONT. Without the variable
nothing happens.
"""

from __future__ import annotations

import os
import signal
from typing import Literal, get_args

from runtime.environment import FAILPOINT
from runtime.errors import UserError

Failpoint = Literal[
    "gate.before-commit",  # outputs and snapshots are on the broker, their transaction is open
    "infer.before-commit",  # results are acknowledged, the input's offsets are not committed
    "sql.before-commit",  # rows are committed in the database, the offsets are not
    "alerts.before-commit",  # alerts are on the broker, their transaction is open
]


class Failpoints:
    """Counts how often the process came by its failpoint."""

    def __init__(self, setting: str | None) -> None:
        """`setting` is NAME:COUNT or NAME:COUNT:stop (COUNT from 1), or None. Raises UserError."""
        self._name, _, rest = (setting or "").partition(":")
        count, _, how = rest.partition(":")
        known = get_args(Failpoint)
        counted = count.isdecimal() and int(count) > 0
        if setting and not (self._name in known and counted and how in ("", "stop")):
            raise UserError(
                f"environment {FAILPOINT}: expected NAME:COUNT, say sql.before-commit:2; "
                f"the names are {', '.join(known)}"
            )
        self._left = int(count or 0)
        self._signal = signal.SIGSTOP if how == "stop" else signal.SIGKILL

    def passing(self, name: Failpoint) -> None:
        """The process is at this place: the last thing it does, if a test asked for that."""
        if name != self._name:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._signal)
