"""Subscriptions: what is wanted, from when on, and whose it is; and tickets for the stream."""

from datetime import timedelta
from typing import Any

import pytest

from services.gateway.stream.ports import Grant, HeaderView, Problem
from services.gateway.stream_access import StreamAccess
from shared.domain.story import Lane
from shared.domain.subscription import Filter, Ordering, Subscription
from shared.platform.topics import Topic
from tests.services.gateway.owners import call
from tests.services.gateway.twins import World

WANTED = {
    "sections": ["World"],
    "subjects": ["medtop:16000000"],
    "places": ["tj"],
    "languages": ["en"],
    "urgency_max": 3,
    "lanes": ["flash"],
    "keywords": ["consulate"],
    "not": {"sources": ["gossip"]},
}


async def subscribe(wire: World, **fields: Any) -> dict[str, Any]:
    answer = await call(wire, "POST", "/v1/subscriptions", {"name": "mine", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_subscription_counts_from_the_ends_of_both_lanes(hooks: World) -> None:
    """The answer's cursor and the record say the same."""
    made = await subscribe(hooks, filter=WANTED, ordering="every")
    assert made["from"] == "e-12-4020"
    [written] = hooks.topics.on(Topic.SUBSCRIPTION_STATE)
    kept = Subscription.model_validate_json(written.value or b"")
    assert kept.start == {Lane.FLASH: 12, Lane.ROUTINE: 4020}
    assert (kept.filter, kept.ordering, kept.subscriber) == (Filter.model_validate(WANTED), Ordering.EVERY, "acme")


async def test_a_filter_is_shown_as_it_is_written(hooks: World) -> None:
    """In the interface's names, `not` included, in normal form."""
    shown = (await subscribe(hooks, filter=WANTED))["filter"]
    assert (shown["not"]["sources"], shown["sections"], shown["places"]) == (["gossip"], ["world"], ["TJ"])


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"colour": ["red"]}, "/filter/colour"),
        ({"not": {"colour": ["red"]}}, "/filter/not/colour"),
        ({"not": {"urgency_max": 3}}, "/filter/not/urgency_max"),
        ({"urgency_max": 9}, "/filter/urgency_max"),
        ({"lanes": ["fast"]}, "/filter/lanes/0"),
        ({"keywords": ["!?"]}, "/filter/keywords"),
        ({"sections": "world"}, "/filter/sections"),
    ],
)
async def test_a_filter_that_means_nothing_is_422(hooks: World, wanted: dict[str, Any], pointer: str) -> None:
    """Each error points at the field, in new subscriptions and in changes."""
    made = await subscribe(hooks)
    posted = await call(hooks, "POST", "/v1/subscriptions", {"name": "x", "filter": wanted})
    patched = await call(hooks, "PATCH", f"/v1/subscriptions/{made['subscription_id']}", {"filter": wanted})
    for answer in (posted, patched):
        assert answer.status_code == 422
        assert pointer in [error["pointer"] for error in answer.json()["errors"]]
        assert all(error["message"] for error in answer.json()["errors"])


async def test_an_endpoint_that_is_not_ones_own_is_no_endpoint(hooks: World) -> None:
    """422 in the same words whether it is another's or nobody's; by POST and by PATCH."""
    foreign = (await call(hooks, "POST", "/v1/endpoints", {"url": "https://hooks.example.com/x"}, who="tom")).json()[
        "endpoint_id"
    ]
    mine = await subscribe(hooks)
    path = f"/v1/subscriptions/{mine['subscription_id']}"
    answers = [
        await call(hooks, method, at, {"name": "x", "endpoint_id": endpoint_id})
        for endpoint_id in (foreign, "ep_nobody")
        for method, at in (("POST", "/v1/subscriptions"), ("PATCH", path))
    ]
    assert {answer.status_code for answer in answers} == {422}
    assert len({answer.text for answer in answers}) == 1


async def test_what_is_left_out_of_a_change_stays(hooks: World) -> None:
    """And `endpoint_id` null makes it stream only."""
    hook = (await call(hooks, "POST", "/v1/endpoints", {"url": "https://hooks.example.com/x"})).json()["endpoint_id"]
    made = await subscribe(hooks, filter=WANTED, endpoint_id=hook)
    path = f"/v1/subscriptions/{made['subscription_id']}"
    changed = (await call(hooks, "PATCH", path, {"ordering": "every"})).json()
    assert changed == made | {"ordering": "every"}
    assert (await call(hooks, "PATCH", path, {"endpoint_id": None})).json()["endpoint_id"] is None


