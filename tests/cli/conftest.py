"""A fake wire on a real socket, and the command as somebody at a terminal runs it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from tests.cli.wire_server import FakeWire, serving

Wire = Callable[..., Result]


@pytest.fixture
def fake() -> Iterator[FakeWire]:
    with serving() as wire:
        yield wire


@pytest.fixture
def data(tmp_path: Path, fake: FakeWire, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a local instance whose three doors are the fake wire, with a key for each role."""
    for variable in ("WIRE_URL", "WIRE_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("WIRE_DATA", str(tmp_path))
    roles = ("desk", "editor", "editor2", "subscriber", "operator")
    instance = {
        **dict.fromkeys(("gateway", "ingest", "monitor"), fake.url),
        "keys": {role: f"{role}-key" for role in roles},
        "demo_receiver": "127.0.0.1:0",
    }
    (tmp_path / "run.json").write_text(json.dumps(instance))
    return tmp_path


@pytest.fixture
def wire(data: Path) -> Wire:
    """Run `wire` with these arguments; the result has exit_code, stdout and stderr."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, arguments, input=stdin)

    return run
