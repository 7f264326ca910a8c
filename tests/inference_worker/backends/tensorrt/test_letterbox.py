"""The kernel against its twin on the CPU, `Preprocessor`, which OpenCV resizes for."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_worker.backends.base import Pictures
from inference_worker.backends.tensorrt.compiled_kernel import source
from inference_worker.backends.tensorrt.nvrtc import find_nvrtc
from inference_worker.backends.tensorrt.staging import stage, staging_bytes
from inference_worker.manifest import Input, Letterbox
from inference_worker.preprocess import Preprocessor, placed
from runtime.errors import UserError
from tests.fixtures.compiler import why_not
from tests.inference_worker.backends.cuda_shim import KERNEL, HostKernels, compile_host
from tests.inference_worker.backends.tensorrt.host_driver import host_driver, letterbox_on_the_host

if (reason := why_not()) is not None:
    pytest.skip(reason, allow_module_level=True)

pytestmark = pytest.mark.usefixtures("nvrtc")

HERE = Path(__file__).parent
GUARD = 4096  # bytes before and after what the kernel may write, or read
FILL = 0xA5
CUT_OFF = 0.2  # share of values a level apart, above which it can't be rounding any more
PLAIN = Input(width=64, height=48, layout="nchw", colour="bgr", dtype="uint8")
CENTRED = msgspec.structs.replace(PLAIN, letterbox=Letterbox("centre", 114))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    with letterbox_on_the_host(tmp_path_factory.mktemp("kernel")) as found:
        yield found


def noise(seed: int, height: int, width: int) -> np.ndarray:
    """Neighbours as far apart as they can be: the hardest to resize."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pictures_for(spec: Input, images: list[np.ndarray]) -> Pictures:
    return Pictures(images, [placed(spec, image) for image in images])


