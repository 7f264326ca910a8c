"""What every test of this folder asks at its end."""

from __future__ import annotations

from tests.harness.compare import Ending, broken_promises, differences, ending
from tests.harness.line import Line
from tests.waiting import eventually

_SECONDS = 60.0


def assert_same_end(line: Line, reference: Ending) -> None:
    """All processes end well when asked to; nothing is lost, doubled, out of order or different."""
    # One that is still starting does not catch the signal yet.
    eventually(line.all_ready, _SECONDS, why="all that run are ready")
    line.terminate_all()
    assert broken_promises(line) == []
    assert differences(reference, ending(line)) == []
