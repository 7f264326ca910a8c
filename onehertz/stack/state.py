"""What a stack's folder remembers between two starts: the ports of its servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from onehertz.stack.ports import choose_port
from onehertz.stack.problem import Problem

VERSION = 1


@dataclass(frozen=True)
class Ports:
    """TCP ports on 127.0.0.1. Kafka's controller is of no interest to clients."""

    kafka: int
    kafka_controller: int
    postgres: int


def load_ports(file: Path) -> Ports | None:
    """The ports of the last start, or None before the first one.

    Raises Problem where the file is broken or of another version: a guess could take away the
    addresses that others have noted down.
    """
    try:
        content = json.loads(file.read_text())
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']!r}, expected {VERSION}")
        ports = Ports(**content["ports"])
        if not all(isinstance(port, int) and 0 < port < 65536 for port in asdict(ports).values()):
            raise ValueError("a port is no number from 1 to 65535")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Problem(
            f"{file}: not a state of this onehertz ({error})",
            "Remove the file: the servers keep their data and get new ports",
        ) from error
    return ports


def save_ports(file: Path, ports: Ports) -> None:
    """Write the ports, whole or not at all."""
    partial = file.with_name(f"{file.name}.new")
    partial.write_text(json.dumps({"version": VERSION, "ports": asdict(ports)}, indent=1) + "\n")
    partial.replace(file)


def settle_ports(
    last: Ports | None,
    *,
    wanted: Mapping[str, int],
    held: Mapping[str, int],
    chance: Random,
    free: Callable[[int], bool],
) -> Ports:
    """The ports for the next start: those asked for, else those of last time, else new ones.

    All maps go by the names of `Ports`. `held`: ports on which servers of this stack listen now;
    they stay. A port of last time that is taken is replaced. Raises Problem where a port that was
    asked for can't be had, LookupError where no port is free at all.
    """
    chosen = dict(held)
    for name, port in wanted.items():
        if chosen.get(name, port) != port:
            raise Problem(
                f"{name} runs on port {chosen[name]} already, not on {port}",
                "Run `onehertz down` first, or leave the port out",
            )
        if name not in held and not free(port):
            raise Problem(
                f"port {port}, asked for by {name}, is taken by another program",
                "`ss -ltnp` shows which; choose another port, or leave it out to get a free one",
            )
        chosen[name] = port
    for name, known in (asdict(last) if last is not None else {}).items():
        if name not in chosen and known not in chosen.values() and free(known):
            chosen[name] = known
    for name in ("kafka", "kafka_controller", "postgres"):
        if name not in chosen:
            chosen[name] = choose_port(chance, avoid=chosen.values(), free=free)
    return Ports(**chosen)
