"""Children are started, waited for, restarted with a pause that grows, and stopped in order."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from deploy.local.child import ServerFailed
from deploy.local.layout import Service
from deploy.local.ports import free_port
from deploy.local.supervisor import ServiceProcess, Supervisor
from tests.waiting import wait_until

READY = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


class Program(ServiceProcess):
    """A service process that runs a script instead of a module of ours."""

    def __init__(self, name: str, script: str, logs: Path) -> None:
        service = Service(name, (), dict(os.environ), free_port())
        super().__init__(service, logs)
        self._command = [sys.executable, "-c", script, str(service.port)]

    async def start(self) -> None:
        self._child.start(self._command, self.service.environment)


def times_back(said: list[str], times: int) -> bool:
    return sum("ready again" in line for line in said) == times


@asynccontextmanager
async def supervised(said: list[str], **programs: Program) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(said.append)
    try:
        await supervisor.bring_up(dict(programs))
        yield supervisor
    finally:
        await supervisor.stop([list(programs)])


async def test_a_child_that_is_killed_comes_back(tmp_path: Path) -> None:
    """It is reported, started again, and its new process is told."""
    said: list[str] = []
    async with supervised(said, one=Program("one", READY, tmp_path)) as supervisor:
        before = supervisor.pids()["one"]
        os.kill(before, signal.SIGKILL)
        await wait_until(lambda: any("ready again" in line for line in said), within=20)
        assert supervisor.pids()["one"] != before
    assert any("killed by signal 9" in line for line in said)


async def test_a_child_that_stayed_up_comes_back_without_a_longer_pause(tmp_path: Path) -> None:
    """The pause grows only while it does not stay up: repeated kills of a sound process cost the same each time."""
    said: list[str] = []
    async with supervised(said, one=Program("one", READY, tmp_path)) as supervisor:
        supervisor.calm = 0.0
        for times in (1, 2, 3):
            os.kill(supervisor.pids()["one"], signal.SIGKILL)
            await wait_until(partial(times_back, said, times), within=20)
    assert sum("starting it again in 0.5 s" in line for line in said) == 3


async def test_a_child_that_is_slow_to_be_ready_is_given_longer(tmp_path: Path) -> None:
    """On a machine that is too busy it would otherwise be killed and started for ever."""
    said: list[str] = []
    slow = Program("slow", "import time; time.sleep(1.5)\n" + READY, tmp_path)
    async with supervised(said, slow=slow) as supervisor:
        supervisor.patience = 0.5
        os.kill(supervisor.pids()["slow"], signal.SIGKILL)
        await wait_until(lambda: any("is not ready" in line for line in said), within=20)
        await wait_until(partial(times_back, said, 1), within=60)


async def test_a_child_is_taken_away_for_good(tmp_path: Path) -> None:
    """It is stopped and not started again, and the others run on."""
    said: list[str] = []
    async with supervised(said, one=Program("one", READY, tmp_path), two=Program("two", READY, tmp_path)) as supervisor:
        pids = supervisor.pids()
        await supervisor.take_down("two")
        assert supervisor.pids() == {"one": pids["one"]}
        await wait_until(lambda: not Path(f"/proc/{pids['two']}").exists(), within=1)
    assert not any("starting it again" in line for line in said)


async def test_a_child_that_cannot_start_says_its_last_words(tmp_path: Path) -> None:
    """Whoever waits for the instance is told why it does not come."""
    said: list[str] = []
    bad = Program("bad", "import sys; sys.exit('the port is haunted')", tmp_path)
    with pytest.raises(ServerFailed, match="haunted"):
        async with supervised(said, bad=bad):
            pass


async def test_nothing_is_left_running(tmp_path: Path) -> None:
    """Also a child that ignores being asked is gone after the stop."""
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY
    said: list[str] = []
    async with supervised(said, deaf=Program("deaf", deaf, tmp_path), one=Program("one", READY, tmp_path)) as running:
        pids = list(running.pids().values())
    assert len(pids) == 2
    await wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), within=10)


async def test_stopping_does_not_restart(tmp_path: Path) -> None:
    """What ends because it was asked to stays ended."""
    said: list[str] = []
    async with supervised(said, one=Program("one", READY, tmp_path)):
        pass
    await asyncio.sleep(0)
    assert not any("starting it again" in line for line in said)
