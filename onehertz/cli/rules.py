"""`onehertz rules`: check a file of alert rules, and try it on detections, without the line."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import click
import msgspec
from pydantic import ValidationError

from runtime.errors import UserError
from runtime.settings import Layers, explain
from schemas.messages import AlertRecord, ResultRecord
from sinks.alerts.engine import CameraRules
from sinks.alerts.kinds import Rule
from sinks.alerts.rules import RulesFile, check_cameras

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_RECORD: msgspec.json.Decoder[ResultRecord] = msgspec.json.Decoder(ResultRecord)


@click.group("rules")
def rules() -> None:
    """Check and try alert rules."""


@rules.command("check", epilog="Example: onehertz rules check rules.yaml --camera yard")
@click.argument("file", type=FILE)
@click.option("--camera", "cameras", multiple=True, help="A camera id that exists. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(file: Path, cameras: tuple[str, ...], as_json: bool) -> None:
    """Say what each rule of FILE does, or what is wrong with it and in which line (exit code 2).

    With --camera, rules for any other camera are errors too; FILE may also be the settings of an
    installation (onehertz.yaml): then its own cameras are the known ones.
    """
    found = load_rules(file, cameras or None)
    if as_json:
        said = [{"name": r.name, "kind": r.kind, "does": r.sentence()} for r in found]
        click.echo(json.dumps({"ok": True, "rules": said}))
        return
    click.echo(f"OK: {len(found)} {'rule' if len(found) == 1 else 'rules'} in {file}")
    for rule in found:
        click.echo(f"{rule.name}: {rule.sentence()}")


@rules.command(
    "replay", epilog="Example: onehertz rules replay --rules rules.yaml --detections day.jsonl"
)
@click.option("--rules", "rules_file", required=True, type=FILE, help="YAML file of rules.")
@click.option(
    "--detections",
    required=True,
    type=FILE,
    help="Payloads of the topic `detections`, one JSON object a line, each camera's in order.",
)
def replay(rules_file: Path, detections: Path) -> None:
    """Print the alerts that rules raise and clear on recorded detections.

    One line of JSON for each change of an alert: the payload of the topic `alerts`.
    """
    found = load_rules(rules_file)
    for change in replayed(found, detections):
        click.echo(msgspec.json.encode(change))


def replayed(found: Collection[Rule], detections: Path) -> Iterator[AlertRecord]:
    """The alert changes of a file of detections, in the file's order. Raises UserError."""
    cameras: dict[str, CameraRules] = {}
    with detections.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            record = _record(line, f"{detections}:{number}")
            if record.camera not in cameras:
                cameras[record.camera] = CameraRules(record.camera, found)
            yield from cameras[record.camera].take(record, partition=None, offset=number - 1)


def _record(line: bytes, where: str) -> ResultRecord:
    try:
        return _RECORD.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(
            f"{where}: {error}: expected the payload of one `detections` record, as "
            "`onehertz detections tail` prints it"
        ) from None


def load_rules(file: Path, cameras: Collection[str] | None = None) -> tuple[Rule, ...]:
    """The rules of a YAML file. With `cameras`, rules for others are refused.

    A file with the key `cameras` is an installation's settings: its rules are checked against its
    cameras, its other sections are for `onehertz config check`.
    Raises UserError: for each mistake a line `file:line: key: what is wrong`.
    """
    layers = Layers()
    layers.add_file(file)
    data = layers.data
    if "rules" not in data:
        raise UserError(f"{file}: the key 'rules' is missing: a file of rules begins with 'rules:'")
    if isinstance(data.get("cameras"), Mapping):
        # None there: a host that runs only sinks may leave the cameras to the producers' files.
        cameras = cameras or [str(camera) for camera in data["cameras"]] or None
        data = {"rules": data["rules"]}
    try:
        found = RulesFile.model_validate(data).rules
        if cameras is not None:
            check_cameras(found, cameras)
    except ValidationError as error:
        raise UserError(explain(error, RulesFile, layers)) from None
    return found
