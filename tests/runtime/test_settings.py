"""Layers, precedence, and a line for each problem."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, Field, SecretStr

from runtime.errors import UserError
from runtime.settings import Section, load

SECRET = "h]unter{2"


class File(Section):
    kind: Literal["file"]
    path: Path
    loop: int = 1


class Net(Section):
    kind: Literal["net"]
    url: str
    retry_s: float | None = 1.0


class Shape(Section):
    name: str
    kind: str


class Circle(Shape):
    kind: Literal["circle"]
    radius: float


class Square(Shape):
    kind: Literal["square"]
    side: float


def _of_its_kind(value: Any) -> Shape:
    kinds: dict[str, type[Shape]] = {"circle": Circle, "square": Square}
    return kinds[value["kind"]].model_validate(value)


class Camera(Section):
    source: Annotated[File | Net, Field(discriminator="kind")]
    gate: Literal["auto", "off"] = "auto"
    mask: tuple[tuple[float, float], ...] = ()


class Broker(Section):
    servers: str = "default:1"
    password: SecretStr | None = None
    port: int | None = None
    tags: tuple[str, ...] = ()


class Root(Section):
    broker: Broker = Broker()
    cameras: dict[str, Camera] = Field(default_factory=dict)
    # As the alert rules are: the class is chosen by a function, not by the type.
    shapes: tuple[Annotated[Shape, BeforeValidator(_of_its_kind)], ...] = ()
    must: int


Load = Callable[..., Root]


@pytest.fixture
def settings(tmp_path: Path) -> Load:
    def of(
        text: str = "must: 1\n",
        environment: dict[str, str] | None = None,
        overrides: dict[str, str] | None = None,
    ) -> Root:
        path = tmp_path / "f.yaml"
        path.write_text(text)
        return load(Root, path, environment=environment or {}, overrides=overrides or {})

    return of


@pytest.fixture
def problems(settings: Load) -> Callable[..., list[str]]:
    """What is said about settings that are wrong, the file's folder left out."""

    def of(*layers: object) -> list[str]:
        with pytest.raises(UserError) as raised:
            settings(*layers)
        return [line.rpartition("/")[2] for line in str(raised.value).splitlines()]

    return of


# ---------------------------------------------------------------- precedence


def test_the_default_counts_where_nothing_is_set(settings: Load) -> None:
    assert settings().broker.servers == "default:1"


def test_the_file_beats_the_default(settings: Load) -> None:
    assert settings("must: 1\nbroker: {servers: file:1}").broker.servers == "file:1"


def test_the_environment_beats_the_file(settings: Load) -> None:
    variables = {"ONEHERTZ_BROKER__SERVERS": "environment:1"}
    found = settings("must: 1\nbroker: {servers: file:1, port: 5}", variables)
    assert (found.broker.servers, found.broker.port) == ("environment:1", 5)


def test_the_command_line_beats_the_environment(settings: Load) -> None:
    variables = {"ONEHERTZ_BROKER__SERVERS": "environment:1"}
    found = settings("must: 1", variables, {"broker.servers": "command:1"})
    assert found.broker.servers == "command:1"


def test_settings_can_do_without_a_file() -> None:
    variables = {"ONEHERTZ_MUST": "3", "HOME": "/", "OTHER__THING": "x"}
    assert load(Root, None, environment=variables, overrides={}).must == 3


def test_variables_that_are_no_settings_are_left_alone(settings: Load) -> None:
    settings("must: 1", {"ONEHERTZ_CONFIG": "x", "ONEHERTZ_CACHE": "y", "ONEHERTZ_FAILPOINT": "z"})


# ---------------------------------------------------------------- values given as text


CAMERA = "must: 1\ncameras:\n  Yard-1.a:\n    source: {kind: net, url: x}\n"


def test_a_variable_finds_the_name_that_the_file_spells_otherwise(settings: Load) -> None:
    found = settings(CAMERA, {"ONEHERTZ_CAMERAS__YARD_1_A__SOURCE__URL": "y"})
    assert found.cameras["Yard-1.a"].source == Net(kind="net", url="y")


def test_a_part_of_a_list_can_be_set(settings: Load) -> None:
    found = settings(
        "must: 1\nshapes:\n- {name: a, kind: circle, radius: 1}\n",
        {"ONEHERTZ_SHAPES__0__NAME": "b"},
    )
    assert found.shapes[0].name == "b"


