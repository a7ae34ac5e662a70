"""Which packages of the operating system are missing, and may we install them?

Standard library only, and readable by any Python 3: it runs before anything is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from typing import NamedTuple

from deploy.local import machine

# What Debian and its kin call each thing we need.
JAVA, REDIS, MAVEN, VENV = "default-jre-headless", "redis-server", "maven", "python3-venv"
FAKETIME = "libfaketime"

# Installing redis-server must not start one on port 6379, now (policy-rc.d) or at the next boot (disable).
_APT = """
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT HUP TERM
    printf '#!/bin/sh\\nexit 101\\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq -o DPkg::Lock::Timeout=120 --no-install-recommends "$@"
if [ "$DISABLE_REDIS" = 1 ] && [ -d /run/systemd/system ]; then systemctl disable --quiet redis-server; fi
"""


class Rights(NamedTuple):
    """What the person at this terminal may do."""

    root: bool
    sudo: bool  # without being asked for a password
    apt: bool
    brew: bool = False

    @property
    def install(self) -> bool:
        """Whether packages can be installed without asking anybody."""
        return self.apt and (self.root or self.sudo)


class Install(NamedTuple):
    """We may install: this command does it."""

    command: list[str]


class Ask(NamedTuple):
    """We may not: this is what the person can type."""

    command: str


def missing_packages(
    brokers: bool, jars_are_here: bool, clocks: bool = False, faketime: Callable[[], object] = machine.faketime
) -> dict[str, str]:
    """Return what is missing here, package name to the reason in words; Maven counts only while jars are to fetch.

    `clocks`: whether a library that shows a process a wrong time is wanted too; `faketime` finds it.
    """
    needs: list[tuple[str, Callable[[], object]]] = []
    if brokers:
        needs += [(JAVA, machine.java), (REDIS, machine.redis_server)]
        if not jars_are_here:
            needs.append((MAVEN, machine.maven))
    if clocks:
        needs.append((FAKETIME, faketime))
    missing = {}
    for package, find in needs:
        try:
            find()
        except machine.Missing as reason:
            missing[package] = str(reason)
    return missing


def how_to_install(packages: Iterable[str], rights: Rights) -> Install | Ask:
    """Decide who installs `packages`: we do with apt-get as root or through sudo, otherwise the person is asked."""
    names = list(packages)
    if rights.install:
        prefix = [] if rights.root else ["sudo", "-n"]
        disable = f"DISABLE_REDIS={int(REDIS in names)}"
        return Install([*prefix, "env", disable, "sh", "-c", _APT, "sh", *names])
    if rights.apt:
        return Ask(f"sudo apt-get update && sudo apt-get install -y {' '.join(names)}")
    if rights.brew:
        formulas = {JAVA: "openjdk@17", REDIS: "redis", MAVEN: "maven", VENV: "python@3.13"}
        return Ask(f"brew install {' '.join(formulas.get(name, name) for name in names)}")
    words = {JAVA: "Java 17 or newer", REDIS: "redis-server 7 or newer", MAVEN: "Maven", VENV: "Python's venv module"}
    return Ask("install with this system's own tools: " + ", ".join(words.get(name, name) for name in names))


def rights_here() -> Rights:
    """Look up what this user may do; asks for no password."""
    root = os.geteuid() == 0
    has_sudo = not root and shutil.which("sudo") is not None
    return Rights(
        root=root,
        sudo=has_sudo and subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0,
        apt=shutil.which("apt-get") is not None,
        brew=shutil.which("brew") is not None,
    )
