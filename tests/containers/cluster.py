"""What is around the pods: Helm's hooks, Deployments, StatefulSets, Jobs, volumes, Secrets."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.containers.given import Given
from tests.containers.kubelet import Object, Pod, docker
from tests.waiting import eventually

_HOOKS = {"install": "pre-install", "upgrade": "pre-upgrade"}
_LOOK_EVERY_S = 0.5  # a look asks Docker about every pod


class Cluster:
    """One namespace, which is one network of Docker's."""

    def __init__(self, name: str, folder: Path, secrets: dict[str, dict[str, str]]) -> None:
        self.pods: list[Pod] = []
        self.gone: list[Pod] = []
        self.jobs: dict[str, Pod] = {}
        self._attempts: dict[str, int] = {}
        self._name = name
        self._given = Given(folder, secrets)
        self._objects: dict[tuple[str, str], Object] = {}
        self._random = Random(0)
        docker("network", "create", name)

    def helm(self, action: str, objects: list[Object]) -> None:
        """`install` or `upgrade`: hooks by weight, each Job waited for; then the rest."""
        hooks = [one for one in objects if _HOOKS[action] in _annotation(one, "helm.sh/hook")]
        for one in sorted(hooks, key=_hook_order):
            self._keep(one)
            if one["kind"] == "Job":
                self.run_job(one)
        self.apply([one for one in objects if not _annotation(one, "helm.sh/hook")])

    def apply(self, objects: list[Object]) -> None:
        """All at once; what is new or changed is started by `look`."""
        for one in objects:
            self._keep(one)
        self.look()

    def scale(self, ending: str, replicas: int) -> None:
        """The Deployment whose name ends so."""
        (one,) = [
            o for (k, n), o in self._objects.items() if k == "Deployment" and n.endswith(ending)
        ]
        one["spec"]["replicas"] = replicas

    def run_job(self, job: Object, within_s: float = 600) -> None:
        """Raises AssertionError, with its log, when its last attempt has failed."""
        name = job["metadata"]["name"]
        self._attempts.pop(name, None)
        self.jobs.pop(name, None)
        self.until(lambda: self._job(job), within_s, f"{name} takes too long")

    def of(self, role: str) -> list[Pod]:
        return [pod for pod in self.pods if pod.role == role]

    def until(self, condition: Callable[[], bool], within_s: float, why: str = "") -> float:
        """Looks after the pods meanwhile. Seconds that it took."""
        began = time.monotonic()

        def is_so() -> bool:
            found = condition()
            if not found:
                self.look()
            return found

        eventually(is_so, within_s, why=why, every_s=_LOOK_EVERY_S)
        return time.monotonic() - began

    def look_for(self, seconds: float) -> None:
        """Look after the pods for so long."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > end, seconds + 60)

    def settled(self) -> bool:
        """Each pod that is wanted is there as it is wanted, is ready, and no other is left."""
        wanted = {n: o for (k, n), o in self._objects.items() if k in ("Deployment", "StatefulSet")}
        return all(
            pod.ready and pod.template == wanted[pod.owner]["spec"]["template"] for pod in self.pods
        ) and len(self.pods) == sum(one["spec"].get("replicas", 1) for one in wanted.values())

    def look(self) -> None:
        for pod in self.pods:
            pod.look(time.monotonic())
        for (kind, name), one in list(self._objects.items()):
            if kind in ("Deployment", "StatefulSet"):
                self._reconcile(name, one)
            elif kind == "Job" and not _annotation(one, "helm.sh/hook"):
                self._job(one)

    def close(self) -> None:
        for pod in [*self.pods, *self.jobs.values()]:
            docker("rm", "--force", "--volumes", pod.full_name, check=False)
        docker("network", "rm", self._name)

    def _keep(self, one: Object) -> None:
        kind, name = one["kind"], one["metadata"]["name"]
        self._objects[kind, name] = one
        if kind == "ConfigMap":
            self._given.config_map(name, one["data"])

    def _reconcile(self, name: str, one: Object) -> None:
        """One step towards what is wanted: surge by one, unless the kind or strategy says no."""
        template, replicas = one["spec"]["template"], one["spec"].get("replicas", 1)
        mine = [pod for pod in self.pods if pod.owner == name]
        fresh = [pod for pod in mine if pod.template == template]
        stale = [pod for pod in mine if pod.template != template]
        surge = one["kind"] == "Deployment" and one["spec"]["strategy"]["type"] != "Recreate"
        if stale and (not surge or len([p for p in fresh if p.ready]) >= replicas):
            self._end(stale[0])
        elif len(fresh) > replicas:
            self._end(fresh[-1])
        elif len(fresh) < replicas and len(mine) < replicas + surge:
            ending = str(len(mine)) if one["kind"] == "StatefulSet" else self._draw()
            self._begin(name, f"{name}-{ending}", one)

    def _end(self, pod: Pod) -> None:
        pod.terminate()
        self.pods.remove(pod)
        self.gone.append(pod)

    def _begin(self, owner: str, name: str, one: Object) -> Pod:
        template = one["spec"]["template"]
        labels = template["metadata"]["labels"]
        services = [
            n
            for (k, n), s in self._objects.items()
            if k == "Service" and s["spec"]["selector"].items() <= labels.items()
        ]
        pod = Pod(
            name,
            owner,
            template,
            self._given.volumes(name, one),
            self._given.environment(name, template),
            [self._name, *services],
        )
        if one["kind"] != "Job":
            self.pods.append(pod)
        return pod

    def _job(self, job: Object) -> bool:
        """Whether it has ended well; starts it, again after a failure."""
        name = job["metadata"]["name"]
        pod = self.jobs.get(name)
        if pod is None:
            self._attempts.setdefault(name, 0)
            self.jobs[name] = self._begin(name, f"{name}-{self._draw()}", job)
            return False
        if pod.exit_codes:
            return pod.exit_codes[-1] == 0
        if pod.finished() and pod.remove() != 0:
            self._attempts[name] += 1
            assert self._attempts[name] <= job["spec"]["backoffLimit"], f"{name}: {pod.logs[-1]}"
            del self.jobs[name]
            self.gone.append(pod)
        return bool(pod.exit_codes) and pod.exit_codes[-1] == 0

    def _draw(self) -> str:
        return "".join(self._random.choices("bcdfghjklmnpqrstvwxz2456789", k=5))


def _annotation(one: Object, name: str) -> str:
    return str(one["metadata"].get("annotations", {}).get(name, ""))


def _hook_order(one: Object) -> tuple[int, str]:
    return int(_annotation(one, "helm.sh/hook-weight")), one["metadata"]["name"]
