"""Explaining one story to a subscription: the clause that decides, and what counts whatever the filter says."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest

from shared.domain.state import KillRecord
from shared.domain.story import Kind, Lane
from shared.domain.subscription import Endpoint, Filter, Subscription
from shared.platform.topics import Topic, key_of
from tests.services.gateway.delivery_rows import attempt, tell
from tests.services.gateway.owners import call
from tests.services.gateway.stories import FACTS, URL, URN, document, filed
from tests.services.gateway.twins import NOON, World, record

ELSEWHERE = FACTS.model_copy(update={"places": ("US",)})


def subscribed(
    wire: World, wanted: dict[str, Any] | None = None, endpoint_id: str | None = "ep_sue", start: int = 0
) -> None:
    """Sue's subscription `sub_1`, from an offset of the routine lane on."""
    endpoint = Endpoint(endpoint_id="ep_sue", subscriber="acme", url="https://x.example/", created_at=NOON)
    subscription = Subscription(
        subscription_id="sub_1",
        subscriber="acme",
        name="mine",
        endpoint_id=endpoint_id,
        filter=Filter.model_validate(wanted or {}),
        created_at=NOON,
        start={Lane.ROUTINE: start},
    )
    for entity, part, value in (("ep_sue", "endpoint", endpoint), ("sub_1", "subscription", subscription)):
        written = value.model_dump_json(by_alias=True).encode()
        wire.registry.apply(record(Topic.SUBSCRIPTION_STATE, key_of(entity, part), written))


def release(wire: World, *args: Any, seq: int | None = 50, **fields: Any) -> None:
    wire.views.put(document(*args, seq=seq, **fields))


async def ask(wire: World, story_id: str, subscription_id: str = "sub_1", who: str = "sue") -> httpx2.Response:
    path = f"/v1/subscriptions/{subscription_id}/explain?{urlencode({'story_id': story_id})}"
    return await call(wire, "GET", path, who=who)


async def explained(wire: World) -> dict[str, Any]:
    answer = await ask(wire, URN)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def fields_of(clauses: list[dict[str, Any]]) -> list[str]:
    return [each["field"] for each in clauses]


async def test_a_release_that_every_clause_lets_pass_goes_out(hooks: World) -> None:
    """All of them decided it; a keyword says which was found."""
    subscribed(hooks, {"places": ["TJ", "KG"], "keywords": ["ferry", "bridge"]})
    release(hooks)
    found = await explained(hooks)
    assert (found["owed"], found["why"], found["release_no"]) == (True, "filter", 1)
    assert fields_of(found["deciding"]) == ["places", "keywords"]
    assert found["deciding"][1]["found"] == ["bridge"]


async def test_the_clause_that_stops_a_release_is_named(hooks: World) -> None:
    """With what it wants and what the story has; those that passed do not decide."""
    subscribed(hooks, {"sections": ["world"], "places": ["TJ"], "urgency_max": 2, "not": {"sources": ["desk"]}})
    release(hooks, facts=ELSEWHERE)
    found = await explained(hooks)
    assert (found["owed"], found["why"]) == (False, "clause")
    assert fields_of(found["deciding"]) == ["places", "urgency_max", "not.sources"]
    assert found["words"] == (
        "Does not go out: places wants TJ, the story has US; urgency_max wants 2 or more urgent, the story has 4; "
        "not.sources excludes desk, the story has desk."
    )


async def test_an_empty_filter_wants_everything(hooks: World) -> None:
    """And says so, for there is no clause to name."""
    subscribed(hooks)
    release(hooks, facts=ELSEWHERE)
    found = await explained(hooks)
    assert (found["owed"], found["clauses"]) == (True, [])
    assert "empty filter" in found["words"]


async def test_an_earlier_release_that_the_filter_wanted_brings_the_later_ones(hooks: World) -> None:
    """The update is about somewhere else; whoever got the first version gets it."""
    subscribed(hooks, {"places": ["TJ"]})
    release(hooks, 1)
    release(hooks, 2, Kind.UPDATE, facts=ELSEWHERE)
    found = await explained(hooks)
    assert (found["owed"], found["why"], found["earlier_release_no"]) == (True, "earlier_release", 1)
    assert fields_of(found["deciding"]) == ["places"]


async def test_an_earlier_release_from_before_the_subscription_brings_nothing(hooks: World) -> None:
    """The filter would have wanted it, had it been there."""
    subscribed(hooks, {"places": ["TJ"]}, start=45)
    release(hooks, 1, seq=44)
    release(hooks, 2, Kind.UPDATE, facts=ELSEWHERE)
    assert (await explained(hooks))["why"] == "clause"


async def test_the_delivery_log_counts_more_than_the_filter_of_today(hooks: World) -> None:
    """The filter was another one when the endpoint was owed the first release; another's endpoint does not count."""
    subscribed(hooks, {"sections": ["sport"]})
    release(hooks, 2, Kind.UPDATE)
    tell(hooks, attempt(endpoint="ep_tom", delivery="dlv_tom", subscriber="other"))
    assert (await explained(hooks))["why"] == "clause"
    tell(hooks, attempt(endpoint="ep_sue", state="retrying"))
    assert (await explained(hooks))["earlier_release_no"] == 1


async def test_a_release_that_was_owed_already_goes_out(hooks: World) -> None:
    """Before the filter was changed; it is the first release, so none is earlier."""
    subscribed(hooks, {"sections": ["sport"]})
    release(hooks, 1)
    tell(hooks, attempt(endpoint="ep_sue"))
    found = await explained(hooks)
    assert (found["owed"], found["earlier_release_no"]) == (True, 1)
    assert "already" in found["words"]


