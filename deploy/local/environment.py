"""Is the Python environment in .venv what the requirement files ask for, and how is it made so?

Standard library only, and readable by any Python 3: it runs before anything is installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from deploy.local import machine

OLDEST, TOO_NEW = (3, 11), (3, 14)  # faust-streaming does not run on 3.14
VENV = machine.PROJECT / ".venv"
_STAMP = "slugline-setup.json"


class Work(NamedTuple):
    """What is left to do on the environment."""

    create: bool
    libraries: bool
    link: bool  # make the checkout itself importable, with its `wire` command


def suits(version: tuple[int, int]) -> bool:
    """Tell whether a Python of this (major, minor) version can run Slugline."""
    return OLDEST <= version < TOO_NEW


def find_python() -> Path:
    """Return a Python that can run Slugline: this one, or one on PATH; raises `Missing`."""
    if suits(sys.version_info[:2]):
        return Path(sys.executable)
    for minor in range(OLDEST[1], TOO_NEW[1]):
        found = shutil.which(f"python3.{minor}")
        if found and version_of(Path(found)) == (3, minor):
            return Path(found)
    here = ".".join(map(str, sys.version_info[:2]))
    raise machine.Missing(f"Python 3.11, 3.12 or 3.13 is needed; python3 is {here} and no other is on PATH")


def version_of(python: Path) -> tuple[int, int] | None:
    """Return the (major, minor) version of an interpreter; None if it does not run."""
    script = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        answer = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor = answer.stdout.split()
    return int(major), int(minor)


def has_venv_module(python: Path) -> bool:
    """Tell whether `python -m venv` can work: Debian packs it apart."""
    return _imports(python, "ensurepip, venv")


def wanted(project: Path = machine.PROJECT) -> dict[str, str]:
    """Return the fingerprints of what an environment is made from, by name."""
    return {
        "run": machine.sha256_of(project / "requirements" / "run.txt"),
        "dev": machine.sha256_of(project / "requirements" / "dev.txt"),
        "project": machine.sha256_of(project / "pyproject.toml"),
    }


def work_to_do(profile: str, stamp: Mapping[str, str] | None, want: Mapping[str, str]) -> Work:
    """Decide what an environment with this stamp (None: absent or broken) still needs for `profile`, run or dev.

    dev.txt holds every pin of run.txt, so a current dev environment serves run too.
    """
    if stamp is None:
        return Work(create=True, libraries=True, link=True)
    current = [name for name in ("run", "dev") if stamp.get(name) == want[name]]
    enough = "dev" in current or profile in current
    return Work(create=False, libraries=not enough, link=stamp.get("project") != want["project"])


def read_stamp(venv: Path = VENV) -> dict[str, str] | None:
    """Return what the environment was last made from; None where there is none that can be built upon."""
    python = venv / "bin" / "python"
    version = version_of(python)
    if version is None or not suits(version):
        return None
    try:
        return {str(name): str(value) for name, value in json.loads((venv / _STAMP).read_text()).items()}
    except (OSError, ValueError):
        return {} if _imports(python, "pip") else None  # without pip its making was interrupted


def write_stamp(stamp: Mapping[str, str], venv: Path = VENV) -> None:
    """Note what the environment is now made from."""
    (venv / _STAMP).write_text(json.dumps(dict(stamp), indent=2, sort_keys=True) + "\n")


def _imports(python: Path, modules: str) -> bool:
    return subprocess.run([python, "-c", f"import {modules}"], capture_output=True, check=False).returncode == 0
