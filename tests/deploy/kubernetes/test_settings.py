"""What the manifests start is there, and takes the settings that they give it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from onehertz.cli.main import cli
from onehertz.settings import Settings
from producers.source_settings import RtspSettings
from runtime.context import Context
from runtime.environment import is_setting
from runtime.health import Health
from runtime.lifecycle import Stop
from runtime.metrics import Metrics
from schemas.catalogue import line_topics
from tests.deploy.kubernetes.chart import (
    FOLDER,
    NAMES,
    ROOT,
    Pod,
    Rendered,
    image_environment,
    parsed,
    rendered,
    template,
)

MECHANISMS = {"PLAIN": "plaintext", "SCRAM-SHA-512": "scram_sha512"}
KEDA = ["strimzi-rds-gpu", "msk-timescale-gpu"]


@pytest.fixture(params=NAMES)
def line(request: pytest.FixtureRequest, helm: Path) -> Rendered:
    return rendered(helm, request.param)


def trigger_of(line: Rendered) -> dict[str, str]:
    (scaled,) = line.of("ScaledObject")
    (trigger,) = scaled["spec"]["triggers"]
    return dict(trigger["metadata"])


def checksums(line: Rendered) -> dict[str, str]:
    return {
        pod.role: pod.template["metadata"]["annotations"]["checksum/settings"] for pod in line.roles
    }


def test_what_a_pod_starts_is_a_command_with_such_options(line: Rendered) -> None:
    for pod in line.pods:
        words = list(pod.container["args"])
        command: click.Command = cli
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, pod.container["args"]
            command = found
        command.make_context("onehertz", words, resilient_parsing=False)


def test_the_product_takes_its_settings(line: Rendered, tmp_path: Path) -> None:
    for pod in (pod for pod in line.pods if pod.role != "assets"):
        settings = line.settings(pod, tmp_path)
        assert settings.health.port == 8080
        assert settings.health.host == "0.0.0.0"  # noqa: S104 - the kubelet comes from outside
        assert settings.kafka.bootstrap_servers != Settings().kafka.bootstrap_servers


def test_config_check_finds_nothing_wrong(helm: Path, tmp_path: Path) -> None:
    line = rendered(helm, "minimal")
    for role in ("gate", "produce"):
        pod = line.pod(role)
        environment = {k: v for k, v in pod.environment.items() if is_setting(k)}
        path = line.settings_file(pod, tmp_path)
        done = CliRunner().invoke(cli, ["config", "check", "--config", str(path)], env=environment)
        assert done.exit_code == 0, done.output
        assert "2 cameras" in done.output


def test_a_secret_s_file_is_where_the_settings_look(helm: Path, tmp_path: Path) -> None:
    line = rendered(helm, "strimzi-rds-gpu")
    pod = line.pod("sql")
    settings = line.settings(pod, tmp_path)
    for path in (
        settings.kafka.sasl_password_file,
        settings.kafka.ssl_ca_file,
        settings.sql.password_file,
        Path(pod.environment["PGSSLROOTCERT"]),
    ):
        assert path is not None
        assert str(path) in mounted_files(pod)
    assert pod.environment["PGSSLMODE"] == "verify-full"


def mounted_files(pod: Pod) -> set[str]:
    """Paths of the files that the pod's secrets become."""
    volumes = {one["name"]: one for one in pod.spec["volumes"]}
    return {
        f"{mount['mountPath']}/{item['path']}"
        for mount in pod.container["volumeMounts"]
        for item in volumes.get(mount["name"], {}).get("secret", {}).get("items", ())
    }


def test_each_producer_has_its_own_cameras_and_the_others_have_all(
    helm: Path, tmp_path: Path
) -> None:
    second = "produce.groups[1].name=more,produce.groups[1].cameras.yard.source.kind=street"
    # Of a camera that the first group's producer does not know.
    rule = "settings.rules[0].cameras={yard}"
    line = rendered(helm, "minimal", second, rule)
    assert line.settings(line.pod("alerts"), tmp_path).rules[0].cameras == ("yard",)
    producers = [pod for pod in line.pods if pod.role == "produce"]
    own = [set(line.settings(pod, tmp_path).cameras) for pod in producers]
    assert own == [{"street-1", "street-2"}, {"yard"}]
    assert set(line.settings(line.pod("gate"), tmp_path).cameras) == set.union(*own)


