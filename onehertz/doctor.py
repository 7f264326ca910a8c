"""What keeps the embedded stack from running here, and what to do about it.

Looks only: starts nothing, fetches nothing, changes nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from onehertz.stack import postgres_programs
from onehertz.stack.cache import java_cache_path
from onehertz.stack.jars import KAFKA_VERSION, complete_jars, jars_folder, ways_to_fetch
from onehertz.stack.java import find_java
from onehertz.stack.lock import holder
from onehertz.stack.ports import is_free
from onehertz.stack.problem import Problem
from onehertz.stack.server import Server
from onehertz.stack.space import STACK_BYTES, existing, require_space
from onehertz.stack.stack import Stack
from onehertz.stack.state import load_ports
from onehertz.stack.status import ServerStatus
from onehertz.stack.unprivileged import choose_account


@dataclass(frozen=True)
class Finding:
    """One thing looked at: `detail` says how it is, `advice` what to do where it is not `ok`."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


def diagnose(folder: Path, environment: Mapping[str, str] | None = None) -> list[Finding]:
    """Look at all that the embedded stack in `folder` needs, and at its servers."""
    environment = os.environ if environment is None else environment
    stack = Stack(folder, environment=environment)
    return [
        _finding("system", _system),
        _finding("java", lambda: _java(environment)),
        _finding("kafka jars", lambda: _jars(environment)),
        _finding("postgresql", lambda: _postgres(stack)),
        _finding("disk", lambda: _disk(stack.folder)),
        _finding("lock", lambda: _lock(stack.folder)),
        _finding("ports", lambda: _ports(stack)),
        *_servers(stack),
    ]


def _finding(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, ok=True, detail=look())
    except Problem as problem:
        return Finding(name, ok=False, detail=problem.what, advice=problem.advice)


def _system() -> str:
    if not sys.platform.startswith("linux"):
        raise Problem(
            f"the embedded stack runs on Linux, this is {sys.platform}",
            "Give onehertz a Kafka and a PostgreSQL of your own, or use Docker or WSL",
        )
    return "Linux"


def _java(environment: Mapping[str, str]) -> str:
    java = find_java(environment)
    return f"Java {java.version}: {java.executable}"


def _jars(environment: Mapping[str, str]) -> str:
    folder = jars_folder(java_cache_path(environment))
    jars = complete_jars(folder)
    if jars is not None:
        return f"Kafka {KAFKA_VERSION}: {len(jars)} jars in {folder}"
    ways = ways_to_fetch(environment)
    if not ways:
        raise Problem(
            f"Kafka {KAFKA_VERSION} is not in {folder}, and neither mvn nor jgo is here to get it",
            "Install mvn (Debian and Ubuntu: apt-get install maven), or pip install "
            "'onehertz[stack]'",
        )
    return f"Kafka {KAFKA_VERSION} will be fetched at the first start, by {ways[0]}"


def _postgres(stack: Stack) -> str:
    binaries = postgres_programs.find_binaries()
    account = choose_account(binaries / "postgres", existing(stack.postgres.folder))
    version = f"PostgreSQL {postgres_programs.full_version(binaries)}"
    return f"{version}, run as user {account.name}" if account is not None else version


def _disk(folder: Path) -> str:
    free = require_space(
        folder, STACK_BYTES, advice="Free some space, or choose a folder on another disk"
    )
    return f"{free // 1_000_000_000} GB free for {folder}"


def _lock(folder: Path) -> str:
    if (who := holder(folder)) is not None:
        raise Problem(f"{who} is at work on this stack", "Wait for it, or end that process")
    return "nobody starts or stops this stack now"


def _ports(stack: Stack) -> str:
    ports = load_ports(stack.state_file)
    if ports is None:
        return "chosen at the first start"
    uses: list[tuple[Server, str, int]] = [
        (stack.kafka, "Kafka", ports.kafka),
        (stack.kafka, "Kafka's controller", ports.kafka_controller),
        (stack.postgres, "PostgreSQL", ports.postgres),
    ]
    taken = [
        f"{port} ({name})"
        for server, name, port in uses
        if server.process() is None and not is_free(port)
    ]
    if taken:
        raise Problem(
            f"taken by another program since the last start: {', '.join(taken)}",
            "`onehertz up` will choose others; to keep them, end that program (`ss -ltnp`)",
        )
    return f"Kafka {ports.kafka}, PostgreSQL {ports.postgres}"


def _servers(stack: Stack) -> list[Finding]:
    try:
        status = stack.status()
    except Problem as problem:
        return [Finding("servers", ok=False, detail=problem.what, advice=problem.advice)]
    return [
        _server(stack.kafka, status.kafka),
        _server(stack.postgres, status.postgres),
    ]


def _server(server: Server, status: ServerStatus) -> Finding:
    name = f"{status.name.lower()} server"
    if status.state == "died":
        return Finding(
            name,
            ok=False,
            detail=f"ended without being asked to; its last words: {server.said(0)}",
            advice="`onehertz up` starts it again with its data",
        )
    if status.state == "silent":
        return Finding(
            name,
            ok=False,
            detail=f"process {status.pid} runs but does not answer on port {status.port}; its "
            f"last words: {server.said(0)}",
            advice="`onehertz up` starts it anew, with its data",
        )
    if status.state == "stopped":
        return Finding(name, ok=True, detail="not running; `onehertz up` starts it")
    megabytes = status.memory_bytes // 1_000_000
    return Finding(
        name, ok=True, detail=f"process {status.pid}, port {status.port}, {megabytes} MB"
    )
