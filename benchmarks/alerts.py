"""The alert rules' process over a backlog of results, against a bare consume-and-decode loop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from benchmarks.method import backlog
from benchmarks.method.metering import Work, compared
from benchmarks.method.pairing import interleaved
from benchmarks.method.results import Result
from benchmarks.method.site import Line, Site

RECORDS = 40_000
ROUNDS = 4

_RULE = {
    "name": "person-in-the-yard",
    "kind": "presence",
    "cameras": ["all"],
    "labels": ["person"],
    "zone": {"points": [[0.1, 0.3], [0.9, 0.3], [0.9, 1.0], [0.1, 1.0]]},
    "for_s": 2,
}
_BARE = "bare confluent-kafka consume and decode of the same records"


def run(site: Site, rounds: int) -> list[Result]:
    """Records/s and CPU per record, with one rule with a zone on every camera."""
    line = site.line("alerts", {"rules": [_RULE]})
    count = site.sized(RECORDS)
    settings = line.settings.line
    topic = settings.topic("detections")
    records = backlog.results(count, datetime.now(UTC) - timedelta(days=1))
    backlog.send(records, "infer", line.settings.kafka, topic)
    measured = interleaved(
        rounds,
        {
            "ours": lambda: _rules(site, line, count),
            "bare": lambda: site.bare(
                "consume",
                bootstrap_servers=line.settings.kafka.bootstrap_servers,
                source=topic, partitions=settings.partitions, count=count,
            ),
        },
    )  # fmt: skip
    return compared("alerts", measured, ("ours", "bare"), "record", _BARE)


def _rules(site: Site, line: Line, count: int) -> Work:
    site.forget(line, "alerts", ["alerts", "rule-state"])
    return line.metered(
        "alerts", "sink", "alerts", counter="onehertz_records_taken_total", total=count
    )