def test_a_large_number_stays_one(helm: Path, tmp_path: Path) -> None:
    """Helm holds numbers as floats, and would write 1e+10."""
    line = rendered(helm, "minimal", "settings.produce.spool.max_bytes=10000000001")
    settings = line.settings(line.pod("produce"), tmp_path)
    assert settings.produce.spool.max_bytes == 10_000_000_001


@pytest.mark.parametrize("name", KEDA)
@pytest.mark.parametrize("prefix", ["", "north."])
def test_keda_looks_at_the_topic_and_the_group_of_the_workers(
    helm: Path, tmp_path: Path, name: str, prefix: str
) -> None:
    line = rendered(helm, name, f"settings.line.prefix={prefix}")
    trigger = trigger_of(line)
    settings = line.settings(line.pod("infer"), tmp_path)
    assert trigger["topic"] == settings.line.topic("frames-gated")
    assert trigger["consumerGroup"] == settings.line.group("infer")
    assert trigger["bootstrapServers"] == settings.kafka.bootstrap_servers


def test_strimzi_s_user_may_use_what_the_line_is_made_of(helm: Path, tmp_path: Path) -> None:
    line = rendered(helm, "strimzi-rds-gpu")
    settings = line.settings(line.pod("gate"), tmp_path)
    user = yaml.safe_load((FOLDER / "strimzi-user.yaml").read_text(encoding="utf-8"))
    assert user["metadata"]["name"] == settings.kafka.sasl_username
    rules = [one["resource"] for one in user["spec"]["authorization"]["acls"]]
    prefixes = {one["type"]: one["name"] for one in rules if one["patternType"] == "prefix"}
    context = Context(settings.kafka, settings.line, Stop(), Metrics(), Health(60), slot="pod")
    for kind, name in [
        *(("topic", settings.line.topic(topic)) for topic in settings.line.topics()),
        *(("group", settings.line.group(role)) for role in ("gate", "infer", "sql", "alerts")),
        *(("transactionalId", context.transactional_id(role)) for role in ("gate", "alerts")),
    ]:
        assert name.startswith(prefixes[kind])


@pytest.mark.parametrize("name", KEDA)
def test_keda_logs_in_as_the_workers_do(helm: Path, tmp_path: Path, name: str) -> None:
    line = rendered(helm, name)
    trigger, pod = trigger_of(line), line.pod("infer")
    settings = line.settings(pod, tmp_path)
    assert trigger["sasl"] == MECHANISMS[settings.kafka.sasl_mechanism]
    assert (trigger["tls"] == "enable") == settings.kafka.security_protocol.endswith("SSL")
    (login,) = line.of("TriggerAuthentication")
    given = {one["parameter"] for key in login["spec"] for one in login["spec"][key]}
    assert {"username", "password"} <= given
    assert ("ca" in given) == (settings.kafka.ssl_ca_file is not None)
    for one in login["spec"].get("env", ()):
        assert one["name"] in pod.environment
        assert one["containerName"] == pod.container["name"]


def test_a_role_waits_for_kafka_and_a_job_does_not(line: Rendered, tmp_path: Path) -> None:
    for pod in (pod for pod in line.pods if pod.role != "assets"):
        waits = line.settings(pod, tmp_path).lifecycle.wait_for_kafka
        assert waits == (pod in line.roles)
        if waits:
            probe = pod.container["startupProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] >= 300


@pytest.mark.parametrize("name", ["strimzi-rds-gpu", "hpa-cpu", "hpa-gpu"])
def test_what_scales_has_no_number_of_its_own(helm: Path, name: str) -> None:
    """Or each upgrade would set it back."""
    line = rendered(helm, name)
    deployment = line.pod("infer").owner
    assert "replicas" not in deployment["spec"]
    (scaler,) = line.of("ScaledObject") + line.of("HorizontalPodAutoscaler")
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]


