"""What every engine must do, on the same ONNX files: a class of tests to inherit.

A fixture `open_model` opens a graph on the engine, another one, `engine`, says which it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from inference_worker.backends.base import Backend
from runtime.errors import FatalError, UserError
from tests.inference_worker import onnx_models

MAX_BATCH = 8

OpenModel = Callable[[bytes], Backend]


class Engine(NamedTuple):
    name: str
    device: str


def some_input(batch: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, (batch, *shape)).astype(np.float32)


class EngineSuite:
    def test_it_says_what_it_is(self, open_model: OpenModel, engine: Engine):
        backend = open_model(onnx_models.affine())
        assert (backend.name, backend.device, backend.precision) == (*engine, "float32")
        assert backend.input_names == ("x",)
        assert backend.max_batch == MAX_BATCH
        assert backend.lanes >= 1

    def test_it_may_be_closed_twice(self, open_model: OpenModel):
        backend = open_model(onnx_models.affine())
        backend.close()
        backend.close()

    @pytest.mark.parametrize("batch", [1, 2, 5, MAX_BATCH])
    def test_outputs_are_right_and_have_the_batch_first(self, open_model: OpenModel, batch: int):
        backend = open_model(onnx_models.affine())
        x = some_input(batch, 3, 2, 2)
        outputs = backend.infer({"x": x})
        assert set(outputs) == {"twice", "flat"}
        assert outputs["twice"] == pytest.approx(2 * x + 1, rel=1e-6)
        assert outputs["flat"] == pytest.approx((2 * x + 1).reshape(batch, 12), rel=1e-6)
        assert {array.dtype for array in outputs.values()} == {np.dtype(np.float32)}

    def test_inputs_and_outputs_have_the_names_of_the_graph(self, open_model: OpenModel):
        backend = open_model(onnx_models.renamed())
        assert backend.input_names == ("x",)
        x = some_input(2, 4)
        assert np.array_equal(backend.infer({"x": x})["y"], -x)

    def test_an_answer_belongs_to_the_caller(self, open_model: OpenModel):
        backend = open_model(onnx_models.affine())
        first = backend.infer({"x": np.zeros((2, 3, 2, 2), dtype=np.float32)})
        backend.infer({"x": np.ones((2, 3, 2, 2), dtype=np.float32)})
        assert (first["twice"] == 1).all()
        first["twice"][:] = 7  # and may be written to

    def test_a_read_only_input_is_taken(self, open_model: OpenModel):
        backend = open_model(onnx_models.affine())
        x = np.ones((1, 3, 2, 2), dtype=np.float32)
        x.flags.writeable = False
        assert (backend.infer({"x": x})["twice"] == 3).all()

    @pytest.mark.parametrize("batch", [0, MAX_BATCH + 1])
    def test_a_batch_of_the_wrong_size_is_refused(self, open_model: OpenModel, batch: int):
        backend = open_model(onnx_models.affine())
        with pytest.raises(ValueError, match="batches of 1 to 8"):
            backend.infer({"x": np.zeros((batch, 3, 2, 2), dtype=np.float32)})

    def test_an_input_of_another_name_is_refused(self, open_model: OpenModel):
        backend = open_model(onnx_models.affine())
        with pytest.raises(ValueError, match="the model has"):
            backend.infer({"y": np.zeros((1, 3, 2, 2), dtype=np.float32)})

    def test_an_input_of_the_wrong_shape_is_a_fatal_error(self, open_model: OpenModel):
        backend = open_model(onnx_models.affine())
        with pytest.raises(FatalError, match=r"batch of [12]"):
            backend.infer({"x": np.zeros((2, 3, 5, 5), dtype=np.float32)})

    def test_after_a_batch_that_failed_the_next_one_is_inferred(self, open_model: OpenModel):
        backend = open_model(onnx_models.affine())
        for _ in range(4):  # more often than there are requests to lose
            with pytest.raises(FatalError):
                backend.infer({"x": np.zeros((3, 3, 5, 5), dtype=np.float32)})
        assert (backend.infer({"x": np.ones((3, 3, 2, 2), dtype=np.float32)})["twice"] == 3).all()

    def test_half_floats_are_taken_and_whole_numbers_given(self, open_model: OpenModel):
        backend = open_model(onnx_models.typed())
        x = np.array([[0.5, -2.0], [1.5, 4.0], [0.0, 0.25]], dtype=np.float16)
        outputs = backend.infer({"x": x, "size": np.array([[3], [5], [7]])})
        assert outputs["half"].tolist() == (x * 2).tolist()
        assert outputs["whole"].tolist() == [[4], [6], [8]]
        assert {array.dtype for array in outputs.values()} == {np.dtype(np.float32)}

    def test_a_model_for_one_image_serves_one_image(self, open_model: OpenModel):
        backend = open_model(onnx_models.affine(batch=1, reshape_to=1))
        x = some_input(1, 3, 2, 2)
        assert backend.infer({"x": x})["twice"] == pytest.approx(2 * x + 1, rel=1e-6)

    def test_a_model_for_exactly_four_images_is_refused(self, open_model: OpenModel):
        with pytest.raises(UserError, match=r"model\.onnx: is made for batches of exactly 4"):
            open_model(onnx_models.affine(batch=4))

    @pytest.mark.parametrize("content", [b"", b"no model at all"])
    def test_a_file_that_is_no_model_is_an_error_that_names_it(
        self, open_model: OpenModel, content: bytes
    ):
        with pytest.raises(UserError, match=r"model\.onnx: .* can't use this model: .") as caught:
            open_model(content)
        assert "\n" not in str(caught.value)


class WholeBatchSuite:
    """What engines that infer a batch as one must do besides."""

    def test_a_batch_axis_that_the_graph_squeezed_away_comes_back(self, open_model: OpenModel):
        backend = open_model(onnx_models.affine(batch=1, squeezed=True))
        assert backend.max_batch == 1
        assert backend.infer({"x": some_input(1, 3, 2, 2)})["flat"].shape == (1, 12)
