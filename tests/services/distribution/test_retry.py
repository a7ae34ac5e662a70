"""When a failing delivery is tried again, and how its wait is carried by the retry topics."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.distribution.outcome import Failure, Refused, Unreachable
from services.distribution.retry import (
    SLACK,
    SMALLEST_TIER,
    Disable,
    Exhausted,
    RetryAt,
    after_failure,
    chain,
    next_tier,
)
from shared.domain.retry_schedule import STANDARD, Schedule, Tier

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DOWN = Unreachable("connect")
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

waits = st.timedeltas(min_value=timedelta(), max_value=timedelta(hours=24))
failures = st.one_of(
    st.just(DOWN), st.builds(Refused, st.integers(300, 599), st.none() | st.timedeltas(min_value=timedelta()))
)


@pytest.mark.parametrize(
    ("attempts", "wait", "tier"),
    [
        (1, timedelta(seconds=10), Tier.TEN_SECONDS),
        (2, timedelta(minutes=1), Tier.ONE_MINUTE),
        (3, timedelta(minutes=10), Tier.TEN_MINUTES),
        (4, HOUR, Tier.ONE_HOUR),
        (5, 6 * HOUR, Tier.SIX_HOURS),
        (9, 6 * HOUR, Tier.SIX_HOURS),
    ],
)
def test_each_failure_waits_in_its_own_tier(attempts: int, wait: timedelta, tier: Tier) -> None:
    """The first retry is quick, the later ones patient; the last wait repeats."""
    assert after_failure(DOWN, attempts, NOW, NOW) == RetryAt(NOW + wait, tier)


def test_a_delivery_is_kept_alive_for_72_hours() -> None:
    """Played through, the last attempt falls on the horizon and nothing follows it."""
    now, attempts = NOW, 1
    while isinstance(decided := after_failure(DOWN, attempts, NOW, now), RetryAt):
        now, attempts = decided.at, attempts + 1
    assert decided == Exhausted(f"{attempts} attempts failed within 72 h")
    assert now - NOW == timedelta(hours=72)


def test_the_printed_table_is_what_happens() -> None:
    """The documentation's rows are the decisions, one by one."""
    now = NOW
    for attempt, wait, passed in STANDARD.table():
        decided = after_failure(DOWN, attempt - 1, NOW, now)
        assert isinstance(decided, RetryAt)
        assert (decided.at - now, decided.at - NOW) == (wait, passed)
        now = decided.at
    assert isinstance(after_failure(DOWN, attempt, NOW, now), Exhausted)


def test_gone_disables_the_endpoint() -> None:
    """410 is the one status that says: never again."""
    assert after_failure(Refused(410), 1, NOW, NOW) == Disable("the receiver answered 410 Gone")


@pytest.mark.parametrize("status", [301, 400, 401, 404, 408, 429, 500, 503])
def test_every_other_refusal_is_tried_again(status: int) -> None:
    """A 404 today may be a deployment; only time decides."""
    assert isinstance(after_failure(Refused(status), 1, NOW, NOW), RetryAt)


def test_a_receiver_may_ask_for_more_time() -> None:
    """Retry-After lengthens a wait, up to a day."""
    asked = after_failure(Refused(503, timedelta(minutes=5)), 1, NOW, NOW)
    assert asked == RetryAt(NOW + timedelta(minutes=5), Tier.ONE_MINUTE)
    absurd = after_failure(Refused(429, timedelta(days=365)), 1, NOW, NOW)
    assert absurd == RetryAt(NOW + 24 * HOUR, Tier.SIX_HOURS)


def test_a_receiver_cannot_ask_for_less_time() -> None:
    """Retry-After: 1 from a receiver that fails for the fourth time does not speed us up."""
    assert after_failure(Refused(503, SECOND), 4, NOW, NOW) == RetryAt(NOW + HOUR, Tier.ONE_HOUR)


def test_a_receiver_that_asks_beyond_the_horizon_is_not_tried_before() -> None:
    """Giving up is better than disregarding what it asked for."""
    decided = after_failure(Refused(503, 2 * HOUR), 15, NOW, NOW + 71 * HOUR)
    assert decided == Exhausted("the receiver asks to wait beyond 72 h after the first failure")


