"""From frames to input tensors, with values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from inference_worker.manifest import Input, Letterbox
from inference_worker.preprocess import Preprocessor


def plain(value: tuple[int, int, int], height: int = 6, width: int = 8) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_blue_of_a_bgr_frame_is_the_last_channel_of_an_rgb_input():
    spec = Input(width=4, height=4, layout="nhwc", colour="rgb")
    tensor, _ = Preprocessor(spec)([plain((255, 10, 0))])
    assert tensor.shape == (1, 4, 4, 3)
    assert tensor.dtype == np.float32
    assert tensor[0, 2, 2].tolist() == [0, 10, 255]


def test_mean_and_std_are_taken_channel_by_channel():
    spec = Input(
        width=4, height=4, layout="nchw", colour="bgr", mean=(10.0, 20.0, 30.0), std=(1.0, 2.0, 4.0)
    )
    tensor, _ = Preprocessor(spec)([plain((110, 120, 130))])
    assert tensor.shape == (1, 3, 4, 4)
    assert tensor[0, :, 1, 1].tolist() == [100, 50, 25]


def test_127_and_a_half_brings_pixels_to_minus_1_to_1():
    spec = Input(
        width=2, height=2, layout="nhwc", colour="rgb", mean=(127.5,) * 3, std=(127.5,) * 3
    )
    tensor, _ = Preprocessor(spec)([plain((0, 0, 0)), plain((255, 255, 255))])
    assert tensor[:, 0, 0, 0] == pytest.approx([-1, 1])


def test_frames_of_different_sizes_fit_in_one_batch():
    spec = Input(width=4, height=4, layout="nhwc", colour="rgb")
    tensor, placements = Preprocessor(spec)(
        [plain((1, 2, 3), 1, 1), plain((4, 5, 6), 5, 2000), plain((7, 8, 9), 2000, 5)]
    )
    assert tensor[:, 3, 3, 0].tolist() == [3, 6, 9]
    assert len(placements) == 3


def test_a_letterbox_pads_with_its_value_and_says_where_the_frame_lies():
    spec = Input(width=8, height=8, layout="nchw", colour="bgr", letterbox=Letterbox("centre", 114))
    tensor, (placement,) = Preprocessor(spec)([plain((200, 200, 200), height=10, width=20)])
    rows = tensor[0, 0, :, 4].tolist()
    assert rows == [114, 114, 200, 200, 200, 200, 114, 114]
    assert (placement.top, placement.height, placement.width) == (2, 4, 8)


def test_the_same_frames_give_the_same_bits_alone_and_together():
    spec = Input(width=30, height=30, layout="nhwc", colour="rgb", std=(127.5,) * 3)
    chance = np.random.default_rng(3)
    frames = [chance.integers(0, 256, (90, 120, 3), dtype=np.uint8) for _ in range(3)]
    together, _ = Preprocessor(spec)(frames)
    for index, frame in enumerate(frames):
        assert np.array_equal(Preprocessor(spec)([frame])[0][0], together[index])


def test_a_tensor_has_the_type_that_the_graph_wants():
    def tensor(dtype: str, std: float) -> np.ndarray:
        spec = Input(width=2, height=2, layout="nhwc", colour="bgr", std=(std,) * 3, dtype=dtype)
        return Preprocessor(spec)([plain((255, 0, 3))])[0]

    assert tensor("float16", 255.0).dtype == np.float16
    assert tensor("float16", 255.0)[0, 0, 0, 0] == 1
    assert tensor("uint8", 1.0).dtype == np.uint8
    assert tensor("uint8", 1.0)[0, 0, 0].tolist() == [255, 0, 3]


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_every_layout_colour_order_and_type_has_the_value_of_the_formula(
    layout: str, colour: str, dtype: str
):
    mean, std = (103.53, 116.28, 12.5), (57.375, 0.75, 58.395)
    spec = Input(width=31, height=17, layout=layout, colour=colour, mean=mean, std=std, dtype=dtype)
    frame = np.random.default_rng(4).integers(0, 256, (17, 31, 3), dtype=np.uint8)
    ordered = frame[..., ::-1] if colour == "rgb" else frame
    wanted = (ordered - np.array(mean)) / np.array(std)
    if dtype == "uint8":
        wanted = np.clip(np.rint(wanted), 0, 255)
    if layout == "nchw":
        wanted = wanted.transpose(2, 0, 1)
    tensor, _ = Preprocessor(spec)([frame, frame])
    assert tensor.dtype == np.dtype(dtype)
    assert tensor.flags.c_contiguous
    within = {"float32": 1e-4, "float16": 0.1, "uint8": 0}[dtype]
    for one in tensor:
        assert np.abs(one.astype(np.float64) - wanted).max() <= within
