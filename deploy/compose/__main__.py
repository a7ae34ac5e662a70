"""`python -m deploy.compose`, or `make containers`: build the image, start the wire in containers, make it usable here.

May be repeated: what runs as it should is left alone. Exit codes: 0 ready, 1 a step failed, 3 a person must act.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import httpx2

from deploy.compose import env_file, rising, tool
from deploy.local import instance
from deploy.local.instance import Instance
from deploy.local.machine import PROJECT, Missing

OK, FAILED, MUST_ACT = 0, 1, 3


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.compose", description=__doc__, epilog="example: python -m deploy.compose --keys-only"
    )
    parser.add_argument("--keys-only", action="store_true", help="only make the keys in .env; start nothing")
    asked = parser.parse_args(arguments)
    try:
        told = env_file.ensure(PROJECT / ".env")
        return OK if asked.keys_only else _up(told["WIRE_OPERATOR_KEY"])
    except (Missing, instance.AlreadyRunning) as reason:
        sys.stderr.write(f"{reason}\n")
        return MUST_ACT
    except (tool.ComposeFailed, httpx2.HTTPError) as reason:
        sys.stderr.write(f"{reason}\n")
        return FAILED


def say(line: str) -> None:
    """Print at once: whoever waits wants to see."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _up(operator: str) -> int:
    data = instance.data_folder()
    if pid := instance.runner_of(data):
        raise instance.AlreadyRunning(f"a wire without containers runs in {data} (process {pid}); `make down` stops it")
    compose = tool.find()
    compose.run("build", "provision")
    began = time.monotonic()
    compose.run("up", "--detach", "--remove-orphans")
    say("Waiting until all of it can take work")
    rising.wait(compose, say)
    there = asyncio.run(rising.introduce(compose, operator, data))
    say(f"\nReady after {time.monotonic() - began:.1f} s.")
    _tell_what_to_do(compose, there)
    return OK


def _tell_what_to_do(compose: tool.Compose, there: Instance) -> None:
    command = " ".join(compose.command)
    say(
        f"""
  API and docs   {there.gateway}/docs
  file stories   {there.ingest}/v1/intake/stories
  metrics        {there.monitor}/metrics
  all keys       {instance.data_folder() / "run.json"} (only you can read it)
  logs           {command} logs --follow

Try:
  make demo
  .venv/bin/wire tail

`{command} down` stops it and keeps the data; `{command} down --volumes` wipes that too."""
    )


if __name__ == "__main__":
    sys.exit(main())
