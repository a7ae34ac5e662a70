"""Are the keys of the wire in containers made once, kept, and kept private?"""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from deploy.compose.env_file import ensure, values


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_the_first_run_makes_keys_that_work(file: Path) -> None:
    """A sealing key of the right form and an operator's key of a local installation."""
    made = ensure(file)
    Fernet(made["WIRE_SECRET_KEY"])
    assert made["WIRE_OPERATOR_KEY"].startswith("sl_local_")
    assert values(file.read_text()) == made


def test_only_the_owner_reads_them(file: Path) -> None:
    """The file is private from its first byte on."""
    ensure(file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_could_read_becomes_private(file: Path) -> None:
    """An .env made by hand under a generous umask does not stay open."""
    ensure(file)
    file.chmod(0o644)
    ensure(file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_second_run_changes_nothing(file: Path) -> None:
    """New keys would lock out every account and every sealed secret."""
    first = ensure(file)
    text = file.read_text()
    assert ensure(file) == first
    assert file.read_text() == text


def test_what_somebody_wrote_there_stays(file: Path) -> None:
    """Only what is missing or empty is added, on lines of its own."""
    file.write_text("# mine\nWIRE_LOG_LEVEL=debug\nWIRE_OPERATOR_KEY=sl_local_mine\nWIRE_SECRET_KEY=")
    told = ensure(file)
    assert file.read_text().startswith("# mine\nWIRE_LOG_LEVEL=debug\nWIRE_OPERATOR_KEY=sl_local_mine\n")
    assert told["WIRE_OPERATOR_KEY"] == "sl_local_mine"
    assert told["WIRE_LOG_LEVEL"] == "debug"
    assert values(file.read_text())["WIRE_SECRET_KEY"] == told["WIRE_SECRET_KEY"] != ""


def test_a_value_is_read_as_compose_reads_it() -> None:
    """Comments and blank lines are none, quotes are not part of a value, an equals sign may be."""
    assert values("# A=1\n\nB='two'\n C = 3=3= \n") == {"B": "two", "C": "3=3="}
