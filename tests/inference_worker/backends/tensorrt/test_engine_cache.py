"""Which engine serves for which key, and what becomes of those that don't."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from inference_worker.backends.compiled import prune
from inference_worker.backends.tensorrt.build_lock import Waiting
from inference_worker.backends.tensorrt.engine_cache import EngineCache, engines_in
from inference_worker.backends.tensorrt.engine_key import EngineKey, Sidecar
from inference_worker.backends.tensorrt.profiles import fitted
from runtime.errors import UserError
from tests.inference_worker import onnx_models
from tests.inference_worker.backends.fake_gpu.install import become
from tests.inference_worker.backends.fake_gpu.machine import FakeGpu
from tests.inference_worker.backends.tensorrt.conftest import OpenTensorRt
from tests.inference_worker.engine_suite import some_input

KEY = EngineKey("m" * 64, "10.3.0", "Fake GPU", "8.9", "float32", fitted(8), {"x": (3, 4, 4)})
DAY_S = 86_400.0


def maker(content: bytes, made: list[bytes], key: EngineKey = KEY) -> Callable[..., Any]:
    """Stands for a build; `made` holds those that were done."""

    def make(beat: Callable[[], None]) -> tuple[bytes, Sidecar]:
        beat()
        made.append(content)
        sha256 = hashlib.sha256(content).hexdigest()
        return content, Sidecar(key, "m.onnx", sha256, 8, fitted(8), 1.5, "2026-11-22T00:00:00")

    return make


def files(cache: Path) -> list[str]:
    return sorted(path.suffix for path in (cache / "tensorrt").iterdir())


def test_an_engine_is_built_once_and_says_in_words_what_it_is(tmp_path: Path) -> None:
    made: list[bytes] = []
    first = EngineCache(tmp_path).engine(KEY, maker(b"engine", made))
    again = EngineCache(tmp_path).engine(KEY, maker(b"other", made))
    assert (first.built, again.built, made) == (True, False, [b"engine"])
    assert again.engine == b"engine"
    assert files(tmp_path) == [".engine", ".json"]
    assert again.path is not None
    told = json.loads(again.path.with_suffix(".json").read_text())
    assert told["key"]["gpu"] == "Fake GPU"
    assert told["build_s"] == 1.5
    assert [about.name for _, about in engines_in(tmp_path)] == ["m.onnx"]


@pytest.mark.parametrize("field", EngineKey.__struct_fields__)
def test_another_key_in_any_part_is_another_engine(tmp_path: Path, field: str) -> None:
    changed = {"profiles": fitted(9), "shapes": {"x": (3, 5, 5)}, "recipe": 99}
    other = msgspec.structs.replace(KEY, **{field: changed.get(field, "else")})
    made: list[bytes] = []
    EngineCache(tmp_path).engine(KEY, maker(b"one", made))
    assert EngineCache(tmp_path).engine(other, maker(b"two", made, other)).engine == b"two"
    assert len(made) == 2


def test_an_engine_under_the_name_of_another_is_built_anew_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[bytes] = []
    other = msgspec.structs.replace(KEY, tensorrt="11.2.1", gpu="Another GPU")
    stored = EngineCache(tmp_path).engine(other, maker(b"other", made, other))
    assert stored.path is not None
    for path in (stored.path, stored.path.with_suffix(".json")):
        path.rename(path.with_stem(KEY.digest))
    assert EngineCache(tmp_path).engine(KEY, maker(b"mine", made)).engine == b"mine"
    assert "tensorrt is 11.2.1, here it is 10.3.0, gpu is Another GPU, here it" in caplog.text


@pytest.mark.parametrize(
    ("suffix", "content"),
    [(".engine", b"engi"), (".engine", b""), (".json", b"{"), (".json", b"{}")],
)
def test_a_damaged_engine_is_built_anew(
    tmp_path: Path, suffix: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[bytes] = []
    stored = EngineCache(tmp_path).engine(KEY, maker(b"engine", made))
    assert stored.path is not None
    stored.path.with_suffix(suffix).write_bytes(content)
    assert EngineCache(tmp_path).engine(KEY, maker(b"engine", made)).built
    assert "it is built anew" in caplog.text
    assert not EngineCache(tmp_path).engine(KEY, maker(b"engine", made)).built


@pytest.mark.parametrize("suffix", [".engine", ".json"])
def test_half_of_the_pair_is_no_engine(tmp_path: Path, suffix: str) -> None:
    made: list[bytes] = []
    stored = EngineCache(tmp_path).engine(KEY, maker(b"engine", made))
    assert stored.path is not None
    stored.path.with_suffix(suffix).unlink()
    assert EngineCache(tmp_path).engine(KEY, maker(b"engine", made)).built


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(beat: Callable[[], None]) -> tuple[bytes, Sidecar]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EngineCache(tmp_path).engine(KEY, fail)
    assert files(tmp_path) == []


def test_of_two_workers_that_start_at_once_one_builds_and_both_have_it(tmp_path: Path) -> None:
    made: list[bytes] = []
    other_waits = threading.Event()
    found: list[bool] = []

    def slowly(beat: Callable[[], None]) -> tuple[bytes, Sidecar]:
        assert other_waits.wait(20)
        return maker(b"engine", made)(beat)

    def start() -> None:
        cache = EngineCache(tmp_path, Waiting(time.monotonic, lambda _: other_waits.set()))
        found.append(cache.engine(KEY, slowly).built)

    workers = [threading.Thread(target=start) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert (sorted(found), made) == ([False, True], [b"engine"])
    assert files(tmp_path) == [".engine", ".json"]


def test_where_nothing_can_be_written_the_user_is_told_to_build_it(tmp_path: Path) -> None:
    (tmp_path / "tensorrt").write_text("in the way")  # as root a read-only folder is none
    with pytest.raises(UserError, match=r"no engine .*`onehertz models build NAME`"):
        EngineCache(tmp_path).engine(KEY, maker(b"engine", []))


def test_without_a_cache_each_start_builds() -> None:
    made: list[bytes] = []
    for _ in range(2):
        assert EngineCache(None).engine(KEY, maker(b"engine", made)).path is None
    assert len(made) == 2


def test_what_nobody_has_used_for_a_month_goes(tmp_path: Path) -> None:
    made: list[bytes] = []
    stored = EngineCache(tmp_path).engine(KEY, maker(b"engine", made))
    assert stored.path is not None
    now_s = stored.path.stat().st_mtime
    prune(tmp_path, now_s + 29 * DAY_S)
    assert files(tmp_path) == [".engine", ".json"]
    for path in (tmp_path / "tensorrt").iterdir():
        os.utime(path, (now_s - 20 * DAY_S,) * 2)
    EngineCache(tmp_path).engine(KEY, maker(b"engine", made))  # it is used
    prune(tmp_path, now_s + 29 * DAY_S)
    assert files(tmp_path) == [".engine", ".json"]
    prune(tmp_path, now_s + 32 * DAY_S)
    assert files(tmp_path) == []


# ------------------------------------------------------------ with the backend


def test_an_engine_serves_the_next_start(open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu) -> None:
    open_tensorrt(onnx_models.affine())
    open_tensorrt()
    assert fake_gpu.builds == 1


def test_how_fast_kernels_are_is_kept_for_the_next_model_and_made_anew_where_it_is_damaged(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu, tmp_path: Path
) -> None:
    open_tensorrt(onnx_models.affine())
    assert fake_gpu.timings == b""
    (path,) = (tmp_path / "cache" / "tensorrt").glob("*.timings")
    kept = path.read_bytes()
    open_tensorrt(onnx_models.renamed())
    assert fake_gpu.timings == kept
    path.write_bytes(b"damaged")
    open_tensorrt(onnx_models.typed())
    assert fake_gpu.builds == 3
    assert path.read_bytes() == kept


def test_without_a_cache_an_engine_is_built_at_each_start(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu
) -> None:
    open_tensorrt(onnx_models.affine(), cache=None)
    open_tensorrt(cache=None)
    assert fake_gpu.builds == 2


@pytest.mark.parametrize(
    "other",
    [
        FakeGpu(tensorrt="11.2.1"),
        FakeGpu(name="Another GPU"),
        FakeGpu(compute_capability=(9, 0)),
    ],
    ids=["tensorrt", "gpu", "compute capability"],
)
def test_another_machine_that_shares_the_cache_has_an_engine_of_its_own(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu, other: FakeGpu
) -> None:
    open_tensorrt(onnx_models.affine()).close()
    become(other)
    backend = open_tensorrt()
    x = some_input(2, 3, 2, 2)
    assert backend.infer({"x": x})["twice"] == pytest.approx(2 * x + 1)
    assert other.builds == 1
    assert other.misuse == []


def test_another_model_under_the_same_name_has_an_engine_of_its_own(
    open_tensorrt: OpenTensorRt, fake_gpu: FakeGpu
) -> None:
    open_tensorrt(onnx_models.affine())
    backend = open_tensorrt(onnx_models.renamed())
    assert set(backend.infer({"x": some_input(1, 4)})) == {"y"}
    assert fake_gpu.builds == 2


def test_an_engine_that_tensorrt_refuses_is_built_anew(
    open_tensorrt: OpenTensorRt,
    fake_gpu: FakeGpu,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    open_tensorrt(onnx_models.affine()).close()
    ((path, about),) = engines_in(tmp_path / "cache")
    path.write_bytes(b"of an older driver")
    sha256 = hashlib.sha256(b"of an older driver").hexdigest()
    renamed = msgspec.structs.replace(about, sha256=sha256)
    path.with_suffix(".json").write_bytes(msgspec.json.encode(renamed))
    open_tensorrt()
    assert fake_gpu.builds == 2
    assert "magic tag or checksum does not match" in caplog.text
