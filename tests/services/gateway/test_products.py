"""What a subscriber may have at all: set by operators, its own to read, and the bounds of all that it is shown."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.gateway.stream.ports import Grant, HeaderView
from services.gateway.stream_access import StreamAccess
from shared.domain.facts import Facts
from shared.domain.products import Bounds
from shared.domain.state import KillRecord
from shared.domain.story import Kind
from shared.domain.subscription import Filter, Text, wants
from shared.platform.topics import Topic
from tests.services.gateway.owners import call
from tests.services.gateway.stories import FACTS, URL, URN, document
from tests.services.gateway.test_stories import path_of
from tests.services.gateway.twins import World, record, world

ACME = "/v1/subscribers/acme/products"
WORLD = [{"name": "World", "filter": {"sections": ["world"]}}]
SPORT = [{"name": "Sport", "filter": {"sections": ["sport"]}}]
SPORTING = Facts.model_validate(FACTS.model_dump() | {"sections": ["sport"]})
OPERATOR = "operator"


async def put(wire: World, products: Any, path: str = ACME, **headers: str) -> httpx2.Response:
    return await call(wire, "PUT", path, {"products": products}, who=OPERATOR, **headers)


@pytest.mark.parametrize("who", ["sue", OPERATOR])
async def test_what_an_operator_sets_is_read_by_him_and_by_its_subscriber(hooks: World, who: str) -> None:
    """With the same ETag; the audit names the products."""
    made = await put(hooks, WORLD)
    assert made.status_code == 200, made.text
    shown = await call(hooks, "GET", ACME, who=who)
    assert [each["name"] for each in shown.json()["products"]] == ["World"]
    assert shown.json()["products"][0]["filter"]["sections"] == ["world"]
    assert shown.headers["etag"] == made.headers["etag"]
    [entry] = [json.loads(one.value or b"") for one in hooks.topics.on(Topic.AUDIT)]
    assert (entry["action"], entry["object"], entry["detail"]) == ("products.set", "acme", {"products": ["World"]})


async def test_anothers_products_are_404_whether_set_or_not(hooks: World) -> None:
    """Word for word."""
    unset = await call(hooks, "GET", ACME, who="tom")
    await put(hooks, WORLD)
    found = await call(hooks, "GET", ACME, who="tom")
    assert (found.status_code, found.json()) == (404, unset.json())


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_only_an_operator_sets_products(hooks: World, method: str) -> None:
    """A subscriber does not widen its own."""
    await put(hooks, WORLD)
    answer = await call(hooks, method, ACME, {"products": []} if method == "PUT" else None)
    assert answer.status_code == 403
    assert hooks.registry.bounds("acme") == (Filter(sections=("world",)),)


async def test_two_operators_do_not_overwrite_each_other(hooks: World) -> None:
    """The second, whose ETag is of before, is told 412; so is one that has an ETag of what is not there."""
    assert (await put(hooks, WORLD, **{"if-match": '"1"'})).status_code == 412
    first = (await put(hooks, WORLD)).headers["etag"]
    assert (await put(hooks, SPORT, **{"if-match": first})).status_code == 200
    assert (await put(hooks, WORLD, **{"if-match": first})).status_code == 412
    assert (await call(hooks, "DELETE", ACME, who=OPERATOR, **{"if-match": first})).status_code == 412
    assert hooks.registry.bounds("acme") == (Filter(sections=("sport",)),)


async def test_without_products_a_subscriber_may_have_everything_again(hooks: World) -> None:
    """Deleted is not the same as empty; what is not there cannot be deleted."""
    await put(hooks, [])
    assert hooks.registry.bounds("acme") == ()
    assert (await call(hooks, "DELETE", ACME, who=OPERATOR)).status_code == 204
    assert hooks.registry.bounds("acme") is None
    assert (await call(hooks, "DELETE", ACME, who=OPERATOR)).status_code == 404


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [{"name": "", "filter": {}}],
        [{"name": "x"}],
        [{"name": "x", "filter": {"colour": ["red"]}}],
        [{"name": "x", "filter": {"keywords": ["!"]}}],
        [{"name": "x", "filter": {"urgency_max": 9}}],
        [{"name": "x", "filter": {}}, {"name": "x", "filter": {}}],
        [{"name": str(n), "filter": {}} for n in range(101)],
    ],
    ids=["none", "no name", "no filter", "unknown clause", "no word", "urgency", "same name", "too many"],
)
async def test_products_that_mean_nothing_are_refused(hooks: World, bad: Any) -> None:
    """422 that says where; what was set before stays."""
    await put(hooks, WORLD)
    answer = await put(hooks, bad)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["pointer"].startswith("/products")
    assert hooks.registry.bounds("acme") == (Filter(sections=("world",)),)


@pytest.mark.parametrize(("name", "status"), [("a/b c", 200), ("a\tb", 422), ("x" * 201, 422)])
async def test_a_subscriber_is_any_name_that_a_key_may_have(hooks: World, name: str, status: int) -> None:
    """A slash is no border of segments; a tab would be one of the record's key."""
    answer = await put(hooks, WORLD, f"/v1/subscribers/{quote(name, safe='')}/products")
    assert answer.status_code == status
    assert status != 200 or answer.json()["subscriber"] == name