def test_null_lists_and_sections_can_be_given_as_text(settings: Load) -> None:
    found = settings(
        CAMERA,
        {"ONEHERTZ_BROKER": "{servers: 'a:1', port: 7}", "ONEHERTZ_BROKER__TAGS": "[x, y]"},
        {"broker.port": "null", "must": "5"},
    )
    assert found.broker == Broker(servers="a:1", port=None, tags=("x", "y"))
    assert found.must == 5


@pytest.mark.parametrize(
    "text", ["[abc", "{abc", "[a]", "{a: b}", "null", "5", "*x", "a: b", SECRET]
)
def test_a_value_that_is_text_is_taken_as_it_is(settings: Load, text: str) -> None:
    found = settings("must: 1", {"ONEHERTZ_BROKER__PASSWORD": text}, {"broker.servers": text})
    assert found.broker.password == SecretStr(text)
    assert found.broker.servers == text


def test_a_word_that_old_yaml_takes_for_false_is_a_word(settings: Load) -> None:
    text = "must: 1\ncameras:\n  a: {gate: off, source: {kind: net, url: x}}\n"
    assert settings(text).cameras["a"].gate == "off"
    assert settings(text, {"ONEHERTZ_CAMERAS__A__GATE": "off"}).cameras["a"].gate == "off"


def test_a_whole_section_that_is_set_replaces_what_the_file_said(
    problems: Callable[..., list[str]],
) -> None:
    said = problems("must: 1\nbroker:\n  port: x\n", {"ONEHERTZ_BROKER": "{port: y}"})
    assert said == [
        "environment ONEHERTZ_BROKER: broker.port: expected a valid integer, unable to parse "
        "string as an integer"
    ]


# ---------------------------------------------------------------- problems

EVERYTHING_WRONG = """\
brokr: 1
broker:
  port: many
  servrs: a:1
cameras:
  north:
    source:
      kind: file
      loop: often
      pth: x
    gate: of
  south:
    source: {kind: nett}
  east: {}
  west: 5
  up:
    source: {url: x}
shapes:
- name: a
  kind: circle
  radus: 1
- name: b
  kind: square
  sode: 2
"""


def test_all_problems_are_told_at_once_each_with_its_line(
    problems: Callable[..., list[str]],
) -> None:
    said = problems(EVERYTHING_WRONG, {"ONEHERTZ_BROKER__PROT": "1"}, {"broker.tags": "x"})
    assert sorted(said) == sorted(
        [
            "environment ONEHERTZ_BROKER__PROT: names no setting; did you mean "
            "ONEHERTZ_BROKER__PORT?",
            "--set broker.tags: broker.tags: expected a list",
            "f.yaml: must: this key is missing",
            "f.yaml:1: brokr: unknown key; did you mean 'broker'?",
            "f.yaml:3: broker.port: expected a valid integer, unable to parse string as an integer",
            "f.yaml:4: broker.servrs: unknown key; did you mean 'servers'?",
            "f.yaml:7: cameras.north.source.path: this key is missing",
            "f.yaml:9: cameras.north.source.loop: expected a valid integer, unable to parse string "
            "as an integer",
            "f.yaml:10: cameras.north.source.pth: unknown key; did you mean 'path'?",
            "f.yaml:11: cameras.north.gate: expected 'auto' or 'off'",
            "f.yaml:13: cameras.south.source: the key 'kind' must be one of 'file', 'net'",
            "f.yaml:14: cameras.east.source: this key is missing",
            "f.yaml:15: cameras.west: expected keys and values below it",
            "f.yaml:17: cameras.up.source: expected keys and values below it, one of them 'kind'",
            "f.yaml:19: shapes.0.radius: this key is missing",
            "f.yaml:22: shapes.1.side: this key is missing",
            "f.yaml:21: shapes.0.radus: unknown key; did you mean 'radius'?",
            "f.yaml:24: shapes.1.sode: unknown key; did you mean 'side'?",
        ]
    )


def test_only_keys_of_the_chosen_kind_are_suggested(problems: Callable[..., list[str]]) -> None:
    said = problems("must: 1\ncameras:\n  a:\n    source: {kind: net, url: x, pathh: y}\n")
    assert said == ["f.yaml:4: cameras.a.source.pathh: unknown key; known here: kind, retry_s, url"]


