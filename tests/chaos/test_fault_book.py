"""The book of faults counts what took effect, and the recoveries that were the service's own."""

import pytest

from tests.chaos.fault_book import Fault, FaultBook, told
from tests.chaos.reins import Life
from tests.chaos.schedule import Kind, Planned


def a_fault(kind: Kind, began: float, recovery: float | None = None, **other: object) -> Fault:
    ended = began + 1.0
    known = {"took": True, "healthy_again": ended + 2.0} | other
    return Fault(Planned(began, kind, "moderation"), began, ended, recovery=recovery, **known)  # type: ignore[arg-type]


def test_a_fault_without_effect_does_not_count() -> None:
    """A failpoint that nobody came to killed nobody; it is told apart."""
    missed = a_fault(Kind.FAILPOINT, 0, took=False)
    book = FaultBook([a_fault(Kind.KILL, 0), a_fault(Kind.POISON, 5), missed])
    assert book.kills() == 1
    assert book.count() == {Kind.KILL: 1, Kind.POISON: 1}
    assert book.without_effect() == [missed]


def test_a_fault_that_needs_a_human_is_told() -> None:
    """Whether or not it took."""
    stuck = a_fault(Kind.TERM, 3, healthy_again=None)
    assert FaultBook([a_fault(Kind.KILL, 0), stuck]).not_healthy() == [stuck]


def test_a_recovery_that_had_to_wait_for_the_broker_is_not_the_services_own() -> None:
    """One before and one after the outage count, one within does not."""
    outage = a_fault(Kind.BROKER_KILLED, 100, healthy_again=160.0)
    kills = [a_fault(Kind.KILL, 50, 1.5), a_fault(Kind.TERM, 120, 40.0), a_fault(Kind.FAILPOINT, 200, 0.8)]
    assert FaultBook([outage, *kills]).recoveries() == [0.8, 1.5]


@pytest.mark.parametrize(("moment", "within"), [(99.9, False), (100.0, True), (103.0, True), (103.5, False)])
def test_a_moment_lies_within_a_fault_from_its_beginning_until_all_is_healthy(moment: float, within: bool) -> None:
    """So that a duplicate can be laid to a fault, or to nobody."""
    assert FaultBook([a_fault(Kind.KILL, 100)]).in_force(moment) is within
    assert FaultBook([a_fault(Kind.KILL, 100)]).in_force(moment, after=1.0) is (moment >= 100.0)


def test_a_process_that_ends_by_itself_far_from_any_fault_is_unexplained() -> None:
    """Under an outage a service may start afresh; without a fault it may not."""
    under, alone = (Life("enrich", 1, 0.0, ended=moment, code=70) for moment in (101.0, 500.0))
    book = FaultBook([a_fault(Kind.BROKER_KILLED, 100)], unasked=[under, alone])
    assert book.unexplained() == [alone]


def test_the_book_tells_each_fault_in_a_line() -> None:
    """With what was wrong about it."""
    book = FaultBook([a_fault(Kind.KILL, 7, 1.5), a_fault(Kind.FAILPOINT, 9, took=False, complaint="it stuck")])
    first, second = told(book).splitlines()
    assert "kill -9" in first
    assert "recovered in 1.5 s" in first
    assert "NO EFFECT" in second
    assert "it stuck" in second
