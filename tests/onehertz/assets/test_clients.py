"""The registries' real clients (npm, pip, apt) against registries of our own on this machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from onehertz.assets import Catalogue, fetch
from onehertz.assets.catalogue import Asset
from onehertz.assets.client_process import Patience, run_client
from onehertz.assets.sources import SourceFailed
from runtime.errors import UserError
from tests.onehertz.assets.conftest import MakeAsset
from tests.onehertz.assets.servers import (
    FileServer,
    serve_deb,
    serve_npm_package,
    serve_wheel,
    sha256,
    tarball,
    wheel,
)

PACKAGE = "onehertz-test"
PACKED = b"labels" + b"weights" * 100
TARBALL = tarball({"package/package.json": b"{}", "package/packed.data": PACKED})
WHEEL = wheel("onehertz_test", "1.0", {"onehertz_test/clip.bin": b"a clip"})

needs_npm = pytest.mark.skipif(not shutil.which("npm"), reason="no npm on this machine")
needs_apt = pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="no apt on this machine"
)


def npm(first: int, end: int, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "npm",
        "package": PACKAGE,
        "version": "1.0.0",
        "archive_sha256": sha256(TARBALL),
        "archive_bytes": len(TARBALL),
        "member": "package/packed.data",
        "byte_range": [first, end],
        **changes,
    }


PYPI = {
    "kind": "pypi",
    "package": PACKAGE,
    "version": "1.0",
    "archive_sha256": sha256(WHEEL),
    "archive_bytes": len(WHEEL),
    "member": "onehertz_test/clip.bin",
}
DEB = {
    "kind": "deb",
    "package": PACKAGE,
    "archive_bytes": 1000,
    "member": "usr/share/onehertz-test/clip.bin",
}


@pytest.fixture
def npm_registry(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    monkeypatch.setenv("npm_config_registry", server.url("/"))
    monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
    serve_npm_package(server, PACKAGE, "1.0.0", TARBALL)
    return server


@pytest.fixture
def index(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", server.url("/simple/"))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    serve_wheel(server, PACKAGE, "1.0", WHEEL)
    return server


@pytest.fixture
def repository(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileServer:
    """An apt repository, on a machine on which `apt-get update` was never run."""
    sources, config = tmp_path / "sources.list", tmp_path / "apt.conf"
    sources.write_text(f"deb [trusted=yes] {server.url('')} ./\n")
    (tmp_path / "no-lists" / "partial").mkdir(parents=True)
    config.write_text(
        f'Dir::Etc::SourceList "{sources}";\nDir::Etc::SourceParts "/dev/null";\n'
        f'Dir::State::lists "{tmp_path}/no-lists";\n'
        'Acquire::http::Proxy::127.0.0.1 "DIRECT";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    tree = tmp_path / "deb"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        f"Package: {PACKAGE}\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: a test\n"
    )
    clip = tree / str(DEB["member"])
    clip.parent.mkdir(parents=True)
    clip.write_bytes(b"a clip")
    built = tmp_path / "built.deb"
    subprocess.run(["dpkg-deb", "--build", tree, built], check=True, capture_output=True)
    serve_deb(server, PACKAGE, built.read_bytes())
    return server


def fetched(asset: Asset, patience: Patience) -> bytes:
    return fetch([asset.name], catalogue=Catalogue((asset,)), patience=patience)[
        asset.name
    ].read_bytes()


@needs_npm
def test_all_assets_of_an_npm_package_come_with_one_download(
    cache: Path, npm_registry: FileServer, make_asset: MakeAsset, patience: Patience
) -> None:
    labels = make_asset("labels", PACKED[:6], npm(0, 6))
    weights = make_asset("weights", PACKED[6:], npm(6, len(PACKED)))
    catalogue = Catalogue((labels, weights))
    assert fetch(["weights"], catalogue=catalogue, patience=patience)["weights"].exists()
    assert fetch(["labels"], catalogue=catalogue)["labels"].read_bytes() == b"labels"
    assert len(npm_registry.requested(f"/npm/{PACKAGE}.tgz")) == 1
    left = {path.name for path in cache.rglob("*") if path.is_file()}
    assert left == {"lock", "labels.bin", "weights.bin"}


@needs_npm
def test_an_npm_package_of_another_hash_is_refused_for_the_publishers_file(
    cache: Path, npm_registry: FileServer, make_asset: MakeAsset, patience: Patience
) -> None:
    npm_registry.files["/labels"] = b"labels"
    publisher = {"kind": "https", "url": npm_registry.url("/labels")}
    wrong = npm(0, 6, archive_sha256="0" * 64)
    assert fetched(make_asset("labels", b"labels", wrong, publisher), patience) == b"labels"
    with pytest.raises(UserError, match="refused: the archive's sha256"):
        fetched(make_asset("others", b"other", wrong), patience)


@needs_npm
def test_an_npm_package_that_is_not_there_is_told_in_npms_words(
    cache: Path, npm_registry: FileServer, make_asset: MakeAsset, patience: Patience
) -> None:
    with pytest.raises(UserError, match=r"npm failed .*404"):
        fetched(make_asset("x", b"x", npm(0, 1, package="onehertz-absent")), patience)


def test_without_npm_a_pip_that_has_none_either_is_told(
    cache: Path,
    index: FileServer,
    make_asset: MakeAsset,
    patience: Patience,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="no npm on this machine, and none by pip: "):
        fetched(make_asset("labels", PACKED[:6], npm(0, 6)), patience)


def test_a_member_of_a_wheel_comes_through_pip(
    cache: Path, index: FileServer, make_asset: MakeAsset, patience: Patience
) -> None:
    assert fetched(make_asset("clip", b"a clip", PYPI), patience) == b"a clip"


def test_a_wheel_without_the_member_is_told_and_a_wheel_that_is_not_there_too(
    cache: Path, index: FileServer, make_asset: MakeAsset, patience: Patience
) -> None:
    with pytest.raises(UserError, match=r"has no onehertz_test/absent\.bin in it"):
        fetched(
            make_asset("clip", b"a clip", PYPI | {"member": "onehertz_test/absent.bin"}), patience
        )
    with pytest.raises(UserError, match=r"pip failed \(1\): .*No matching distribution"):
        fetched(make_asset("clip", b"a clip", PYPI | {"version": "2.0"}), patience)


@needs_apt
def test_a_member_of_a_debian_package_comes_through_apt_on_a_machine_without_lists(
    cache: Path, repository: FileServer, make_asset: MakeAsset, patience: Patience
) -> None:
    assert fetched(make_asset("clip", b"a clip", DEB), patience) == b"a clip"
    assert {path.name for path in cache.rglob("*") if path.is_file()} == {"lock", "clip.bin"}


@needs_apt
def test_a_debian_package_that_is_not_there_is_told_in_apts_words(
    cache: Path, repository: FileServer, make_asset: MakeAsset, patience: Patience
) -> None:
    with pytest.raises(UserError, match="Unable to locate package onehertz-absent"):
        fetched(make_asset("clip", b"a clip", DEB | {"package": "onehertz-absent"}), patience)


def test_a_machine_without_apt_goes_on_to_the_publisher(
    cache: Path,
    server: FileServer,
    make_asset: MakeAsset,
    patience: Patience,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    server.files["/clip"] = b"a clip"
    publisher = {"kind": "https", "url": server.url("/clip")}
    assert fetched(make_asset("clip", b"a clip", DEB, publisher), patience) == b"a clip"
    with pytest.raises(UserError, match="no apt-get on this machine"):
        fetched(make_asset("other", b"other", DEB), patience)


@needs_npm
def test_a_registry_that_never_answers_is_left_after_the_silence(
    cache: Path, make_asset: MakeAsset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        monkeypatch.setenv("npm_config_userconfig", str(tmp_path / "npmrc"))
        with pytest.raises(UserError, match=r"npm wrote nothing for 0\.5 s and was ended"):
            fetched(make_asset("x", b"x", npm(0, 1)), Patience(silence_s=0.5))


def test_a_silent_client_is_ended_with_its_children(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        # Parent and child hold a connection that closes once both are dead.
        port = listener.getsockname()[1]
        script = f"exec 3<>/dev/tcp/127.0.0.1/{port}; sleep 600 & sleep 600"
        with pytest.raises(SourceFailed, match="bash wrote nothing"):
            run_client("bash", ["bash", "-c", script], tmp_path, patience=Patience(silence_s=0.5))
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10)
            assert connection.recv(1) == b""


def test_a_failing_client_is_quoted_without_credentials(tmp_path: Path) -> None:
    script = "echo fetching https://me:secret@example.org/x; echo E: no such thing >&2; exit 3"
    with pytest.raises(SourceFailed) as caught:
        run_client("bash", ["bash", "-c", script], tmp_path, patience=Patience())
    told = str(caught.value)
    assert told == "bash failed (3): fetching https://example.org/x | E: no such thing"


def test_a_client_that_writes_is_watched(tmp_path: Path) -> None:
    reached: list[int] = []
    # It ends only once its growth has been seen.
    script = "printf 12345678 > data; until [ -e seen ]; do :; done"

    def see(size: int) -> None:
        reached.append(size)
        (tmp_path / "seen").touch()

    run_client(
        "bash", ["bash", "-c", script], tmp_path, patience=Patience(silence_s=30), reached=see
    )
    assert reached[0] == 8
