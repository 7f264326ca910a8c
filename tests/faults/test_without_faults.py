"""The line without faults, against which the others are held: it must be worth the comparison."""

from __future__ import annotations

from collections import Counter

from tests.harness.compare import Ending


def test_the_reference_has_ticks_of_every_status_and_alerts_that_began_and_ended(
    reference: Ending,
) -> None:
    statuses = Counter(row["status"] for row in reference.frames.values())
    assert set(statuses) == {"inferred", "unchanged", "rejected", "missing"}
    assert statuses["inferred"] > 100
    reasons = {row["reason"] for row in reference.frames.values() if row["status"] == "rejected"}
    assert reasons == {"undecodable", "malformed", "late"}
    changes = Counter(kind for _, _, kind in reference.published)
    assert changes["Raised"] > 5
    assert changes["Cleared"] > 5
