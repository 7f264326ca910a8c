"""What a machine without internet needs, in parts, and joined again."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu import unpack
from benchmarks.gpu.pack import WHEELS, main, pack
from runtime.errors import UserError


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A model of 3 kB, pictures, and a jar with a library, in parts of 4 KiB."""
    models, pictures = tmp_path / "models" / "mine", tmp_path / "pictures"
    models.mkdir(parents=True)
    pictures.mkdir()
    (models / "mine.onnx").write_bytes(bytes(range(256)) * 12)
    (pictures / "1.png").write_bytes(b"picture")
    with zipfile.ZipFile(tmp_path / "libraries.jar", "w") as jar:
        jar.writestr("org/somewhere/libnvinfer.so.11", b"ELF")
        jar.writestr("META-INF/MANIFEST.MF", b"")
    named = {
        "models": tmp_path / "models",
        "pictures": pictures,
        "libraries/libraries.jar": tmp_path / "libraries.jar",
    }
    assert pack(named, tmp_path / "parts", 4096) > 2
    return tmp_path / "parts"


def test_parts_that_come_one_by_one_are_joined_when_the_last_is_there(parts: Path, tmp_path: Path):
    way, there = tmp_path / "way", tmp_path / "there"
    way.mkdir()
    (way / "manifest.json").write_bytes((parts / "manifest.json").read_bytes())
    names = sorted(one.name for one in parts.glob("part-*"))
    for name in names:
        (way / name).write_bytes((parts / name).read_bytes())
        said = unpack.main(way, there)
        (way / name).unlink()  # only one fits at a time
        if name != names[-1]:
            assert f"of {len(names)} parts are here; next: part-" in said
    assert said == f"unpacked; now: . {there}/environment"
    assert (there / "all/models/mine/mine.onnx").read_bytes() == bytes(range(256)) * 12
    assert (there / "lib/libnvinfer.so.11").read_bytes() == b"ELF"
    assert f'ONEHERTZ_GPU_MODELS="{there}/all/models"' in (there / "environment").read_text()


def test_a_damaged_part_is_named_and_asked_for_again(parts: Path, tmp_path: Path):
    (parts / "part-001").write_bytes(b"x")
    with pytest.raises(SystemExit, match="part-001 is damaged"):
        unpack.main(parts, tmp_path / "there")
    (parts / "part-001").unlink()
    assert "next: part-001" in unpack.main(parts, tmp_path / "there")


def test_a_package_that_cannot_be_built_is_named_when_all_else_is_there(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "pycuda-1.0.tar.gz").write_bytes(b"no archive")
    (tmp_path / "models").mkdir()
    named = {"wheels": tmp_path / "wheels", "models": tmp_path / "models"}
    pack(named, tmp_path / "parts", 1 << 20)
    with pytest.raises(SystemExit, match=r"pycuda-1\.0\.tar\.gz can't be installed here"):
        unpack.main(tmp_path / "parts", tmp_path / "there")
    assert (tmp_path / "there/environment").is_file()
    assert "ERROR" in capfd.readouterr().err


def test_no_part_is_larger_than_asked_for_and_old_ones_go(parts: Path, tmp_path: Path):
    assert max(one.stat().st_size for one in parts.glob("part-*")) == 4096
    assert pack({"models": tmp_path / "models"}, parts, 1 << 20) == 1
    assert [one.name for one in parts.glob("part-*")] == ["part-000"]


def test_without_models_nothing_is_packed(tmp_path: Path):
    with pytest.raises(UserError, match=r"run `python -m benchmarks\.gpu\.models` first"):
        main.main(["--models", str(tmp_path), "--to", str(tmp_path / "p")], standalone_mode=False)


def test_what_is_packed_are_packages_that_are_pinned():
    constraints = (Path(unpack.__file__).parents[2] / "constraints.txt").read_text().lower()
    pinned = {line.partition("==")[0].replace("_", "-") for line in constraints.splitlines()}
    assert set(WHEELS) <= pinned


def test_a_folder_without_the_manifest_is_told(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"there is no manifest\.json"):
        unpack.main(tmp_path, tmp_path / "there")
