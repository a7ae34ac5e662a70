"""The Python environment is made when it must be, left alone when it is right, and pinned to the byte."""

import json
import re
import sys
from pathlib import Path

import pytest

from deploy.local import environment
from deploy.local.environment import Work, work_to_do
from deploy.local.machine import PROJECT

WANT = {"run": "r1", "dev": "d1", "project": "p1"}
NOTHING = Work(create=False, libraries=False, link=False)
LIBRARIES = Work(create=False, libraries=True, link=False)


@pytest.mark.parametrize(
    ("profile", "stamp", "work"),
    [
        ("run", None, Work(create=True, libraries=True, link=True)),
        ("run", {}, Work(create=False, libraries=True, link=True)),
        ("run", {"run": "r1", "project": "p1"}, NOTHING),
        ("run", {"dev": "d1", "project": "p1"}, NOTHING),
        ("dev", {"dev": "d1", "project": "p1"}, NOTHING),
        ("dev", {"run": "r1", "project": "p1"}, LIBRARIES),
        ("run", {"run": "r0", "project": "p1"}, LIBRARIES),
        ("dev", {"dev": "d0", "project": "p1"}, LIBRARIES),
        ("run", {"run": "r1", "project": "p0"}, Work(create=False, libraries=False, link=True)),
    ],
    ids=[
        "absent", "interrupted", "run is current", "dev serves run", "dev is current", "run does not serve dev",
        "run pins changed", "dev pins changed", "project file changed",
    ],
)  # fmt: skip
def test_work_on_the_environment(profile: str, stamp: dict[str, str] | None, work: Work) -> None:
    """Only what the stamp does not vouch for is done again."""
    assert work_to_do(profile, stamp, WANT) == work


@pytest.mark.parametrize(
    ("version", "good"), [((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False), ((4, 0), False)]
)
def test_pythons_that_suit(version: tuple[int, int], good: bool) -> None:
    """The floor is 3.11; above 3.13 the stream library does not run."""
    assert environment.suits(version) is good


def test_an_environment_whose_python_is_gone_is_made_anew(tmp_path: Path) -> None:
    """A stamp is worth nothing when the interpreter it speaks of no longer runs."""
    (tmp_path / "slugline-setup.json").write_text(json.dumps(WANT))
    assert environment.read_stamp(tmp_path) is None


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A folder with the interpreter of these tests in it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "bin" / "python").chmod(0o755)
    return tmp_path


def test_a_stamp_is_read_back(venv: Path) -> None:
    """What was noted after an installation is what the next run sees."""
    environment.write_stamp(WANT, venv)
    assert environment.read_stamp(venv) == WANT


def test_a_damaged_stamp_means_install_again(venv: Path) -> None:
    """A stamp that cannot be read vouches for nothing, but the environment is kept."""
    (venv / "slugline-setup.json").write_text('{"run": "r')
    assert environment.read_stamp(venv) == {}


def test_a_half_made_environment_is_made_anew(venv: Path) -> None:
    """Without stamp and without pip, its making was interrupted."""
    (venv / "bin" / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')  # -S: no site-packages
    assert environment.read_stamp(venv) is None


def pins(profile: str) -> set[str]:
    """The pins of a requirement file with their markers, without hashes."""
    lines = (PROJECT / "requirements" / f"{profile}.txt").read_text().splitlines()
    return {line.removesuffix("\\").strip() for line in lines if re.match(r"[a-z0-9]", line)}


def test_dev_pins_include_all_run_pins() -> None:
    """The two files agree: otherwise a dev environment would not be a run environment."""
    assert pins("run") <= pins("dev")


@pytest.mark.parametrize("profile", ["run", "dev"])
def test_every_pin_is_exact_and_hashed(profile: str) -> None:
    """An installation takes the files that were looked at, or none."""
    text = (PROJECT / "requirements" / f"{profile}.txt").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(entries) > 40
    for entry in entries:
        assert re.match(r"[a-z0-9.\-\[\]]+==\S+", entry), entry
        assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("profile", ["run", "dev"])
def test_no_pin_names_a_host(profile: str) -> None:
    """Where packages come from is the business of the machine, not of this file."""
    assert "://" not in (PROJECT / "requirements" / f"{profile}.txt").read_text()
