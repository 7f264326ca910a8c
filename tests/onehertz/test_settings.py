"""`onehertz.yaml` as a whole: whatever is in it, it is settings or a UserError."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from onehertz.settings import Settings
from runtime.errors import UserError
from runtime.settings import load

GOOD = """\
cameras:
  north:
    source: {kind: video, path: clips/north.mp4, start_s: 2}
    interval_s: 1.0
    start_at: 2026-01-01T12:00:00Z
    gate: off
    mask:
    - [[0, 0], [0.5, 0], [0.5, 0.5]]
  south:
    source: {kind: street, seed: 7}
    speed: null
  east:
    source:
      kind: images
      path: frames
rules:
- name: somebody
  kind: presence
  cameras: [north, south]
  labels: [Person]
  for_s: 5
line: {prefix: test., partitions: 4}
kafka:
  bootstrap_servers: a:9092,b:9092
  security_protocol: SASL_SSL
  sasl_username: me
  sasl_password: hunter2hunter2
sql:
  dsn: postgresql://me:hunter2hunter2@db/onehertz
log: {format: json, level: debug}
health: {port: 0}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "onehertz.yaml"


def read(path: Path, text: str) -> Settings:
    path.write_text(text, encoding="utf-8")
    return load(Settings, path, environment={}, overrides={})


def problems(path: Path, text: str) -> list[str]:
    with pytest.raises(UserError) as raised:
        read(path, text)
    return str(raised.value).replace(f"{path}", "file").splitlines()


def test_a_camera_in_tiles_is_told_to_the_worker_and_its_larger_frames_to_the_gate(
    file: Path,
) -> None:
    text = "cameras:\n  far: {source: {kind: street}, tiles: 2x3}\n  near: {source: {kind: street}}"
    settings = read(file, text)
    assert settings.grids == {"far": (2, 3)}
    assert settings.magnified == {"far": 3}
    assert "cameras.far.tiles" in problems(file, text.replace("2x3", "2x30"))[0]


def test_a_whole_configuration_is_read(file: Path) -> None:
    settings = read(file, GOOD)
    assert set(settings.cameras) == {"north", "south", "east"}
    assert settings.ungated == {"north"}
    assert settings.rules[0].name == "somebody"
    assert settings.line.topic("frames-raw") == "test.frames-raw"


def test_an_empty_file_is_all_defaults(file: Path) -> None:
    assert read(file, "") == Settings() == load(Settings, None, environment={}, overrides={})


def test_settings_do_not_show_their_secrets(file: Path) -> None:
    settings = read(file, GOOD)
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: street, seed: 7", "kind: street, sed: 7", "file:10: cameras.south.source.sed"),
        ("seed: 7", "path: x", "file:10: cameras.south.source.path: unknown key; known here"),
        ("kind: street", "kind: stret", "file:10: cameras.south.source: the key 'kind' must be"),
        ("labels: [Person]", "lables: [Person]", "file:20: rules.0.lables: unknown key; did you"),
        ("[north, south]", "[north, suoth]", "file:19: rules.0.cameras.1: there is no camera"),
        ("kind: presence", "kind: absense", "file:18: rules.0.kind: 'absense' is no kind of rule"),
        ("start_at: 2026-01-01T12:00:00Z", "start_at: then", "file:5: cameras.north.start_at: "),
        ("[0.5, 0.5]]", "[0.5]]", "file:8: cameras.north.mask.0.2.1: this list is too short"),
        ("for_s: 5", "for_s: .nan", "file:21: rules.0.for_s: expected a finite number"),
        ("a:9092,b:9092", "a:9092, b", "file:24: kafka.bootstrap_servers: expected host:port"),
        ("sasl_username: me", "sasl_password_file: x", "file:23: kafka: give either"),
        ("  sasl_username: me\n", "", "file:23: kafka: security_protocol SASL_SSL needs"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_key(
    file: Path, old: str, new: str, said: str
) -> None:
    assert old in GOOD
    found = problems(file, GOOD.replace(old, new))
    assert any(line.startswith(said) for line in found), found
    assert "hunter2" not in "".join(found)


NAMES = st.sampled_from(sorted(set("".join(c if c.isalnum() else " " for c in GOOD).split())))
SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), NAMES, st.text(max_size=10), st.dates()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)


@st.composite
def garbled(draw: st.DrawFn) -> str:
    """The good file with a few pieces cut out, doubled, moved or replaced by others."""
    text = GOOD
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 12)))
        piece = draw(
            st.one_of(st.just(""), st.text(max_size=4), NAMES, st.sampled_from(":-[]{}&*!\n "))
        )
        text = text[:begin] + piece + text[end:]
    return text


@st.composite
def wrong_value(draw: st.DrawFn) -> str:
    """The good file with one value, somewhere, of another kind."""
    data = yaml.safe_load(GOOD)
    node: Any = {"root": data}
    key: Any = "root"
    while isinstance(node[key], dict | list) and node[key] and draw(st.integers(0, 4)):
        node = node[key]
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    node[key] = draw(VALUES)
    return str(yaml.safe_dump(data, allow_unicode=True))


def what_is_said(path: Path, **layers: dict[str, str]) -> str:
    """Nothing where the settings are good. Any exception but a UserError fails the test."""
    try:
        load(Settings, path, environment=layers["environment"], overrides=layers["overrides"])
    except UserError as error:
        return str(error)
    return ""


@given(text=garbled() | wrong_value() | VALUES.map(yaml.safe_dump))
@example(text="rules: [2026-13-45]")
@example(text="rules: &a [*a]")
@example(text="{[1]: 2}")
@example(text="? [a]\n: b")
@example(text="cameras: {? {a: b} : c}")
@example(text="kafka: !!binary x")
def test_any_file_is_settings_or_a_user_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    said = what_is_said(path, environment={}, overrides={})
    assert all(line.startswith(str(path)) for line in said.splitlines()), said


@given(
    name=st.lists(NAMES | st.sampled_from(["0", "north", "cameras", "rules", "kafka"]), min_size=1),
    value=st.text(max_size=20) | VALUES.map(yaml.safe_dump),
)
def test_any_override_is_settings_or_a_user_error(
    tmp_path_factory: pytest.TempPathFactory, name: list[str], value: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "good.yaml"
    path.write_text(GOOD)
    variable, dotted = "ONEHERTZ_" + "__".join(name).upper(), ".".join(name)
    said = what_is_said(path, environment={variable: value}, overrides={dotted: value})
    places = (str(path), f"environment {variable}: ", f"--set {dotted}: ")
    assert all(line.startswith(places) for line in said.splitlines()), said
