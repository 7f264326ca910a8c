"""What the benchmark compares does the same."""

from __future__ import annotations

from benchmarks import postprocess
from inference_worker.detector import Detector


def test_ours_and_the_plain_one_leave_as_many_boxes():
    raw = postprocess._raw_output()
    detector = Detector(postprocess._MANIFEST, postprocess._NoEngine())
    found = postprocess._ours(detector, raw, 0.4)
    assert found == postprocess._plain(raw, 0.4)
    assert found > len(raw) * 4
