"""The catalogue that is shipped, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from onehertz.assets.catalogue import load_catalogue
from onehertz.assets.sources import ArchiveSource, ConversionSource, HttpsSource
from runtime.errors import UserError

ENTRY: dict[str, Any] = {
    "name": "one",
    "kind": "clip",
    "file": "one.avi",
    "about": "one",
    "sha256": "a" * 64,
    "size_bytes": 1,
    "licence": "CC0-1.0",
    "attribution": "nobody",
    "sources": [{"kind": "https", "url": "https://example.org/one.avi"}],
}


def written(tmp_path: Path, *entries: dict[str, Any]) -> Path:
    path = tmp_path / "catalogue.yaml"
    path.write_text(yaml.safe_dump({"assets": list(entries)}))
    return path


def test_the_demo_needs_the_detector_its_labels_and_two_clips() -> None:
    assert load_catalogue().default_names == (
        "ssd-mobilenetv2-oidv4",
        "ssd-mobilenetv2-oidv4-labels",
        "vtest",
        "tree",
    )


def test_what_the_demo_needs_comes_from_a_registry_and_from_its_publisher() -> None:
    catalogue = load_catalogue()
    for name in catalogue.default_names:
        kinds = [source.kind for source in catalogue.asset(name).sources]
        assert len(kinds) >= 2, name
        assert kinds[-1] == "https", name


def test_every_address_is_https() -> None:
    for asset in load_catalogue().assets:
        for source in asset.sources:
            if isinstance(source, HttpsSource):
                assert source.url.startswith("https://"), asset.name


def test_entries_of_one_archive_describe_it_alike() -> None:
    described: dict[str, ArchiveSource] = {}
    for asset in load_catalogue().assets:
        for source in asset.sources:
            if not isinstance(source, ArchiveSource):
                continue
            first = described.setdefault(source.archive, source)
            changes = {"member": first.member, "byte_range": first.byte_range}
            assert source.model_copy(update=changes) == first, asset.name


def test_pieces_are_as_long_as_their_assets() -> None:
    for asset in load_catalogue().assets:
        for source in asset.sources:
            piece = source.byte_range if isinstance(source, ArchiveSource) else None
            if piece:
                assert piece[1] - piece[0] == asset.size_bytes


def test_what_is_converted_is_in_the_catalogue_itself() -> None:
    catalogue = load_catalogue()
    of = {s.of for a in catalogue.assets for s in a.sources if isinstance(s, ConversionSource)}
    assert of
    for name in of:
        kinds = {source.kind for source in catalogue.asset(name).sources}
        assert "conversion" not in kinds  # no chains, so no circles


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match="did you mean 'vtest'"):
        load_catalogue().asset("vtset")


def test_a_name_like_no_other_is_answered_with_all_names() -> None:
    with pytest.raises(UserError, match=r"there are: .*tree"):
        load_catalogue().asset("???")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"licens": "CC0-1.0"}, r"assets\.0\.licens"),
        ({"licence": None}, r"assets\.0\.licence"),
        ({"sha256": "abc"}, r"assets\.0\.sha256"),
        ({"file": "../one.avi"}, r"assets\.0\.file"),
        ({"sources": []}, r"assets\.0\.sources"),
        ({"sources": [{"kind": "ftp"}]}, r"assets\.0\.sources\.0"),
        ({"sources": [{"kind": "https", "url": "http://example.org/x"}]}, r"https\.url"),
        ({"sources": [{"kind": "https", "url": "file:///etc/passwd"}]}, r"https\.url"),
        (
            {
                "sources": [
                    {
                        "kind": "deb",
                        "package": "p",
                        "archive_bytes": 1,
                        "member": "m",
                        "byte_range": [5, 5],
                    }
                ]
            },
            "first < end",
        ),
    ],
)
def test_a_wrong_entry_is_named_by_file_and_field(
    tmp_path: Path, change: dict[str, Any], complaint: str
) -> None:
    path = written(tmp_path, ENTRY | change)
    with pytest.raises(UserError, match=complaint) as caught:
        load_catalogue([path])
    assert str(path) in str(caught.value)


def test_a_right_entry_is_accepted(tmp_path: Path) -> None:
    assert load_catalogue([written(tmp_path, ENTRY)]).asset("one").file == "one.avi"


def test_two_assets_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two assets called 'one'"):
        load_catalogue([written(tmp_path, ENTRY, ENTRY)])


def test_a_file_that_is_no_yaml_or_not_there_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text("assets: [")
    with pytest.raises(UserError, match=r"broken\.yaml: is not YAML"):
        load_catalogue([broken])
    with pytest.raises(UserError, match=r"absent\.yaml: cannot be read"):
        load_catalogue([tmp_path / "absent.yaml"])
