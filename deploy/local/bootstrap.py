"""What must be on this machine before Slugline can run, and how does it get there?

`python3 -m deploy.local.bootstrap run|dev [--only-python]`, called by make; standard library only. Running it again
changes nothing. Exit codes: 0 all is there, 1 a step failed, 3 a person must do something first, 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local import environment, machine, packages

_LOG = machine.CACHE / "setup.log"
_NEEDS_A_PERSON = 3


class StepFailed(Exception):
    """A command of the set-up ended with an error; the message holds the end of its output."""


class NeedsAPerson(Exception):
    """We may not do what is needed; the message holds what to type."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the machine ready for one profile; return the exit code."""
    parser = argparse.ArgumentParser(prog="bootstrap", description=__doc__)
    parser.add_argument("profile", choices=("run", "dev"), help="what the Python environment is for")
    parser.add_argument("--only-python", action="store_true", help="leave Java, Redis and the Kafka jars alone")
    options = parser.parse_args(arguments)
    try:
        with _one_at_a_time():
            _prepare(options.profile, brokers=not options.only_python)
    except (NeedsAPerson, machine.Missing) as reason:
        print(f"slugline: {reason}", file=sys.stderr)
        return _NEEDS_A_PERSON
    except StepFailed as reason:
        print(f"slugline: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("slugline: interrupted; what is half done is done again next time", file=sys.stderr)
        return 130
    return 0


def _prepare(profile: str, brokers: bool) -> None:
    python = environment.find_python()
    want = environment.wanted()
    stamp = environment.read_stamp()
    work = environment.work_to_do(profile, stamp, want)
    rights = packages.rights_here()
    clocks = (
        brokers and profile == "dev" and rights.install
    )  # without it some tests are skipped: nobody is asked for it
    if missing := _missing(python, work, brokers, clocks):
        _install_packages(missing, rights)
        if still := _missing(python, work, brokers, clocks):
            raise NeedsAPerson("; ".join(still.values()))
    _make_environment(python, profile, work, stamp or {}, want)
    if brokers and not machine.jars_are_current():
        fetch_jars()


def _missing(python: Path, work: environment.Work, brokers: bool, clocks: bool) -> dict[str, str]:
    missing = packages.missing_packages(brokers, machine.jars_are_current(), clocks)
    if work.create and not environment.has_venv_module(python):
        missing[packages.VENV] = f"{python} lacks its venv module"
    return missing


def _install_packages(missing: Mapping[str, str], rights: packages.Rights) -> None:
    for reason in missing.values():
        _say(reason)
    way = packages.how_to_install(missing, rights)
    if isinstance(way, packages.Ask):
        raise NeedsAPerson(f"this machine lacks what only you may install:\n    {way.command}")
    _say(f"installing {', '.join(missing)} with apt-get (no service is started) ...")
    _step("apt-get", way.command)


def _make_environment(
    python: Path, profile: str, work: environment.Work, stamp: Mapping[str, str], want: Mapping[str, str]
) -> None:
    if work.create:
        _say(f"making the Python environment {environment.VENV.name} with {python} ...")
        _step("python -m venv", [str(python), "-m", "venv", "--clear", str(environment.VENV)])
    pip = [str(environment.VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if work.libraries:
        environment.write_stamp({})  # interrupted halfway, the next run installs again
        _say(f"installing the libraries of requirements/{profile}.txt (half a minute the first time) ...")
        requirements = machine.PROJECT / "requirements" / f"{profile}.txt"
        _step("pip", [*pip, "install", "--quiet", "--require-hashes", "-r", str(requirements)])
        stamp = {profile: want[profile]}
    if work.libraries or work.link:
        editable = ["--quiet", "--no-deps", "--no-build-isolation", "-e", str(machine.PROJECT)]
        _step("pip", [*pip, "install", *editable])
        environment.write_stamp({**stamp, "project": want["project"]})


def fetch_jars(jars: Path = machine.JARS, pom: Path = machine.POM) -> None:
    """Copy the broker's jars to `jars` with Maven, all or nothing; raises `StepFailed`."""
    partial = jars.with_name(f"{jars.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    _say(f"fetching Kafka for the local broker into {_shown(jars)} (about 45 MB) ...")
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial.resolve()}"]
    _step("mvn", [str(machine.maven()), "-B", "-q", "-f", str(pom), *goal])
    (partial / machine.JARS_STAMP).write_text(machine.sha256_of(pom))
    shutil.rmtree(jars, ignore_errors=True)
    partial.rename(jars)


def _step(name: str, command: Sequence[str]) -> None:
    began = time.monotonic()
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=machine.PROJECT,
    )
    try:
        output, _ = process.communicate()
    except KeyboardInterrupt:
        process.wait()  # it got the Ctrl-C too; killed in the middle, apt-get would leave a mess
        raise
    with _LOG.open("a") as log:
        log.write(f"--- {name}: exit {process.returncode} after {time.monotonic() - began:.1f} s\n{output}\n")
    if process.returncode != 0:
        raise StepFailed(f"{name} failed (all of it is in {_shown(_LOG)}):\n{output.strip()[-2000:]}")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    machine.CACHE.mkdir(exist_ok=True)
    with (machine.CACHE / "setup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("another set-up is at work here; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _shown(path: Path) -> str:
    return os.path.relpath(path, machine.PROJECT)


def _say(line: str) -> None:
    print(f"slugline: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
