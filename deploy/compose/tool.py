"""Which compose is on this machine, what do we ask of it, and what runs under it?"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.machine import PROJECT, Missing

_FORMAT = (
    '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Status}} {{.State.ExitCode}}'
    " {{with .State.Health}}{{.Status}}{{end}}"
)
_ANSWERS_WITHIN_S = 60.0


class ComposeFailed(Exception):
    """A command of docker compose ended with an error; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Container:
    """How one service's container stands. `health` is empty where there is no check: that of a one-shot."""

    service: str
    status: str
    exit_code: int
    health: str

    @property
    def works(self) -> bool:
        """Whether it has done, or can do, what it is there for: a one-shot ended well, a service is healthy."""
        if self.health:
            return self.status == "running" and self.health == "healthy"
        return self.status == "exited" and self.exit_code == 0

    def __str__(self) -> str:
        return f"{self.service} {'done' if self.works and not self.health else self.health or self.status}"


@dataclass(frozen=True, slots=True)
class Compose:
    """`docker compose`, or `docker-compose` where only that is here, for one project folder."""

    command: tuple[str, ...]
    folder: Path = PROJECT

    def run(self, *arguments: str) -> None:
        """Run a command at the terminal; raises `ComposeFailed`."""
        code = subprocess.run([*self.command, *arguments], cwd=self.folder, check=False).returncode
        if code != 0:
            raise ComposeFailed(f"{' '.join(self.command)} {arguments[0]} ended with exit code {code}")

    def ask(self, *arguments: str) -> str:
        """Return what a command prints, without outer space; raises `ComposeFailed`."""
        return _answer([*self.command, *arguments], self.folder)

    def containers(self) -> list[Container]:
        """Return how every container of the project stands, ended ones too."""
        ids = self.ask("ps", "--all", "--quiet").split()
        if not ids:
            return []
        told = _answer(["docker", "inspect", "--format", _FORMAT, *ids], self.folder)
        return [container(line) for line in told.splitlines()]

    def published(self, service: str, port: int) -> str:
        """Return the URL at which this machine reaches a published port of a service."""
        return f"http://{self.ask('port', service, str(port))}"


def container(line: str) -> Container:
    """Read what docker prints of one container: service, state, exit code and, where it has a check, health."""
    service, status, exit_code, *health = line.split()
    return Container(service, status, int(exit_code), health[0] if health else "")


def find(folder: Path = PROJECT) -> Compose:
    """Return the compose of this machine, version 2 before 1; raises `Missing` without one or without a daemon."""
    if shutil.which("docker") is None:
        raise Missing("no docker on this machine (`make run` needs none)")
    if not _works(["docker", "info"]):
        raise Missing("no Docker daemon answers: start it, or see that you may talk to it (`docker info`)")
    if _works(["docker", "compose", "version"]):
        return Compose(("docker", "compose"), folder)
    if shutil.which("docker-compose"):
        return Compose(("docker-compose",), folder)
    raise Missing("docker is here, but neither `docker compose` nor `docker-compose`")


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=10.0).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _answer(command: list[str], folder: Path) -> str:
    answer = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_ANSWERS_WITHIN_S,
    )
    if answer.returncode != 0:
        raise ComposeFailed(f"{' '.join(command[:4])} failed: {answer.stderr.strip()[-500:]}")
    return answer.stdout.strip()