def run(letterbox: Any, spec: Input, images: list[np.ndarray]) -> np.ndarray:
    """What the kernel makes of a batch; asserts that it wrote nothing beside it."""
    pictures = pictures_for(spec, images)
    staged = np.full(staging_bytes(pictures) + 2 * GUARD, FILL, dtype=np.uint8)
    used = letterbox.stage(pictures, staged[GUARD:-GUARD])
    assert used == staging_bytes(pictures)
    before = staged.copy()
    shape = (3, spec.height, spec.width) if spec.layout == "nchw" else (spec.height, spec.width, 3)
    size = len(images) * int(np.prod(shape)) * np.dtype(spec.dtype).itemsize
    written = np.full(size + 2 * GUARD, FILL, dtype=np.uint8)
    letterbox.launch(
        staged.ctypes.data + GUARD, len(images), written.ctypes.data + GUARD, stream=None
    )
    assert np.array_equal(staged, before)
    assert (written[:GUARD] == FILL).all()
    assert (written[GUARD + size :] == FILL).all()
    return written[GUARD : GUARD + size].view(spec.dtype).reshape(len(images), *shape)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NVRTC takes .2 s."""
    return tmp_path_factory.mktemp("cache")


Make = Callable[[Input, list[np.ndarray]], np.ndarray]


@pytest.fixture(scope="module")
def made(host: tuple[Any, Any], cache: Path) -> Make:
    """What the kernel makes of frames, by way of all of letterbox.py."""
    return lambda spec, images: run(host[0].Letterbox(spec, cache), spec, images)


def levels_apart(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(np.int32) - other.astype(np.int32)).max())


def share_apart(one: np.ndarray, other: np.ndarray) -> float:
    return float((one != other).mean())


sides = st.integers(1, 160)
inputs = st.builds(
    Input,
    width=sides,
    height=sides,
    layout=st.sampled_from(["nchw", "nhwc"]),
    colour=st.sampled_from(["rgb", "bgr"]),
    letterbox=st.none()
    | st.builds(Letterbox, st.sampled_from(["centre", "top-left"]), st.integers(0, 255)),
    dtype=st.sampled_from(["float32", "float16", "uint8"]),
)
frame_sizes = st.tuples(st.integers(1, 500), st.integers(1, 700))


@settings(max_examples=150, deadline=None)
@given(spec=inputs, sizes=st.lists(frame_sizes, min_size=1, max_size=3), seed=st.integers(0, 99))
def test_it_equals_its_twin_to_a_grey_level_whatever_the_frames_and_the_input(
    made: Make, spec: Input, sizes: list[tuple[int, int]], seed: int
):
    images = [noise(seed + index, *size) for index, size in enumerate(sizes)]
    wanted, placements = Preprocessor(spec)(images)
    tensor = made(spec, images)
    assert tensor.dtype == wanted.dtype
    assert tensor.shape == wanted.shape
    assert levels_apart(tensor, wanted) <= 1
    for one, place in zip(tensor, placements, strict=True):
        grid = one if spec.layout == "nhwc" else one.transpose(1, 2, 0)
        around = np.ones(grid.shape[:2], dtype=bool)
        rows = slice(place.top, place.top + place.height)
        around[rows, place.left : place.left + place.width] = False
        assert (grid[around] == (spec.letterbox.value if spec.letterbox else 0)).all()


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("colour", ["rgb", "bgr"])
def test_mean_and_std_are_the_twin_s_to_the_bit(made: Make, layout: str, dtype: str, colour: str):
    spec = Input(
        width=50,
        height=30,
        layout=layout,
        colour=colour,
        dtype=dtype,
        mean=(123.675, 3.5, 103.53),
        std=(58.395, 0.75, 57.375),
        letterbox=Letterbox("centre", 114),
    )
    # As large as its place on the input: nothing is resized, so no level is rounded.
    frame = noise(5, 30, 40)
    assert np.array_equal(made(spec, [frame])[0], Preprocessor(spec)([frame])[0][0])


def test_numbers_beyond_float16_and_below_its_smallest_become_what_numpy_makes_of_them(made: Make):
    ramp = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    for std in (1e-3, 3e4, 1.7e6):
        spec = Input(
            width=256, height=1, layout="nhwc", colour="bgr", std=(std,) * 3, dtype="float16"
        )
        numbers = ramp.astype(np.float32) * np.float32(1 / std)
        with np.errstate(over="ignore"):
            wanted = numbers.astype(np.float16)
        assert np.array_equal(made(spec, [ramp])[0], wanted)


def test_the_far_end_of_the_widest_jpeg_is_where_it_should_be(made: Make):
    stripes = np.zeros((1, 65_535, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    spec = msgspec.structs.replace(PLAIN, width=8192, height=1)
    assert levels_apart(made(spec, [stripes]), Preprocessor(spec)([stripes])[0]) <= 1


def test_it_rounds_and_does_not_cut_off(made: Make):
    image = noise(3, 200, 300)
    wanted, _ = Preprocessor(PLAIN)([image])
    # OpenCV cuts off twice on its way to a level: 13 in 100 are one higher here.
    assert share_apart(made(PLAIN, [image]), wanted) < CUT_OFF


def test_a_batch_is_one_launch_and_each_frame_lands_in_its_own_place(
    host: tuple[Any, Any], cache: Path
):
    letterbox = host[0].Letterbox(CENTRED, cache)
    images = [noise(index, 20 + 50 * index, 300 - 40 * index) for index in range(5)]
    tensor = run(letterbox, CENTRED, images)
    assert letterbox._kernel.launches == 1
    for image, one in zip(images, tensor, strict=True):
        assert np.array_equal(run(letterbox, CENTRED, [image])[0], one)


def test_the_driver_is_given_machine_code_of_its_own_device(host: tuple[Any, Any]):
    module, driver = host
    driver.loaded.clear()
    module.Letterbox(PLAIN, None)
    (loaded,) = driver.loaded
    assert loaded == find_nvrtc(13).compile(source(), "sm_87")


def test_frames_that_do_not_fit_into_the_buffer_are_refused_before_a_byte_is_written():
    with pytest.raises(ValueError, match=r"\d+ bytes of frames don't fit into 100"):
        stage_into(np.zeros(100, dtype=np.uint8), noise(1, 50, 60))


def test_a_frame_too_wide_for_the_kernel_s_arithmetic_is_refused():
    wide = np.zeros((1, 2**18 + 1, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="262145x1 has a side above 262144"):
        stage_into(np.zeros(2**20, dtype=np.uint8), wide)


def stage_into(buffer: np.ndarray, image: np.ndarray) -> None:
    try:
        stage(pictures_for(PLAIN, [image]), buffer)
    finally:
        assert not buffer.any()


def test_a_driver_that_refuses_the_kernel_is_told_of_with_what_to_do(host: tuple[Any, Any]):
    module, driver = host
    driver.refuses = "cuModuleLoadDataEx failed: device kernel image is invalid"
    try:
        with pytest.raises(UserError, match=r"can't load the kernel .* image is invalid; upd"):
            module.Letterbox(PLAIN, None)
    finally:
        driver.refuses = ""


# What is wrong → the line of letterbox.cu, and that line with the mistake.
MUTANTS = {
    "corners instead of half-pixel centres": ("(2u * (unsigned)at + 1u)", "(2u * (unsigned)at)"),
    "half a pixel is not taken off": ("numerator - (unsigned)placed", "numerator"),
    "sides swapped": (
        "between(at_x, frame.width, frame.placed_width)",
        "between(at_x, frame.height, frame.placed_width)",
    ),
    "channels swapped": (
        "target.swap ? 2 - channel : channel",
        "target.swap ? channel : 2 - channel",
    ),
    "rows taken to have a gap": ("rows.low * frame.width * 3", "rows.low * (frame.width + 1) * 3"),
    "every frame is the first": (
        "(const Frame*)staged)[picture]",
        "(const Frame*)staged)[0 * picture]",
    ),
    "planes a row apart": ("store(where + channel * plane", "store(where + channel * target.width"),
    "placed at the corner": ("x - frame.left, at_y", "x, at_y"),
    "padding left out": (": (float)target.padding", ": 0.0f"),
    "cut off instead of rounded": ("* looked.part_y + 0.5f", "* looked.part_y"),
    "one picture over another": ("3 * plane * blockIdx.z", "plane * blockIdx.z"),
    "no blending along rows": ("(top_right - top_left) * x.part", "(top_right - top_left) * 0.0f"),
}


@pytest.mark.parametrize("mistake", MUTANTS)
def test_a_kernel_with_a_mistake_is_told_apart(
    host: tuple[Any, Any], cache: Path, mistake: str, tmp_path: Path
):
    right, wrong = MUTANTS[mistake]
    source = KERNEL.read_text(encoding="utf-8")
    assert right in source
    kernel = tmp_path / "mutant.cu"
    kernel.write_text(source.replace(right, wrong), encoding="utf-8")
    driver = host_driver(HostKernels(tmp_path, kernel, ("-O0",)))
    letterbox = host[0].Letterbox(CENTRED, cache)
    letterbox._kernel = driver.module_from_buffer(b"").get_function("letterbox_uint8_nchw")
    letterbox._kernel.prepare(host[0].ARGUMENTS)
    images = [noise(1, 60, 40), noise(2, 200, 300)]
    wanted, _ = Preprocessor(CENTRED)(images)
    try:
        tensor = run(letterbox, CENTRED, images)
    except AssertionError:  # it wrote where it must not
        return
    assert levels_apart(tensor, wanted) > 1 or share_apart(tensor, wanted) > CUT_OFF


def test_it_reads_no_byte_beside_a_frame_and_writes_none_beside_the_tensor(tmp_path: Path):
    program = tmp_path / "bounds"
    compile_host(HERE / "bounds.cpp", program, options=("-O1", "-fsanitize=address"))
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "400 pictures\n"
