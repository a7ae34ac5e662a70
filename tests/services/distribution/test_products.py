"""Does a webhook ever go beyond what its subscriber may have, and does who had a story still hear of its end?"""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.distribution.matcher import Matcher
from services.distribution.matching import ShardOf
from services.distribution.recipients import Recipients
from services.distribution.rereading import was_owed
from shared.domain.events import DeliveryDue, StoryReleased, encode_event, parse_event
from shared.domain.facts import Facts
from shared.domain.products import Product, Products
from shared.domain.story import NOTICES, Kind, Lane
from shared.domain.subscription import Filter, Terms, Text, wants
from shared.platform.records import Record
from shared.platform.topics import Topic, key_of
from tests.services.distribution.deliveries import endpoint, item, record, released, subscription
from tests.services.distribution.ledger import Bench

SUBSCRIBERS = ("acme", "bravo", "coda")
WORLD = Filter(sections=("world",))
SPORT = Filter(sections=("sport",))
SECTIONS = st.lists(st.sampled_from(("arts", "world", "sport")), max_size=2, unique=True).map(tuple)
FILTERS = st.builds(
    Filter,
    sections=SECTIONS,
    keywords=st.lists(st.sampled_from(("bridge", "ferry")), max_size=1).map(tuple),
    not_=st.builds(Terms, sections=SECTIONS),
)
BOUNDS = st.none() | st.lists(FILTERS, max_size=2)
FACTS = st.builds(Facts, sections=SECTIONS)
STEPS = st.lists(
    st.tuples(st.sampled_from(Kind), FACTS, st.none() | FACTS, st.dictionaries(st.sampled_from(SUBSCRIBERS), BOUNDS)),
    min_size=1,
    max_size=6,
)


def products(subscriber: str, bounds: list[Filter] | None) -> Record:
    """What an operator sets, or takes away."""
    named = None
    if bounds is not None:
        made = tuple(Product(name=str(number), filter=each) for number, each in enumerate(bounds))
        named = Products(subscriber=subscriber, products=made).model_dump_json(by_alias=True).encode()
    return record(Topic.SUBSCRIPTION_STATE, named, key=key_of(subscriber, "products"))


def audience(filters: Mapping[str, Filter]) -> Bench:
    """An endpoint and a subscription of each subscriber, called as he is."""
    bench = Bench()
    for subscriber, wanted in filters.items():
        at = endpoint(subscriber, subscriber=subscriber)
        wants_it = subscription(f"s_{subscriber}", subscriber).model_copy(update={"filter": wanted})
        bench.know(at, wants_it.model_copy(update={"subscriber": subscriber}))
    return bench


def matcher(bench: Bench) -> Matcher:
    return Matcher(bench.registry, Recipients(), bench.standings, bench.log, bench.log, ShardOf(6), bench.clock)


def release(release_no: int, kind: Kind, facts: Facts, reach: Facts | None = None) -> StoryReleased:
    made = released(item(release_no, kind), facts)
    return made.model_copy(update={"data": made.data.model_copy(update={"reach": reach})})


def lane_record(of: StoryReleased, offset: int) -> Record:
    return record(Topic.RELEASED, encode_event(of), offset)


def owed(bench: Bench) -> dict[int, set[str]]:
    """By release, who is owed it."""
    found: dict[int, set[str]] = {}
    for one in bench.log.on(Topic.DUE, Topic.DUE_FLASH):
        block = parse_event(one.value)
        assert isinstance(block, DeliveryDue)
        found.setdefault(block.data.item.release_no, set()).update(block.data.endpoint_ids)
    return found


