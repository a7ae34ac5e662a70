"""Which wire is meant, and with which key? Options and WIRE_URL, WIRE_KEY first, else the instance that runs here."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from cli.exits import Ended, Exit

Role = Literal["desk", "editor", "subscriber", "operator"]
Door = Literal["gateway", "ingest", "monitor"]

DEFAULT_DATA = ".local"
DEFAULT_RECEIVER = "127.0.0.1:9099"


@dataclass(frozen=True, slots=True)
class Wire:
    """Base URLs by door, and keys by the role that a local instance gives them; `key` serves every role."""

    doors: dict[str, str]
    keys: dict[str, str]
    key: str | None = None
    receiver: str = DEFAULT_RECEIVER

    def key_for(self, role: str) -> str:
        """Return the key to send for a role; raises `Ended` when there is none."""
        key = self.key or self.keys.get(role)
        if not key:
            raise Ended(Exit.NO_ACCESS, f"No {role} key is known: give one with --key or WIRE_KEY.")
        return key


def find(url: str | None, key: str | None) -> Wire:
    """Return the wire meant. One URL serves all doors; the keys of a local instance go to that instance only.

    Raises `Ended` when neither a URL nor a running instance is known.
    """
    url = url or os.environ.get("WIRE_URL")
    key = key or os.environ.get("WIRE_KEY")
    if url:
        return Wire(dict.fromkeys(("gateway", "ingest", "monitor"), _checked(url)), {}, key)
    instance = _instance()
    if instance is None:
        raise Ended(
            Exit.UNREACHABLE,
            f"No wire runs here ({_run_file()} is absent): start one with `make run`, or name one with --url.",
        )
    doors = {door: str(instance[door]) for door in ("gateway", "ingest", "monitor")}
    return Wire(doors, dict(instance.get("keys", {})), key, instance.get("demo_receiver") or DEFAULT_RECEIVER)


def _run_file() -> Path:
    return Path(os.environ.get("WIRE_DATA") or DEFAULT_DATA) / "run.json"


def _instance() -> dict[str, Any] | None:
    try:
        told = json.loads(_run_file().read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise Ended(Exit.FAILED, f"{_run_file()} cannot be read: {error}") from None
    if not isinstance(told, dict) or not {"gateway", "ingest", "monitor"} <= told.keys():
        raise Ended(Exit.FAILED, f"{_run_file()} does not say where the wire is.")
    return told


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise Ended(Exit.USAGE, f"{url} is no URL of a wire; it begins with http:// or https://.")
    return url.rstrip("/")
