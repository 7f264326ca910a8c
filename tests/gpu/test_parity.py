"""AP50 on labelled pictures beside the CPU's."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.gpu import parity
from benchmarks.gpu.findings import Finding
from benchmarks.gpu.site import Site

Record = Callable[[Finding], None]


def test_float16_sees_what_the_cpu_sees(the_site: Site, record: Record):
    record(parity.float16(the_site))


def test_int8_sees_what_the_float_model_sees(the_site: Site, record: Record):
    record(parity.int8(the_site))