def judged(
    steps: Iterator[tuple[StoryReleased, Mapping[str, list[Filter] | None]]], filters: Mapping[str, Filter]
) -> dict[int, set[str]]:
    """The oracle, subscriber by subscriber: who had an earlier one, who wants it, and who may have it."""
    had: set[str] = set()
    found: dict[int, set[str]] = {}
    for event, bounds in steps:
        kind, told = event.data.item.kind, event.data
        if kind in NOTICES:
            found[told.item.release_no] = set(had)
            continue
        text = Text(told.item.story)
        on = [told.facts]
        if kind in {Kind.CORRECT, Kind.RELEASE} and told.reach is not None:
            on.append(told.reach)
        for who in SUBSCRIBERS:
            own = bounds.get(who)
            may_have = own is None or any(wants(each, facts, text) for each in own for facts in on)
            if may_have and (who in had or wants(filters[who], told.facts, text)):
                found.setdefault(told.item.release_no, set()).add(who)
        had |= found.get(told.item.release_no, set())
    return found


@given(filters=st.fixed_dictionaries(dict.fromkeys(SUBSCRIBERS, FILTERS)), steps=STEPS)
async def test_the_matcher_owes_what_is_wanted_within_products_and_notices_to_all_who_had_it(
    filters: dict[str, Filter], steps: list[tuple[Kind, Facts, Facts | None, dict[str, list[Filter] | None]]]
) -> None:
    """One story of many releases, products changing between them, against asking each subscriber by itself."""
    bench, told = audience(filters), list[tuple[StoryReleased, Mapping[str, list[Filter] | None]]]()
    one, bounds = matcher(bench), dict[str, list[Filter] | None]()
    for number, (kind, facts, reach, changed) in enumerate(steps):
        for subscriber, given_now in changed.items():
            bench.registry.apply(products(subscriber, given_now))
        bounds |= changed
        event = release(number + 1, kind, facts, reach)
        await one.handle(lane_record(event, number))
        told.append((event, dict(bounds)))
    expected = judged(iter(told), filters)
    assert {no: ids for no, ids in owed(bench).items() if ids} == {no: ids for no, ids in expected.items() if ids}


async def test_what_comes_back_within_goes_out_again_and_the_kill_whatever_the_products() -> None:
    """Version 1 within, 2 outside, 3 within, then nothing at all is agreed on, and the kill."""
    bench = audience({"acme": Filter()})
    bench.registry.apply(products("acme", [WORLD]))
    one, world, sport = matcher(bench), Facts(sections=("world",)), Facts(sections=("sport",))
    for number, facts in enumerate((world, sport, world), start=1):
        await one.handle(lane_record(release(number, Kind.UPDATE, facts), number))
    bench.registry.apply(products("acme", []))
    await one.handle(lane_record(release(4, Kind.UPDATE, world), 4))
    await one.handle(lane_record(release(5, Kind.KILL, world, world), 5))
    assert {no for no, ids in owed(bench).items() if ids} == {1, 3, 5}


async def test_what_overtook_goes_only_to_those_who_may_have_it() -> None:
    """The release that brings the story is within, the newer one that was first is not."""
    bench = audience({"acme": Filter()})
    bench.registry.apply(products("acme", [SPORT]))
    one = matcher(bench)
    newer = released(item(2, Kind.UPDATE, Lane.FLASH), Facts(sections=("world",)))
    bench.log.lanes[Lane.FLASH, 7] = newer
    await one.handle(record(Topic.RELEASED_FLASH, encode_event(newer), 7))
    await one.handle(lane_record(release(1, Kind.PUBLISH, Facts(sections=("sport",))), 3))
    assert owed(bench) == {1: {"acme"}}


@pytest.mark.parametrize(
    ("kind", "now", "goes_out"),
    [
        (Kind.UPDATE, None, True),
        (Kind.UPDATE, [WORLD], True),
        (Kind.UPDATE, [SPORT], False),
        (Kind.UPDATE, [], False),
        (Kind.WITHHOLD, [SPORT], True),
        (Kind.KILL, [], True),
    ],
)
def test_a_replay_and_a_reader_of_the_past_go_by_the_products_of_now(
    kind: Kind, now: list[Filter] | None, goes_out: bool
) -> None:
    """It was owed a release when other products were agreed on."""
    bench = audience({"acme": Filter()})
    bench.recipients.add(item().story_id, {"acme"}, since=1)
    bench.registry.apply(products("acme", now))
    event = release(2, kind, Facts(sections=("world",)))
    assert was_owed(bench.recipients, bench.registry, event, "acme") is goes_out
