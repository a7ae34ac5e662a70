"""How does a test get a JavaScript library? Packed by npm, of a pinned version, its bytes checked; kept in `.cache`."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "requirements" / "npm.txt"
KEPT = ROOT / ".cache" / "npm"
WITHIN_S = 120


class Unavailable(Exception):
    """A program or library is not here, and cannot be had."""


def modules(*names: str) -> Path:
    """Return a folder whose `node_modules` holds these libraries. Raises Unavailable; ValueError for wrong bytes."""
    pins = dict(_pin(line) for line in PINS.read_text().splitlines() if line and not line.startswith("#"))
    folder = KEPT / hashlib.sha256(repr([(name, pins[name]) for name in names]).encode()).hexdigest()[:16]
    for name in names:
        if not (into := folder / "node_modules" / name).exists():
            _unpack(_packed(name, *pins[name]), into)
    return folder


def _pin(line: str) -> tuple[str, tuple[str, str]]:
    versioned, integrity = line.split()
    name, _, version = versioned.rpartition("@")
    return name, (version, integrity)


def _packed(name: str, version: str, integrity: str) -> Path:
    """The archive of one version, with the digest that is written down."""
    if shutil.which("npm") is None:
        raise Unavailable("npm is not here")
    KEPT.mkdir(parents=True, exist_ok=True)
    packing = subprocess.run(
        ["npm", "pack", "--silent", f"{name}@{version}"],
        cwd=KEPT,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if packing.returncode:
        raise Unavailable(f"npm does not have {name}@{version}: {packing.stderr.strip()[-200:]}")
    archive = KEPT / packing.stdout.split()[-1]
    method, _, digest = integrity.partition("-")
    if base64.b64encode(hashlib.new(method, archive.read_bytes()).digest()).decode() != digest:
        archive.unlink()
        raise ValueError(f"{archive.name} is not what requirements/npm.txt says")
    return archive


def _unpack(archive: Path, into: Path) -> None:
    """Every archive of npm's has one folder; its name is of no matter."""
    part = into.with_name(f"{into.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(part, filter="data")
    [inner] = part.iterdir()
    inner.rename(into)
    part.rmdir()
    archive.unlink()
