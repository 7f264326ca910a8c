"""Lines of `models bench --json`, as tests need them."""

from __future__ import annotations

from typing import Any

from onehertz.cost.prices import Prices
from onehertz.cost.speeds import Speed

PRICES = Prices.model_validate(
    {
        "machines": {
            "small": {"dollars_per_hour": 0.36, "device": "cpu"},
            "large": {"dollars_per_hour": 3.6, "device": "NVIDIA L4"},
        }
    }
)


def speed(images_per_s: float, **more: Any) -> Speed:
    return Speed(
        **{
            "machine": "small", "model": "mine", "engine": "openvino", "device": "cpu",
            "precision": "float32", "threads": 2, "streams": 0, "batch": 8,
            "images_per_s": images_per_s, "images_per_s_min": images_per_s,
            "images_per_s_max": images_per_s, "cpu_ms_per_image": 1.0, "latency_p95_ms": 50.0,
            **more,
        }
    )  # fmt: skip
