"""A stack that ends with the process that uses it, however that ends: for tests.

A watchdog, a process of its own, holds the reading end of a pipe. When the user of the stack dies,
the kernel closes the other end, and the watchdog takes the stack down. (The kernel's own means,
PR_SET_PDEATHSIG, goes by the thread that started the server, and the stack starts its servers
in threads that end.)
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onehertz.stack.stack import Stack
from onehertz.stack.status import Endpoints

DONE = b"done\n"


@contextmanager
def leashed(stack: Stack) -> Iterator[Endpoints]:
    """Start the stack; take it down and remove its folder at the end, or at this process' end.

    The folder must be one that nobody else needs. Raises what `Stack.up` raises.
    """
    stack.folder.mkdir(parents=True, exist_ok=True)
    watchdog = subprocess.Popen(
        [sys.executable, "-m", __name__, str(stack.folder)],
        stdin=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        # Ctrl-C in a terminal goes to a whole session.
        start_new_session=True,
    )
    try:
        yield stack.up()
        _take_away(stack)
    finally:
        # After an error the watchdog takes it down, from the end of its input on.
        watchdog.communicate(DONE if not stack.folder.exists() else b"")


def _take_away(stack: Stack) -> None:
    stack.down()
    shutil.rmtree(stack.folder)


def watch(folder: Path) -> None:
    """The watchdog: wait for the end of the input, and take the stack down if it is still up."""
    if sys.stdin.buffer.read() != DONE:
        _take_away(Stack(folder))


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
