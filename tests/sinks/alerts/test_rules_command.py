"""`onehertz rules check` and `replay`."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from onehertz.cli.main import main
from onehertz.cli.rules import rules
from runtime.errors import UserError
from schemas.messages import AlertRecord, ResultRecord
from tests.sinks.alerts.records import (
    box,
    inferred,
    missing,
    nobody,
    person,
    presence,
    run,
    story,
    unchanged,
)

GOOD = """\
rules:
  - name: person
    kind: presence
    cameras: [yard]
    labels: person
    for_s: 3
    clear_after_s: 0
"""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(rules, [str(argument) for argument in arguments])


def refusal(*arguments: object) -> str:
    """What the user is told; the root command turns a UserError into its text and exit code 2."""
    result = invoke(*arguments)
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


@pytest.fixture
def rules_file(tmp_path: Path) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(GOOD)
    return file


def detections_file(folder: Path, *records: ResultRecord) -> Path:
    file = folder / "detections.jsonl"
    file.write_bytes(b"\n".join(msgspec.json.encode(record) for record in records) + b"\n\n")
    return file


def test_good_rules_are_explained(rules_file: Path) -> None:
    result = invoke("check", rules_file)
    assert result.exit_code == 0
    assert result.output == (
        f"OK: 1 rule in {rules_file}\n"
        "person: on yard, raises a warning when person is in the picture for 3 s; ends at the "
        "first tick at which that is not so\n"
    )


def test_check_prints_json(rules_file: Path) -> None:
    answer = json.loads(invoke("check", rules_file, "--json").output)
    assert answer["ok"] is True
    assert [(rule["name"], rule["kind"]) for rule in answer["rules"]] == [("person", "presence")]


def test_each_mistake_has_its_file_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(
        GOOD
        + """\
    zone:
      points:
        - [0, 0]
        - [1.2, 0]
        - [0, 1]
    colour: red
  - name: person
    kind: presence
    cameras: all
    labels: person
  - kind: presense
"""
    )
    assert refusal("check", file).splitlines() == [
        f"{file}:11: rules.0.zone.points.1: point 2 (1.2, 0) is outside of the picture: x and y "
        "are fractions of its width and height, 0 to 1",
        f"{file}:13: rules.0.colour: unknown key; known here: cameras, clear_after_s, cooldown_s, "
        "for_s, kind, labels, max_gap_s, min_confidence, name, severity, text, zone",
        f"{file}:14: rules.1.for_s: this key is missing",
        f"{file}:18: rules.2.kind: 'presense' is no kind of rule; there are: presence",
    ]


def test_two_rules_of_one_name_are_found_in_their_line(rules_file: Path) -> None:
    rules_file.write_text(GOOD + GOOD.removeprefix("rules:\n"))
    assert refusal("check", rules_file).startswith(f"{rules_file}:8: rules.1.name: rule 1 is named")


def test_unknown_cameras_are_mistakes_if_the_cameras_are_told(rules_file: Path) -> None:
    assert invoke("check", rules_file, "--camera", "yard").exit_code == 0
    told = refusal("check", rules_file, "--camera", "gate")
    assert told == f"{rules_file}:4: rules.0.cameras.0: there is no camera 'yard'; there are: gate"


def test_the_settings_of_an_installation_can_be_checked_too(rules_file: Path) -> None:
    rules_file.write_text(GOOD + "cameras:\n  yard: {}\nkafka: {}\n")
    assert invoke("check", rules_file).exit_code == 0
    rules_file.write_text(GOOD + "cameras:\n  door: {}\n")
    assert "there is no camera 'yard'; there are: door" in refusal("check", rules_file)
    rules_file.write_text(GOOD + "cameras: {}\n")
    assert invoke("check", rules_file).exit_code == 0
    rules_file.write_text(GOOD + "kafka: {}\n")
    assert f"{rules_file}:8: kafka: unknown key" in refusal("check", rules_file)


def test_a_mistake_is_exit_code_2_and_a_line_without_a_traceback(
    rules_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rules_file.write_text(GOOD.replace("3", "three"))
    monkeypatch.setattr("sys.argv", ["onehertz", "rules", "check", str(rules_file)])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"onehertz: {rules_file}:6: rules.0.for_s: expected a valid number")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the key 'rules' is missing"),
        ("- name: x\n", "expected a mapping"),
        ("rule: []\n", "the key 'rules' is missing"),
        ("rules: [\n", ":2: not YAML"),
        ("rules: 5\n", ":1: rules: expected a list"),
    ],
)
def test_what_is_no_file_of_rules_is_told_in_a_line(
    rules_file: Path, text: str, message: str
) -> None:
    rules_file.write_text(text)
    told = refusal("check", rules_file)
    assert str(rules_file) in told
    assert message in told
    assert "\n" not in told


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    result = invoke("check", tmp_path / "none.yaml")
    assert result.exit_code == 2
    assert "does not exist" in result.output


def test_replay_prints_the_alerts_of_all_cameras(rules_file: Path, tmp_path: Path) -> None:
    rules_file.write_text(GOOD.replace("[yard]", "[yard, gate]"))
    yard = [person(0), person(3), missing(4), nobody(5)]
    detections = detections_file(
        tmp_path,
        yard[0],
        inferred(0, box(), camera="gate"),
        *yard[1:],
        unchanged(6, 0, camera="gate"),
    )
    result = invoke("replay", "--rules", rules_file, "--detections", detections)
    assert result.exit_code == 0
    changes = [msgspec.json.decode(line, type=AlertRecord) for line in result.output.splitlines()]
    assert [change.camera for change in changes] == ["yard", "yard", "gate"]
    assert story(changes) == [("raised", 3, 0), ("cleared", 5, 5), ("raised", 6, 0)]
    expected = [msgspec.structs.replace(c, partition=None) for c in run([presence()], yard)]
    assert changes[:2] == expected


@pytest.mark.parametrize("line", [b"{", b"{}", b'{"status":"kept"}', b"\xff", b"[" * 5000])
def test_a_line_that_is_no_detection_is_told_with_its_number(
    rules_file: Path, tmp_path: Path, line: bytes
) -> None:
    detections = detections_file(tmp_path, person(0))
    detections.write_bytes(detections.read_bytes() + line)
    told = refusal("replay", "--rules", rules_file, "--detections", detections)
    assert told.startswith(f"{detections}:3: ")


@pytest.mark.parametrize("command", ["check", "replay"])
def test_help_has_an_example(command: str) -> None:
    assert f"Example: onehertz rules {command}" in invoke(command, "--help").output