@given(failures, st.integers(1, 40), st.timedeltas(timedelta(), 100 * HOUR), st.floats(0, 1, exclude_max=True))
def test_a_retry_is_never_early_and_never_past_the_horizon(
    failure: Failure, attempts: int, since: timedelta, jitter: float
) -> None:
    """Whatever is asked and drawn, the wait is at least scheduled and asked, or ends at the horizon."""
    now = NOW + since
    decided = after_failure(failure, attempts, NOW, now, jitter)
    if not isinstance(decided, RetryAt):
        return
    horizon = NOW + STANDARD.horizon
    asked = failure.retry_after if isinstance(failure, Refused) else None
    assert now < decided.at <= horizon
    assert decided.at >= min(now + STANDARD.wait_after(attempts), horizon)
    assert decided.at >= now + min(asked or timedelta(), STANDARD.retry_after_cap)


@given(st.integers(1, 20), st.floats(0, 1, exclude_max=True))
def test_jitter_costs_no_second_record(attempts: int, jitter: float) -> None:
    """It spreads deliveries that failed together, and stays in memory behind one tier."""
    wait = STANDARD.wait_after(attempts, jitter)
    tiers = chain(NOW + wait, NOW)
    assert len(tiers) == 1
    assert timedelta() <= wait - tiers[0].delay < SMALLEST_TIER


def test_jitter_spreads() -> None:
    """Two draws, two moments."""
    assert after_failure(DOWN, 3, NOW, NOW, jitter=0.1) != after_failure(DOWN, 3, NOW, NOW, jitter=0.9)


def test_a_schedule_is_data() -> None:
    """Another one needs no other code."""
    short = Schedule(waits=(timedelta(minutes=2),), horizon=timedelta(minutes=3))
    assert after_failure(DOWN, 1, NOW, NOW, schedule=short) == RetryAt(NOW + timedelta(minutes=2), Tier.ONE_MINUTE)
    assert [passed for *_, passed in short.table()] == [timedelta(minutes=2), timedelta(minutes=3)]


@pytest.mark.parametrize(
    ("left", "tier"),
    [
        (timedelta(seconds=-5), None),
        (timedelta(), None),
        (timedelta(seconds=9.98), None),
        (timedelta(seconds=10), Tier.TEN_SECONDS),
        (timedelta(seconds=59.9), Tier.TEN_SECONDS),
        (timedelta(seconds=60), Tier.ONE_MINUTE),
        (timedelta(minutes=59), Tier.TEN_MINUTES),
        (timedelta(hours=5, minutes=59), Tier.ONE_HOUR),
        (timedelta(hours=24), Tier.SIX_HOURS),
    ],
)
def test_the_next_tier_is_the_largest_that_is_not_too_long(left: timedelta, tier: Tier | None) -> None:
    """Below the smallest tier the rest is waited for in memory."""
    assert next_tier(NOW + left, NOW) is tier


@given(waits, st.lists(st.timedeltas(timedelta(), timedelta(seconds=3)), min_size=1))
def test_a_chain_ends_on_time_however_late_its_hops_are(wait: timedelta, lateness: list[timedelta]) -> None:
    """Each tier hands over up to three seconds late; the end is within one hop's lateness, and never early."""
    due, now, hops = NOW + wait, NOW, 0
    while (tier := next_tier(due, now)) is not None:
        now += tier.delay + lateness[hops % len(lateness)]
        hops += 1
    done_at = max(now, due)  # memory waits out what is left
    assert due <= done_at <= due + max(lateness) + wait * SLACK * 2
    assert due - now < SMALLEST_TIER
    assert hops <= 3 + 5 + 5 + 9 + 5, "the most that a wait of a day can be made of"


@given(waits)
def test_a_punctual_chain_adds_up(wait: timedelta) -> None:
    """The tiers' delays and the rest in memory are the wait, longest tier first."""
    delays = [tier.delay for tier in chain(NOW + wait, NOW)]
    assert delays == sorted(delays, reverse=True)
    assert -wait * SLACK * 2 <= wait - sum(delays, timedelta()) < SMALLEST_TIER


def test_a_late_hop_does_not_shatter_a_long_wait() -> None:
    """A day is four records of six hours, though each hop is three seconds late."""
    due, now, hops = NOW + 24 * HOUR, NOW, 0
    while (tier := next_tier(due, now)) is not None:
        now += tier.delay + 3 * SECOND
        hops += 1
    assert hops == 4
