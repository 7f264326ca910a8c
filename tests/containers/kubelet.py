"""A pod's container as Kubernetes' kubelet would run it, on a Docker engine. Wants root.

Held to the manifest: user and groups, the read-only root, capabilities, limits, environment, files
of ConfigMaps and Secrets with owner and mode, probes, restarts and their waiting times, the grace
period. Not there: nodes, policies of the network, evictions, sizes of volumes.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

Object = dict[str, Any]

_UNITS = {"": 1, "Mi": 2**20, "Gi": 2**30}
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 10.0, 300.0


def docker(*arguments: str, check: bool = True) -> str:
    """Standard output. Raises AssertionError with what Docker says."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def size_bytes(quantity: str) -> int:
    found = re.fullmatch(r"(\d+)(Mi|Gi|)", quantity)
    assert found is not None, quantity
    return int(found[1]) * _UNITS[found[2]]


def cores(quantity: str) -> float:
    return int(quantity[:-1]) / 1000 if quantity.endswith("m") else float(quantity)


class Pod:
    """One pod of one container. `volumes`: its volumes' folders, by name."""

    def __init__(
        self,
        name: str,
        owner: str,
        template: Object,
        volumes: dict[str, Path],
        environment: dict[str, str],
        network: list[str],
    ) -> None:
        self.name = name
        self.owner = owner
        self.template = template
        self.role = str(template["metadata"]["labels"].get("app.kubernetes.io/component", name))
        self.spec: Object = template["spec"]
        (self.container,) = self.spec["containers"]
        self.restarts = 0
        self.ready = False
        self.exit_codes: list[int] = []
        self.logs: list[str] = []
        self.killed_for: list[str] = []  # probes that failed too often
        self._volumes = volumes
        self._environment = environment
        self._network = network
        self._started = False
        self._back_at = 0.0
        self._backoff_s = _FIRST_BACKOFF_S
        self._start()

    @property
    def full_name(self) -> str:
        """The container's: Docker has one name space for all."""
        return f"{self._network[0]}-{self.name}"

    def ask(self, path: str, timeout_s: float = 3.0) -> tuple[int, str]:
        """Status and text of the port named health; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(
                f"http://{self.address}:8080{path}", timeout=timeout_s
            ) as answer:
                return int(answer.status), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    @property
    def address(self) -> str:
        networks = self.inspected()["NetworkSettings"]["Networks"]
        return str(networks.get(self._network[0], {}).get("IPAddress", ""))

    def inspected(self) -> Object:
        found: Object = json.loads(docker("inspect", self.full_name))[0]
        return found

    def run(self, *command: str) -> str:
        return docker("exec", self.full_name, *command)

    def look(self, now: float) -> None:
        """What the kubelet does each second: restarts what has ended, asks the probes."""
        if self._back_at:
            if now >= self._back_at:
                self.restarts += 1
                self._start()
            return
        state = self.inspected()["State"]
        if not state["Running"]:
            self._ended(now)
        elif not self._started:
            self._started = self._probe("startupProbe", now) is not False
        else:
            self.ready = self._probe("readinessProbe", now) is not False
            self._probe("livenessProbe", now)

    def terminate(self) -> int:
        """SIGTERM, and SIGKILL when the grace period is over. The exit code."""
        self._stop()
        return self.remove()

    def crash(self) -> None:
        """Kill -9 from outside."""
        docker("kill", "--signal", "KILL", self.full_name)

    def unplug(self) -> None:
        """Off the network: nobody reaches it, and its name is unknown."""
        docker("network", "disconnect", self._network[0], self.full_name)

    def plug(self) -> None:
        network, *aliases = self._network
        named = [f"--alias={alias}" for alias in aliases]
        docker("network", "connect", *named, network, self.full_name)

    def finished(self) -> bool:
        return not self.inspected()["State"]["Running"]

    def remove(self) -> int:
        """Its log is kept. The exit code."""
        state = self.inspected()["State"]
        told = subprocess.run(["docker", "logs", self.full_name], capture_output=True, check=True)
        self.logs.append((told.stdout + told.stderr).decode(errors="replace"))
        self.exit_codes.append(137 if state["OOMKilled"] else int(state["ExitCode"]))
        docker("rm", "--force", "--volumes", self.full_name)
        return self.exit_codes[-1]

    def _start(self) -> None:
        docker("run", "--detach", *self._options(), self.container["image"], *self._arguments())
        self.ready = False
        self._started = "startupProbe" not in self.container
        self._back_at = 0.0
        self._asked: dict[str, float] = {}
        self._failed: dict[str, int] = {}

    def _stop(self) -> None:
        grace_s = self.spec.get("terminationGracePeriodSeconds", 30)
        docker("stop", "--time", str(grace_s), self.full_name)

    def _ended(self, now: float) -> None:
        self.ready = False
        self.remove()
        self._back_at = now + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, _LONGEST_BACKOFF_S)

    def _probe(self, kind: str, now: float) -> bool | None:
        """Whether it is as good as the probe wants; None where there is none."""
        probe = self.container.get(kind)
        if probe is None:
            return None
        good = kind != "startupProbe" and (kind != "readinessProbe" or self.ready)
        if now - self._asked.get(kind, 0.0) < probe["periodSeconds"]:
            return good
        self._asked[kind] = now
        if self._passes(probe):
            self._failed[kind] = 0
            return True
        self._failed[kind] = self._failed.get(kind, 0) + 1
        if self._failed[kind] < probe.get("failureThreshold", 3):
            return good
        if kind != "readinessProbe":
            self.killed_for.append(kind)
            docker(
                "stop", "--time", str(self.spec["terminationGracePeriodSeconds"]), self.full_name
            )
        return False

    def _passes(self, probe: Object) -> bool:
        if "httpGet" in probe:
            status, _ = self.ask(probe["httpGet"]["path"], probe.get("timeoutSeconds", 1))
            return 200 <= status < 400
        if "exec" in probe:
            command = ["docker", "exec", self.full_name, *probe["exec"]["command"]]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        port = probe["tcpSocket"]["port"]
        ports = {one["name"]: one["containerPort"] for one in self.container["ports"]}
        try:
            socket.create_connection((self.address, ports[port]), timeout=1).close()
        except OSError:
            return False
        return True

    def _arguments(self) -> list[str]:
        return [
            re.sub(r"\$\((\w+)\)", lambda found: self._environment[found[1]], word)
            for word in self.container.get("args", ())
        ]

    def _options(self) -> list[str]:
        network, *aliases = self._network
        options = ["--name", self.full_name, "--hostname", self.name[:63], "--network", network]
        options += [f"--network-alias={alias}" for alias in aliases]
        options += ["--no-healthcheck", *self._rights(), *self._limits()]
        for name, value in self._environment.items():
            options += ["--env", f"{name}={value}"]
        for mount in self.container["volumeMounts"]:
            end = ":ro" if mount.get("readOnly") else ""
            options += ["--volume", f"{self._volumes[mount['name']]}:{mount['mountPath']}{end}"]
        return options

    def _rights(self) -> list[str]:
        pod, own = self.spec["securityContext"], self.container["securityContext"]
        group = pod.get("runAsGroup", 0)
        options = ["--user", f"{pod['runAsUser']}:{group}", "--group-add", str(pod["fsGroup"])]
        options += [f"--cap-drop={one}" for one in own["capabilities"]["drop"]]
        if not own["allowPrivilegeEscalation"]:
            options += ["--security-opt", "no-new-privileges:true"]
        return [*options, *(["--read-only"] if own.get("readOnlyRootFilesystem") else [])]

    def _limits(self) -> list[str]:
        limits = self.container["resources"]["limits"]
        memory = str(size_bytes(limits["memory"]))
        options = ["--memory", memory, "--memory-swap", memory]
        return options + (["--cpus", str(cores(limits["cpu"]))] if "cpu" in limits else [])