async def test_a_stale_etag_changes_and_deletes_nothing(hooks: World) -> None:
    """412 for both."""
    made = await subscribe(hooks)
    path = f"/v1/subscriptions/{made['subscription_id']}"
    stale = {"if-match": '"1"'}
    statuses = [
        (await call(hooks, "PATCH", path, {"name": "other"}, **stale)).status_code,
        (await call(hooks, "DELETE", path, **stale)).status_code,
    ]
    assert statuses == [412, 412]
    assert (await call(hooks, "GET", path)).json() == made


async def test_a_deleted_subscription_is_a_tombstone(hooks: World) -> None:
    """204, then 404."""
    made = await subscribe(hooks)
    path = f"/v1/subscriptions/{made['subscription_id']}"
    assert (await call(hooks, "DELETE", path)).status_code == 204
    assert hooks.topics.on(Topic.SUBSCRIPTION_STATE)[-1].value is None
    assert (await call(hooks, "GET", path)).status_code == 404


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"name": "x"}), ("DELETE", None)])
async def test_anothers_subscription_is_404_on_every_verb(hooks: World, method: str, body: Any) -> None:
    """Word for word the answer of one that does not exist."""
    made = await subscribe(hooks)
    foreign = await call(hooks, method, f"/v1/subscriptions/{made['subscription_id']}", body, who="tom")
    nobodys = await call(hooks, method, "/v1/subscriptions/sub_nobody", body, who="tom")
    assert (foreign.status_code, foreign.json()) == (404, nobodys.json())
    assert (await call(hooks, "GET", "/v1/subscriptions", who="tom")).json()["items"] == []


def access(wire: World) -> StreamAccess:
    return StreamAccess(wire.book, lambda: wire.known[0], wire.registry, wire.gateway.tickets, wire.gateway.visible)


def view(who: str | None = None, **query: str) -> HeaderView:
    headers = {"authorization": f"Bearer sl_local_{who}"} if who else {}
    return HeaderView("GET", "/v1/stream", tuple(query.items()), headers)


async def test_the_stream_is_granted_what_the_subscription_wants(hooks: World) -> None:
    """Its filter and where it begins."""
    made = await subscribe(hooks, filter=WANTED)
    grant = access(hooks)(view("sue", subscription=made["subscription_id"]))
    assert grant == Grant("acme", Filter.model_validate(WANTED), {Lane.FLASH: 12, Lane.ROUTINE: 4020}, "key_sue")


async def test_anothers_subscription_is_404_on_the_stream(hooks: World) -> None:
    """And so is one that does not exist; no key is 401."""
    made = await subscribe(hooks)
    answers = [
        access(hooks)(view("tom", subscription=made["subscription_id"])),
        access(hooks)(view("tom", subscription="sub_nobody")),
        access(hooks)(view(None)),
        access(hooks)(view("nobody")),
    ]
    assert [answer.status if isinstance(answer, Problem) else 200 for answer in answers] == [404, 404, 401, 401]


async def test_a_ticket_stands_for_its_owners_key_and_not_for_long(hooks: World) -> None:
    """Whoever shows it is granted what the key is; half a minute later it is 401."""
    ticket = (await call(hooks, "POST", "/v1/stream-tickets")).json()["ticket"]
    assert access(hooks)(view(ticket=ticket)) == access(hooks)(view("sue")) == Grant("acme", key="key_sue")
    hooks.clock.advance(timedelta(seconds=31))
    over = access(hooks)(view(ticket=ticket))
    assert isinstance(over, Problem)
    assert over.status == 401


async def test_a_ticket_is_as_good_as_its_key(hooks: World) -> None:
    """Of a revoked key, it opens nothing; while nobody knows the keys yet, it is to be shown again."""
    ticket = (await call(hooks, "POST", "/v1/stream-tickets")).json()["ticket"]
    assert (await hooks.http.delete("/v1/keys/key_sue", headers=hooks.operator)).status_code == 204
    revoked = access(hooks)(view(ticket=ticket))
    hooks.known[0] = False
    unknown = access(hooks)(view(ticket=ticket))
    assert [one.status if isinstance(one, Problem) else 200 for one in (revoked, unknown)] == [401, 503]


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE", "POST"])
async def test_anothers_ticket_is_404_on_every_verb(hooks: World, method: str) -> None:
    """A ticket is nothing that can be looked at."""
    ticket = (await call(hooks, "POST", "/v1/stream-tickets")).json()["ticket"]
    assert (await call(hooks, method, f"/v1/stream-tickets/{ticket}", who="tom")).status_code == 404


async def test_a_ticket_does_not_widen_what_its_owner_may_see(hooks: World) -> None:
    """With a foreign subscription it is 404 like the key itself."""
    made = await subscribe(hooks)
    ticket = (await call(hooks, "POST", "/v1/stream-tickets", who="tom")).json()["ticket"]
    answer = access(hooks)(view(ticket=ticket, subscription=made["subscription_id"]))
    assert isinstance(answer, Problem)
    assert answer.status == 404
