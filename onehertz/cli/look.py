"""Look at what travels: `alerts tail`, `detections tail`, `frames save`, `dlq list|replay`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click
import msgspec
from confluent_kafka import Message

from onehertz.cli.options import with_settings
from onehertz.look import Span, messages
from onehertz.settings import Settings
from runtime.dead_letters import Letter, read_letter
from runtime.errors import FatalError, UserError
from runtime.kafka import received
from runtime.lifecycle import EXIT_FAILED
from runtime.sender import Sender
from runtime.topics import check_topics
from schemas.catalogue import DLQ_SUFFIX
from schemas.codec import decode_alert, decode_raw, decode_result
from schemas.errors import DecodeError, InvalidMessage
from schemas.messages import AlertRecord, Captured, Inferred, ResultRecord, Unchanged

_FLUSH_S = 30.0

camera_option = click.option("--camera", help="Only this camera.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
begin_option = click.option("--from-beginning", is_flag=True, help="All that the topic still has.")
count_option = click.option("--count", type=click.IntRange(1), help="Stop after so many.")
follow_option = click.option(
    "--follow/--no-follow", default=True, show_default=True, help="Wait for what comes next."
)


def _read(settings: Settings, name: str, span: Span, camera: str | None) -> Iterator[Message]:
    check_topics(settings.kafka, settings.line, [name])
    line = settings.line
    for message in messages(settings.kafka, line.topic(name), line.partitions, span):
        if camera is None or received(message).key == camera.encode():
            yield message


def _tell_strange(error: DecodeError) -> None:
    click.echo(f"(not a record of ours: {error})", err=True)


# ---------------------------------------------------------------- alerts, detections


@click.group()
def alerts() -> None:
    """Alerts as they are raised and cleared."""


@alerts.command("tail", epilog="Example: onehertz alerts tail --from-beginning --no-follow --json")
@with_settings
@camera_option
@begin_option
@follow_option
@count_option
@json_option
def tail_alerts(
    settings: Settings,
    camera: str | None,
    from_beginning: bool,
    follow: bool,
    count: int | None,
    as_json: bool,
) -> None:
    """Print alerts, one a line; with --json their payload."""
    span = Span(from_beginning, follow)
    for message in islice(_read(settings, "alerts", span, camera), count):
        try:
            alert = decode_alert(received(message))
        except DecodeError as error:
            _tell_strange(error)
            continue
        click.echo(msgspec.json.encode(alert) if as_json else _alert_line(alert))


def _alert_line(alert: AlertRecord) -> str:
    change = type(alert).__name__.lower()
    late = " (late)" if alert.late else ""
    return f"{alert.at.isoformat()} {change:<8} {alert.rule} on {alert.camera}: {alert.text}{late}"


@click.group()
def detections() -> None:
    """What the model sees, tick by tick."""


@detections.command("tail", epilog="Example: onehertz detections tail --camera north --count 10")
@with_settings
@camera_option
@begin_option
@follow_option
@count_option
@json_option
def tail_detections(
    settings: Settings,
    camera: str | None,
    from_beginning: bool,
    follow: bool,
    count: int | None,
    as_json: bool,
) -> None:
    """Print ticks, one a line; with --json their payload, fit for `onehertz rules replay`."""
    span = Span(from_beginning, follow)
    for message in islice(_read(settings, "detections", span, camera), count):
        try:
            record = decode_result(received(message))
        except DecodeError as error:
            _tell_strange(error)
            continue
        click.echo(msgspec.json.encode(record) if as_json else _result_line(record))


def _result_line(record: ResultRecord) -> str:
    head = f"{record.captured_at.isoformat()} {record.camera:<16} {record.status:<9}"
    if isinstance(record, Inferred):
        boxes = ", ".join(f"{box.label} {box.score:.2f}" for box in record.boxes) or "nothing"
        return f"{head} {boxes}"
    return f"{head} {record.same_as if isinstance(record, Unchanged) else record.reason}"


# ---------------------------------------------------------------- frames


@click.group()
def frames() -> None:
    """Captured frames, as long as frames-raw keeps them."""


@frames.command(epilog="Example: onehertz frames save --camera north --folder pictures --count 5")
@with_settings
@click.option("--camera", required=True, help="Of this camera.")
@click.option("--frame", "wanted", help="Only the frame with this id, say north@1767225600000000.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), default=Path(),
              help="Where to put them; default: here.")  # fmt: skip
@begin_option
@follow_option
@count_option
def save(
    settings: Settings,
    camera: str,
    wanted: str | None,
    folder: Path,
    from_beginning: bool,
    follow: bool,
    count: int | None,
) -> None:
    """Save frames as JPEG files, named by their capture time. Exit code 1 if there was none."""
    span = Span(from_beginning or wanted is not None, follow and wanted is None)
    pictures = _captured(settings, span, camera, wanted)
    saved = 0
    for record in islice(pictures, 1 if wanted else count):
        path = folder / f"{record.camera}-{record.captured_at:%Y%m%dT%H%M%S.%fZ}.jpg"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(record.jpeg)
        except OSError as error:
            raise UserError(f"{path}: can't be written: {error.strerror}") from None
        click.echo(path)
        saved += 1
    if not saved:
        click.echo(f"no frame of {camera}: {wanted or 'none captured'} on frames-raw", err=True)
        raise click.exceptions.Exit(EXIT_FAILED)


def _captured(
    settings: Settings, span: Span, camera: str, wanted: str | None
) -> Iterator[Captured]:
    for message in _read(settings, "frames-raw", span, camera):
        try:
            record = decode_raw(received(message))
        except DecodeError:
            continue  # the dead letters have it
        if isinstance(record, Captured) and wanted in (None, record.frame):
            yield record


# ---------------------------------------------------------------- dead letters


@click.group()
def dlq() -> None:
    """Dead letters: messages that no retry could help, and why."""


@dlq.command("list", epilog="Example: onehertz dlq list --json")
@with_settings
@json_option
def list_letters(settings: Settings, as_json: bool) -> None:
    """Show all dead letters with their origin and reason."""
    for letter in _letters(settings):
        if as_json:
            click.echo(json.dumps(_letter_row(letter)))
        else:
            where = f"{letter.origin.topic}[{letter.origin.partition}]@{letter.origin.offset}"
            click.echo(f"{where} {letter.reason}: {letter.detail} (by {letter.stage})")


@dlq.command(epilog="Example: onehertz dlq replay --reason undecodable --dry-run")
@with_settings
@click.option("--reason", help="Only those with this reason.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
def replay(settings: Settings, reason: str | None, dry_run: bool) -> None:
    """Send dead letters back to the topic that they came from, as they came.

    After a repair of what made them fail. One that has failed several times, because it was sent
    back before, goes once. A tick whose time has passed meanwhile becomes *rejected: late* if it
    was not known, and changes nothing if it was.
    """
    sender = Sender(settings.kafka)
    sent = 0
    for letter in _different(
        letter for letter in _letters(settings) if reason in (None, letter.reason)
    ):
        if not dry_run:
            sender.send(letter.origin.topic, letter.original, partition=letter.origin.partition)
        sent += 1
    unsure = sender.flush(_FLUSH_S)
    if unsure:
        raise FatalError(
            f"Kafka has not acknowledged {unsure} of {sent} messages within {_FLUSH_S:.0f} s: they "
            "may or may not be there; sending them back again does no harm"
        )
    what = "1 dead letter" if sent == 1 else f"{sent} dead letters"
    click.echo(f"{'to be sent back' if dry_run else 'sent back'}: {what}")


def _different(letters: Iterable[Letter]) -> Iterator[Letter]:
    """Letters with the same message, for the same partition, once."""
    seen = set()
    for letter in letters:
        key, value, headers = letter.original
        digest = hashlib.sha256(value).digest()  # instead of the picture itself
        content = (letter.origin[:2], key, digest, tuple(headers))
        if content not in seen:
            seen.add(content)
            yield letter


def _letters(settings: Settings) -> Iterator[Letter]:
    names = [name for name in settings.line.topics() if name.endswith(DLQ_SUFFIX)]
    check_topics(settings.kafka, settings.line, names)
    span = Span(from_beginning=True, follow=False)
    line = settings.line
    for name in names:
        for message in messages(settings.kafka, line.topic(name), line.partitions, span):
            try:
                yield read_letter(received(message))
            except InvalidMessage as error:
                click.echo(f"(no dead letter of ours on {name}: {error})", err=True)


def _letter_row(letter: Letter) -> dict[str, Any]:
    return {
        "topic": letter.origin.topic,
        "partition": letter.origin.partition,
        "offset": letter.origin.offset,
        "stage": letter.stage,
        "reason": letter.reason,
        "detail": letter.detail,
        "key": str(letter.original.key, "utf-8", "replace"),
        "bytes": len(letter.original.value),
    }
