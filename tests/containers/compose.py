"""`docker compose` on this project's file, as a project of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def compose_command() -> list[str] | None:
    """Compose v2 where it is, else 1.29; None where there is neither."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


class Compose:
    """One project."""

    def __init__(self, command: list[str], project: str, environment: Mapping[str, str]) -> None:
        self.project = project
        self._command = command
        # What the shell has for the roles would not reach them, but it would reach compose.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ONEHERTZ_")}
        self._environment = {**inherited, "COMPOSE_PROJECT_NAME": project, **environment}

    def up(self, *services: str) -> None:
        """All of them run; with v2 until they are healthy, or ended well."""
        waiting = ["--wait"] if self._command == ["docker", "compose"] else []
        self.run("up", "--detach", *waiting, *services)

    def run(self, *arguments: str, within_s: float = 900) -> str:
        """Standard output. Raises AssertionError, with all that it has said."""
        done = subprocess.run(
            [*self._command, *arguments],
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"compose {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def container(self, service: str) -> dict[str, Any]:
        """What `docker inspect` says of a service's container."""
        # One that has just ended, and is about to be started again, too.
        name = self.run("ps", "--all", "--quiet", service).strip()
        told = subprocess.run(["docker", "inspect", name], capture_output=True, check=True)
        inspected: dict[str, Any] = json.loads(told.stdout)[0]
        return inspected

    def health(self, service: str) -> str:
        return str(self.container(service)["State"]["Health"]["Status"])

    def kill_process(self, service: str) -> None:
        """Kill -9 of the container's first process, from outside: a crash, as the engine sees it.

        `docker kill` would be taken for a wish that it stay away.
        """
        process = int(self.container(service)["State"]["Pid"])
        assert process > 0, f"{service} is not running"  # 0 would be this process and its group
        os.kill(process, signal.SIGKILL)

    def restart(self, service: str) -> int:
        """Stop it (SIGTERM first), and start it again; its exit code between."""
        self.run("stop", service)
        code = int(self.container(service)["State"]["ExitCode"])
        self.run("start", service)
        return code

    def left_behind(self) -> list[str]:
        """Containers and volumes of the project, running or not."""
        label = f"label=com.docker.compose.project={self.project}"
        found: list[str] = []
        for what in (["ps", "--all"], ["volume", "ls"]):
            told = subprocess.run(
                ["docker", *what, "--quiet", "--filter", label],
                capture_output=True,
                text=True,
                check=True,
            )
            found += told.stdout.split()
        return found
