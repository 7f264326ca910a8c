"""Views of a line, short to write."""

from __future__ import annotations

from datetime import UTC, datetime

from onehertz.demo.watch import CameraView, View

ALERT = ("person-at-the-car-park", "cleared", datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))
# As wide as a demo of some minutes gets.
BUSY = View(
    {
        "campus": CameraView(
            {"inferred": 720, "unchanged": 0},
            {"person": 4259, "car": 1486, "bicycle": 12, "dog": 1},
            ALERT,
            [float(n) for n in range(100, 12_100, 100)],
        ),
        "campus-quiet": CameraView(
            {"inferred": 700, "unchanged": 20}, {"person": 1440}, None, [5.0]
        ),
        "street": CameraView({"inferred": 20, "unchanged": 698, "rejected": 1, "missing": 1}),
        "tree": CameraView(),
    },
    {"gate": 1200, "infer": 1000, "sql": 100, "alerts": 0},
)
