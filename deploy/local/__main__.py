"""`python -m deploy.local up|down|status|demo`: the whole wire on one machine."""

from __future__ import annotations

import argparse
import asyncio
import logging
import subprocess
import sys
import time
from pathlib import Path

from deploy.local import instance, runner
from deploy.local.demo import Exit, demo
from deploy.local.machine import Missing

DETACHED_WITHIN_S = 120.0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code (0 done, 1 failed, 3 somebody must act; demo: see its help)."""
    asked = _parser().parse_args(arguments)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it tells of every retry while a new broker wakes up
    data = instance.data_folder()
    try:
        match asked.command:
            case "up":
                return _detach(data) if asked.detach else asyncio.run(runner.up(data, say, sample=not asked.no_sample))
            case "down":
                return asyncio.run(runner.down(data, say))
            case "status":
                return asyncio.run(runner.status(data, say))
            case _:
                return _demo(data, asked.file, asked.secret)
    except (instance.AlreadyRunning, Missing) as error:
        print(error, file=sys.stderr)
        return runner.MUST_ACT


def say(line: str) -> None:
    """Print at once: whoever waits wants to see."""
    print(line, flush=True)


def _demo(data: Path, file: Path, secret: str | None) -> int:
    if not file.is_file():
        print(f"There is no file {file}.", file=sys.stderr)
        return Exit.CANNOT
    if instance.running(data) is None:
        say("No wire is running here; starting one (`make down` stops it).")
        if code := _detach(data):
            return code
    running = instance.running(data)
    if running is None:
        return Exit.CANNOT
    return int(asyncio.run(demo(running, file, say, secret=secret)))


def _detach(data: Path) -> int:
    """Start a runner of its own and return once its instance is ready."""
    if (pid := instance.runner_of(data)) is not None:
        say(f"A wire is running already (process {pid}).")
        return runner.OK
    log = data / "logs" / "runner.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    start = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "deploy.local", "up", "--no-sample"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + DETACHED_WITHIN_S
    with log.open("rb") as told:
        told.seek(start)
        while time.monotonic() < deadline:
            sys.stdout.write(told.read().decode(errors="replace"))
            sys.stdout.flush()
            found = instance.running(data)
            if found is not None and found.runner and found.keys:
                return runner.OK
            if child.poll() is not None:
                sys.stdout.write(told.read().decode(errors="replace"))
                return child.returncode or runner.FAILED
            time.sleep(0.1)
    say(f"It is not ready after {DETACHED_WITHIN_S:.0f} s; its output is in {log}.")
    return runner.FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description="Run the whole wire on this machine: a real Kafka, a real Redis, every service.",
        epilog="examples: python -m deploy.local up --detach;  python -m deploy.local demo story.txt",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="up|down|status|demo")
    up = commands.add_parser("up", help="start everything and stay in the foreground; Ctrl-C stops it")
    up.add_argument("--detach", action="store_true", help="return once it is ready; `down` stops it")
    up.add_argument("--no-sample", action="store_true", help="do not file the sample story")
    commands.add_parser("down", help="stop what runs here")
    commands.add_parser("status", help="say what runs here; exit code 0 when all of it can take work")
    one = commands.add_parser(
        "demo",
        help="file a story and prove that it arrives",
        epilog="exit codes: 0 webhook verified and stream event seen; 1 not proven; 2 refused; 3 held; 4 cannot",
    )
    one.add_argument("file", type=Path, nargs="?", default=runner.SAMPLE, help="a ninjs item or a story page as text")
    one.add_argument("--secret", help="verify with this secret instead of the endpoint's own (the proof then fails)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
