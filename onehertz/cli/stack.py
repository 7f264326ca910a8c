"""`onehertz up`, `down`, `status` and `doctor`: the embedded Kafka and PostgreSQL."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from onehertz import doctor as diagnosis
from onehertz.stack.stack import DEFAULT_FOLDER, Stack
from onehertz.stack.status import Endpoints, ServerStatus, StackStatus

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="Where the stack keeps its data, logs and ports.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
port_type = click.IntRange(1, 65535)


@click.command(epilog="Example: onehertz up --folder /data/stack --kafka-port 9092")
@folder_option
@click.option("--kafka-port", type=port_type, help="Kafka's port [default: as last time, or free]")
@click.option("--postgres-port", type=port_type, help="PostgreSQL's port [default: likewise]")
@json_option
def up(folder: Path, kafka_port: int | None, postgres_port: int | None, as_json: bool) -> None:
    """Start a real Kafka and a real PostgreSQL here, without Docker; they keep running.

    The first time, Kafka is fetched through Maven (44 MB). All listen on 127.0.0.1 only.
    """
    asked = {"kafka": kafka_port, "postgres": postgres_port}
    wanted = {name: port for name, port in asked.items() if port is not None}
    endpoints = Stack(folder, wanted_ports=wanted, say=_say).up()
    if as_json:
        click.echo(json.dumps({"folder": str(folder)} | asdict(endpoints)))
        return
    _echo_endpoints(endpoints)
    click.echo("`onehertz down` stops both; their data stay")


@click.command(epilog="Example: onehertz down")
@folder_option
def down(folder: Path) -> None:
    """Stop both servers. Their data and ports stay for the next `onehertz up`."""
    if not Stack(folder, say=_say).down():
        click.echo("nothing was running")


@click.command(epilog="Example: onehertz status --json")
@folder_option
@json_option
def status(folder: Path, as_json: bool) -> None:
    """Say whether both servers run and answer, and where. Exit code 1 if one does not."""
    now = Stack(folder).status()
    if as_json:
        click.echo(json.dumps(_as_json(now)))
    else:
        for server in (now.kafka, now.postgres):
            click.echo(_status_line(server))
        if now.is_up and now.endpoints is not None:
            _echo_endpoints(now.endpoints)
        else:
            click.echo("`onehertz up` starts what does not run; `onehertz doctor` looks deeper")
    if not now.is_up:
        raise click.exceptions.Exit(1)


@click.command(epilog="Example: onehertz doctor")
@folder_option
@json_option
def doctor(folder: Path, as_json: bool) -> None:
    """Look for what keeps the stack from running, and say what to do. Exit code 1 if there is."""
    findings = diagnosis.diagnose(folder)
    healthy = all(finding.ok for finding in findings)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"ok": healthy, "findings": rows}))
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.name:<18} {finding.detail}")
            if finding.advice:
                click.echo(f"{'':<24}{finding.advice}")
    if not healthy:
        raise click.exceptions.Exit(1)


def _say(line: str) -> None:
    # Beside the results: what is printed may be piped on.
    click.echo(line, err=True)


def _echo_endpoints(endpoints: Endpoints) -> None:
    click.echo(f"Kafka       {endpoints.bootstrap_servers}")
    # The embedded stack's address names the file with the password, and is fit to be shown.
    click.echo(f"PostgreSQL  {endpoints.dsn}")


def _status_line(server: ServerStatus) -> str:
    if server.pid is None:
        return f"{server.name:<12}{server.state} (log: {server.log})"
    megabytes = server.memory_bytes // 1_000_000
    return (
        f"{server.name:<12}{server.state}, port {server.port}, process {server.pid}, "
        f"{megabytes} MB (log: {server.log})"
    )


def _as_json(now: StackStatus) -> dict[str, object]:
    servers = {
        server.name.lower(): asdict(server) | {"log": str(server.log)}
        for server in (now.kafka, now.postgres)
    }
    endpoints = asdict(now.endpoints) if now.endpoints is not None else {}
    return {"ok": now.is_up, "folder": str(now.folder)} | endpoints | servers
