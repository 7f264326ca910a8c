"""The ways to run a model that settings and machine leave open."""

from __future__ import annotations

import pytest

from inference_worker.backends.choice import Place
from inference_worker.choosing.plans import Plan, plans
from inference_worker.settings import InferSettings

OPENVINO, ORT = Place("openvino", "cpu"), Place("onnxruntime", "cpu")
GPU = Place("onnxruntime", "cuda")


def short(found: list[Plan]) -> list[tuple[str, str, int, int]]:
    return [(plan.engine, plan.precision, plan.threads, plan.streams) for plan in found]


def test_unmeasured_float32_and_batches_as_one_are_taken():
    found = plans(InferSettings(threads=2), [OPENVINO, ORT], ["bfloat16"])
    assert short(found)[0] == ("openvino", "float32", 2, 0)


def test_every_engine_precision_and_number_of_streams_is_a_way_of_its_own():
    found = plans(InferSettings(threads=2), [OPENVINO, ORT], ["bfloat16"])
    assert short(found) == [
        ("openvino", "float32", 2, 0),
        ("openvino", "float32", 2, 2),
        ("openvino", "bfloat16", 2, 0),
        ("openvino", "bfloat16", 2, 2),
        ("onnxruntime", "float32", 2, 0),
        ("onnxruntime", "float32", 2, 2),
    ]


@pytest.mark.parametrize(
    ("threads", "max_batch", "streams"),
    [(1, 8, [0, 1]), (2, 8, [0, 2]), (6, 8, [0, 6, 3]), (32, 8, [0, 8]), (16, 1, [0, 1])],
)
def test_no_more_images_side_by_side_than_threads_or_a_batch_has(
    threads: int, max_batch: int, streams: list[int]
):
    found = plans(InferSettings(threads=threads, max_batch=max_batch), [ORT], [])
    assert [plan.streams for plan in found] == streams


def test_explicit_settings_leave_one_way():
    settings = InferSettings(threads=3, precision="float32", streams=0)
    assert plans(settings, [ORT], []) == [Plan("onnxruntime", "cpu", "float32", 3, 0)]


def test_a_shorter_arithmetic_is_asked_of_the_engine_that_has_it():
    settings = InferSettings(threads=1, precision="bfloat16", streams=0)
    assert short(plans(settings, [ORT, OPENVINO], [])) == [("openvino", "bfloat16", 1, 0)]


def test_where_no_engine_has_it_one_is_left_to_say_so():
    settings = InferSettings(threads=1, precision="bfloat16", streams=0)
    assert short(plans(settings, [ORT], [])) == [("onnxruntime", "bfloat16", 1, 0)]


def test_on_a_gpu_a_batch_is_inferred_as_one():
    found = plans(InferSettings(threads=4), [GPU], ["bfloat16"])
    assert found == [Plan("onnxruntime", "cuda", "float32", 4, 0)]
