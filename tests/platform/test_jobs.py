"""Does a process stop as asked, fail loudly, and never linger? Real processes, real signals."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shared.domain.errors import Misconfigured
from shared.platform.jobs import FAILED, MISCONFIGURED, JobError, run

PATIENCE = 20


@asynccontextmanager
async def process(scene: str, **environment: str) -> AsyncIterator[Process]:
    """One scene of `jobs_process`, warnings as errors; killed if the test leaves it running."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-m", "tests.platform.jobs_process", scene),
        stdout=PIPE,
        stderr=PIPE,
        env=os.environ | environment,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def until(child: Process, line: str) -> None:
    """Read what the child says until it says that."""
    assert child.stdout is not None
    async with asyncio.timeout(PATIENCE):
        while (said := (await child.stdout.readline()).decode().strip()) != line:
            assert said, f"ended without saying {line!r}"


async def ended(child: Process) -> tuple[int, str, str]:
    """Exit code, and the rest of stdout and stderr."""
    async with asyncio.timeout(PATIENCE):
        out, err = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_jobs_finish_and_exits_with_success(number: signal.Signals) -> None:
    """Jobs are told through their event, finish what is in hand, connections close, exit code 0."""
    async with process("steady") as child:
        await until(child, "working")
        child.send_signal(number)
        code, out, _ = await ended(child)
    assert (code, out.split("\n")[:2]) == (0, ["finished what was in hand", "closed"])


async def test_a_job_that_fails_stops_the_others_and_the_process() -> None:
    """A service with a dead consumer must not stay up: the others finish, the failure is logged by name, exit 70."""
    async with process("failing") as child:
        code, out, err = await ended(child)
    assert code == FAILED
    assert "finished what was in hand" in out
    assert '"job": "broken"' in err
    assert "it broke" in err


async def test_a_misconfigured_job_says_its_sentence_and_exits_with_its_own_code() -> None:
    """A supervisor can tell what a restart will not cure; the sentence stands alone, without a stack."""
    async with process("misconfigured") as child:
        code, out, err = await ended(child)
    assert code == MISCONFIGURED
    assert err.splitlines()[-1] == "Set the wire up first."
    assert "stack" not in err
    assert "finished what was in hand" in out


async def test_an_unknown_variable_stops_the_start() -> None:
    """Nothing has been opened by then; the sentence on stderr names the variable that was probably meant."""
    async with process("steady", WIRE_KAFAK="127.0.0.1:9092") as child:
        code, out, err = await ended(child)
    assert (code, out) == (MISCONFIGURED, "")
    assert err == "WIRE_KAFAK is not a setting of Slugline; the nearest one is WIRE_KAFKA.\n"


async def test_a_job_that_does_not_hear_is_ended_by_the_watchdog() -> None:
    """After the grace the process ends, whatever still waits."""
    async with process("deaf") as child:
        await until(child, "working")
        child.terminate()
        code, _, err = await ended(child)
    assert code == FAILED
    assert "not stopped within 0.5 s" in err


async def test_the_watchdog_does_not_need_the_event_loop() -> None:
    """A job that blocks the loop while stopping is ended just the same."""
    async with process("blocked") as child:
        await until(child, "working")
        child.terminate()
        code, _, err = await ended(child)
    assert code == FAILED
    assert "not stopped within 0.5 s" in err


async def test_run_returns_when_all_jobs_are_done() -> None:
    """Jobs that come to an end by themselves need no signal."""
    done: list[str] = []

    async def short(stop: asyncio.Event) -> None:
        done.append("short")

    await run({"one": short, "two": short})
    assert done == ["short", "short"]


async def failure_of(job: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> BaseException | None:
    try:
        await run({"broken": job})
    except (JobError, Misconfigured) as error:
        return error
    return None


async def test_the_error_of_a_job_is_the_cause_of_what_run_raises() -> None:
    """Whoever calls `run` learns which job failed and why."""

    async def broken(stop: asyncio.Event) -> None:
        raise KeyError("missing")

    error = await failure_of(broken)
    assert isinstance(error, JobError)
    assert error.job == "broken"
    assert isinstance(error.__cause__, KeyError)


async def test_a_job_that_ends_by_somebody_else_s_cancellation_has_failed() -> None:
    """A task group takes it for a task that was asked to go: the others would run on without it."""

    async def waits_for_what_is_cancelled(stop: asyncio.Event) -> None:
        other = asyncio.create_task(asyncio.Event().wait())
        other.cancel()
        await other

    async def goes_on(stop: asyncio.Event) -> None:
        await stop.wait()

    with pytest.raises(JobError, match="closing") as caught:
        async with asyncio.timeout(PATIENCE):
            await run({"closing": waits_for_what_is_cancelled, "steady": goes_on})
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


async def test_cancelling_the_whole_is_no_failure_of_a_job() -> None:
    """Whoever runs the jobs as a task of its own may end them so."""

    async def goes_on(stop: asyncio.Event) -> None:
        started.set()
        await asyncio.Event().wait()

    started = asyncio.Event()
    whole = asyncio.create_task(run({"steady": goes_on}))
    await started.wait()
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
