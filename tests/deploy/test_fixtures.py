"""The tests' own footing: which broker is taken, and what is said where something is missing."""

from pathlib import Path

import pytest
from _pytest.outcomes import Failed, Skipped

from deploy.local.machine import PROJECT
from tests import brokers
from tests.material import material, material_root


def test_a_missing_broker_skips_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a bare machine the quick tests still run."""
    monkeypatch.delenv("WIRE_REQUIRE_BROKER", raising=False)
    with pytest.raises(Skipped, match="no java"):
        brokers.unavailable("no java")


def test_a_missing_broker_fails_where_one_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make test` and CI must not go green by skipping."""
    monkeypatch.setenv("WIRE_REQUIRE_BROKER", "1")
    with pytest.raises(Failed, match="no java, and WIRE_REQUIRE_BROKER=1"):
        brokers.unavailable("no java")


def test_a_server_the_machine_cannot_run_counts_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without redis-server is not an error of the test."""
    monkeypatch.delenv("WIRE_REQUIRE_BROKER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Skipped, match="no redis-server"), brokers.redis_of_our_own(tmp_path):
        pytest.fail("the block must not run")


def test_an_empty_variable_names_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable set to nothing, as CI systems do, is a variable not set."""
    monkeypatch.setenv("WIRE_TEST_KAFKA", "127.0.0.1:1234")
    assert brokers.named("WIRE_TEST_KAFKA") == "127.0.0.1:1234"
    monkeypatch.setenv("WIRE_TEST_KAFKA", "")
    assert brokers.named("WIRE_TEST_KAFKA") is None


def test_a_server_of_our_own_is_gone_after_its_block(tmp_path: Path) -> None:
    """The session leaves no process behind."""
    with brokers.redis_of_our_own(tmp_path) as redis:
        assert redis.pid is not None
    assert redis.pid is None


def test_tests_on_a_real_engine_are_marked(request: pytest.FixtureRequest, redis_url: str) -> None:
    """-m 'not broker' must leave no test that starts a server."""
    assert request.node.get_closest_marker("broker") is not None
    assert redis_url.startswith("redis://")


def test_absent_material_skips_and_names_what_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who runs the tests without the shared material reads which piece they lack."""
    monkeypatch.setenv("WIRE_SHARED", str(tmp_path))
    with pytest.raises(Skipped, match="shared material data/ninjs is not in"):
        material("data", "ninjs")


def test_material_is_found_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WIRE_SHARED overrides the folder beside the checkout."""
    (tmp_path / "seeds").mkdir()
    monkeypatch.setenv("WIRE_SHARED", str(tmp_path))
    assert material("seeds") == tmp_path / "seeds"


def test_material_lies_beside_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word it is `shared` in the folder that holds the checkout."""
    monkeypatch.delenv("WIRE_SHARED", raising=False)
    assert material_root() == PROJECT.parent / "shared"
