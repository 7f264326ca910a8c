"""The chart's pods as containers, each under exactly what its manifest says."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.cluster import Cluster
from tests.containers.kubelet import Object, Pod, docker
from tests.deploy.kubernetes.chart import FOLDER, ROOT, parsed, template

IMAGES = ("edge", "gate", "worker-cpu", "sinks")
# Images that are there already, such as a release's; without it they are built.
GIVEN = os.environ.get("IMAGE_REGISTRY", "")
REGISTRY = GIVEN or "onehertz-test-pods"
TAG = os.environ.get("IMAGE_TAG", "0.1.0") if GIVEN else "0.1.0"
ROLES = ("gate", "infer", "sql", "alerts", "produce")
_MINUTES = 240.0

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="volumes get their owner from root, as a kubelet gives it"
)


@pytest.fixture(scope="module")
def images() -> Iterator[None]:
    """Their layers stay, for the next build."""
    tags = {image: f"{REGISTRY}/{image}:{TAG}" for image in IMAGES if not GIVEN}
    for image, tag in tags.items():
        build = ["build", "--file", str(ROOT / "deploy/images/Dockerfile")]
        docker(*build, "--build-arg", f"EXTRA={image}", "--tag", tag, str(ROOT))
    yield
    for tag in tags.values():
        docker("image", "rm", tag)


class Installed:
    """The line as `docs/kubernetes.md` begins with it: `minimal.yaml` and the servers to try it."""

    def __init__(self, helm: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        self._helm = helm

    def rendered(self, *sets: str) -> list[Object]:
        own = [f"image.registry={REGISTRY}", f"image.tag={TAG}"]
        return parsed(template(self._helm, "minimal", sets=[*own, *sets])).objects

    def upgrade(self, *sets: str) -> set[str]:
        """The roles whose pods are others, when all are ready again."""
        before = {pod.name: pod for pod in self.cluster.pods}
        gone = len(self.cluster.gone)
        self.cluster.helm("upgrade", self.rendered(*sets))
        self.cluster.until(self.cluster.settled, _MINUTES, "pods are rolled")
        return {pod.role for pod in self.cluster.gone[gone:] if before.get(pod.name) is pod}

    def ask(self, query: str) -> str:
        (server,) = [pod for pod in self.cluster.pods if pod.name.startswith("postgres")]
        return server.run("psql", "-U", "onehertz", "-tAc", query).strip()

    def rows(self) -> int:
        return int(self.ask("SELECT count(*) FROM frames"))

    def goes_on(self) -> None:
        """More rows come."""
        least = self.rows() + 10
        self.cluster.until(lambda: self.rows() >= least, _MINUTES, "no more rows come")

    def scale(self, replicas: int) -> None:
        self.cluster.scale("-infer", replicas)
        self.cluster.until(self.cluster.settled, _MINUTES, f"{replicas} workers")


@pytest.fixture(scope="module")
def line(images: None, helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    folder = tmp_path_factory.mktemp("volumes")
    for one in (folder, *folder.parents):
        if one.stat().st_uid == 0 and one != Path(one.anchor):
            one.chmod(one.stat().st_mode | 0o011)  # containers' users must get through
    secrets = {"postgres": {"password": "a 'password' of $ome signs"}}
    cluster = Cluster(f"onehertz-test-{uuid.uuid4().hex[:8]}", folder, secrets)
    try:
        cluster.apply(parsed((FOLDER / "trial-servers.yaml").read_text(encoding="utf-8")).objects)
        cluster.until(cluster.settled, _MINUTES, "the servers are ready")
        line = Installed(helm, cluster)
        cluster.helm("install", line.rendered())
        cluster.until(cluster.settled, _MINUTES, "all roles are ready")
        yield line
    finally:
        cluster.close()


def test_nobody_starts_over_at_the_first_installation(line: Installed) -> None:
    assert {pod.role: pod.restarts for pod in line.cluster.pods if pod.role in ROLES} == (
        dict.fromkeys(ROLES, 0)
    )
    assert [pod.exit_codes for pod in line.cluster.jobs.values()] == [[0]] * 3


def test_rows_and_alerts_come(line: Installed) -> None:
    line.goes_on()
    line.cluster.until(
        lambda: line.ask("SELECT count(*) FROM alerts WHERE state = 'cleared'") != "0",
        _MINUTES,
        "somebody walks through the street",
    )


@pytest.mark.parametrize("role", ROLES)
def test_a_container_that_is_killed_comes_back_in_its_pod(line: Installed, role: str) -> None:
    (pod,) = line.cluster.of(role)
    before = pod.restarts
    pod.crash()
    line.cluster.until(lambda: pod.restarts > before and pod.ready, _MINUTES, f"{role} is back")
    line.goes_on()


def test_who_starts_while_kafka_is_away_waits_for_it(line: Installed) -> None:
    """Who ends again and again is started ever later: up to 5 minutes after Kafka is back."""
    (kafka,) = [pod for pod in line.cluster.pods if pod.name.startswith("kafka")]
    pods = [*line.cluster.of("gate"), *line.cluster.of("produce")]
    ended = [len(pod.exit_codes) + 1 for pod in pods]
    restarts = [pod.restarts + 1 for pod in pods]
    kafka.unplug()
    for pod in pods:
        pod.crash()
    line.cluster.until(lambda: [pod.restarts for pod in pods] == restarts, _MINUTES, "restarts")
    line.cluster.look_for(15.0)
    assert [len(pod.exit_codes) for pod in pods] == ended
    kafka.plug()
    line.cluster.until(line.cluster.settled, _MINUTES, "all are ready")
    assert [len(pod.exit_codes) for pod in pods] == ended
    line.goes_on()


def test_workers_go_to_zero_and_come_back(line: Installed) -> None:
    for replicas in (0, 1, 2):
        line.scale(replicas)
    line.goes_on()
    line.scale(1)
    line.goes_on()


def test_a_change_of_settings_rolls_who_reads_them_and_a_new_camera_no_producer(
    line: Installed,
) -> None:
    assert line.upgrade("settings.gate.threshold=5") == {"gate", "produce"}
    camera = "produce.groups[0].cameras.yard.source"
    sets = ("settings.gate.threshold=5", f"{camera}.kind=street", f"{camera}.seed=3")
    assert line.upgrade(*sets) == {"gate", "infer", "alerts"}
    line.cluster.until(
        lambda: line.ask("SELECT count(*) FROM frames WHERE camera = 'yard'") != "0",
        _MINUTES,
        "the producer follows its settings' file",
    )


def test_who_was_told_to_go_went_by_itself_and_no_probe_had_to_kill(line: Installed) -> None:
    gone = [pod for pod in line.cluster.gone if pod.role in ROLES]
    assert len(gone) >= 7
    assert {pod.exit_codes[-1] for pod in gone} == {0}
    assert [pod.killed_for for pod in [*gone, *line.cluster.pods] if pod.killed_for] == []


def test_verify_agrees_from_a_pod(line: Installed) -> None:
    pod: Pod
    (pod,) = line.cluster.of("sql")
    assert "yes" in pod.run("onehertz", "verify")