@pytest.mark.parametrize(("seq", "owed"), [(44, False), (45, True)])
async def test_a_subscription_that_began_later_is_told_so(hooks: World, seq: int, owed: bool) -> None:
    """By the release's place in its lane."""
    subscribed(hooks, start=45)
    release(hooks, seq=seq)
    found = await explained(hooks)
    assert (found["owed"], found["why"]) == (owed, "filter" if owed else "began_later")


@pytest.mark.parametrize(("minutes", "why"), [(-1, "began_later"), (1, "filter")])
async def test_where_the_log_has_let_go_of_a_release_its_time_decides(hooks: World, minutes: int, why: str) -> None:
    """Views made of the newest items alone know no places."""
    subscribed(hooks, start=45)
    release(hooks, seq=None, at=NOON + timedelta(minutes=minutes))
    assert (await explained(hooks))["why"] == why


async def test_an_update_on_a_stream_goes_by_the_filter_a_correction_by_what_was_shown(hooks: World) -> None:
    """A stream remembers no recipients; a correction finds who saw what it corrects."""
    subscribed(hooks, {"places": ["TJ"]}, endpoint_id=None)
    release(hooks, 1)
    release(hooks, 2, Kind.UPDATE, facts=ELSEWHERE)
    assert (await explained(hooks))["why"] == "clause"
    release(hooks, 3, Kind.CORRECT, facts=ELSEWHERE)
    assert (await explained(hooks))["why"] == "earlier_release"


async def test_a_withheld_story_is_judged_without_its_words(hooks: World) -> None:
    """The notice goes to whoever had the story; nothing of its text decides or shows."""
    subscribed(hooks, {"keywords": ["bridge"]})
    release(hooks, 1)
    hooks.know(filed().model_copy(update={"withheld": True, "release_no": 2}))
    found = await explained(hooks)
    assert (found["owed"], found["why"], found["kind"]) == (False, "notice", "withhold")
    assert found["clauses"] == [{"field": "keywords", "passed": True, "wanted": ["bridge"], "found": []}]
    tell(hooks, attempt(endpoint="ep_sue"))
    assert (await explained(hooks))["why"] == "earlier_release"


async def test_anothers_subscription_is_not_found(hooks: World) -> None:
    """Word for word the answer of one that does not exist."""
    subscribed(hooks)
    release(hooks)
    foreign, nobodys = [await ask(hooks, URN, subscription_id, "tom") for subscription_id in ("sub_1", "sub_0")]
    assert (foreign.status_code, foreign.json()) == (404, nobodys.json())


async def test_what_cannot_be_read_cannot_be_explained(hooks: World) -> None:
    """Held or embargoed: 404; killed: 410 with the notice; views that are away: 503."""
    subscribed(hooks)
    hooks.know(filed(hold="a minor is named", story_id=URL))
    hooks.know(filed(story_id="urn:later", event_id="e2", embargo_until=NOON + timedelta(hours=1)))
    release(hooks)
    dead = KillRecord(story_id=URN, version=1, release_no=2, cause="e9", at=1, replacement=None)
    hooks.desk.apply(record(Topic.KILLED, URN, dead.model_dump_json().encode()))
    answers = [await ask(hooks, story_id) for story_id in (URL, "urn:later", URN)]
    assert [answer.status_code for answer in answers] == [404, 404, 410]
    assert "Bridge" not in "".join(answer.text for answer in answers)
    hooks.views.missing = True
    away = await ask(hooks, "urn:other")
    assert (away.status_code, "retry-after" in away.headers) == (503, True)


async def sell(wire: World, *names: str) -> None:
    """Acme may have sections of these names, and nothing else."""
    products = [{"name": each.title(), "filter": {"sections": [each]}} for each in names]
    answer = await call(wire, "PUT", "/v1/subscribers/acme/products", {"products": products}, who="operator")
    assert answer.status_code == 200, answer.text


async def test_the_products_that_have_it_are_named(hooks: World) -> None:
    """Of all that are set; without any set there is nothing to name."""
    subscribed(hooks)
    release(hooks)
    assert (await explained(hooks))["products"] is None
    await sell(hooks, "sport", "world")
    found = await explained(hooks)
    assert (found["owed"], found["why"], found["products"]) == (True, "filter", ["World"])


async def test_to_an_operator_it_is_said_that_products_decide_to_the_subscriber_the_story_is_not_there(
    hooks: World,
) -> None:
    """Also where an earlier release went out."""
    subscribed(hooks)
    release(hooks)
    await sell(hooks, "sport")
    found = (await ask(hooks, URN, who="operator")).json()
    assert (found["owed"], found["why"], found["products"]) == (False, "products", [])
    assert found["words"] == "Does not go out: it is within none of the products of the subscriber."
    assert (await ask(hooks, URN)).status_code == 404


@pytest.mark.parametrize(("endpoint_id", "why"), [("ep_sue", "earlier_release"), (None, "products")])
async def test_a_webhooks_notice_goes_out_whatever_the_products_are_now(
    hooks: World, endpoint_id: str | None, why: str
) -> None:
    """To whoever was owed the story; a stream goes by the reach."""
    subscribed(hooks, endpoint_id=endpoint_id)
    release(hooks, 2, Kind.WITHHOLD, seq=51)
    tell(hooks, attempt(endpoint="ep_sue"))
    await sell(hooks, "sport")
    assert (await ask(hooks, URN, who="operator")).json()["why"] == why
