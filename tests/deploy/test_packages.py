"""System packages are installed where we may, and asked for in one line where we may not."""

import itertools
import subprocess
from functools import partial
from pathlib import Path

import pytest

from deploy.local import machine, packages
from deploy.local.packages import Ask, Install, Rights, how_to_install

ROOT = Rights(root=True, sudo=False, apt=True)


def test_root_installs_with_apt() -> None:
    """As root nothing is asked."""
    way = how_to_install([packages.JAVA, packages.MAVEN], ROOT)
    assert isinstance(way, Install)
    assert way.command[-2:] == [packages.JAVA, packages.MAVEN]
    assert "sudo" not in way.command


def test_passwordless_sudo_installs_with_apt() -> None:
    """Where sudo asks for no password we use it, and forbid it to ask."""
    way = how_to_install([packages.JAVA], Rights(root=False, sudo=True, apt=True))
    assert isinstance(way, Install)
    assert way.command[:2] == ["sudo", "-n"]


def test_without_rights_the_person_gets_the_command() -> None:
    """Who may not install is told what to type, whole."""
    way = how_to_install([packages.REDIS, packages.MAVEN], Rights(root=False, sudo=False, apt=True))
    assert way == Ask("sudo apt-get update && sudo apt-get install -y redis-server maven")


def test_on_a_machine_with_homebrew_the_person_gets_its_names() -> None:
    """The packages are named as Homebrew names them."""
    way = how_to_install([packages.JAVA, packages.REDIS], Rights(root=False, sudo=False, apt=False, brew=True))
    assert way == Ask("brew install openjdk@17 redis")


@pytest.mark.parametrize(
    "rights", [Rights(root, sudo, apt=False) for root, sudo in itertools.product([False, True], repeat=2)], ids=repr
)
def test_without_a_known_package_manager_words_must_do(rights: Rights) -> None:
    """Even root is asked where there is no apt-get."""
    way = how_to_install([packages.JAVA], rights)
    assert isinstance(way, Ask)
    assert "Java 17 or newer" in way.command


def test_maven_is_not_missed_once_the_jars_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maven serves to fetch the jars and for nothing else."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert set(packages.missing_packages(brokers=True, jars_are_here=True)) == {packages.JAVA, packages.REDIS}
    assert packages.MAVEN in packages.missing_packages(brokers=True, jars_are_here=False)


def test_nothing_is_missed_where_no_broker_is_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linting needs neither Java nor Redis."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert packages.missing_packages(brokers=False, jars_are_here=False) == {}


def test_a_wrong_clock_is_missed_only_where_it_is_wanted() -> None:
    """Running the wire takes none; the tests of a clock that is off do."""

    def absent() -> Path:
        raise machine.Missing("not here")

    missing = partial(packages.missing_packages, brokers=False, jars_are_here=True, faketime=absent)
    assert missing() == {}
    assert set(missing(clocks=True)) == {packages.FAKETIME}


class TestInstallingWithApt:
    """The script that runs as root, on a stand-in for apt-get and with the policy file in a folder of the test."""

    @pytest.fixture
    def policy(self, tmp_path: Path) -> Path:
        """Where the rule lies that forbids the start of services."""
        return tmp_path / "policy-rc.d"

    def install(self, policy: Path, apt_get: str) -> int:
        """Run the script with a shell script as apt-get; return its exit code."""
        program = policy.with_name("apt-get")
        program.write_text(f"#!/bin/sh\n{apt_get}\n")
        program.chmod(0o755)
        way = how_to_install([packages.JAVA], ROOT)
        assert isinstance(way, Install)
        command = [word.replace("/usr/sbin/policy-rc.d", str(policy)) for word in way.command]
        path = f"{policy.parent}:/usr/bin:/bin"
        return subprocess.run(command, env={"PATH": path}, check=False, timeout=20).returncode

    def test_no_service_starts_while_packages_are_installed(self, policy: Path) -> None:
        """The rule says no (101) to every start while apt-get works, and is gone afterwards."""
        assert self.install(policy, f'"{policy}" redis-server start; [ $? = 101 ]') == 0
        assert not policy.exists()

    def test_a_rule_that_was_there_stays(self, policy: Path) -> None:
        """A machine with a rule of its own keeps it."""
        policy.write_text("its own")
        assert self.install(policy, "true") == 0
        assert policy.read_text() == "its own"

    def test_a_failed_installation_leaves_no_rule_behind(self, policy: Path) -> None:
        """A rule left behind would keep the machine's own services down."""
        assert self.install(policy, "exit 100") == 100
        assert not policy.exists()

    def test_an_interrupted_installation_leaves_no_rule_behind(self, policy: Path) -> None:
        """Ctrl-C reaches the script and apt-get alike."""
        assert self.install(policy, "kill -INT $PPID; exit 0") == 130
        assert not policy.exists()
