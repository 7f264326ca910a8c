"""What every test of this folder asks at its end."""

from __future__ import annotations

from tests.harness.compare import Ending, broken_promises, differences, ending
from tests.harness.line import Line


def assert_same_end(line: Line, reference: Ending) -> None:
    """All processes end well when asked to; nothing is lost, doubled, out of order or different."""
    line.terminate_all()
    assert broken_promises(line) == []
    assert differences(reference, ending(line)) == []
