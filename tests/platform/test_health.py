"""Does a process say truthfully whether it can work (ready) and whether it should be kept (live)?"""

from shared.platform.health import Health
from shared.platform.metrics import REGISTRY


def test_a_process_without_checks_is_ready() -> None:
    """There is nothing to wait for."""
    assert Health().ready() == (True, {})


def test_an_expected_check_holds_readiness_back_until_it_is_set() -> None:
    """A process that has not yet looked is not ready."""
    health = Health("views")
    assert health.ready() == (False, {"views": "starting"})
    health.set("views", True)
    assert health.ready() == (True, {})


def test_one_failing_check_is_enough_and_is_named() -> None:
    """The reasons are those of the failing checks only."""
    health = Health()
    health.set("redis", True)
    health.set("broker", False, "no answer for 5 s")
    assert health.ready() == (False, {"broker": "no answer for 5 s"})


def test_a_watched_fact_is_asked_at_every_look() -> None:
    """Facts that age by themselves, such as a heartbeat, need nobody to set them."""
    answers = iter(["too old", ""])
    health = Health()
    health.watch("heartbeat", lambda: next(answers))
    assert health.ready() == (False, {"heartbeat": "too old"})
    assert health.ready() == (True, {})


def test_not_ready_is_still_live() -> None:
    """A process that waits for a broker is not helped by being killed."""
    health = Health("broker")
    assert health.live() == (True, {})


def test_a_condemned_process_is_neither_live_nor_ready() -> None:
    """What cannot recover by itself asks to be replaced, and takes no work meanwhile."""
    health = Health()
    health.condemn("reader", "cannot follow its topic")
    assert health.live() == (False, {"reader": "cannot follow its topic"})
    assert health.ready() == (False, {"reader": "cannot follow its topic"})


def test_the_ready_gauge_follows() -> None:
    """Prometheus sees what /readyz says."""
    health = Health("broker")
    assert REGISTRY.get_sample_value("wire_ready") == 0
    health.set("broker", True)
    assert REGISTRY.get_sample_value("wire_ready") == 1
    health.watch("heartbeat", lambda: "too old")
    assert REGISTRY.get_sample_value("wire_ready") == 0
