"""Which keys does the wire in containers use? Those of `.env`, made once and readable by its owner only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.fernet import Fernet

from deploy.local.instance import write_private
from shared.domain.keys import new_key

HEAD = """\
# Keys and names of the wire in containers, made on this machine by `make containers`; docker compose reads them.
# Whoever loses WIRE_SECRET_KEY loses the secret of every webhook endpoint. Not for version control.
"""

_MADE: Mapping[str, Callable[[], str]] = {
    "COMPOSE_PROJECT_NAME": lambda: "slugline",
    "WIRE_SECRET_KEY": lambda: Fernet.generate_key().decode(),
    "WIRE_OPERATOR_KEY": lambda: new_key("local"),
}


def ensure(file: Path) -> dict[str, str]:
    """Return what `file` says after adding what it lacks; what it says already is left as it is.

    May be repeated: the second run changes nothing but a mode that let others read.
    """
    text = file.read_text() if file.exists() else HEAD
    told = values(text)
    missing = {name: make() for name, make in _MADE.items() if not told.get(name)}
    if missing or not _private(file):
        gap = "" if text.endswith("\n") or not text else "\n"
        write_private(file, text + gap + "".join(f"{name}={value}\n" for name, value in missing.items()))
    return told | missing


def values(text: str) -> dict[str, str]:
    """Read `NAME=value` lines as docker compose does: the last one counts, comments and blank lines do not."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _private(file: Path) -> bool:
    return file.exists() and file.stat().st_mode & 0o077 == 0
