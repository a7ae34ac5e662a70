"""How well is the broker's time known?"""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.events import epoch_us, from_epoch_us
from shared.platform.clock import BrokerClock, FixedClock, SystemClock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Machine:
    """A machine whose wall clock is `behind` seconds behind the broker's, and the broker it talks to."""

    def __init__(self, behind: float = 0.0) -> None:
        self.behind = behind
        self.uptime = 1000.0

    def monotonic(self) -> float:
        return self.uptime

    def broker(self) -> float:
        return NOON.timestamp() + self.uptime - 1000.0

    def wall(self) -> float:
        return self.broker() - self.behind

    def send(self, clock: BrokerClock, there: float, back: float) -> None:
        """One produce: the record travels `there` seconds, its answer `back` seconds."""
        sent = self.uptime
        self.uptime += there
        appended_ms = int(self.broker() * 1000)
        self.uptime += back
        clock.observe(appended_ms, sent, self.uptime)

    def error(self, clock: BrokerClock) -> float:
        return abs(clock.now().timestamp() - self.broker())


def clock_of(machine: Machine) -> BrokerClock:
    return BrokerClock(machine.wall, machine.monotonic)


def test_before_the_first_answer_it_is_the_systems_clock() -> None:
    """Better than nothing, and it says so."""
    machine = Machine(behind=3)
    clock = clock_of(machine)
    assert not clock.measured
    assert clock.now().timestamp() == machine.wall()
    assert clock.offset == timedelta()


@pytest.mark.parametrize("behind", [-2.5, 0.0, 2.5])
def test_the_skew_of_this_machine_is_found(behind: float) -> None:
    """Fast or slow, the offset leads back to the broker's time."""
    machine = Machine(behind)
    clock = clock_of(machine)
    machine.send(clock, 0.001, 0.001)
    assert clock.offset.total_seconds() == pytest.approx(behind, abs=0.002)
    assert clock.skew_s == pytest.approx(abs(behind), abs=0.002)


@given(
    ways=st.lists(st.tuples(st.floats(0.0, 0.5), st.floats(0.0, 0.5)), min_size=1, max_size=20),
    behind=st.floats(-5, 5),
)
def test_the_error_is_at_most_half_the_quickest_round_trip(ways: list[tuple[float, float]], behind: float) -> None:
    """However lopsided the ways are (plus the half millisecond that the broker cuts off)."""
    machine = Machine(behind)
    clock = clock_of(machine)
    for there, back in ways:
        machine.send(clock, there, back)
    quickest = min(there + back for there, back in ways)
    assert machine.error(clock) <= quickest / 2 + 0.0011


def test_a_slow_answer_does_not_spoil_a_quick_one() -> None:
    """A stalled send says little; the quick one before it says much."""
    machine = Machine()
    clock = clock_of(machine)
    machine.send(clock, 0.0005, 0.0005)
    machine.send(clock, 0.0, 0.4)
    assert machine.error(clock) < 0.002


def test_a_broker_clock_that_was_set_is_believed_at_once() -> None:
    """What contradicts the estimate is newer than it."""
    machine = Machine()
    clock = clock_of(machine)
    machine.send(clock, 0.001, 0.001)
    before = clock.now()
    clock.observe(int((machine.broker() + 30) * 1000), machine.uptime, machine.uptime + 0.002)
    assert (clock.now() - before).total_seconds() == pytest.approx(30, abs=0.01)


def test_an_old_answer_gives_way_to_newer_ones() -> None:
    """Clocks drift: after a minute even a slower answer says more."""
    machine = Machine()
    clock = clock_of(machine)
    machine.send(clock, 0.0001, 0.0001)
    machine.uptime += 120
    clock.observe(int((machine.broker() + 0.003) * 1000), machine.uptime - 0.004, machine.uptime)
    assert clock.now().timestamp() - machine.broker() == pytest.approx(0.0055, abs=0.002)


def test_a_fixed_clock_moves_when_told() -> None:
    """And always says aware UTC."""
    clock = FixedClock(datetime(2026, 11, 23, 13, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now() == NOON
    assert clock.advance(timedelta(seconds=5)) == NOON + timedelta(seconds=5) == clock.now()
    assert clock.now().tzinfo is UTC
    assert SystemClock().now().tzinfo is UTC


@given(st.integers(-(10**15), 10**16))
def test_microseconds_come_back_exactly(microseconds: int) -> None:
    """No float between a time and its microseconds."""
    assert epoch_us(from_epoch_us(microseconds)) == microseconds
