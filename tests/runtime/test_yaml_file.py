"""YAML with lines, and errors that say where."""

from __future__ import annotations

import pytest

from runtime.errors import UserError
from runtime.yaml_file import parse_yaml


def values(text: str) -> object:
    return parse_yaml(text, "f.yaml")[0]


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("010", 10),
        ("0x10", 16),
        ("0o10", 8),
        ("2026-01-01", "2026-01-01"),
        ("2026-13-45", "2026-13-45"),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
        ("1.", 1.0),
        ("True", True),
        ("~", None),
        ("", None),
        ('"5"', "5"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_a_plain_word_means_what_yaml_1_2_says(word: str, value: object) -> None:
    assert values(f"a: {word}") == {"a": value}


def test_keys_are_text_whatever_they_look_like() -> None:
    assert values("{1: a, on: b, null: c, 2026-01-01: d}") == {
        "1": "a",
        "on": "b",
        "null": "c",
        "2026-01-01": "d",
    }


def test_each_key_and_each_item_has_its_line() -> None:
    _, lines = parse_yaml("a:\n  b: 1\nc:\n- 1\n- d: 2\n", "f.yaml")
    assert lines == {
        ("a",): 1,
        ("a", "b"): 2,
        ("c",): 3,
        ("c", 0): 4,
        ("c", 1): 5,
        ("c", 1, "d"): 5,
    }


def test_merged_defaults_give_way_and_have_the_line_where_they_were_written() -> None:
    found, lines = parse_yaml(
        "base: &base\n  x: 1\n  y: 2\nother: &other {x: 7, z: 3}\n"
        "here:\n  y: 5\n  <<: [*base, *other]\n",
        "f.yaml",
    )
    assert found["here"] == {"x": 1, "y": 5, "z": 3}
    assert lines[("here", "y")] == 6
    assert lines[("here", "x")] == 2


def test_what_an_alias_gives_is_a_copy() -> None:
    found, _ = parse_yaml("a: &a {x: 1}\nb: *a\n", "f.yaml")
    assert found["a"] == found["b"]
    assert found["a"] is not found["b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: this key comes twice"),
        ("a:\n  b: 1\n  b: 2\n", "f.yaml:3: b: this key comes twice"),
        ("rules: &a [*a]", "f.yaml:1: an alias"),
        ("{[1]: 2}", "f.yaml:1: a key must be text"),
        ("{{a: 1}: 2}", "f.yaml:1: a key must be text"),
        ("a: !!python/object:os.system x", "f.yaml:1: tags"),
        ("a: !!timestamp x", "f.yaml:1: tags"),
        ("a: !!set {x}", "f.yaml:1: tags"),
        ("a: !!int x", "f.yaml:1: no number"),
        ("a: " + "9" * 5000, "f.yaml:1: no number"),
        ("a:\n\tb: 1", "f.yaml:2: not YAML: found character '\\t'"),
        ("a: [1, 2", "f.yaml:1: not YAML"),
        ("a: 1\n---\nb: 2", "f.yaml:2: not YAML"),
        ("a: *b", "f.yaml:1: not YAML: found undefined alias"),
        ("a: \x00", "f.yaml: not YAML"),
        ("<<: 5", "f.yaml:1: <<: expected"),
        ("[" * 1_000, "f.yaml: not readable: nested too deeply"),
    ],
)
def test_what_is_no_settings_file_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_yaml(text, "f.yaml")
    assert str(raised.value).startswith(said)


def test_a_few_aliases_can_not_fill_the_memory() -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(UserError, match="more than 200000 values"):
        parse_yaml("l0: &l0 [1]\n" + "\n".join(levels), "f.yaml")


@pytest.mark.parametrize(
    "line",
    [
        "p: *hunter2",
        "p: !hunter2 x",
        "p: !hunter2!x y",
        "p: [hunter2",
        "p: 'hunter2",
        'p: "hunter2\\q"',
        "p: hunter2: x",
        "p: %hunter2",
        "%hunter2",
        "p: {hunter2: *hunter2}",
        "p: &hunter2 *hunter2",
        "p: |hunter2",
        "p: @hunter2",
    ],
)
def test_broken_yaml_is_told_without_its_values(line: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_yaml(f"a: 1\n{line}\n", "f.yaml")
    assert "hunter2" not in str(raised.value)