@pytest.mark.parametrize("rest", ["", "/versions", "/versions/1", "/diff"])
async def test_a_story_outside_is_as_if_it_were_not_there(hooks: World, rest: str) -> None:
    """404 for the subscriber, also where it was read a moment before; desk and operators see it as ever."""
    hooks.key("dee", "desk", "subscriber", subscriber="acme")
    hooks.views.put(document(1))
    assert (await call(hooks, "GET", path_of(URN, rest))).status_code == 200
    await put(hooks, SPORT)
    outside = await call(hooks, "GET", path_of(URN, rest))
    nobodys = await call(hooks, "GET", path_of("urn:x:nobody", rest))
    assert (outside.status_code, outside.json()) == (404, nobodys.json())
    for who in ("dee", "tom", OPERATOR):
        assert (await call(hooks, "GET", path_of(URN, rest), who=who)).status_code == 200


async def test_the_kill_of_a_story_outside_is_404_and_of_one_within_410(hooks: World) -> None:
    """A notice has no facts of its own: within its reach is whoever may have had the story."""
    await put(hooks, SPORT)
    for story_id, facts in ((URN, FACTS), (URL, SPORTING)):
        hooks.views.put(document(1, story_id=story_id, facts=facts))
        dead = KillRecord(story_id=story_id, version=1, release_no=2, cause="e9", at=1)
        hooks.desk.apply(record(Topic.KILLED, story_id, dead.model_dump_json().encode()))
    answers = [await call(hooks, "GET", path_of(each)) for each in (URN, URL)]
    assert [each.status_code for each in answers] == [404, 410]


async def test_a_version_outside_is_not_shown_with_one_within(hooks: World) -> None:
    """The story came into the products with its second version."""
    await put(hooks, SPORT)
    hooks.views.put(document(1))
    hooks.views.put(document(2, Kind.UPDATE, facts=SPORTING))
    shown = (await call(hooks, "GET", path_of(URN, "/versions"))).json()["items"]
    assert [each["version"] for each in shown] == [2]
    assert (await call(hooks, "GET", path_of(URN, "/versions/1"))).status_code == 404


def view(who: str, **query: str) -> HeaderView:
    return HeaderView("GET", "/v1/stream", tuple(query.items()), {"authorization": f"Bearer sl_local_{who}"})


def access(wire: World) -> StreamAccess:
    return StreamAccess(wire.gateway.keys.book, lambda: True, wire.registry, wire.gateway.tickets, wire.gateway.visible)


