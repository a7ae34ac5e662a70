"""The gateway's process: what it says when it cannot start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def start(*arguments: str, **told: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WIRE_")}
    return subprocess.run(
        [sys.executable, "-m", "services.gateway", *arguments],
        cwd=ROOT,
        env=environment | told,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "WIRE_SECRET_KEY must be 32 random bytes"),
        ({"WIRE_SECRET_KEY": "short"}, "WIRE_SECRET_KEY must be 32 random bytes"),
        ({"WIRE_PROFILE": "production", "WIRE_ENDPOINT_ALLOW": "127.0.0.1:1"}, "for the local profile only"),
        ({"WIRE_GATEWAY_PORT": "many"}, "WIRE_GATEWAY_PORT"),
        ({"WIRE_GATWAY_PORT": "1"}, "the nearest one is WIRE_GATEWAY_PORT"),
    ],
)
def test_a_wrong_setting_ends_it_with_3_and_a_sentence(told: dict[str, str], words: str) -> None:
    """Before it connects to anything, and without a stack."""
    ended = start(**told)
    assert (ended.returncode, words in ended.stderr) == (3, True), ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_shows_an_example() -> None:
    """What to type is one look away."""
    ended = start("--help")
    assert (ended.returncode, "example: WIRE_KAFKA=" in ended.stdout) == (0, True)
