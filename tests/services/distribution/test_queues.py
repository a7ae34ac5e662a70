"""Fairness between endpoints, order within a story, flashes first: decided without a clock."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.distribution.deliveries import Delivery
from services.distribution.queues import FairQueues
from shared.domain.story import Kind, Lane
from tests.services.distribution.deliveries import delivery, item


def drain(queues: FairQueues, seconds: dict[str, float], turns: int) -> list[Delivery]:
    """Take and finish one after another, each at its endpoint's pace."""
    taken = []
    for _ in range(turns):
        if (one := queues.take()) is None:
            break
        taken.append(one)
        queues.finish(one, seconds.get(one.endpoint_id, 0.001), ok=True)
    return taken


def test_only_one_release_of_a_story_is_in_flight_at_an_endpoint() -> None:
    """The second waits for the first, and goes next."""
    queues = FairQueues(10)
    queues.add(delivery(release_no=1))
    queues.add(delivery(release_no=2))
    first = queues.take()
    assert first is not None
    assert queues.take() is None
    queues.finish(first, 0.001, ok=True)
    second = queues.take()
    assert second is not None
    assert second.release_no == 2


def test_a_flash_passes_everything_that_waits() -> None:
    """Breaking never queues behind routine, at its own endpoint or another's."""
    queues = FairQueues(10)
    for number in range(50):
        queues.add(delivery(f"ep_{number % 5}", f"urn:{number}"))
    queues.add(delivery("ep_9", "urn:flash", lane=Lane.FLASH))
    first = queues.take()
    assert first is not None
    assert first.story_id == "urn:flash"


def test_some_slots_are_for_flashes_only() -> None:
    """When routine fills its share, a flash still goes out at once."""
    queues = FairQueues(10, probation=1.0)
    for number in range(40):
        queues.add(delivery(f"ep_{number}", f"urn:{number}"))
    while queues.take() is not None:
        pass
    assert queues.in_flight == 9
    queues.add(delivery("ep_x", "urn:flash", lane=Lane.FLASH))
    assert queues.take() is not None


def test_a_slow_endpoint_pays_for_its_slowness() -> None:
    """Two endpoints with work for ever: the one that takes a second gets far fewer turns."""
    queues = FairQueues(4, probation=1.0)
    for number in range(400):
        queues.add(delivery("slow", f"urn:s{number}"))
        queues.add(delivery("quick", f"urn:q{number}"))
    taken = drain(queues, {"slow": 1.0}, 200)
    slow = sum(one.endpoint_id == "slow" for one in taken)
    assert 1 <= slow <= 40


def test_new_and_failing_endpoints_share_a_small_part_of_the_slots() -> None:
    """A thousand black holes hold no more than the probation share."""
    queues = FairQueues(20, probation=0.2)
    for number in range(200):
        queues.add(delivery(f"dead_{number}", f"urn:{number}"))
    held = 0
    while queues.take() is not None:
        held += 1
    assert held == 4


def test_flashes_to_failing_endpoints_leave_room_for_the_others() -> None:
    """Invariant 7 for breaking news: black holes that want flashes do not hold every slot for 15 s."""
    queues = FairQueues(20, probation=0.2)
    queues.add(delivery("good", "urn:before"))
    drain(queues, {}, 1)
    for number in range(50):
        queues.add(delivery(f"dead_{number}", f"urn:{number}", lane=Lane.FLASH))
    held = 0
    while queues.take() is not None:
        held += 1
    assert held == 4
    queues.add(delivery("good", "urn:breaking", lane=Lane.FLASH))
    breaking = queues.take()
    assert breaking is not None
    assert breaking.endpoint_id == "good"


def test_routine_to_failing_endpoints_leaves_their_flashes_a_share() -> None:
    """Invariant 8: a flash does not wait for a routine share that is used up."""
    queues = FairQueues(20, probation=0.2)
    for number in range(50):
        queues.add(delivery(f"dead_{number}", f"urn:{number}"))
    while queues.take() is not None:
        pass
    queues.add(delivery("new", "urn:breaking", lane=Lane.FLASH))
    assert queues.take() is not None


def test_a_withhold_that_waits_for_the_share_of_flashes_is_not_passed_by_what_came_behind_it() -> None:
    """Invariant 2 while every endpoint is new: the release that lifts a withhold may be routine and have room."""
    queues = FairQueues(20, probation=0.2)
    others = [delivery(f"new_{number}", f"urn:{number}", lane=Lane.FLASH) for number in range(4)]
    for other in others:
        queues.add(other)
        assert queues.take() is other
    queues.add(delivery(release_no=2, lane=Lane.FLASH))
    queues.add(delivery(release_no=3))
    assert queues.take() is None
    queues.finish(others[0], 0.001, ok=True)
    following = queues.take()
    assert following is not None
    assert following.release_no == 2


