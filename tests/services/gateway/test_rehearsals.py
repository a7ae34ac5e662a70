"""Rehearsing a filter: what it would have brought in the last days, within bounds and through the gate."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest

from services.gateway.followed import Followed
from services.gateway.refusals import NotReady
from services.gateway.rehearsals import Rehearsals
from services.gateway.stories import Stories
from services.gateway.views.documents import Document
from services.gateway.views.ports import Place
from shared.domain.state import KillRecord
from shared.domain.story import Kind, Lane
from shared.domain.subscription import Filter
from shared.platform.topics import Topic
from tests.services.gateway.owners import call
from tests.services.gateway.stories import FACTS, document, filed
from tests.services.gateway.twins import NOON, MemoryViews, World, record

ELSEWHERE = FACTS.model_copy(update={"places": ("US",)})


def release(wire: World, name: str, ago: timedelta = timedelta(hours=1), **fields: Any) -> None:
    wire.views.put(document(story_id=f"urn:x:{name}", at=NOON - ago, **fields))


async def rehearsed(wire: World, days: int | None = None, **wanted: Any) -> dict[str, Any]:
    body = {"filter": wanted} | ({} if days is None else {"days": days})
    answer = await call(wire, "POST", "/v1/subscriptions/rehearse", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def rehearsals(wire: World, **bounds: Any) -> Rehearsals:
    return Rehearsals(wire.gateway.stories, wire.clock, **bounds)


async def test_matches_are_counted_by_day_and_by_lane(hooks: World) -> None:
    """Every day asked for has its row, the newest first; what the filter does not want only counts as looked at."""
    release(hooks, "a")
    release(hooks, "b", timedelta(days=1))
    release(hooks, "c", timedelta(days=1), facts=ELSEWHERE)
    found = await rehearsed(hooks, 2, places=["TJ"])
    assert (found["matches"], found["looked_at"], found["complete"]) == (2, 3, True)
    by_day = {day["day"]: day["matches"] for day in found["days"]}
    assert list(by_day.items()) == [("2026-11-24", 1), ("2026-11-23", 1), ("2026-11-22", 0)]
    assert found["lanes"] == {"flash": 0, "routine": 2}


async def test_what_is_older_than_asked_for_is_not_looked_at(hooks: World) -> None:
    """Seven days unless told otherwise."""
    release(hooks, "old", timedelta(days=8))
    release(hooks, "new", timedelta(days=6))
    assert (await rehearsed(hooks))["looked_at"] == 1
    assert (await rehearsed(hooks, 9))["looked_at"] == 2


async def test_what_is_released_while_it_runs_counts_today(hooks: World) -> None:
    """Also where that is past midnight by then: no match is without its day."""
    release(hooks, "just now", -timedelta(hours=12))
    assert [day["matches"] for day in (await rehearsed(hooks, 1))["days"]] == [1, 0]


async def test_a_story_counts_once_by_its_newest_release(hooks: World) -> None:
    """The first version would have matched, the newest does not."""
    release(hooks, "a", timedelta(hours=2))
    release(hooks, "a", release_no=2, kind=Kind.UPDATE, facts=ELSEWHERE)
    assert (await rehearsed(hooks, places=["TJ"]))["matches"] == 0
    assert (await rehearsed(hooks, places=["US"]))["matches"] == 1


async def test_the_sample_holds_the_newest_matches_and_no_body(hooks: World) -> None:
    """At most twenty, the newest first."""
    for number in range(25):
        release(hooks, f"{number:02}", timedelta(minutes=number), headline=f"Story {number}")
    found = await rehearsed(hooks)
    assert found["matches"] == 25
    assert [one["headline"] for one in found["sample"]] == [f"Story {number}" for number in range(20)]
    assert found["sample"][0]["released_at"] == "2026-11-24T12:00:00.000Z"
    assert found["sample"][0].keys() == {
        "story_id", "headline", "version", "release_no", "kind", "lane", "released_at",
    }  # fmt: skip


async def test_what_is_withheld_or_killed_is_no_match(hooks: World) -> None:
    """Whether the views know it already or only the gate; no word of it is in the answer."""
    release(hooks, "killed")
    release(hooks, "withheld")
    release(hooks, "known", kind=Kind.WITHHOLD)
    dead = KillRecord(story_id="urn:x:killed", version=1, release_no=2, cause="e9", at=1, replacement=None)
    hooks.desk.apply(record(Topic.KILLED, "urn:x:killed", dead.model_dump_json().encode()))
    hooks.know(filed(story_id="urn:x:withheld").model_copy(update={"withheld": True, "release_no": 2}))
    found = await rehearsed(hooks)
    assert (found["matches"], found["sample"], found["looked_at"]) == (0, [], 3)


async def test_a_bound_on_stories_says_how_far_back_it_got(hooks: World) -> None:
    """The days before are unknown, and not shown as empty ones."""
    for day in range(5):
        release(hooks, str(day), timedelta(days=day))
    done = await rehearsals(hooks, most=3).rehearse(Filter(), 10)
    assert (done.complete, done.looked_at, done.looked_back_to) == (False, 3, NOON - timedelta(days=2))
    assert [day.isoformat() for day, _ in done.by_day()] == ["2026-11-24", "2026-11-23", "2026-11-22"]


async def test_exactly_as_many_as_allowed_is_everything(hooks: World) -> None:
    """Nothing was left out."""
    release(hooks, "a")
    done = await rehearsals(hooks, most=1).rehearse(Filter(), 10)
    assert (done.complete, done.looked_back_to) == (True, NOON - timedelta(days=10))


async def test_a_bound_on_time_ends_it(hooks: World) -> None:
    """Each look at the clock is a second later here."""
    for number in range(10):
        release(hooks, str(number), timedelta(minutes=number))
    seconds = itertools.count()
    done = await rehearsals(hooks, within_s=4, monotonic=lambda: float(next(seconds))).rehearse(Filter(), 1)
    assert (done.complete, done.looked_at) == (False, 3)


class SlowViews(MemoryViews):
    """Lists nothing before it is told to go on."""

    def __init__(self) -> None:
        super().__init__(Followed())
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def listed(
        self, section: str | None, before: Place | None, since_us: int, at_most: int
    ) -> list[tuple[Place, Document]]:
        self.asked.set()
        await self.go_on.wait()
        return await super().listed(section, before, since_us, at_most)


async def test_one_runs_at_a_time_and_nobody_waits_for_ever(hooks: World) -> None:
    """Whoever waits too long is told to come again, and the one that runs is not disturbed."""
    views = SlowViews()
    views.put(document(at=NOON))
    few = Rehearsals(Stories(views, hooks.desk), hooks.clock, waits_s=0.0)
    first = asyncio.create_task(few.rehearse(Filter(), 1))
    await views.asked.wait()
    with pytest.raises(NotReady):
        await few.rehearse(Filter(), 1)
    views.go_on.set()
    assert (await first).looked_at == 1
    assert (await few.rehearse(Filter(), 1)).complete


async def test_a_flash_counts_in_its_lane(hooks: World) -> None:
    """By the lane it was released on."""
    flash = document(story_id="urn:x:f", at=NOON)
    hooks.views.put(Document(flash.item.model_copy(update={"lane": Lane.FLASH}), flash.facts))
    [day] = (await rehearsed(hooks, 1))["days"][:1]
    assert day["lanes"] == {"flash": 1, "routine": 0}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"filter": {"colour": ["red"]}}, "/filter/colour"),
        ({"filter": {}, "days": 31}, "/days"),
        ({"filter": {}, "days": 0}, "/days"),
        ({"days": 1}, "/filter"),
    ],
)
async def test_a_draft_that_means_nothing_is_422(hooks: World, body: dict[str, Any], pointer: str) -> None:
    """With the place that is wrong."""
    answer = await call(hooks, "POST", "/v1/subscriptions/rehearse", body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_views_that_are_away_are_503(hooks: World) -> None:
    """Never an empty answer."""
    hooks.views.missing = True
    answer = await call(hooks, "POST", "/v1/subscriptions/rehearse", {"filter": {}})
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_a_desk_key_is_not_enough(hooks: World) -> None:
    """As for every other question about subscriptions."""
    hooks.key("desk", "desk")
    answer = await call(hooks, "POST", "/v1/subscriptions/rehearse", {"filter": {}}, who="desk")
    assert answer.status_code == 403


async def test_what_is_outside_the_products_does_not_count_and_each_product_has_its_matches(hooks: World) -> None:
    """A rehearsal is no way to read beyond them; whoever has none set is told so."""
    release(hooks, "world")
    release(hooks, "both", facts=FACTS.model_copy(update={"sections": ("sport", "world")}))
    release(hooks, "arts", facts=FACTS.model_copy(update={"sections": ("arts",)}))
    assert ((await rehearsed(hooks))["matches"], (await rehearsed(hooks))["products"]) == (3, None)
    names = ("world", "sport", "money")
    products = [{"name": each, "filter": {"sections": [each]}} for each in names]
    await call(hooks, "PUT", "/v1/subscribers/acme/products", {"products": products}, who="operator")
    found = await rehearsed(hooks)
    assert (found["matches"], found["products"]) == (2, {"world": 2, "sport": 1, "money": 0})
    assert "urn:x:arts" not in {each["story_id"] for each in found["sample"]}
