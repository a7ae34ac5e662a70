"""How does a test get a whole wire: a real broker, a real Redis, every service, and all of it stopped afterwards?"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.local import instance, runner
from deploy.local.instance import Instance
from deploy.local.layout import PROJECT, RUNNER_ONLY
from deploy.local.ports import LOOPBACK, free_port
from tests import brokers
from tests.waiting import wait_until_sync

READY_WITHIN_S = 110.0
STOPPED_WITHIN_S = 30.0
RECEIVERS = 10
"""How many receivers a test may run at once: distribution calls loopback only where its settings name the port."""


class NotRunning(Exception):
    """The wire did not come up; the message is the runner's own last words."""

    def __init__(self, words: str, code: int | None) -> None:
        super().__init__(words)
        self.code = code


@dataclass(slots=True)
class Wire:
    """One running instance. `ports` are those that receivers may listen on; take one with `lend`."""

    data: Path
    ports: list[int]
    _known: Instance | None = field(default=None, repr=False)

    @property
    def now(self) -> Instance:
        """Where it is reached, with the process ids of this moment."""
        self._known = instance.read(self.data) or self._known
        assert self._known is not None
        return self._known

    def key(self, who: str) -> str:
        return self.now.keys[who]

    def pid(self, name: str) -> int:
        return self.now.pids[name]

    @property
    def told(self) -> str:
        """What the runner has said so far: which process ended, which one can take work again."""
        return (self.data / "logs" / "runner.log").read_text(errors="replace")

    @contextmanager
    def lend(self) -> Iterator[int]:
        """Lend a port for a receiver while the block lasts."""
        port = self.ports.pop(0)
        try:
            yield port
        finally:
            self.ports.append(port)

    def environment(self) -> dict[str, str]:
        """What a command needs to find this instance: `python -m deploy.local demo`, `wire`."""
        return {**_without_ours(), "WIRE_DATA": str(self.data)}


@contextmanager
def a_whole_wire(data: Path, settings: Mapping[str, str] | None = None) -> Iterator[Wire]:
    """Run an instance with its state in `data` while the block lasts, told `settings` too; raises `NotRunning`.

    It is the runner that `make run` starts, on ports nobody uses; nothing of it is left running behind the block.
    """
    ports = _free_ports(RECEIVERS)
    runner_log = data / "logs" / "runner.log"
    runner_log.parent.mkdir(parents=True, exist_ok=True)
    with runner_log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "up", "--no-sample"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=PROJECT,
            env={**_environment(data, ports), **(settings or {})},
            start_new_session=True,
        )
    try:
        wait_until_sync(lambda: _is_up(data) or process.poll() is not None, READY_WITHIN_S, message="the wire is ready")
        if process.poll() is not None:
            raise NotRunning(runner_log.read_text(errors="replace")[-2000:], process.returncode)
        yield Wire(data, ports)
    finally:
        _stop(process, data)


@contextmanager
def a_wire_for_tests(data: Path) -> Iterator[Wire]:
    """Run an instance, or end the test: skipped where an engine is missing, failed where it does not come up."""
    try:
        with a_whole_wire(data) as wire:
            yield wire
    except NotRunning as error:
        if error.code == runner.MUST_ACT:
            brokers.unavailable(str(error))
        pytest.fail(f"the wire does not come up:\n{error}", pytrace=False)


def _is_up(data: Path) -> bool:
    running = instance.running(data)
    return running is not None and bool(running.keys) and bool(running.pids)


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        found.append(free_port(frozenset(found)))
    return found


def _without_ours() -> dict[str, str]:
    """The environment without any WIRE_* of the test run: the instance is told everything by us."""
    return {name: value for name, value in os.environ.items() if not name.startswith("WIRE_")}


def _environment(data: Path, receivers: list[int]) -> dict[str, str]:
    taken = set(receivers)
    told = {}
    for name in sorted(RUNNER_ONLY - {"WIRE_DATA"}):
        port = free_port(frozenset(taken))
        taken.add(port)
        told[name] = str(port)
    allowed = ",".join(f"{LOOPBACK}:{port}" for port in receivers)
    return {**_without_ours(), **told, "WIRE_DATA": str(data), "WIRE_ENDPOINT_ALLOW": allowed}


def _stop(process: subprocess.Popen[bytes], data: Path) -> None:
    """Ask the runner to end; one that does not is killed, and so is whatever it had started."""
    left = instance.read(data)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        for pid in (left.pids if left else {}).values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait()
