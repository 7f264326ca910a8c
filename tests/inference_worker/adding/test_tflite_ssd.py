"""TFLite's SSD is taken apart in front of its last operator."""

from __future__ import annotations

from pathlib import Path

import flatbuffers
import numpy as np
import pytest
import tflite
from flatbuffers import flexbuffers

from inference_worker.adding.tflite_ssd import Coded, cut, has_operator
from runtime.errors import UserError

NAMES = ("boxes", "scores", "anchors", "a", "b", "c", "d")
SCALES = {"y_scale": 10.0, "x_scale": 11.0, "h_scale": 5.0, "w_scale": 6.0}
ANCHORS = np.array([[10, 20, 30, 40], [50, 60, 70, 80]], dtype=np.uint8)


def ssd(path: Path, *, last: bool = True) -> Path:
    """A file with the operator, its three inputs and four outputs, and another one around it."""
    maker = flatbuffers.Builder(1024)
    told = flexbuffers.Builder()
    with told.Map():
        for key, value in SCALES.items():
            told.Float(key, value)
    options = maker.CreateByteVector(bytes(told.Finish()))
    operators = [
        _operator(maker, 1, [0], [1], None),
        _operator(maker, 0, [0, 1, 2], [3, 4, 5, 6], options),
    ]
    if not last:
        operators.reverse()
    tensors = [_tensor(maker, number) for number in range(len(NAMES))]
    graph = _graph(maker, tensors, operators)
    codes = [_code(maker, "TFLite_Detection_PostProcess"), _code(maker, "Another")]
    empty, data = _buffer(maker, b""), _buffer(maker, ANCHORS.tobytes())
    vectors = [_vector(maker, part) for part in (codes, [graph], [empty, data])]
    tflite.ModelStart(maker)
    tflite.ModelAddVersion(maker, 3)
    tflite.ModelAddOperatorCodes(maker, vectors[0])
    tflite.ModelAddSubgraphs(maker, vectors[1])
    tflite.ModelAddBuffers(maker, vectors[2])
    maker.Finish(tflite.ModelEnd(maker), file_identifier=b"TFL3")
    path.write_bytes(bytes(maker.Output()))
    return path


def _vector(maker: flatbuffers.Builder, offsets: list[int]) -> int:
    maker.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        maker.PrependUOffsetTRelative(offset)
    return maker.EndVector()


def _operator(
    maker: flatbuffers.Builder,
    code: int,
    inputs: list[int],
    outputs: list[int],
    options: int | None,
) -> int:
    first = maker.CreateNumpyVector(np.array(inputs, dtype=np.int32))
    second = maker.CreateNumpyVector(np.array(outputs, dtype=np.int32))
    tflite.OperatorStart(maker)
    tflite.OperatorAddOpcodeIndex(maker, code)
    tflite.OperatorAddInputs(maker, first)
    tflite.OperatorAddOutputs(maker, second)
    if options is not None:
        tflite.OperatorAddCustomOptions(maker, options)
    return tflite.OperatorEnd(maker)


def _tensor(maker: flatbuffers.Builder, number: int) -> int:
    name = maker.CreateString(NAMES[number])
    scale = maker.CreateNumpyVector(np.array([0.25 * (number + 1)], dtype=np.float32))
    zero = maker.CreateNumpyVector(np.array([number], dtype=np.int64))
    tflite.QuantizationParametersStart(maker)
    tflite.QuantizationParametersAddScale(maker, scale)
    tflite.QuantizationParametersAddZeroPoint(maker, zero)
    quantised = tflite.QuantizationParametersEnd(maker)
    tflite.TensorStart(maker)
    tflite.TensorAddName(maker, name)
    tflite.TensorAddType(maker, tflite.TensorType.UINT8)
    tflite.TensorAddBuffer(maker, 1 if number == 2 else 0)
    tflite.TensorAddQuantization(maker, quantised)
    return tflite.TensorEnd(maker)


def _graph(maker: flatbuffers.Builder, tensors: list[int], operators: list[int]) -> int:
    parts = [_vector(maker, tensors), _vector(maker, operators)]
    outputs = maker.CreateNumpyVector(np.array([3, 4, 5, 6], dtype=np.int32))
    tflite.SubGraphStart(maker)
    tflite.SubGraphAddTensors(maker, parts[0])
    tflite.SubGraphAddOutputs(maker, outputs)
    tflite.SubGraphAddOperators(maker, parts[1])
    return tflite.SubGraphEnd(maker)


def _code(maker: flatbuffers.Builder, name: str) -> int:
    text = maker.CreateString(name)
    tflite.OperatorCodeStart(maker)
    tflite.OperatorCodeAddCustomCode(maker, text)
    return tflite.OperatorCodeEnd(maker)


def _buffer(maker: flatbuffers.Builder, content: bytes) -> int:
    data = maker.CreateByteVector(content)
    tflite.BufferStart(maker)
    tflite.BufferAddData(maker, data)
    return tflite.BufferEnd(maker)


def test_the_operator_goes_and_its_inputs_come_out(tmp_path: Path):
    path = ssd(tmp_path / "theirs.tflite")
    assert has_operator(path)
    left = tflite.Model.GetRootAsModel(cut(path).content, 0).Subgraphs(0)
    assert [left.Outputs(index) for index in range(left.OutputsLength())] == [0, 1]
    assert left.OperatorsLength() == 1
    assert left.Operators(0).OpcodeIndex() == 1


def test_what_the_operator_was_told_is_kept(tmp_path: Path):
    found = cut(ssd(tmp_path / "theirs.tflite"))
    assert found.box_scales == (10.0, 11.0, 5.0, 6.0)
    assert (found.boxes, found.scores) == (Coded("boxes", 0.25, 0), Coded("scores", 0.5, 1))
    # (10 - 2) * 0.75, and so on.
    assert found.anchors.tolist() == [[6, 13.5, 21, 28.5], [36, 43.5, 51, 58.5]]


def test_an_operator_that_is_not_the_last_one_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="TFLite_Detection_PostProcess, and not as its last"):
        cut(ssd(tmp_path / "theirs.tflite", last=False))


def test_a_file_without_it_is_left_alone(tmp_path: Path):
    (tmp_path / "theirs.tflite").write_bytes(b"something else")
    assert not has_operator(tmp_path / "theirs.tflite")