def test_a_flash_behind_a_delivery_in_flight_goes_before_the_routine_one_behind_it() -> None:
    """Its story was busy; when that ends the flash does not stand in line again for an older update."""
    queues = FairQueues(10)
    queues.add(delivery(release_no=1))
    first = queues.take()
    assert first is not None
    for later in (delivery(release_no=2), delivery(release_no=3, lane=Lane.FLASH)):
        queues.add(later)
        assert queues.take() is None
    queues.finish(first, 0.001, ok=True)
    following = queues.take()
    assert following is not None
    assert following.release_no == 3


def test_a_delivery_that_ends_unsent_is_no_sign_of_health() -> None:
    """A failing endpoint stays on probation, however many of its deliveries are superseded or put off."""
    queues = FairQueues(4, probation=0.25)
    for ok in (False, None):
        queues.add(delivery(story_id=f"urn:{ok}"))
        one = queues.take()
        assert one is not None
        queues.finish(one, 0.001, ok=ok)
    queues.add(delivery(story_id="urn:1"))
    queues.add(delivery(story_id="urn:2"))
    assert queues.take() is not None
    assert queues.take() is None


def test_what_an_endpoint_showed_is_remembered_while_it_is_idle() -> None:
    """A healthy endpoint is not new again after a quiet minute."""
    queues = FairQueues(20, probation=0.2)
    queues.add(delivery("good", "urn:1"))
    drain(queues, {}, 1)
    for number in range(200):
        queues.add(delivery(f"dead_{number}", f"urn:{number}"))
    while queues.take() is not None:
        pass
    queues.add(delivery("good", "urn:2"))
    assert queues.take() is not None


def test_dropped_shards_leave_nothing_behind() -> None:
    """Their new owner sends what waited here."""
    queues = FairQueues(10)
    queues.add(delivery("ep_1", "urn:1", shard=3))
    queues.add(delivery("ep_2", "urn:2", shard=4))
    queues.drop(frozenset({3}))
    assert len(queues) == 1
    kept = queues.take()
    assert kept is not None
    assert kept.shard == 4


def mixed(queues: FairQueues, number: int) -> None:
    """Let so many of each kind wait at one endpoint, no two of a story."""
    for each in range(number):
        queues.add(delivery(story_id=f"urn:p{each}", reread=True))
        queues.add(delivery(story_id=f"urn:r{each}", retried=True))
        queues.add(delivery(story_id=f"urn:f{each}"))


def test_first_tries_retries_and_replays_share_an_endpoint_seven_to_two_to_one() -> None:
    """A storm of what comes back cannot hold back what is new, nor is it starved."""
    queues = FairQueues(10)
    mixed(queues, 100)
    taken = Counter(one.urgency for one in drain(queues, {}, 100))
    assert taken == {"first": 70, "retry": 20, "replay": 10}


def test_a_share_that_nobody_waits_for_goes_to_the_others() -> None:
    """Two replays to four retries, when nothing is new."""
    queues = FairQueues(10)
    for each in range(60):
        queues.add(delivery(story_id=f"urn:p{each}", reread=True))
        queues.add(delivery(story_id=f"urn:r{each}", retried=True))
    taken = Counter(one.urgency for one in drain(queues, {}, 60))
    assert taken == {"retry": 40, "replay": 20}


def test_a_flash_passes_first_tries_retries_and_replays() -> None:
    """Also one that is read from the log anew: breaking stays breaking until the endpoint has it."""
    queues = FairQueues(10)
    mixed(queues, 20)
    drain(queues, {}, 7)
    queues.add(delivery(story_id="urn:breaking", lane=Lane.FLASH, reread=True))
    first = queues.take()
    assert first is not None
    assert first.story_id == "urn:breaking"


def test_a_flash_that_is_replayed_on_request_stands_with_the_replays() -> None:
    """The endpoint may have it: it is no news."""
    assert delivery(lane=Lane.FLASH, again=True).urgency == "replay"


def test_an_endpoint_that_catches_up_takes_fewer_turns_than_one_with_news() -> None:
    """A replay of any length beside live traffic of the same pace: about a seventh of its turns."""
    queues = FairQueues(10, probation=1.0)
    for each in range(400):
        queues.add(delivery("behind", f"urn:p{each}", reread=True))
        queues.add(delivery("live", f"urn:f{each}"))
    paces = {"behind": 0.05, "live": 0.05}
    taken = Counter(one.endpoint_id for one in drain(queues, paces, 240))
    assert 5 * taken["behind"] <= taken["live"] <= 9 * taken["behind"]


