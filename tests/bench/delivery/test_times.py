"""The delivery bench's arithmetic of times; what it measures is never asserted."""

from tests.bench.delivery.times import Row, hops, latencies


def test_a_latency_is_that_of_the_first_copy_and_of_this_run_only() -> None:
    """A copy that came later says nothing of how long it took; what another run released is not counted."""
    ended = [("a", 5_000), ("b", 4_000), ("a", 3_500), ("earlier", 9_000)]
    assert sorted(latencies({"a": 1_000, "b": 2_000, "never": 0}, ended)) == [2.0, 2.5]


def test_the_way_of_a_delivery_is_told_in_parts() -> None:
    """From the release on, each from the stage before it; what failed or never came says nothing."""
    times = {"released": 1_000, "matched": 3_000, "attempted": 9_000}
    rows = [Row("a", "delivered", times, 12_000), Row("b", "retrying", times, 9_000), Row("c", "delivered", times, 0)]
    assert hops(rows, [("a", 7_000), ("a", 8_000), ("b", 5_000)]) == {
        "matched": [2.0],
        "at receiver": [4.0],
        "answered": [2.0],
        "recorded": [3.0],
    }
