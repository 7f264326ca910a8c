from __future__ import annotations

import socket
from dataclasses import astuple
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from onehertz.stack.ports import FIRST_PORT, LAST_PORT, choose_port, is_free
from onehertz.stack.problem import Problem
from onehertz.stack.state import Ports, load_ports, save_ports, settle_ports

NAMES = ("kafka", "kafka_controller", "postgres")
ports = some.integers(1, 65535)


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert not is_free(port)
    assert is_free(port)


@given(seed=some.integers(), avoid=some.sets(ports))
def test_a_chosen_port_is_in_range_free_and_not_avoided(seed: int, avoid: set[int]) -> None:
    chosen = choose_port(Random(seed), avoid=avoid, free=lambda port: port % 2 == 0)
    assert FIRST_PORT <= chosen <= LAST_PORT
    assert chosen % 2 == 0
    assert chosen not in avoid


def test_no_free_port_at_all_is_an_error_and_no_endless_search() -> None:
    with pytest.raises(LookupError, match="no free port"):
        choose_port(Random(1), avoid=(), free=lambda port: False)


@given(
    seed=some.integers(),
    last=some.none() | some.builds(Ports, ports, ports, ports),
    taken=some.sets(ports),
    held=some.dictionaries(some.sampled_from(NAMES), ports).filter(
        lambda held: len(set(held.values())) == len(held)
    ),
)
def test_settled_ports_differ_stay_where_they_can_and_are_free(
    seed: int, last: Ports | None, taken: set[int], held: dict[str, int]
) -> None:
    taken = taken | set(held.values())
    settled = settle_ports(
        last, wanted={}, held=held, chance=Random(seed), free=lambda port: port not in taken
    )
    assert len(set(astuple(settled))) == 3
    for name in NAMES:
        port = getattr(settled, name)
        assert port == held[name] if name in held else port not in taken
    if last is not None and len(set(astuple(last))) == 3 and not taken & set(astuple(last)):
        assert settled == Ports(**{**vars(last), **held})


def settle(wanted: dict[str, int], held: dict[str, int], taken: set[int]) -> Ports:
    return settle_ports(
        None, wanted=wanted, held=held, chance=Random(1), free=lambda port: port not in taken
    )


def test_a_port_asked_for_that_is_taken_is_told() -> None:
    with pytest.raises(Problem, match=r"port 9092, asked for by kafka, is taken"):
        settle({"kafka": 9092}, {}, {9092})


def test_a_server_that_runs_elsewhere_is_not_moved_in_silence() -> None:
    with pytest.raises(Problem, match=r"kafka runs on port 20000 already, not on 9092"):
        settle({"kafka": 9092}, {"kafka": 20000}, {20000})


def test_asking_for_the_port_that_a_server_has_is_fine() -> None:
    assert settle({"kafka": 20000}, {"kafka": 20000}, {20000}).kafka == 20000


def test_ports_come_back_from_their_file(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    assert load_ports(file) is None
    save_ports(file, Ports(1, 2, 3))
    assert load_ports(file) == Ports(1, 2, 3)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"version": 2, "ports": {}}',
        '{"version": 1, "ports": {"kafka": 1}}',
        '{"version": 1, "ports": {"kafka": 0, "kafka_controller": 2, "postgres": 3}}',
        '{"version": 1, "ports": {"kafka": "1", "kafka_controller": 2, "postgres": 3}}',
    ],
)
def test_a_broken_state_is_told_with_what_to_do(tmp_path: Path, content: str) -> None:
    file = tmp_path / "state.json"
    file.write_text(content)
    with pytest.raises(Problem, match=r"state\.json: not a state.*Remove the file"):
        load_ports(file)
