"""The judge finds a replay that never ends, a rate that is not kept, and a dead endpoint that is still sent to."""

from dataclasses import replace

from tests.chaos.hand_made import NOON, Made, told
from tests.chaos.recordings import Manner
from tests.chaos.replays import Replayed

CAPPED = Manner(rate=1.0)


def asked(state: str = "done") -> Replayed:
    return Replayed("endpoint", 1.0, 10.0, asked_at=NOON + 5, ended_at=NOON + 9, state=state)


def test_a_replay_that_did_not_end_is_found() -> None:
    """Whether it goes on, failed, or was never heard of."""
    made = Made([told("single")])
    for state in ("running", "failed", "requested", ""):
        assert made.kinds(replays=[asked(state)]) == {"replay"}
    assert made.kinds(replays=[asked()]) == set()


def test_what_comes_again_is_explained_by_a_replay_of_that_endpoint_while_it_lasts() -> None:
    """Before it was asked for, behind its end, or at somebody else it is a duplicate."""
    made = Made([told("single")])
    first = made.endpoint.came[0]
    for at, name, kinds in (
        (NOON + 7, "endpoint", set[str]()),
        (NOON + 4, "endpoint", {"duplicate"}),
        (NOON + 10, "endpoint", {"duplicate"}),
        (NOON + 7, "another", {"duplicate"}),
    ):
        made.endpoint.came = [first, replace(first, at=at)]
        assert made.kinds(replays=[replace(asked(), name=name)]) == kinds


def test_more_than_the_rate_allows_is_found() -> None:
    """Twenty in a row at one a second; as many over twenty seconds are what was asked for."""
    made = Made([told("single", number) for number in range(20)], manner=CAPPED)
    first = made.endpoint.came[0].at
    for apart_s, kinds in ((0.1, {"rate"}), (1.0, set[str]())):
        came = [replace(one, at=first + apart_s * place) for place, one in enumerate(made.endpoint.came)]
        made.endpoint.came = came
        assert made.kinds() == kinds


def test_a_dead_endpoint_whose_breaker_is_closed_is_found() -> None:
    """It would be tried for each release that is owed to it."""
    made = Made([], manner=Manner(dead=True))
    assert made.kinds(left_alone={"endpoint": "closed"}) == {"breaker"}
    assert made.kinds(left_alone={"endpoint": "half_open"}) == set()