def test_a_slot_is_the_pod_s_name(line: Rendered) -> None:
    for pod in line.roles:
        slots = [word for word in pod.container["args"] if word == "$(POD_NAME)"]
        assert len(slots) == (1 if pod.role in ("gate", "alerts") else 0)
        (name,) = [one for one in pod.container["env"] if one["name"] == "POD_NAME"]
        assert name["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


@pytest.mark.parametrize(
    ("setting", "rolled"),
    [
        (
            "settings.kafka.bootstrap_servers=other:9092",
            {"produce", "gate", "infer", "sql", "alerts"},
        ),
        ("settings.gate.threshold=8", {"produce", "gate"}),
        ("settings.sql.host=other", {"sql"}),
        # Running workers and producers follow these by themselves.
        ("settings.infer.model=yolox-s", set()),
        ("produce.groups[0].cameras.street-1.interval_s=2", {"gate", "infer", "alerts"}),
    ],
)
def test_a_change_of_settings_rolls_the_pods_that_read_them_once(
    helm: Path, setting: str, rolled: set[str]
) -> None:
    before, after = rendered(helm, "minimal"), rendered(helm, "minimal", setting)
    old, new = checksums(before), checksums(after)
    assert {role for role in old if old[role] != new[role]} == rolled


def test_prometheus_names_what_it_scrapes_as_the_alert_rules_do(helm: Path) -> None:
    line = rendered(helm, "hpa-cpu")
    (monitor,) = line.of("PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert {one["targetLabel"] for one in endpoint["relabelings"]} == {"service", "job"}
    chosen = rendered(helm, "hpa-cpu", "podMonitorLabels.release=stack").of("PodMonitor")
    assert chosen[0]["metadata"]["labels"] == monitor["metadata"]["labels"] | {"release": "stack"}
    rules = (ROOT / "deploy" / "monitoring" / "alerts.yml").read_text(encoding="utf-8")
    for service in re.findall(r'service="(\w+)"', rules):
        assert line.pod(service)
    (job,) = set(re.findall(r'job="(\w+)"', rules))
    assert {"targetLabel": "job", "replacement": job} in endpoint["relabelings"]
    selector = monitor["spec"]["selector"]["matchLabels"]
    for pod in line.roles:
        assert selector.items() <= pod.template["metadata"]["labels"].items()


def test_the_image_says_where_the_settings_are(line: Rendered) -> None:
    config = Path(image_environment()["ONEHERTZ_CONFIG"])
    for pod in (pod for pod in line.pods if pod.role != "assets"):
        (mount,) = [one for one in pod.container["volumeMounts"] if one["name"] == "settings"]
        # A whole folder, not a file by subPath: only so does an edit reach a running pod.
        assert (mount["mountPath"], "subPath" in mount) == (str(config.parent), False)
        assert config.name == "onehertz.yaml"


DOCUMENT = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")


def test_the_values_of_the_document_are_valid(helm: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"^```yaml\n(# mine.yaml\n.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    path = tmp_path / "mine.yaml"
    path.write_text(block, encoding="utf-8")
    line = parsed(template(helm, "gpu", "strimzi", "rds", more=[path]))
    settings = line.settings(line.pod("produce"), tmp_path)
    mounts = [mount["mountPath"] for mount in line.pod("produce").container["volumeMounts"]]
    source = settings.cameras["door"].source
    assert isinstance(source, RtspSettings)
    assert source.password_file is not None
    assert str(source.password_file.parent) in mounts
    assert line.settings(line.pod("sql"), tmp_path).sql.host == "db.example.com"


def test_the_topics_that_are_made_by_hand_are_those_of_the_catalogue() -> None:
    """Run by a shell, with a function of ours in place of Confluent's program."""
    (block,) = re.findall(r"^```\n(make_topic\(\).*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    script = 'confluent() { echo "$4 $8"; }\n' + block
    done = subprocess.run(["sh", "-ec", script], check=True, capture_output=True, text=True)
    made = dict(line.split(" ") for line in done.stdout.splitlines())
    for spec in line_topics(()).values():
        wanted = {key: value for key, value in spec.config().items() if key != "compression.type"}
        found = dict(pair.split("=") for pair in made.pop(spec.name).split(","))
        wanted["max.message.bytes"] = "8388608"  # what clusters take there, unless dedicated
        assert found == wanted, spec.name
    assert made == {}
