"""`onehertz verify`, and topics that have lost their beginning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from confluent_kafka import TopicPartition

from onehertz.cli.main import cli
from runtime.errors import UserError
from runtime.kafka import admin_client
from tests.onehertz.verify.filled import FilledLine, counts, told
from tests.onehertz.verify.story import NORTH, PLAN, SOUTH, Story, frame, tell

pytestmark = pytest.mark.stack

TICKS = len(PLAN)


@pytest.fixture
def run(clean: FilledLine, tmp_path: Path) -> Callable[..., Result]:
    """Runs the command on the clean line, with these arguments."""
    config = tmp_path / "onehertz.yaml"
    settings = {
        "line": {"prefix": clean.line.prefix, "partitions": clean.line.partitions},
        "kafka": {"bootstrap_servers": clean.kafka.bootstrap_servers},
        "sql": {"dsn": clean.dsn},
    }
    config.write_text(yaml.safe_dump(settings))
    return lambda *arguments: CliRunner().invoke(
        cli, ["verify", "--config", str(config), *arguments]
    )


def test_a_clean_line_is_one_json_object_and_exit_code_0(run: Callable[..., Result]) -> None:
    result = run("--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "ticks": 2 * TICKS,
        "rows": 2 * TICKS,
        "lost": 0,
        "twice": 0,
        "out_of_order": 0,
        "unexplained": 0,
        "ok": True,
    }


def test_a_line_that_is_not_ok_is_told_line_by_line_and_exit_code_1(
    run: Callable[..., Result], clean: FilledLine
) -> None:
    assert clean.delete("frames", f"camera = '{SOUTH}'") == TICKS
    result = run()
    assert result.exit_code == 1
    lines = [one for one in result.stdout.splitlines() if one.startswith(("lost:", "unexplained:"))]
    assert len(lines) == 14  # ten ticks, the boxes of three and a minute
    assert f"lost: {frame(SOUTH, 0)}: is on detections" in result.stdout
    assert "SELECT * FROM frames WHERE camera = 'south'" in result.stdout
    assert json.loads(run("--json").stdout)["lost"] == TICKS


def test_a_line_without_topics_is_the_users_to_mend(run: Callable[..., Result]) -> None:
    result = run("--set", "line.prefix=nowhere-")
    assert isinstance(result.exception, UserError)
    assert "topics create" in str(result.exception)


def cut_off(line: FilledLine, topic: str, before: int) -> None:
    """Deletes what lies before an offset of partition 0, as retention does."""
    place = TopicPartition(line.line.topic(topic), 0, before)
    admin = admin_client(line.kafka)  # the answer comes only while there is a client
    admin.delete_records([place])[place].result(15.0)


def test_rows_older_than_the_topics_beginning_are_not_called_wrong(
    fill: Callable[..., FilledLine],
) -> None:
    line = fill(tell)
    cut_off(line, "frames-raw", 4)
    cut_off(line, "frames-gated", 3)
    report = line.verify()
    assert report.findings.first(5) == []
    assert (report.ok, report.ticks, report.rows) == (True, 2 * TICKS - 4, 2 * TICKS - 4)
    assert (report.older_rows, report.read["frames-raw"].partitions_cut) == (4, 1)
    cut_off(line, "frames-gated", 7)
    cut_off(line, "detections", 7)
    cut_off(line, "alerts", 1)
    report = line.verify()
    assert report.findings.first(5) == []
    # The older a row, the less can be said of it; but it must still be there.
    assert line.delete("frames", f"camera = '{NORTH}' AND seq = 8") == 1
    assert line.delete("frames", f"camera = '{NORTH}' AND seq = 0") == 1
    assert counts(line.verify())[:3] == (1, 0, 0)


def test_a_record_whose_tick_has_expired_still_needs_its_row(
    fill: Callable[..., FilledLine],
) -> None:
    line = fill(tell)
    cut_off(line, "frames-raw", 4)
    assert line.delete("frames", f"camera = '{NORTH}' AND seq = 1") == 1
    report = line.verify()
    assert told(report, "lost", frame(NORTH, 1), "detections[0]@1")


def test_a_repeat_of_what_has_expired_is_known(fill: Callable[..., FilledLine]) -> None:
    def write(prefix: str) -> Story:
        story = tell(prefix)
        story.wires("frames-raw", 0).extend(story.wires("frames-raw", 0)[:])
        return story

    line = fill(write)
    for topic in ("frames-raw", "frames-gated"):
        cut_off(line, topic, 6)
    report = line.verify()
    assert report.findings.first(5) == []
    assert (report.ok, report.ticks) == (True, 2 * TICKS - 6)


def test_only_what_the_broker_took_in_lately_can_be_asked_for(
    fill: Callable[..., FilledLine],
) -> None:
    line = fill(tell)
    assert line.verify(last_hours=1.0).ticks == 2 * TICKS
    assert line.delete("frames", f"camera = '{NORTH}' AND seq = 8") == 1
    report = line.verify(last_hours=1e-9)
    assert (report.ticks, report.rows) == (0, 0)
    assert counts(report)[:3] == (0, 0, 0)


def test_the_wait_ends_when_the_stages_do_not_go_on(fill: Callable[..., FilledLine]) -> None:
    said: list[str] = []
    line = fill(lambda prefix: tell(prefix, cameras=[NORTH]), done=False)
    report = line.verify(wait_s=0.1, tell=said.append)
    assert report.waiting_for == "gate"
    assert "waiting for the stage 'gate': 10 messages of frames-raw to go" in said
    # All of it is there: that the stages have not said so is no contradiction.
    assert counts(report) == (0, 0, 0, 0)
    assert (report.in_flight, report.ok) == (0, True)
