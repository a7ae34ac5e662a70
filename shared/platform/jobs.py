"""How does a process run its jobs, stop on a signal, and never linger half dead?"""

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvloop

from shared.domain.errors import Misconfigured
from shared.platform.logs import configure_logs, logger

MISCONFIGURED = 3  # starting again will not help: somebody has to change something
INTERRUPTED = 130
FAILED = 70  # EX_SOFTWARE: a supervisor starts the process again
GRACE_SECONDS = 15.0
GARBAGE_AFTER = (10_000, 20, 10)
"""Objects made before the collector looks for cycles. After 700, as usual, it took a ninth of a delivery's time."""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)

Job = Callable[[asyncio.Event], Awaitable[None]]


class JobError(Exception):
    """A job ended by an error; the others were asked to stop. The cause is the job's own error."""

    def __init__(self, job: str) -> None:
        super().__init__(f"job {job} failed")
        self.job = job


class Watchdog:
    """Ends the process when it has not stopped in time; a thread, so a blocked event loop cannot hold it up."""

    def __init__(self) -> None:
        self._timer: threading.Timer | None = None

    def arm(self, seconds: float) -> None:
        """Exit with code 70 after `seconds`; arming again starts the time anew."""
        self.disarm()
        self._timer = threading.Timer(seconds, self._exit, (seconds,))
        self._timer.daemon = True
        self._timer.start()

    def disarm(self) -> None:
        """Let the process live."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @staticmethod
    def _exit(seconds: float) -> None:
        sys.stderr.write(f"not stopped within {seconds:g} s; exiting\n")
        sys.stderr.flush()
        os._exit(FAILED)


async def run(jobs: Mapping[str, Job], *, grace: float = GRACE_SECONDS) -> None:
    """Run all jobs until they end; SIGTERM or SIGINT sets the stop event that each was given.

    A job that raises makes the others stop too; when they have, its Misconfigured is raised as it is, any other
    error as the cause of a JobError.
    What has not stopped `grace` seconds after the event was set takes the whole process with it (exit 70).
    """
    stop = asyncio.Event()
    watchdog = Watchdog()
    failures: list[JobError | Misconfigured] = []

    def failed(name: str, error: BaseException) -> None:
        logger().error("job.failed", job=name, exc_info=error)
        failure = JobError(name)
        failure.__cause__ = error
        failures.append(failure)
        stop.set()

    async def watched(name: str, job: Job) -> None:
        try:
            await job(stop)
        except Misconfigured as error:  # its sentence is for whoever starts the process; a stack would hide it
            failures.append(error)
            stop.set()
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            failed(name, error)  # a library's own, of something it waited for: a task group would not notice
        except Exception as error:  # noqa: BLE001 - whatever ends a job ends the process, by name
            failed(name, error)

    async def deadline() -> None:
        await stop.wait()
        watchdog.arm(grace)

    with _stopping_on_signals(stop):
        timekeeper = asyncio.create_task(deadline(), name="grace")
        try:
            async with asyncio.TaskGroup() as group:
                for name, job in jobs.items():
                    group.create_task(watched(name, job), name=name)
        finally:
            timekeeper.cancel()
            watchdog.disarm()
    if failures:
        raise failures[0]


def is_cancelled() -> bool:
    """Whether somebody cancelled the current task, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def _stopping_on_signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def asked(name: str) -> None:
        logger().info("process.stopping", signal=name)
        stop.set()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, asked, number.name)
    try:
        yield
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)


def main(service: Callable[[], Coroutine[Any, Any, None]], *, grace: float = GRACE_SECONDS) -> None:
    """Run `service` as this process and exit: 0 when it stopped as asked, 3 when misconfigured, 70 when it failed.

    Closing connections after the jobs have ended is held to `grace` seconds as well.
    """
    gc.set_threshold(*GARBAGE_AFTER)
    configure_logs(_program(), "console" if sys.stderr.isatty() else "json", "info")
    sys.exit(_exit_code(service, grace))


def _program() -> str:
    """`enrich` for `python -m services.enrich`; the service names itself better once it knows its settings."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return (spec.parent or spec.name).rpartition(".")[2] if spec else os.path.basename(sys.argv[0])


def _exit_code(service: Callable[[], Coroutine[Any, Any, None]], grace: float) -> int:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_then_hurry(service, grace))
    except Misconfigured as error:
        sys.stderr.write(f"{error}\n")
        return MISCONFIGURED
    except JobError:  # logged when it happened
        return FAILED
    except KeyboardInterrupt:  # before any job ran
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last door: logged without story text, then exit
        logger().error("process.failed", exc_info=error)
        return FAILED
    return 0


async def _then_hurry(service: Callable[[], Coroutine[Any, Any, None]], grace: float) -> None:
    try:
        await service()
    finally:
        Watchdog().arm(grace)  # never disarmed: the interpreter has this long to close down
