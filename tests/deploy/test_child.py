"""A server process is started apart from us, watched, and ended in time."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deploy.local.child import Child, ServerFailed
from tests.waiting import wait_until

SLEEPS = ("sh", "-c", "echo started; exec sleep 60")
IGNORES_SIGTERM = ("sh", "-c", "trap '' TERM; echo started; while :; do sleep 0.05; done")


@pytest.fixture
async def child(tmp_path: Path) -> AsyncIterator[Child]:
    """A child not yet started, gone after the test whatever the test did."""
    child = Child("a server", tmp_path / "logs" / "server.out")
    yield child
    await child.kill()


async def started(child: Child, command: tuple[str, ...]) -> int:
    """Start a command and wait for its first word; return its process id."""
    child.start(command)
    await wait_until(lambda: "started" in child.last_words(), within=5)
    assert child.pid is not None
    return child.pid


async def test_a_child_has_a_session_of_its_own(child: Child) -> None:
    """Ctrl-C at the terminal goes to our session; the child is not in it."""
    pid = await started(child, SLEEPS)
    assert os.getsid(pid) == pid != os.getsid(0)


async def test_a_stopped_child_is_gone(child: Child) -> None:
    """After stop there is no process and no pid; stopping again is nothing."""
    pid = await started(child, SLEEPS)
    await child.stop(within=5)
    await child.stop(within=5)
    assert child.pid is None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_child_that_will_not_stop_is_killed(child: Child) -> None:
    """The time to stop is a limit, not a hope."""
    await started(child, IGNORES_SIGTERM)
    await child.stop(within=0.2)
    assert await child.ended() == -9


async def test_the_end_of_a_child_is_noticed(child: Child) -> None:
    """Whoever watches a child learns of its end with its exit code and last words."""
    child.start(("sh", "-c", "echo port in use >&2; exit 7"))
    assert await child.ended() == 7
    assert child.last_words() == "port in use"


async def test_a_running_child_is_not_started_twice(child: Child) -> None:
    """A second start would lose the first process."""
    pid = await started(child, SLEEPS)
    with pytest.raises(ServerFailed, match=f"already running as process {pid}"):
        child.start(SLEEPS)


async def test_a_program_that_is_not_there_is_told(child: Child) -> None:
    """The error names the server, not only the file."""
    with pytest.raises(ServerFailed, match="a server cannot be started"):
        child.start(("/no/such/program",))


def test_a_child_outlives_the_loop_it_was_started_in(tmp_path: Path) -> None:
    """Started in one event loop it can be stopped from another: a session fixture does so."""
    child = Child("a server", tmp_path / "server.out")
    asyncio.run(started(child, SLEEPS))
    assert child.running
    asyncio.run(child.stop(within=5))
    assert not child.running
