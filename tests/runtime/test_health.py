"""/healthz, /readyz and /metrics: over HTTP, with a clock of the test's own."""

from __future__ import annotations

import http.client
import logging
import socket
from collections.abc import Iterator

import pytest

from runtime.errors import UserError
from runtime.health import Health, HealthServer, HealthSettings
from runtime.metrics import Metrics
from tests.waiting import eventually


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(60, clock)


def working(health: Health, clock: Clock, for_s: int, **how: bool) -> None:
    for _ in range(for_s):
        clock.now_s += 1
        health.beat(**how)


def test_a_role_is_alive_while_its_loop_moves(health: Health, clock: Clock) -> None:
    working(health, clock, 600, progressed=False, waiting_for_work=False)
    assert health.alive() == (True, "alive")
    clock.now_s += 60
    assert health.alive()[0]
    clock.now_s += 1
    assert health.alive() == (False, "the loop has not moved for 61 s")


def test_a_role_has_time_to_start(health: Health, clock: Clock) -> None:
    clock.now_s += 59
    assert health.alive()[0]
    assert health.ready() == (False, "nothing is assigned to this process yet")


def test_a_role_is_ready_when_it_is_assigned_and_progressing(health: Health, clock: Clock) -> None:
    health.assigned = True
    working(health, clock, 600, progressed=True, waiting_for_work=False)
    assert health.ready() == (True, "ready")
    health.assigned = False
    assert health.ready() == (False, "nothing is assigned to this process yet")


def test_a_role_with_nothing_to_do_is_ready(health: Health, clock: Clock) -> None:
    health.assigned = True
    working(health, clock, 600, progressed=False, waiting_for_work=True)
    assert health.ready()[0]


def test_a_role_that_gets_nothing_done_is_alive_and_not_ready(health: Health, clock: Clock) -> None:
    health.assigned = True
    working(health, clock, 60, progressed=False, waiting_for_work=False)
    assert health.ready()[0]
    working(health, clock, 1, progressed=False, waiting_for_work=False)
    assert health.ready() == (False, "there is work, and none was finished for 61 s")
    assert health.alive()[0]
    working(health, clock, 1, progressed=True, waiting_for_work=False)
    assert health.ready()[0]


def test_a_loop_that_stands_still_is_not_ready_either(health: Health, clock: Clock) -> None:
    health.assigned = True
    clock.now_s += 61
    assert health.ready() == (False, "the loop has not moved for 61 s")


# ---------------------------------------------------------------- HTTP


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def server(health: Health, metrics: Metrics) -> Iterator[HealthServer]:
    serving = HealthServer(HealthSettings(port=0), health, metrics)
    yield serving
    serving.close()


def get(server: HealthServer, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_probes_are_answered_with_200_or_503_and_why(
    server: HealthServer, health: Health, clock: Clock
) -> None:
    assert get(server, "/healthz") == (200, "alive\n")
    assert get(server, "/readyz?verbose") == (503, "nothing is assigned to this process yet\n")
    health.assigned = True
    assert get(server, "/readyz") == (200, "ready\n")
    clock.now_s += 61
    assert get(server, "/healthz") == (503, "the loop has not moved for 61 s\n")
    assert get(server, "/") == (404, "/healthz, /readyz or /metrics\n")


def test_metrics_are_served(server: HealthServer, metrics: Metrics) -> None:
    metrics.count("onehertz_repeats_total", 3, stage="gate")
    status, text = get(server, "/metrics")
    assert status == 200
    assert 'onehertz_repeats_total{stage="gate"} 3.0' in text


def test_a_port_that_is_taken_is_the_users_to_mend(
    server: HealthServer, health: Health, metrics: Metrics
) -> None:
    with pytest.raises(UserError, match=f"health.port: can't listen on 127.0.0.1:{server.port}"):
        HealthServer(HealthSettings(port=server.port), health, metrics)


def test_an_address_that_is_none_is_the_users_to_mend(health: Health, metrics: Metrics) -> None:
    with pytest.raises(UserError, match=r"health.port: can't listen on nowhere.invalid:0"):
        HealthServer(HealthSettings(host="nowhere.invalid", port=0), health, metrics)


def test_closing_frees_the_port(health: Health, metrics: Metrics) -> None:
    first = HealthServer(HealthSettings(port=0), health, metrics)
    first.close()
    HealthServer(HealthSettings(port=first.port), health, metrics).close()


def test_a_prober_that_hangs_up_is_no_news(
    server: HealthServer,
    metrics: Metrics,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG, "onehertz.health")
    for number in range(2000):  # 16 MB: more than the kernel takes over for a slow reader
        metrics.count("onehertz_repeats_total", stage=f"{number:04000}")
    with socket.socket() as prober:
        prober.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        prober.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        prober.connect(("127.0.0.1", server.port))
        prober.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        prober.recv(1)
    eventually(lambda: "cut off" in caplog.text)
    assert get(server, "/healthz")[0] == 200
    assert capfd.readouterr().err == ""
