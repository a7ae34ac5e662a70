"""The import contracts catch the breaches they were written for."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.machine import PROJECT

PACKAGES = ("shared", "services", "cli", "deploy")


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """The packages of the tree, empty, with the contracts that hold for the real one."""
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        for init in (PROJECT / package).rglob("__init__.py"):
            copy = tmp_path / init.relative_to(PROJECT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text("")
    return tmp_path


def broken_contracts(tree: Path) -> str:
    """Judge a tree; return the names of its broken contracts, empty when all are kept."""
    # A script of our own instead of the command: the installed checkout must not shadow the tree under test.
    script = f"import sys; sys.path.insert(0, {str(tree)!r}); from importlinter import cli; cli.lint_imports_command()"
    command = [sys.executable, "-c", script, "--no-cache", "--no-logo"]
    answer = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert "Contracts:" in answer.stdout, answer.stdout + answer.stderr
    return "\n".join(line for line in answer.stdout.splitlines() if line.endswith("BROKEN"))


def test_an_innocent_tree_is_kept(skeleton: Path) -> None:
    """What the design allows passes: main opens adapters, adapters use clients, services use the platform."""
    files = {
        "shared/domain/story.py": "import dataclasses",
        "shared/platform/consuming.py": "import aiokafka\nimport shared.domain.story",
        "services/ingest/adapters/feeds.py": "import httpx2\nimport redis.asyncio\nimport services.ingest.ports",
        "services/ingest/ports.py": "import shared.domain.story",
        "services/ingest/main.py": "import services.ingest.adapters.feeds\nimport shared.platform.consuming",
        "services/gateway/app.py": "import fastapi",
        "cli/main.py": "import httpx2",
    }
    for name, text in files.items():
        (skeleton / name).write_text(text)
    assert broken_contracts(skeleton) == ""


@pytest.mark.parametrize(
    ("file", "imports", "contract"),
    [
        ("shared/platform/bad.py", "services.ingest", "stand on the platform"),
        ("services/ingest/bad.py", "services.enrich", "meet only on topics"),
        ("shared/domain/bad.py", "asyncio", "The domain has no clock"),
        ("services/ingest/bad.py", "services.ingest.adapters", "sees its adapters"),
        ("services/ingest/bad.py", "aiokafka", "through the platform or their adapters"),
        ("services/gateway/bad.py", "redis.asyncio", "through the platform or their adapters"),
        ("cli/bad.py", "shared.domain", "uses the public API only"),
    ],
)
def test_a_planted_breach_is_caught(skeleton: Path, file: str, imports: str, contract: str) -> None:
    """One forbidden import breaks the contract that forbids it."""
    (skeleton / file).write_text(f"import {imports}\n")
    assert contract in broken_contracts(skeleton)
