"""Members out of tarballs and wheels, and pieces out of members. (Debian's: test_clients.)"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onehertz.assets.archives import cut, take_members
from onehertz.assets.sources import SourceFailed
from tests.onehertz.assets.servers import tarball, wheel

MEMBERS = {"a/one": b"first", "a/two": b"second", "b": b""}


@pytest.fixture(params=["archive.tgz", "archive.whl"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    path.write_bytes(tarball(MEMBERS) if path.suffix == ".tgz" else wheel("w", "1", MEMBERS))
    return path


def test_only_the_members_asked_for_are_taken(archive: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    taken = take_members(archive, {"a/two", "b"}, out)
    assert {name: path.read_bytes() for name, path in taken.items()} == {
        "a/two": b"second",
        "b": b"",
    }
    assert len(list(out.iterdir())) == 2


def test_a_member_that_is_not_there_is_left_out(archive: Path, tmp_path: Path) -> None:
    assert take_members(archive, {"a", "c"}, tmp_path / "out") == {}


def test_a_leading_dot_makes_no_difference(tmp_path: Path) -> None:
    path = tmp_path / "archive.tgz"
    path.write_bytes(tarball({"./a/one": b"first"}))
    assert take_members(path, {"a/one"}, tmp_path / "out")["a/one"].read_bytes() == b"first"


def test_a_members_name_never_becomes_a_path(tmp_path: Path) -> None:
    path = tmp_path / "archive.tgz"
    path.write_bytes(tarball({"../evil": b"x"}))
    taken = take_members(path, {"../evil"}, tmp_path / "out")
    assert taken["../evil"].parent == tmp_path / "out"
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kept", [0, 10, 60])
def test_a_broken_archive_is_told_as_such(archive: Path, tmp_path: Path, kept: int) -> None:
    archive.write_bytes(archive.read_bytes()[:kept])
    with pytest.raises(SourceFailed, match="can't be unpacked"):
        take_members(archive, {"a/two"}, tmp_path / "out")


@given(content=st.binary(max_size=200), first=st.integers(0, 220), length=st.integers(1, 220))
def test_a_piece_is_what_a_slice_is(content: bytes, first: int, length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        member, target = Path(folder) / "member", Path(folder) / "target"
        member.write_bytes(content)
        cut(member, (first, first + length), target)
        assert target.read_bytes() == content[first : first + length]
        cut(member, None, target)
        assert target.read_bytes() == content