def test_what_waits_and_what_is_in_flight_is_counted_for_each_endpoint() -> None:
    """Whoever has too much waiting, or still something in flight, is known at once."""
    queues = FairQueues(10)
    for number in range(3):
        queues.add(delivery(story_id=f"urn:{number % 2}"))
    queues.add(delivery("ep_2"))
    assert queues.take() is not None
    assert (queues.waiting("ep_1"), queues.outstanding("ep_1")) == (2, 3)
    assert (queues.waiting("nobody"), queues.outstanding("nobody")) == (0, 0)
    queues.drop(frozenset({0}))
    assert (queues.waiting("ep_1"), len(queues)) == (0, 0)


def paced(seconds: dict[str, float]) -> tuple[FairQueues, list[tuple[float, str]]]:
    """Queues whose endpoints are held back by so many seconds, and the timers they asked for."""
    timers: list[tuple[float, str]] = []
    return FairQueues(
        10, pace=lambda endpoint_id: seconds.get(endpoint_id, 0.0), later=lambda wait, at: timers.append((wait, at))
    ), timers


def test_an_endpoint_that_is_beyond_its_rate_is_out_of_line_until_its_time() -> None:
    """It costs no slot, no look and nobody else's turn; one timer brings it back."""
    seconds = {"slow": 0.3}
    queues, timers = paced(seconds)
    for number in range(3):
        queues.add(delivery("slow", f"urn:s{number}"))
        queues.add(delivery("quick", f"urn:q{number}"))
    assert [one.endpoint_id for one in drain(queues, {}, 10)] == ["quick"] * 3
    assert timers == [(0.3, "slow")]
    assert queues.in_flight == 0
    seconds.clear()
    assert queues.take() is None
    queues.go_on("slow")
    assert len(drain(queues, {}, 10)) == 3


def test_a_kill_does_not_wait_for_a_rate() -> None:
    """What is withdrawn is withdrawn now."""
    queues, _ = paced({"ep_1": 5.0})
    of = item(2, Kind.KILL, Lane.FLASH)
    queues.add(Delivery("dlv_kill", "ep_1", 0, b"{}", lambda: None, item=of))
    taken = queues.take()
    assert taken is not None
    assert taken.is_notice


def test_an_endpoint_that_has_nothing_left_is_not_brought_back() -> None:
    """Its timer finds nobody."""
    queues, timers = paced({"slow": 0.3})
    queues.add(delivery("slow", shard=3))
    assert queues.take() is None
    queues.drop(frozenset({3}))
    queues.go_on("slow")
    assert queues.take() is None
    assert len(timers) == 1


moves = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=60)


@given(moves)
def test_everything_is_taken_once_and_in_order_within_story_and_lane(
    added: list[tuple[int, int, bool]],
) -> None:
    """Whatever is interleaved, nothing is lost, doubled or overtaken within one (endpoint, story, lane)."""
    queues = FairQueues(5, probation=1.0)
    flying: list[Delivery] = []
    taken: list[Delivery] = []
    for number, (endpoint, story, flash) in enumerate(added, start=1):
        lane = Lane.FLASH if flash else Lane.ROUTINE
        queues.add(delivery(f"ep_{endpoint}", f"urn:{story}", number, lane))
        if number % 2 and (one := queues.take()):
            flying.append(one)
            taken.append(one)
        if number % 3 == 0 and flying:
            queues.finish(flying.pop(0), 0.01, ok=bool(number % 5))
    while flying or len(queues):
        if flying:
            queues.finish(flying.pop(0), 0.01, ok=True)
        while one := queues.take():
            flying.append(one)
            taken.append(one)
    assert len({one.delivery_id for one in taken}) == len(taken) == len(added)
    orders: dict[tuple[str, str, str], list[int]] = {}
    for one in taken:
        orders.setdefault((one.endpoint_id, one.story_id, one.urgency), []).append(one.release_no)
    assert all(order == sorted(order) for order in orders.values())


def test_an_endpoint_takes_over_nothing_from_the_one_whose_lines_it_is_given() -> None:
    """Queues are used again: neither what was waiting nor what was earned goes to another endpoint."""
    queues = FairQueues(20, probation=1.0)
    for retried in (False, True, False, True):
        queues.add(delivery("first", retried=retried))
    drain(queues, {}, 4)
    for retried in (True, False, False, False):
        queues.add(delivery("second", retried=retried))
    assert [one.urgency for one in drain(queues, {}, 9)] == ["first", "first", "retry", "first"]
