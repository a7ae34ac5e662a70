"""What does a running instance tell scripts about itself, and what does it keep secret on disk?"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet

from deploy.local.ports import LOOPBACK

DEFAULT_DATA = ".local"


class AlreadyRunning(Exception):
    """Another runner holds this data folder; the message names its process."""


@dataclass(frozen=True, slots=True)
class Instance:
    """The content of `run.json` (`docs/interfaces`, "Running instance"). URLs without a trailing slash."""

    gateway: str
    ingest: str
    monitor: str
    kafka: str
    redis: str
    pids: dict[str, int] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    runner: int = 0
    demo_receiver: str = ""  # host:port at which the wire finds this machine
    demo_bind: str = LOOPBACK  # the address of this machine behind it
    in_containers: bool = False  # then nobody holds the folder's lock; kafka and redis are not reachable from here


def data_folder() -> Path:
    """Where state lives: WIRE_DATA, or `.local` in the working directory."""
    return Path(os.environ.get("WIRE_DATA", DEFAULT_DATA)).resolve()


def write_private(path: Path, text: str) -> None:
    """Replace a file atomically by one that only its owner can read (mode 0600)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    beside.replace(path)


def save(data: Path, instance: Instance) -> None:
    """Write `run.json` anew; readers see the old one or the new one, never a part."""
    write_private(data / "run.json", json.dumps(asdict(instance), indent=1))


def read(data: Path) -> Instance | None:
    """Return what `run.json` says, or None when there is none (or it is from another version)."""
    try:
        return Instance(**json.loads((data / "run.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def forget(data: Path) -> None:
    """Take `run.json` away: nothing runs here any more."""
    (data / "run.json").unlink(missing_ok=True)


def running(data: Path) -> Instance | None:
    """Return the instance whose runner is alive, or whose gateway answers where containers run it, or None."""
    instance = read(data)
    if instance is None:
        return None
    alive = _listens(instance.gateway) if instance.in_containers else runner_of(data)
    return instance if alive else None


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1.0):
            return True
    except OSError:
        return False


def runner_of(data: Path) -> int | None:
    """Return the process id of whoever holds the folder's lock, or None."""
    path = data / "lock"
    if not path.is_file():
        return None
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0) or None
    return None


def take(data: Path) -> IO[str]:
    """Hold the folder for this process until the returned file is closed; raises `AlreadyRunning`."""
    data.mkdir(parents=True, exist_ok=True)
    file = (data / "lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        pid = file.read()
        file.close()
        raise AlreadyRunning(f"a wire is already running in {data} (process {pid}); `make down` stops it") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def kept_secrets(data: Path) -> dict[str, str]:
    """Return this instance's own secrets, made on first use: the sealing key and the operator's API key."""
    path = data / "secrets.json"
    kept: dict[str, Any] = {}
    with suppress(FileNotFoundError):
        kept = json.loads(path.read_text())
    if "secret_key" not in kept:
        kept["secret_key"] = Fernet.generate_key().decode()
    if "operator" not in kept:
        kept["operator"] = f"sl_local_{secrets.token_urlsafe(32)}"
    write_private(path, json.dumps(kept, indent=1))
    return kept


def keep_keys(data: Path, keys: dict[str, str]) -> None:
    """Remember API keys over restarts."""
    write_private(data / "keys.json", json.dumps(keys, indent=1))


def kept_keys(data: Path) -> dict[str, str]:
    """Return the API keys an earlier run was given."""
    try:
        keys: dict[str, str] = json.loads((data / "keys.json").read_text())
    except FileNotFoundError:
        return {}
    return keys
