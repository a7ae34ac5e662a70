"""What a running instance tells scripts, and what it keeps to itself."""

import os
import stat
from pathlib import Path

import pytest

from deploy.local import instance
from deploy.local.instance import AlreadyRunning, Instance

HERE = Instance(
    gateway="http://127.0.0.1:1", ingest="http://127.0.0.1:2", monitor="http://127.0.0.1:3", kafka="k", redis="r"
)


def test_run_json_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """It holds keys: mode 0600, replaced whole."""
    instance.save(tmp_path, HERE)
    assert stat.S_IMODE((tmp_path / "run.json").stat().st_mode) == 0o600
    assert instance.read(tmp_path) == HERE


def test_a_broken_run_json_counts_as_none(tmp_path: Path) -> None:
    """A file of another version or half a file stops nobody."""
    (tmp_path / "run.json").write_text('{"gateway": 1, "surprise": 2}')
    assert instance.read(tmp_path) is None


def test_only_one_runner_holds_a_folder(tmp_path: Path) -> None:
    """The second is told who the first is; when that one is gone it may start."""
    with instance.take(tmp_path):
        assert instance.runner_of(tmp_path) == os.getpid()
        with pytest.raises(AlreadyRunning, match=str(os.getpid())):
            instance.take(tmp_path)
    assert instance.runner_of(tmp_path) is None
    instance.take(tmp_path).close()


def test_secrets_are_made_once(tmp_path: Path) -> None:
    """A restart opens what the run before sealed, and the operator's key stays."""
    first = instance.kept_secrets(tmp_path)
    assert instance.kept_secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert set(first) == {"secret_key", "operator"}
