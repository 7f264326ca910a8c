"""A database or a broker that is killed in mid-run: the line waits, and goes on."""

from __future__ import annotations

from tests.faults.conftest import NewLine
from tests.faults.ends import assert_same_end
from tests.fixtures.servers import Servers
from tests.harness.compare import Ending
from tests.harness.faults import Fault, all_ready, feed, more_records, rows, run, says, waiting_for
from tests.harness.line import Role
from tests.harness.load import Load

ROLES: tuple[Role, ...] = ("gate", "infer", "sql", "alerts")


def test_while_the_database_is_away_alerts_still_flow_and_rows_wait(
    new_line: NewLine, load: Load, reference: Ending, servers: Servers
) -> None:
    line = new_line()
    line.start_all(*ROLES)
    faults = [
        feed(all_ready(*ROLES), load),
        Fault(rows(300), "kill -9 of the database", lambda _line: servers.kill_postgres()),
        waiting_for(says("sql-1", "the database is away")),
        Fault(more_records("alerts"), "start of the database", lambda _: servers.start_postgres()),
    ]
    run(line, faults)
    assert line.deaths == []
    assert_same_end(line, reference)


def test_while_the_broker_is_away_every_role_waits(
    new_line: NewLine, load: Load, reference: Ending, servers: Servers
) -> None:
    # Longer than the broker is away: else it ends the transactions that are open, and who had one
    # must begin anew.
    line = new_line(kafka={"transaction_timeout_ms": 60_000})
    line.start_all(*ROLES)
    faults = [
        feed(all_ready(*ROLES), load),
        Fault(
            rows(300), "kill -9 of Kafka, and its restart", lambda _line: servers.restart_kafka()
        ),
    ]
    run(line, faults)
    assert line.deaths == []
    assert_same_end(line, reference)