async def test_key_ticket_and_subscription_open_the_stream_within_products(hooks: World) -> None:
    """No way in is a way around; an operator hears all."""
    await put(hooks, WORLD)
    made = (await call(hooks, "POST", "/v1/subscriptions", {"name": "all"})).json()
    ticket = (await call(hooks, "POST", "/v1/stream-tickets")).json()["ticket"]
    doors = [
        view("sue"),
        view("sue", subscription=made["subscription_id"]),
        view("none", ticket=ticket),
        view(OPERATOR),
    ]
    grants = [access(hooks)(each) for each in doors]
    bounds: Sequence[Bounds] = [grant.products for grant in grants if isinstance(grant, Grant)]
    assert bounds == [(Filter(sections=("world",)),)] * 3 + [None]


async def test_whose_products_change_is_let_go_and_nobody_else(hooks: World) -> None:
    """Set, changed and taken away; a revoked key is told as such."""
    door = access(hooks)
    assert door.why_not("key_sue", None) is None
    await put(hooks, WORLD)
    assert door.why_not("key_sue", None) == "products"
    assert door.why_not("key_tom", None) is None
    assert door.why_not("key_sue", hooks.registry.bounds("acme")) is None
    await call(hooks, "DELETE", ACME, who=OPERATOR)
    assert door.why_not("key_sue", (Filter(sections=("world",)),)) == "products"
    assert door.why_not("key_nobody", None) == "revoked"


SECTIONS = st.lists(st.sampled_from(("arts", "world", "sport")), max_size=2, unique=True).map(tuple)
FILTERS = st.builds(
    Filter,
    sections=SECTIONS,
    urgency_max=st.sampled_from((None, 3)),
    keywords=st.lists(st.sampled_from(("bridge", "ferry")), max_size=1).map(tuple),
)
STORIES = st.lists(
    st.tuples(
        st.builds(Facts, sections=SECTIONS, urgency=st.sampled_from((2, 4))),
        st.sampled_from(("Bridge opens", "Ferry sails")),
        st.sampled_from((Kind.PUBLISH, Kind.UPDATE, Kind.CORRECT, Kind.WITHHOLD, Kind.KILL)),
        st.none() | st.builds(Facts, sections=SECTIONS),
    ),
    max_size=5,
)


@given(bounds=st.none() | st.lists(FILTERS, max_size=3), stories=STORIES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_list_story_or_feed_shows_what_is_outside(bounds: list[Filter] | None, stories: Any) -> None:
    """Random products over random stories, each asked for by every reading route."""
    async with world() as wire:
        wire.key("sue", "subscriber", subscriber="acme")
        if bounds is not None:
            products = [{"name": str(n), "filter": each.model_dump(by_alias=True)} for n, each in enumerate(bounds)]
            assert (await put(wire, products)).status_code == 200
        may_see: set[str] = set()
        listed: set[str] = set()
        for n, (facts, headline, kind, reach) in enumerate(stories):
            one = document(2, kind, story_id=f"urn:{n}", facts=facts, headline=headline, reach=reach)
            wire.views.put(one)
            text = None if one.is_notice else Text(one.item.story)
            judged_on = [reach or facts] if one.is_notice else [facts]
            if kind is Kind.CORRECT and reach is not None:
                judged_on.append(reach)
            if bounds is None or any(wants(each, on, text) for each in bounds for on in judged_on):
                may_see.add(f"urn:{n}")
                listed |= set() if one.is_notice else {f"urn:{n}"}
        page = await call(wire, "GET", "/v1/stories")
        assert {each["story_id"] for each in page.json()["items"]} == listed
        feed = await call(wire, "GET", "/feeds/latest.json")
        assert all((f"urn:{n}" in feed.text) == (f"urn:{n}" in may_see) for n in range(len(stories)))
        for n in range(len(stories)):
            for rest in ("", "/versions", "/versions/2"):
                answer = await call(wire, "GET", path_of(f"urn:{n}", rest))
                assert f"urn:{n}" in may_see or answer.status_code == 404