def test_a_key_that_comes_twice_is_told_with_its_second_line(
    problems: Callable[..., list[str]],
) -> None:
    assert problems("must: 1\nbroker:\n  port: 1\n  port: 2\n") == [
        "f.yaml:4: port: this key comes twice"
    ]


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("ONEHERTZ_BROKER_SERVERS", "; did you mean ONEHERTZ_BROKER__SERVERS?"),
        ("ONEHERTZ_BROCKER__SERVERS", "; did you mean ONEHERTZ_BROKER__SERVERS?"),
        ("ONEHERTZ_BROKER__SERVER", "; did you mean ONEHERTZ_BROKER__SERVERS?"),
        ("ONEHERTZ_BROKER__SERVERS__FIRST", ""),
        ("ONEHERTZ_CAMERAS__YARD_1_A__GTAE", "; did you mean ONEHERTZ_CAMERAS__YARD_1_A__GATE?"),
        ("ONEHERTZ_SHAPES__0__NAME", ""),
        ("ONEHERTZ_", ""),
        ("ONEHERTZ_XYZ", ""),
    ],
)
def test_a_variable_that_names_nothing_is_an_error_with_a_suggestion(
    problems: Callable[..., list[str]], variable: str, said: str
) -> None:
    assert problems(CAMERA, {variable: SECRET}) == [
        f"environment {variable}: names no setting{said}"
    ]


def test_an_override_that_names_nothing_is_an_error_with_a_suggestion(
    problems: Callable[..., list[str]],
) -> None:
    assert problems("must: 1", {}, {"broker.prot": SECRET}) == [
        "--set broker.prot: names no setting; did you mean broker.port?"
    ]


def test_text_that_is_no_value_is_told_without_it(problems: Callable[..., list[str]]) -> None:
    assert problems("must: 1", {"ONEHERTZ_BROKER__TAGS": f"[{SECRET}"}) == [
        "environment ONEHERTZ_BROKER__TAGS: expected a value such as 5, null, [a, b] or {a: b}"
    ]


def test_something_below_a_plain_value_can_not_be_set(problems: Callable[..., list[str]]) -> None:
    said = problems("must: 1\ncameras: 5\n", {"ONEHERTZ_CAMERAS__A__GATE": "off"})
    assert said[0] == "environment ONEHERTZ_CAMERAS__A__GATE: cameras.a has no such part to set"


@pytest.mark.parametrize(
    "text",
    [
        f"must: 1\nbroker: {{password: [{SECRET}]}}",
        f"must: 1\nbroker: {{password: {{a: '{SECRET}'}}}}",
        f"must: 1\nbroker: '{SECRET}'",
        f"must: '{SECRET}'",
        f"must: 1\nbroker: {{pasword: '{SECRET}'}}",
        f"must: 1\nbroker: {{port: '{SECRET}'}}",
        f"must: 1\ncameras: {{a: {{source: '{SECRET}'}}}}",
        f"must: 1\ncameras: ['{SECRET}']",
        f"'{SECRET}'",
        f"- '{SECRET}'",
    ],
)
def test_no_error_shows_a_value(problems: Callable[..., list[str]], text: str) -> None:
    assert SECRET not in "\n".join(problems(text))


def test_a_file_that_is_no_mapping_is_told(problems: Callable[..., list[str]]) -> None:
    assert problems("- a\n- b\n") == ["f.yaml: expected a mapping of sections, say 'cameras:'"]


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path: Path) -> None:
    def said(path: Path) -> str:
        with pytest.raises(UserError) as raised:
            load(Root, path, environment={}, overrides={})
        return str(raised.value)

    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"must: \xff")
    assert said(tmp_path / "none.yaml").endswith("none.yaml: there is no such file")
    assert said(binary).endswith("b.yaml: is no UTF-8 text (byte 6)")
    assert said(tmp_path).endswith("can't be read: Is a directory")


def test_without_a_file_a_missing_key_is_still_told() -> None:
    with pytest.raises(UserError, match=r"^settings: must: this key is missing$"):
        load(Root, None, environment={}, overrides={})


class Part(BaseModel):
    """Takes of the settings what it needs and lets the rest be."""

    broker: Broker = Broker()


def test_a_part_of_the_settings_lets_variables_of_other_parts_be() -> None:
    variables = {"ONEHERTZ_CAMERAS__A__GATE": "off", "ONEHERTZ_BROKER__PORT": "3"}
    assert load(Part, None, environment=variables, overrides={}).broker.port == 3
    with pytest.raises(UserError, match="names no setting; did you mean ONEHERTZ_BROKER__PORT"):
        load(Part, None, environment={"ONEHERTZ_BROKER__PROT": "3"}, overrides={})
