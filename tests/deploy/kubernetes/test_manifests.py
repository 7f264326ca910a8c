"""The rendered manifests, without a cluster: what Kubernetes' schemas say, and what we promise."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import pytest
import yaml

from tests.deploy.kubernetes.chart import (
    CASES,
    CHART,
    FOLDER,
    NAMES,
    Object,
    Rendered,
    image_environment,
    rendered,
    template,
)
from tests.deploy.kubernetes.custom_resources import SCHEMAS

# The oldest that the chart takes, the newest whose schemas are known, and one between.
VERSIONS = ["1.27", "1.32", "1.37"]
ROLES = {"produce", "gate", "infer", "sql", "alerts"}


@pytest.fixture(params=NAMES)
def line(request: pytest.FixtureRequest, helm: Path) -> Rendered:
    return rendered(helm, request.param)


def selector_of(one: Object) -> dict[str, str]:
    return dict((one["spec"].get("selector") or one["spec"]["podSelector"])["matchLabels"])


def matches(selector: dict[str, str], template: Object) -> bool:
    return selector.items() <= template["metadata"]["labels"].items()


def texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts(value)
    elif isinstance(node, str):
        yield node


def test_each_file_of_values_is_tried() -> None:
    files = {path.stem for path in (FOLDER / "values").glob("*.yaml")}
    assert {name for files in CASES.values() for name in files} == files


@pytest.fixture(scope="module")
def schemas() -> Iterator[None]:
    """Read once: the library reads all of a version's for each object (4 s for all of these)."""
    with pytest.MonkeyPatch.context() as patched:
        library = kubernetes_validate.utils
        patched.setattr(library, "schema_contents", cache(library.schema_contents))
        yield


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_what_is_its_own(line: Rendered, version: str) -> None:
    ours = [one for one in line.objects if one["kind"] not in SCHEMAS]
    assert len(ours) > 15
    for one in ours:
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.usefixtures("schemas")
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_servers_to_try_it_on(version: str) -> None:
    text = (FOLDER / "trial-servers.yaml").read_text(encoding="utf-8")
    found = list(yaml.safe_load_all(text))
    assert [(one["kind"], one["metadata"]["name"]) for one in found] == [
        ("Service", "kafka"),
        ("Deployment", "kafka"),
        ("Service", "postgres"),
        ("Deployment", "postgres"),
    ]
    for one in found:
        kubernetes_validate.validate(one, version, strict=True)


def test_the_oldest_version_tried_is_the_oldest_that_the_chart_takes() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["kubeVersion"] == f">={VERSIONS[0]}.0-0"


def test_others_resources_have_only_what_these_know(line: Rendered) -> None:
    for one in line.objects:
        if one["kind"] in SCHEMAS:
            jsonschema.validate(one, SCHEMAS[one["kind"]])


def test_no_object_stands_there_twice(line: Rendered) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in line.objects]
    assert len(names) == len(set(names))


