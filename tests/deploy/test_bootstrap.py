"""The bootstrap tells a person what to do, in words and by its exit code."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.machine import PROJECT


def bootstrap(*arguments: str, path: Path) -> "subprocess.CompletedProcess[str]":
    """Run the bootstrap on a machine whose PATH is `path` alone."""
    environment = {name: value for name, value in os.environ.items() if name != "JAVA_HOME"} | {"PATH": str(path)}
    command = [sys.executable, "-m", "deploy.local.bootstrap", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)


def test_what_may_not_be_installed_is_asked_for(tmp_path: Path) -> None:
    """On a bare machine without a package manager the person reads what is missing; exit code 3."""
    answer = bootstrap("run", path=tmp_path)
    assert answer.returncode == 3
    assert "no java on this machine" in answer.stdout
    assert "no redis-server on this machine" in answer.stdout
    assert "Java 17 or newer, redis-server 7 or newer" in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("name", ["bootstrap", "environment", "machine", "packages"])
def test_an_old_python_can_read_the_bootstrap(name: str) -> None:
    """The files that look for a newer Python hold no syntax an old one would trip over before it can say so."""
    source = (PROJECT / "deploy" / "local" / f"{name}.py").read_text()
    ast.parse(source, filename=name, feature_version=(3, 8))
