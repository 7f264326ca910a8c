"""Dashboards and alert rules: every query is run, every metric is one of ours."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import psycopg
import pytest
import yaml
from psycopg.conninfo import make_conninfo

from runtime.metrics import LABELS, CounterName, GaugeName, HistogramName
from schemas.messages import Raised, frame_id, to_us
from sinks.sql.connection import connect
from sinks.sql.migrate import migrate
from sinks.sql.readers import make_reader
from sinks.sql.writer import AlertDelivery, Writer
from tests.fixtures.database import HasDsn, new_database
from tests.sinks.sql.ticks import at, delivered, inferred, missing, rejected, unchanged

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
DASHBOARDS = sorted((FOLDER / "grafana" / "dashboards").glob("*.json"))
DATASOURCES = yaml.safe_load(
    (FOLDER / "grafana" / "datasources" / "onehertz.yaml").read_text(encoding="utf-8")
)["datasources"]
ALERTS = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
# Prometheus' own, and those of its client for Python.
FOREIGN = {"up", "process_cpu_seconds_total"}
READER, PASSWORD = "test_grafana", "secret"


def panels() -> list[tuple[str, dict[str, Any]]]:
    return [
        (panel["title"], panel)
        for path in DASHBOARDS
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]
    ]


def targets(kind: str) -> list[tuple[str, str]]:
    """(panel's title, query) of a kind of datasource."""
    key = {"postgres": "rawSql", "prometheus": "expr"}[kind]
    return [
        (title, target[key])
        for title, panel in panels()
        for target in panel["targets"]
        if target["datasource"]["type"] == kind
    ]


SQL = targets("postgres")
PROMQL = [*targets("prometheus"), *((rule["alert"], rule["expr"]) for rule in RULES)]


def known_series() -> set[str]:
    plain = {*get_args(CounterName), *get_args(GaugeName)}
    suffixes = ("_bucket", "_count", "_sum")
    return plain | {name + suffix for name in get_args(HistogramName) for suffix in suffixes}


@pytest.fixture(scope="module")
def line(servers: HasDsn) -> Iterator[str]:
    """DSN of a reader of a database in which every panel has something to show."""
    with new_database(servers.dsn) as dsn:
        migrate(dsn)
        with connect(dsn) as connection:
            writer = Writer(connection)
            ticks = [
                inferred(0, "person", "car"),
                unchanged(1, same_as=0),
                inferred(2, "person", "car", because="audit"),
                missing(3),
                rejected(4),
            ]
            writer.write(delivered(ticks))
            change = Raised(
                id="alert", camera="north", rule="door", at=at(5), began_at=at(0), text="someone",
                frame=frame_id("north", to_us(at(5))), evidence=frame_id("north", to_us(at(2))),
                partition=0, raw_offset=2,
            )  # fmt: skip
            writer.write_alerts([AlertDelivery(change, 0, 0)])
        make_reader(dsn, READER, PASSWORD)
        try:
            yield make_conninfo(dsn, user=READER, password=PASSWORD)
        finally:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"DROP ROLE {READER}".encode())


def test_there_are_panels_of_both_kinds() -> None:
    assert len(SQL) > 5
    assert len(PROMQL) > 15


@pytest.mark.stack
@pytest.mark.parametrize(("title", "query"), SQL, ids=[title for title, _ in SQL])
def test_a_panel_s_query_runs_as_the_reader_and_finds_rows(
    line: str, title: str, query: str
) -> None:
    text = re.sub(
        r"\$__timeFilter\(([\w.]+)\)", r"\1 BETWEEN '2026-11-01Z' AND '2026-12-01Z'", query
    )
    assert "$__" not in text, title
    with psycopg.connect(line) as connection:
        found = connection.execute(text.encode())
        columns = [column.name for column in found.description or ()]
        rows = found.fetchall()
    assert rows, title
    if "AS time" in query:
        assert columns[0] == "time"


@pytest.mark.parametrize(("title", "query"), PROMQL)
def test_a_metric_that_is_asked_for_is_one_of_ours(title: str, query: str) -> None:
    names = set(re.findall(r"\b(?:onehertz|process)_\w+|\bup\b", query))
    assert names, title
    assert names <= known_series() | FOREIGN, title


@pytest.mark.parametrize(("title", "query"), PROMQL)
def test_it_is_grouped_by_labels_that_it_has(title: str, query: str) -> None:
    names = re.findall(r"onehertz_\w+", query)
    has = {"le", "instance", "service", "job"}
    for name in names:
        has |= set(LABELS.get(re.sub("_(bucket|count|sum)$", "", name), ("stage",)))
    if not names:
        return
    for labels in re.findall(r"by \(([^)]*)\)", query):
        assert {label.strip() for label in labels.split(",")} <= has, title


def test_every_panel_uses_a_datasource_that_is_provisioned() -> None:
    provisioned = {(one["type"], one["uid"]) for one in DATASOURCES}
    for title, panel in panels():
        for target in panel["targets"]:
            source = target["datasource"]
            assert (source["type"], source["uid"]) in provisioned, title


def test_grafana_reads_its_password_from_a_file() -> None:
    passwords = [
        one["secureJsonData"]["password"] for one in DATASOURCES if "secureJsonData" in one
    ]
    assert passwords
    assert all(password.startswith("$__file{") for password in passwords)


@pytest.mark.parametrize("arguments", [["config", "prometheus.yml"], ["rules", "alerts.yml"]])
def test_promtool_finds_nothing_wrong(arguments: list[str]) -> None:
    assert_promtool("check", *arguments)


def assert_promtool(*arguments: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine (Debian: prometheus)")
    done = subprocess.run(
        [promtool, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("present", "given", "fires"),
    [
        ({"gate", "infer"}, "0+60x30", False),
        # KEDA has ended all workers; with frames to infer they have to be there.
        ({"gate"}, "60+0x30", False),
        ({"gate"}, "0+60x30", True),
        ({"infer"}, "60+0x30", True),
    ],
)
def test_a_stage_is_gone_where_there_is_work_for_it(
    tmp_path: Path, present: set[str], given: str, fires: bool
) -> None:
    series = [(f'up{{service="{one}", job="onehertz"}}', "1x30") for one in present]
    series.append(('onehertz_records_given_total{stage="gate", status="kept"}', given))
    (rule,) = [one for one in RULES if one["alert"] == "OnehertzStageIsGone"]
    alert = {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}
    told = {"eval_time": "20m", "alertname": rule["alert"], "exp_alerts": [alert] * fires}
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "alert_rule_test": [told],
    }
    path = tmp_path / "test.yml"
    content = {"rule_files": [str(FOLDER / "alerts.yml")], "tests": [case]}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert_promtool("test", "rules", str(path))
