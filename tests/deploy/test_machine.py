"""The machine's tools and jars are recognised for what they are."""

import re
from pathlib import Path

import pytest

from deploy.local import bootstrap, machine


@pytest.mark.parametrize(
    ("said", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_392"', 8),
        ("The operation couldn't be completed.", None),
    ],
)
def test_java_tells_its_version(said: str, major: int | None) -> None:
    """New and old ways of writing a version are read; anything else is no version."""
    assert machine.java_major(said) == major


def a_program(folder: Path, name: str, script: str) -> Path:
    """Put a shell script on a folder that a test makes its PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_an_old_java_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal names the version found and the one needed."""
    a_program(tmp_path, "java", """echo 'java version "11.0.2"' >&2""")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(machine.Missing, match=r"is Java 11; the Kafka broker needs 17"):
        machine.java()


def test_java_home_goes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets JAVA_HOME means it."""
    a_program(tmp_path / "path", "java", """echo 'java version "17.0.1"' >&2""")
    chosen = a_program(tmp_path / "home" / "bin", "java", """echo 'java version "21.0.1"' >&2""")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert machine.java() == chosen


@pytest.mark.parametrize("version", machine.POMS)
def test_each_broker_version_has_a_pom_that_names_it(version: str) -> None:
    """What the folder of the jars is called is what is in it."""
    named = re.search(
        r"<artifactId>kafka_2\.13</artifactId>\s*<version>(.*?)</version>", machine.POMS[version].read_text()
    )
    assert named is not None
    assert named[1] == version


def test_the_jars_folder_is_named_after_the_broker_it_holds() -> None:
    """Another version goes to another folder, so that both stay."""
    assert machine.JARS.name == f"kafka-{machine.KAFKA}"
    assert machine.POMS[machine.KAFKA] == machine.POM


def test_a_broker_version_that_nobody_has_tried_is_refused() -> None:
    """The sentence names those there are."""
    with pytest.raises(machine.Missing, match=r"no Kafka 2\.8\.0 here.*4\.4\.0 or 3\.9\.2"):
        machine.broker_jars(version="2.8.0")


class TestFetchingJars:
    """The jars are copied whole or not at all."""

    @pytest.fixture
    def maven_that(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "MavenThat":
        """Stand-in for mvn on PATH: fetching the real jars is what the broker tests rest on."""
        return MavenThat(tmp_path / "bin", monkeypatch)

    def test_a_complete_copy_is_current(self, tmp_path: Path, maven_that: "MavenThat") -> None:
        """After a fetch the jars are there and vouched for."""
        maven_that.runs('for word; do case $word in -DoutputDirectory=*) > "${word#*=}/a.jar";; esac; done')
        bootstrap.fetch_jars(tmp_path / "jars", machine.POM)
        assert machine.jars_are_current(tmp_path / "jars", machine.POM)
        assert (tmp_path / "jars" / "a.jar").is_file()

    def test_a_failed_copy_leaves_nothing_that_looks_complete(self, tmp_path: Path, maven_that: "MavenThat") -> None:
        """A fetch cut short is told with Maven's own words and is not current."""
        maven_that.runs("echo 'Could not resolve dependencies'; exit 1")
        with pytest.raises(bootstrap.StepFailed, match="Could not resolve dependencies"):
            bootstrap.fetch_jars(tmp_path / "jars", machine.POM)
        assert not machine.jars_are_current(tmp_path / "jars", machine.POM)

    def test_a_changed_pom_makes_the_jars_old(self, tmp_path: Path, maven_that: "MavenThat") -> None:
        """Jars fetched for another pom are not the ones asked for."""
        maven_that.runs("true")
        pom = tmp_path / "pom.xml"
        pom.write_text("<project>1</project>")
        bootstrap.fetch_jars(tmp_path / "jars", pom)
        pom.write_text("<project>2</project>")
        assert not machine.jars_are_current(tmp_path / "jars", pom)


class MavenThat:
    """An mvn command whose doing a test writes down."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")

    def runs(self, script: str) -> None:
        """Let `mvn` run this shell script."""
        a_program(self._folder, "mvn", script)
