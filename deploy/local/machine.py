"""What does this machine offer: which Java, which Redis, which broker jars, and where?

Standard library only: read by the bootstrap before any library is installed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache"  # beside the data, not in it: wiping the data downloads nothing again
POMS = {
    "4.4.0": Path(__file__).with_name("pom.xml"),
    "3.9.2": Path(__file__).with_name("pom-3.9.2.xml"),
}
KAFKA = os.environ.get("KAFKA_VERSION") or "4.4.0"  # the oldest one that is supported is for `make matrix`
POM = POMS.get(KAFKA, POMS["4.4.0"])
JARS = CACHE / f"kafka-{KAFKA}"
JARS_STAMP = "pom.sha256"
OLDEST_JAVA = 17


class Missing(Exception):
    """A program or file this machine needs is not here; the message says which, in words for a person."""


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def jars_are_current(jars: Path = JARS, pom: Path = POM, version: str = KAFKA) -> bool:
    """Tell whether `jars` holds exactly what `pom` names; the stamp is written last, so half a copy is not current.

    Raises `Missing` for a `version`, KAFKA_VERSION unless said otherwise, that no pom names.
    """
    if version not in POMS:
        raise Missing(f"there is no Kafka {version} here: KAFKA_VERSION may be {' or '.join(POMS)}")
    stamp = jars / JARS_STAMP
    return stamp.is_file() and stamp.read_text() == sha256_of(pom)


def broker_jars(jars: Path = JARS, version: str = KAFKA) -> Path:
    """Return the folder of the broker's jars; raises `Missing` until the bootstrap has fetched them."""
    if not jars_are_current(jars, version=version):
        raise Missing(f"the Kafka jars are not in {jars} (make setup fetches them)")
    return jars


def java() -> Path:
    """Return a java new enough for the broker, JAVA_HOME before PATH; raises `Missing`."""
    found = _java_on_this_machine()
    if found is None:
        raise Missing(f"no java on this machine (the Kafka broker needs {OLDEST_JAVA} or newer)")
    answer = subprocess.run([found, "-version"], capture_output=True, text=True, check=False, timeout=30)
    major = java_major(answer.stderr + answer.stdout)
    if major is None or major < OLDEST_JAVA:
        raise Missing(f"{found} is Java {major or 'of unknown version'}; the Kafka broker needs {OLDEST_JAVA} or newer")
    return found


def java_major(version_text: str) -> int | None:
    """Read the major version from what `java -version` prints; None if it prints something else."""
    match = re.search(r'version "(?:1\.)?(\d+)', version_text)
    return int(match[1]) if match else None


def redis_server() -> Path:
    """Return the redis-server binary; raises `Missing`."""
    return _on_path("redis-server", "the views and hints of the services live in Redis")


def maven() -> Path:
    """Return the mvn command; raises `Missing`. Needed only while the jars are not here."""
    return _on_path("mvn", "Maven fetches the jars of the Kafka broker")


def faketime() -> Path:
    """Return the library that shows a process another time when it is preloaded; raises `Missing`. For tests only."""
    found = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if found is None:
        raise Missing("no libfaketime on this machine (tests run a service with a wrong clock)")
    return found


def _on_path(command: str, purpose: str) -> Path:
    found = shutil.which(command)
    if found is None:
        raise Missing(f"no {command} on this machine ({purpose})")
    return Path(found)


def _java_on_this_machine() -> Path | None:
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        return Path(home) / "bin" / "java"
    found = shutil.which("java")
    return Path(found) if found else None
