"""The text of an alert: a template with a few named fields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from string import Formatter

from schemas.messages import Box

FIELDS = ("rule", "camera", "objects", "count", "held_s")
DEFAULT_TEMPLATE = "{objects} on {camera} for {held_s} s"
MAX_LENGTH = 1000  # of the `text` in `schemas.messages.Alert`


def check_template(template: str) -> None:
    """Raises ValueError unless every {field} is a known bare name."""
    for _, field, spec, conversion in Formatter().parse(template):
        if field is None:
            continue
        if field not in FIELDS or spec or conversion:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise ValueError(f"{{{field}}} is no field of a text: there are {known}")


def raised_text(
    template: str | None, *, rule: str, camera: str, boxes: Sequence[Box], held_us: int
) -> str:
    """What a raised alert says. `held_us`: how long the condition has held, microseconds."""
    values = {
        "rule": rule,
        "camera": camera,
        "objects": objects(boxes),
        "count": len(boxes),
        "held_s": seconds(held_us),
    }
    return (template or DEFAULT_TEMPLATE).format_map(values)[:MAX_LENGTH]


def objects(boxes: Sequence[Box]) -> str:
    """The labels with their number: `2 person, car`; most frequent first, then by name."""
    counts = Counter(box.label for box in boxes)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n} {label}" if n > 1 else label for label, n in ordered) or "nothing"


def seconds(us: int) -> str:
    """Whole seconds where they are whole, else with up to three digits: `12`, `12.5`."""
    return f"{us / 1e6:.3f}".rstrip("0").rstrip(".")
