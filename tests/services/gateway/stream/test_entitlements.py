"""Does anybody ever see an item outside its products, on any channel, live or replayed?"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.stream.admission import DIALECTS, SSE_PATH
from services.gateway.stream.catch_up import portion
from services.gateway.stream.dialects import Dialect
from services.gateway.stream.filter_groups import FilterGroup, FilterGroups
from services.gateway.stream.frames import Entry
from services.gateway.stream.gate import Gate
from services.gateway.stream.positions import Position
from services.gateway.stream.ring import Ring
from services.gateway.stream.wanted import Judged, Wanted
from services.gateway.stream.wire import Wire
from shared.domain.facts import Facts
from shared.domain.story import NOTICES, Kind, Lane
from shared.domain.subscription import Filter, Terms, Text, wants

WORDS = ("consulate", "harvest", "ferry")
SECTIONS = st.lists(st.sampled_from(("arts", "world", "sport")), max_size=2, unique=True).map(tuple)
PLACES = st.lists(st.sampled_from(("TJ", "IN")), max_size=2, unique=True).map(tuple)
FILTERS = st.builds(
    Filter,
    sections=SECTIONS,
    places=PLACES,
    keywords=st.lists(st.sampled_from(WORDS), max_size=1).map(tuple),
    urgency_max=st.sampled_from((None, 3)),
    not_=st.builds(Terms, sections=SECTIONS, keywords=st.lists(st.sampled_from(WORDS), max_size=1).map(tuple)),
)
FACTS = st.builds(Facts, sections=SECTIONS, places=PLACES, urgency=st.sampled_from((2, 4)))
WANTED = st.builds(
    Wanted,
    products=st.none() | st.lists(FILTERS, max_size=3).map(tuple),
    granted=st.just(Filter()) | FILTERS,
    asked=st.just(Filter()) | FILTERS,
)


@dataclass
class Ear:
    """A live client that remembers what it was written."""

    slot: int = 0
    heard: bytes = b""

    def write(self, data: bytes) -> None:
        self.heard += data


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    """Releases of any kind, of stories of their own."""
    made = []
    for offset in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(Kind))
        story = {"headlines": [{"value": draw(st.sampled_from(WORDS))}]}
        made.append(
            Entry(
                lane=Lane.ROUTINE,
                offset=offset,
                story_id=f"urn:{offset}",
                release_no=2,
                kind=kind,
                facts=draw(FACTS),
                reach=draw(FACTS) if kind in NOTICES else draw(st.none() | FACTS),
                at_ms=0,
                accepted_us=None,
                item=json.dumps({"story_id": f"urn:{offset}", "story": story}).encode(),
            )
        )
    return made


def may_see(products: Iterable[Filter], entry: Entry) -> bool:
    """The oracle: by the text and facts, for a notice by the reach, where exclusions say nothing for certain."""
    if entry.kind in NOTICES:
        bare = [product.model_copy(update={"not_": Terms()}) for product in products]
        return any(wants(product, entry.reach or entry.facts, None) for product in bare)
    text = Text(json.loads(entry.item)["story"])
    judged_on = [entry.facts]
    if entry.kind in {Kind.CORRECT, Kind.RELEASE} and entry.reach is not None:
        judged_on.append(entry.reach)
    return any(wants(product, facts, text) for product in products for facts in judged_on)


def replayed(entries_: list[Entry], group: FilterGroup) -> list[int]:
    wire = Wire(Ring(10**9, 10**9), Gate(), "e")
    wire.ring.begin(Lane.ROUTINE, 0)
    for entry in entries_:
        wire.ring.append(entry)
    data = portion(wire, group, Position()).data
    return [entry.offset for entry in entries_ if b'"urn:%d"' % entry.offset in data]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=[one.channel for one in DIALECTS.values()])
@given(released=entries(), audience=st.lists(WANTED, min_size=1, max_size=6))
@settings(max_examples=60)
def test_nobody_sees_an_item_outside_its_products_and_live_and_replayed_are_the_same(
    dialect: Dialect, released: list[Entry], audience: list[Wanted]
) -> None:
    """However filters narrow: shown are releases that a product has, by the index of all filters as by each alone."""
    groups, live = FilterGroups(), list[tuple[FilterGroup, Ear]]()
    for wanted in audience:
        group, ear = groups.join(wanted, dialect), Ear()
        group.enter(ear)
        live.append((group, ear))
    for entry in released:
        for group in groups.wanting(Judged(entry)):
            group.write(b"%d," % entry.offset)
    for group, ear in live:
        heard = [int(offset) for offset in ear.heard.split(b",")[:-1]]
        if group.wanted.products is not None:
            assert all(may_see(group.wanted.products, released[offset]) for offset in heard)
        assert heard == replayed(released, group)
        kills = [one.offset for one in released if one.kind is Kind.KILL]
        assert group.wanted.products is not None or set(kills) <= set(heard)
    for group, ear in live:
        group.exit(ear)
        groups.leave(group)
    assert len(groups) == 0


def test_whoever_has_no_product_sees_nothing() -> None:
    """An empty list of products is not the same as no list."""
    groups = FilterGroups()
    ear, group = Ear(), groups.join(Wanted(products=()), DIALECTS[SSE_PATH])
    group.enter(ear)
    assert not list(
        groups.wanting(
            Judged(Entry(Lane.ROUTINE, 0, "urn:1", 1, Kind.PUBLISH, Facts(), None, 0, None, b'{"story": {}}'))
        )
    )