def test_every_object_says_whose_it_is(line: Rendered) -> None:
    for one in line.objects:
        labels = one["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "onehertz"
        assert labels["app.kubernetes.io/instance"] == "line"
        assert labels["app.kubernetes.io/component"]


def test_every_role_has_pods(line: Rendered) -> None:
    assert ROLES - {"produce"} <= {pod.role for pod in line.pods} <= ROLES | {"setup", "assets"}


def test_a_pod_is_not_root_can_write_nothing_and_has_no_capability(line: Rendered) -> None:
    for pod in line.pods:
        whole, own = pod.spec["securityContext"], pod.container["securityContext"]
        assert whole["runAsNonRoot"] is True
        assert whole["runAsUser"] == 10001
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
        assert own == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod.spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
        assert all("hostPath" not in volume for volume in pod.spec["volumes"])


def test_what_a_container_asks_for_is_bounded(line: Rendered) -> None:
    for pod in line.pods:
        resources = pod.container["resources"]
        assert {"cpu", "memory"} <= resources["requests"].keys()
        assert resources["limits"]["memory"] == resources["requests"]["memory"]


def test_images_are_ours_and_named_by_a_version(line: Rendered) -> None:
    made = {"edge", "gate", "worker-cpu", "worker-gpu", "sinks"}
    for pod in line.pods:
        found = re.fullmatch(r"onehertz/([a-z-]+):(\d+\.\d+\.\d+)", pod.container["image"])
        assert found is not None
        assert found[1] in made


def test_an_image_may_be_named_by_its_digest(helm: Path) -> None:
    digest = "sha256:" + 64 * "0"
    line = rendered(helm, "minimal", f"image.digests.gate={digest}", "image.registry=r.example/one")
    assert line.pod("gate").container["image"] == f"r.example/one/gate@{digest}"
    assert line.pod("sql").container["image"] == "r.example/one/sinks:0.1.0"


def test_no_service_becomes_a_variable_that_looks_like_a_setting(line: Rendered) -> None:
    """Of a Service onehertz-x Kubernetes makes ONEHERTZ_X_PORT, which every command refuses."""
    assert all(pod.spec["enableServiceLinks"] is False for pod in line.pods)


def test_no_secret_is_written_down(line: Rendered) -> None:
    """Passwords are mounted; of an environment's secrets only the name is there."""
    for pod in line.pods:
        for name in pod.environment:
            assert "PASSWORD" not in name or name.endswith("_FILE")
    assert line.of("Secret") == []
    for text in (text for one in line.of("ConfigMap") for text in texts(one["data"])):
        assert not re.search(r'"(\w*password|dsn)":', text)


def test_only_those_who_use_the_database_have_its_password(line: Rendered) -> None:
    having = {
        (pod.role, pod.container["args"][0])
        for pod in line.pods
        if any(volume["name"] in ("sql", "sql-ca") for volume in pod.spec["volumes"])
    }
    assert having <= {("sql", "sink"), ("setup", "db")}
    assert ("sql", "sink") in having


def test_what_is_mounted_is_a_volume_and_each_volume_is_mounted(line: Rendered) -> None:
    for pod in line.pods:
        claims = pod.owner["spec"].get("volumeClaimTemplates", [])
        volumes = [one["name"] for one in pod.spec["volumes"]]
        volumes += [one["metadata"]["name"] for one in claims]
        mounted = [one["name"] for one in pod.container["volumeMounts"]]
        assert sorted(mounted) == sorted(volumes)


def test_what_a_role_writes_to_is_a_volume(line: Rendered) -> None:
    image = image_environment()
    written = {
        "produce": [image["ONEHERTZ_PRODUCE__SPOOL__PATH"], image["ONEHERTZ_PRODUCE__LEDGER"]],
        "infer": [image["ONEHERTZ_CACHE"]],
        "assets": [image["ONEHERTZ_CACHE"]],
    }
    for pod in line.pods:
        mounts = pod.container["volumeMounts"]
        writable = [Path(one["mountPath"]) for one in mounts if not one.get("readOnly")]
        for path in map(Path, [image["HOME"], *written.get(pod.role, [])]):
            assert any(path == one or one in path.parents for one in writable), (pod.role, path)


def test_models_of_ones_own_lie_where_the_image_looks(helm: Path) -> None:
    pod = rendered(helm, "hpa-gpu").pod("infer")
    (mount,) = [one for one in pod.container["volumeMounts"] if one["name"] == "models"]
    assert mount["mountPath"] in image_environment()["ONEHERTZ_INFER__MODEL_FOLDERS"]
    assert mount["readOnly"] is True


def test_videos_land_in_a_volume_of_ones_own(helm: Path) -> None:
    pod = rendered(helm, "hpa-gpu").pod("produce")
    (mount,) = [one for one in pod.container["volumeMounts"] if one["name"] == "videos"]
    assert mount == {"name": "videos", "mountPath": "/videos"}  # played ones may be moved
    (volume,) = [one for one in pod.spec["volumes"] if one["name"] == "videos"]
    assert volume["persistentVolumeClaim"] == {"claimName": "landing"}


def test_a_role_is_asked_for_its_health_and_has_time_to_drain(line: Rendered) -> None:
    image = image_environment()
    for pod in line.roles:
        container = pod.container
        assert container["ports"] == [
            {"name": "health", "containerPort": int(image["ONEHERTZ_HEALTH__PORT"])}
        ]
        for probe, path in [
            ("startup", "/readyz"),
            ("liveness", "/healthz"),
            ("readiness", "/readyz"),
        ]:
            assert container[f"{probe}Probe"]["httpGet"] == {"path": path, "port": "health"}
        assert pod.spec["terminationGracePeriodSeconds"] >= 25 + 10


def test_a_worker_has_time_to_build_its_engine_before_it_counts_as_dead(line: Rendered) -> None:
    pod = line.pod("infer")
    probe = pod.container["startupProbe"]
    at_most_s = probe["periodSeconds"] * probe["failureThreshold"]
    assert at_most_s >= (1800 if "worker-gpu" in pod.container["image"] else 300)
    assert pod.owner["spec"]["progressDeadlineSeconds"] > at_most_s


def test_pods_of_a_role_are_spread_over_zones_and_nodes(line: Rendered) -> None:
    for pod in line.roles:
        constraints = pod.spec["topologySpreadConstraints"]
        assert {one["topologyKey"] for one in constraints} == {
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        }
        assert all(
            matches(one["labelSelector"]["matchLabels"], pod.template) for one in constraints
        )


@pytest.mark.parametrize("kind", ["PodDisruptionBudget", "NetworkPolicy"])
def test_a_budget_and_a_policy_are_of_the_pods_of_one_role(line: Rendered, kind: str) -> None:
    for one in line.of(kind):
        chosen = {pod.role for pod in line.pods if matches(selector_of(one), pod.template)}
        assert len(chosen) <= 1
        # Where no cameras or assets are set there are no such pods.
        assert chosen or one["metadata"]["name"].endswith(("-produce", "-assets"))


def test_every_role_has_a_budget_that_lets_a_node_be_drained(line: Rendered) -> None:
    budgets = line.of("PodDisruptionBudget")
    for pod in line.roles:
        (own,) = [one for one in budgets if matches(selector_of(one), pod.template)]
        assert own["spec"]["maxUnavailable"] == 1
        assert "minAvailable" not in own["spec"]


def test_a_role_reaches_what_it_works_with_and_nothing_else(helm: Path) -> None:
    ways: dict[str, set[int]] = {}
    for one in rendered(helm, "msk-timescale-gpu").of("NetworkPolicy"):
        assert one["spec"]["policyTypes"] == ["Ingress", "Egress"]
        role = selector_of(one)["app.kubernetes.io/component"]
        ways[role] = {port["port"] for way in one["spec"]["egress"] for port in way["ports"]} - {53}
    kafka, sql = 9096, 33333
    assert ways == {
        "produce": {kafka, 80, 443, 554},
        "gate": {kafka},
        "infer": {kafka},
        "sql": {kafka, sql},
        "alerts": {kafka},
        "setup": {kafka, sql},
        "assets": {443},
    }


def test_only_prometheus_reaches_a_role(helm: Path) -> None:
    for one in rendered(helm, "strimzi-rds-gpu").of("NetworkPolicy"):
        role = selector_of(one)["app.kubernetes.io/component"]
        if role not in ROLES:
            assert "ingress" not in one["spec"]
            continue
        (way,) = one["spec"]["ingress"]
        assert way["ports"] == [{"protocol": "TCP", "port": 8080}]
        namespace = {"kubernetes.io/metadata.name": "monitoring"}
        assert way["from"] == [{"namespaceSelector": {"matchLabels": namespace}}]


def test_brokers_and_databases_are_reached_at_their_own_addresses(helm: Path) -> None:
    ways = rendered(helm, "msk-timescale-gpu").one("NetworkPolicy", "-gate")["spec"]["egress"]
    (kafka,) = [way for way in ways if way["ports"][0]["port"] == 9096]
    assert kafka["to"] == [{"ipBlock": {"cidr": "10.0.0.0/16"}}]


def test_a_gpu_worker_asks_for_a_device_and_goes_nowhere_else(helm: Path) -> None:
    pod = rendered(helm, "strimzi-rds-gpu").pod("infer")
    assert pod.container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert pod.spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert [one["key"] for one in pod.spec["tolerations"]] == ["nvidia.com/gpu"]
    assert pod.environment["ONEHERTZ_INFER__DEVICE"] == "cuda"
    # It can't wait beside the one before for a device that there is only one of.
    assert pod.owner["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0
    cpu = rendered(helm, "minimal").pod("infer")
    assert "nvidia.com/gpu" not in cpu.container["resources"]["limits"]
    assert "nodeSelector" not in cpu.spec


def test_workers_share_one_cache(helm: Path) -> None:
    line = rendered(helm, "strimzi-rds-gpu")
    (claim,) = line.of("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    volumes = [v for pod in line.pods for v in pod.spec["volumes"] if v["name"] == "cache"]
    named = {volume["persistentVolumeClaim"]["claimName"] for volume in volumes}
    assert (len(volumes), named) == (2, {claim["metadata"]["name"]})


def test_topics_and_tables_are_made_before_any_role_is_changed(helm: Path) -> None:
    line = rendered(helm, "minimal")
    jobs = [one for one in line.of("Job") if "-setup-" in one["metadata"]["name"]]
    assert len(jobs) == 2
    (settings,) = [
        one for one in line.of("ConfigMap") if one["metadata"]["name"].endswith("-setup")
    ]
    for one in [*jobs, settings]:
        hook = one["metadata"]["annotations"]
        assert hook["helm.sh/hook"] == "pre-install,pre-upgrade"
    weights = [one["metadata"]["annotations"]["helm.sh/hook-weight"] for one in [settings, *jobs]]
    assert int(weights[0]) < min(map(int, weights[1:]))


def test_who_has_a_policy_of_its_own_at_its_first_start(helm: Path) -> None:
    """Hooks run before all the rest, also before their policy if that were no hook."""
    line = rendered(helm, "minimal")
    policy = line.one("NetworkPolicy", "-setup")
    assert policy["metadata"]["annotations"] == {
        "helm.sh/hook": "pre-install,pre-upgrade",
        "helm.sh/hook-weight": "-1",
        "helm.sh/hook-delete-policy": "before-hook-creation",
    }
    others = [one for one in line.of("NetworkPolicy") if one is not policy]
    assert all("annotations" not in one["metadata"] for one in others)


@pytest.mark.parametrize(
    "change",
    [
        "infer.assets={bikes}",
        "image.tag=0.1.1",
        "image.digests.worker-cpu=sha256:" + 64 * "0",
        "image.pullPolicy=Always",
        "image.pullSecrets[0].name=registry",
        "infer.cache.existingClaim=other",
        "secrets.kafka.name=login,settings.kafka.sasl_username=u",
        "secrets.kafkaCa.name=ca",
    ],
)
def test_a_job_that_stays_has_another_name_when_it_is_another(helm: Path, change: str) -> None:
    """Kubernetes refuses a change of a Job's pod: the upgrade would fail."""
    before = rendered(helm, "minimal").pod("assets")
    after = rendered(helm, "minimal", change).pod("assets")
    same = before.owner["metadata"]["name"] == after.owner["metadata"]["name"]
    assert same == (before.template == after.template)


def test_a_pod_does_not_roll_because_the_chart_has_another_version(line: Rendered) -> None:
    for pod in line.pods:
        named = pod.template["metadata"]["labels"]
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & named.keys()


def test_who_fetches_from_outside_has_no_login_and_no_settings(helm: Path) -> None:
    pod = rendered(helm, "strimzi-rds-gpu").pod("assets")
    assert pod.environment == {}
    assert {one["name"] for one in pod.spec["volumes"]} == {"tmp", "cache"}


def test_a_worker_waits_for_what_the_job_fetches(line: Rendered) -> None:
    worker = line.pod("infer").container["args"]
    assert worker[1::2] == ["--wait-for-asset"] * len(worker[1::2])
    fetched = [pod.container["args"][2:] for pod in line.pods if pod.role == "assets"]
    assert [worker[2::2]] == (fetched or [[]])


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("rtsp://192.0.2.7/one", set()),
        ("rtsp://192.0.2.7:8554/one", {8554}),
        ("rtsp://viewer@[2001:db8::7]:8555", {8555}),
        ("rtsp://viewer:12345@192.0.2.7/one", set()),
    ],
)
def test_a_camera_s_own_port_is_let_through(helm: Path, url: str, more: set[int]) -> None:
    camera = "produce.groups[0].cameras.door.source"
    line = rendered(helm, "minimal", f"{camera}.kind=rtsp,{camera}.url={url}")
    policy = line.one("NetworkPolicy", "-produce")
    ports = [port["port"] for way in policy["spec"]["egress"] for port in way["ports"]]
    assert sorted(ports) == sorted([53, 53, 9092, 80, 443, 554, *more])


def test_a_producer_has_a_disk_and_is_never_there_twice(helm: Path) -> None:
    pod = rendered(helm, "minimal").pod("produce")
    assert (pod.owner["kind"], pod.owner["spec"]["replicas"]) == ("StatefulSet", 1)
    (claim,) = pod.owner["spec"]["volumeClaimTemplates"]
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("infre.device=gpu", "additional properties 'infre' not allowed"),
        ("image.tag=latest", "image.tag: latest moves"),
        ("infer.startupSeconds.gpu=0", "/infer/startupSeconds/gpu"),
        ("settings.kafka.sasl_password=x", "/settings/kafka/sasl_password"),
        ("infer.autoscaling.kind=keda,infer.autoscaling.maxReplicas=5", "line.partitions is 4"),
        ("sqlSslMode=verify-full", "secrets.sqlCa.name"),
        ("secrets.kafka.name=login", "settings.kafka.sasl_username"),
    ],
)
def test_a_mistake_in_the_values_is_told(helm: Path, wrong: str, told: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        template(helm, "minimal", sets=[wrong])
    assert told in caught.value.stderr


def test_helm_itself_finds_nothing_wrong(helm: Path) -> None:
    values = ["--values", str(FOLDER / "values" / "minimal.yaml")]
    subprocess.run([helm, "lint", "--strict", CHART, *values], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("values", "told", "not_told"),
    [
        ((), ["exec deployment/line-onehertz-sql -- onehertz verify", "fetched ssd"], ["Pending"]),
        (("infer.cache.accessMode=ReadWriteMany",), ["line-onehertz-infer-cache is Bound"], []),
        (("produce.groups=null", "infer.assets=null"), ["No cameras yet"], ["fetched"]),
    ],
)
def test_what_helm_tells_after_an_installation(
    helm: Path, values: Sequence[str], told: Sequence[str], not_told: Sequence[str]
) -> None:
    command = [
        str(helm),
        "install",
        "line",
        str(CHART),
        "--dry-run=client",
        "--namespace",
        "onehertz",
    ]
    command += ["--values", str(FOLDER / "values" / "minimal.yaml")]
    command += [word for one in values for word in ("--set", one)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    notes = done.stdout.split("\nNOTES:\n")[1]
    assert all(one in notes for one in told)
    assert not any(one in notes for one in not_told)
