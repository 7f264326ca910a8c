"""What a pod gets besides its image: volumes and variables, made as a kubelet makes them."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.containers.kubelet import Object


class Given:
    """Of one namespace, in `folder`. `secrets`: by name and key."""

    def __init__(self, folder: Path, secrets: dict[str, dict[str, str]]) -> None:
        self._folder = folder
        self._secrets = secrets
        self._config_maps: dict[str, dict[str, str]] = {}
        self._groups: dict[Path, int] = {}  # of the mounted ConfigMaps

    def config_map(self, name: str, files: dict[str, str]) -> None:
        """A new one, or another content: pods that run see it too."""
        if self._config_maps.get(name) == files:
            return
        self._config_maps[name] = files
        for folder, group in self._groups.items():
            if folder.name == f"configmap-{name}":
                publish(folder, files, group, 0o644)

    def volumes(self, pod: str, one: Object) -> dict[str, Path]:
        """Folders of the pod's volumes by their names; `one`: what the pod is of."""
        spec = one["spec"]["template"]["spec"]
        group = spec["securityContext"]["fsGroup"]
        found = {each["name"]: self._volume(pod, each, group) for each in spec["volumes"]}
        for template in one["spec"].get("volumeClaimTemplates", ()):
            name = template["metadata"]["name"]
            found[name] = owned(self._folder / "claims" / f"{name}-{pod}", group, 0o2775)
        return found

    def environment(self, pod: str, template: Object) -> dict[str, str]:
        (container,) = template["spec"]["containers"]
        found: dict[str, str] = {}
        for one in container.get("env", ()):
            source = one.get("valueFrom", {})
            if "fieldRef" in source:
                found[one["name"]] = pod
            elif "secretKeyRef" in source:
                key = source["secretKeyRef"]
                found[one["name"]] = self._secrets[key["name"]][key["key"]]
            else:
                found[one["name"]] = one["value"]
        return found

    def _volume(self, pod: str, volume: Object, group: int) -> Path:
        own = self._folder / "pods" / pod
        if "configMap" in volume:
            name = volume["configMap"]["name"]
            folder = own / f"configmap-{name}"
            self._groups[folder] = group
            return publish(folder, self._config_maps[name], group, 0o644)
        if "secret" in volume:
            files, mode = self._secret(volume["secret"]), volume["secret"]["defaultMode"]
            return publish(own / volume["name"], files, group, mode)
        if "emptyDir" in volume:
            return owned(own / volume["name"], group, 0o2777)
        claim = volume["persistentVolumeClaim"]["claimName"]
        return owned(self._folder / "claims" / claim, group, 0o2775)

    def _secret(self, volume: Object) -> dict[str, str]:
        values = self._secrets[volume["secretName"]]
        items = volume.get("items", [{"key": key, "path": key} for key in values])
        return {item["path"]: values[item["key"]] for item in items}


def publish(folder: Path, files: dict[str, str], group: int, mode: int) -> Path:
    """Files as the kubelet writes them: beside the old ones, then one link is turned over."""
    version = folder / f"..{time.time_ns()}"
    version.mkdir(parents=True)
    for name, content in files.items():
        path = version / name
        path.write_text(content, encoding="utf-8")
        os.chown(path, 0, group)
        path.chmod(mode)
    fresh = folder / "..data_tmp"
    fresh.symlink_to(version.name)
    fresh.replace(folder / "..data")
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    return folder


def owned(folder: Path, group: int, mode: int) -> Path:
    """A volume's root as `fsGroup` leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chown(folder, 0, group)
    folder.chmod(mode)
    return folder
