"""Views: releases in any order make the same views, and emptied views come back whole."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import redis.asyncio

from deploy.local.redis import LocalRedis
from services.gateway.adapters.redis_views import RedisViews
from services.gateway.stream.positions import NOWHERE, Position
from services.gateway.views.documents import Document
from services.gateway.views.keeper import CHECK, ViewsKeeper
from services.gateway.views.ports import Place, Store, ViewsMissing
from shared.domain.errors import Unprocessable
from shared.domain.events import encode_event
from shared.domain.facts import Facts
from shared.domain.story import Kind
from shared.platform.consuming import Completion
from shared.platform.health import Health
from shared.platform.records import Record
from shared.platform.redis import connect
from shared.platform.topics import MIB, Topic
from tests.services.gateway.stories import URL, URN, document, item, released
from tests.services.gateway.twins import NOON, record
from tests.waiting import wait_until


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    opened = connect(redis_url)
    yield opened
    await opened.aclose()


@pytest.fixture
async def views(client: redis.asyncio.Redis, unique: str) -> RedisViews:
    """Views in a real Redis, empty and being served."""
    made = RedisViews(client, f"{unique}:")
    assert await made.publish(await made.begin())
    return made


async def serve(views: RedisViews, *documents: Document) -> None:
    serving = await views.serving()
    assert serving is not None
    assert await views.apply(serving, documents)


LIFE = (
    document(1),
    document(2, Kind.UPDATE, version=2, facts=Facts(sections=("sport",))),
    document(3, Kind.WITHHOLD, version=2),
    document(4, Kind.RELEASE, version=2),
    document(5, Kind.CORRECT, version=3),
    document(1, story_id=URL),
)


@pytest.mark.parametrize(
    "order", [(0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (4, 0, 2, 5, 1, 3), (0, 0, 4, 4, 1, 2, 3, 5)]
)
async def test_the_order_in_which_releases_come_does_not_matter(views: RedisViews, order: Sequence[int]) -> None:
    """Lanes overtake each other, and records come twice: the newest release_no wins at every effect."""
    await serve(views, *(LIFE[number] for number in order))
    assert await views.story(URN) == LIFE[4]
    assert [one.item.release_no for one in await views.versions(URN)] == [1, 4, 5]
    assert [place.story_id for place, _ in await views.listed("world", None, 0, 50)] == [URN, URL]
    assert [place.story_id for place, _ in await views.listed(None, None, 0, 50)] == [URN, URL]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_after_a_kill_no_text_is_left_whatever_comes_later(
    views: RedisViews, client: redis.asyncio.Redis, unique: str, order: Sequence[int]
) -> None:
    """Not in any key of Redis."""
    life = (document(1), document(2, Kind.UPDATE), document(3, Kind.KILL))
    for number in order:
        await serve(views, life[number])
    assert await views.story(URN) == life[2]
    assert await views.versions(URN) == []
    assert await views.listed(None, None, 0, 50) == [(Place(life[2].at_us, URN), life[2])]
    kept = ""
    async for key in client.scan_iter(match=f"{unique}:*"):
        if await client.type(key) == b"hash":
            kept += str((await client.hgetall(key)).values())
    assert "ridge" not in kept


async def test_a_withheld_story_keeps_its_versions_for_its_return(views: RedisViews) -> None:
    """The notice takes the story's place, in the sections it was in; a release brings the text back."""
    await serve(views, LIFE[0], document(2, Kind.WITHHOLD, version=1, facts=Facts()))
    [(_, notice)] = await views.listed("world", None, 0, 50)
    assert notice.item.kind is Kind.WITHHOLD
    assert [one.item.version for one in await views.versions(URN)] == [1]


async def test_a_story_that_changed_its_section_is_in_the_new_one_only(views: RedisViews) -> None:
    """By the facts of its newest release."""
    await serve(views, *LIFE[:2])
    assert await views.listed("world", None, 0, 50) == []
    assert len(await views.listed("sport", None, 0, 50)) == 1


async def test_a_kill_of_what_was_never_shown_is_no_news(views: RedisViews) -> None:
    """It is known, so that nothing gets in after it, and stands in no list."""
    await serve(views, document(1, Kind.KILL), document(1))
    dead = await views.story(URN)
    assert dead is not None
    assert dead.is_kill
    assert await views.listed(None, None, 0, 50) == []


async def test_a_list_is_paged_through_without_loss(views: RedisViews) -> None:
    """However many stories were released in one microsecond."""
    await serve(views, *(document(1, story_id=f"urn:x:{number:03}", at=NOON) for number in range(100)))
    seen: list[str] = []
    before: Place | None = None
    while page := await views.listed(None, before, 0, 7):
        seen += [place.story_id for place, _ in page]
        before = page[-1][0]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 100


async def test_what_a_release_is_judged_on_is_kept_with_it(views: RedisViews) -> None:
    """Its facts and the reach of its story, which products are held against; the same in lists and versions."""
    told = document(2, Kind.CORRECT, facts=Facts(sections=("world",)), reach=Facts(sections=("sport",), urgency=2))
    await serve(views, told)
    assert await views.story(URN) == told
    assert await views.versions(URN) == [told]
    assert [one for _, one in await views.listed("world", None, 0, 50)] == [told]


@pytest.mark.parametrize("story_id", [URL, "urn:x:%:*?[a]", "ünïcode:☃"])
async def test_any_id_is_a_key(views: RedisViews, story_id: str) -> None:
    """Patterns, slashes and letters beyond ASCII mean nothing in it."""
    await serve(views, document(1, story_id=story_id))
    found = await views.story(story_id)
    assert found is not None
    assert found.story_id == story_id


async def test_without_a_serving_generation_nothing_is_answered(
    views: RedisViews, client: redis.asyncio.Redis, unique: str
) -> None:
    """Emptied views raise; they never look like a wire without news. What is written then is refused."""
    serving = await views.serving()
    assert serving is not None
    await client.delete(f"{unique}:serving")
    for reading in (views.story(URN), views.versions(URN), views.listed(None, None, 0, 1)):
        with pytest.raises(ViewsMissing):
            await reading
    assert not await views.apply(serving, [document(1)])


async def test_a_generation_that_vanished_while_it_was_filled_is_never_served(
    views: RedisViews, client: redis.asyncio.Redis, unique: str
) -> None:
    """Half a wire would be worse than none."""
    building = await views.begin()
    assert await views.apply(building, [document(1)])
    await client.delete(f"{unique}:building")
    assert not await views.apply(building, [document(1, story_id=URL)])
    assert not await views.publish(building)


async def test_a_new_generation_takes_over_at_once_and_the_old_one_is_swept(
    views: RedisViews, client: redis.asyncio.Redis, unique: str
) -> None:
    """Readers see the old until the new is whole; then no key of the old is left."""
    await serve(views, document(1))
    building = await views.begin()
    assert await views.apply(building, [document(1, story_id=URL)])
    assert await views.story(URL) is None
    assert await views.publish(building)
    assert (await views.story(URN), (await views.story(URL)) is not None) == (None, True)
    await views.sweep()
    keys = {key.decode().split(":")[1] async for key in client.scan_iter(match=f"{unique}:*")}
    assert keys == {"serving", building}


async def test_views_say_how_far_they_have_come(views: RedisViews) -> None:
    """By lane, never back; what lies in no lane, or came before, changes nothing."""
    assert (await views.reached()).position == Position(0, 0)
    await serve(views, document(2, seq=7), document(3, Kind.WITHHOLD, seq=2), document(1, seq=6), document(1))
    serving = await views.serving()
    assert serving is not None
    assert await views.reached() == (serving, Position(3, 8))
    assert await views.reach(serving, Position(9, 1))
    assert (await views.reached()).position == Position(9, 8)
    assert not await views.reach("g0", Position(99, 99))


@pytest.mark.parametrize(
    ("policy", "may"), [("noeviction", True), ("volatile-ttl", True), ("allkeys-lru", False), ("allkeys-random", False)]
)
async def test_a_redis_that_may_drop_parts_of_the_views_holds_none(
    views: RedisViews, client: redis.asyncio.Redis, policy: str, may: bool
) -> None:
    """A dropped story would be a 404 for what is there; what has a time to live is nobody's view."""
    before = (await client.config_get("maxmemory-policy"))["maxmemory-policy"]
    await client.config_set("maxmemory-policy", policy)
    try:
        if may:
            assert await views.serving()
        else:
            with pytest.raises(ViewsMissing, match=policy):
                await views.serving()
    finally:
        await client.config_set("maxmemory-policy", str(before))


async def test_a_redis_that_comes_back_with_an_old_snapshot_serves_no_views(tmp_path: Path) -> None:
    """It holds a whole generation and its pointer, but not what was applied since: those offsets have passed."""
    async with LocalRedis(tmp_path) as server, connect(server.url) as client:
        views, others = RedisViews(client, "x:"), RedisViews(client, "x:")
        assert await views.publish(await views.begin())
        await serve(views, document(1, seq=0))
        await client.save()
        await serve(views, document(1, story_id=URL, seq=1))
        await others.reached()
        await server.kill()
        await server.start()
        await server.ready()
        with pytest.raises(ViewsMissing):  # also before its keeper has looked
            await others.reached()
        assert await views.serving() is None
        with pytest.raises(ViewsMissing):
            await others.story(URN)


async def test_a_full_redis_says_so_and_has_room_for_another_try(tmp_path: Path) -> None:
    """What is left of views that nobody reads is taken away before new ones are begun."""
    async with LocalRedis(tmp_path) as server, connect(server.url) as client:
        views = RedisViews(client, "x:")
        serving = await views.begin()
        assert await views.publish(serving)
        used = int((await client.info("memory"))["used_memory"])
        await client.config_set("maxmemory", used + 4 * MIB)
        large = document(1, headline="x" * (MIB // 2))
        many = [document(1, story_id=f"urn:x:{number}", headline="x" * (MIB // 2)) for number in range(10)]
        with pytest.raises(ViewsMissing, match="full: the views need more memory"):
            await views.apply(serving, many)
        await client.delete("x:serving")
        again = await views.begin()
        assert await views.apply(again, [large])
        assert await views.publish(again)
        assert await views.story(URN) == large


async def test_no_view_has_a_time_to_live(views: RedisViews, client: redis.asyncio.Redis, unique: str) -> None:
    """So that eviction by time takes hints only."""
    await serve(views, *LIFE)
    lives = {key: await client.ttl(key) async for key in client.scan_iter(match=f"{unique}:*")}
    assert len(lives) > 3
    assert set(lives.values()) == {-1}


async def test_no_redis_is_missing_views() -> None:
    """A refused connection is not an error of the request."""
    away = RedisViews(connect("redis://127.0.0.1:1/0"), "x:")
    for asking in (away.serving(), away.story(URN), away.begin()):
        with pytest.raises(ViewsMissing):
            await asking


# The keeper, over a store in memory


@dataclass(slots=True)
class MemoryStore:
    """`Store` in a dictionary; `away` answers like a Redis that is gone."""

    generations: dict[str, list[Document]] = field(default_factory=dict)
    served: str | None = None
    building: str | None = None
    away: bool = False
    swept: int = 0
    reached_to: Position = NOWHERE

    async def serving(self) -> str | None:
        self._check()
        return self.served

    async def begin(self) -> str:
        self._check()
        self.building = f"g{len(self.generations) + 1}"
        self.generations[self.building] = []
        return self.building

    async def apply(self, generation: str, documents: Sequence[Document]) -> bool:
        self._check()
        if generation not in (self.served, self.building):
            return False
        self.generations[generation].extend(documents)
        return True

    async def reach(self, generation: str, position: Position) -> bool:
        self._check()
        self.reached_to = position
        return generation in (self.served, self.building)

    async def publish(self, generation: str) -> bool:
        self._check()
        if generation != self.building:
            return False
        self.served, self.building = generation, None
        return True

    async def sweep(self) -> None:
        self.swept += 1

    def _check(self) -> None:
        if self.away:
            raise ViewsMissing("Redis does not answer")

    def empty(self) -> None:
        self.served = self.building = None

    @property
    def shown(self) -> list[str]:
        return [one.story_id for one in self.generations.get(self.served or "", [])]


@dataclass(slots=True)
class MemoryLog:
    """`ReadLog` of a list, worked off after every two; `during` is called after the first record of each reading."""

    records: list[Record] = field(default_factory=list)
    during: Callable[[], None] | None = None
    readings: int = 0

    async def __call__(self, take: Callable[[Record], None], between: Callable[[], Awaitable[None]]) -> Position:
        self.readings += 1
        for number, one in enumerate(self.records):
            take(one)
            await (between() if number % 2 else asyncio.sleep(0))
            if number == 0 and self.during is not None:
                self.during()
        return Position(3, len(self.records))


def release(story_id: str, offset: int = 0) -> Record:
    made = record(Topic.RELEASED, story_id, encode_event(released(item(1, story_id=story_id))))
    return replace(made, offset=offset)


class Witness(Health):
    """Notes what was served each time the views are said to be whole."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(CHECK)
        self._store = store
        self.served_when_ok: list[str | None] = []

    def set(self, name: str, ok: bool, reason: str = "") -> None:
        if ok:
            self.served_when_ok.append(self._store.served)
        super().set(name, ok, reason)


@asynccontextmanager
async def keeping(
    store: Store, log: MemoryLog, *, owner: bool = True, health: Health | None = None
) -> AsyncIterator[tuple[ViewsKeeper, Health]]:
    """A keeper at work."""
    health = health or Health(CHECK)
    keeper = ViewsKeeper(store, log, health, look_every_s=0.02)
    stop = asyncio.Event()
    running = asyncio.create_task(keeper.run(stop))
    if owner:
        await keeper.gained(frozenset({0}))
    try:
        yield keeper, health
    finally:
        stop.set()
        await running


async def test_missing_views_are_rebuilt_from_the_log_and_then_ready() -> None:
    """Readiness tells when they are whole; unreadable records are passed over."""
    store, log = MemoryStore(), MemoryLog([release("urn:x:1"), record(Topic.RELEASED, "k", b"no"), release("urn:x:2")])
    async with keeping(store, log) as (_, health):
        await wait_until(lambda: health.ready()[0], 5)
        assert (store.shown, store.swept) == (["urn:x:1", "urn:x:2"], 1)
        assert store.reached_to == Position(3, 3)


async def test_a_release_that_lies_in_two_topics_is_applied_once() -> None:
    """Its event has one id in its lane and in story.current; another event of the story is another release."""
    lane = [
        replace(release("urn:x:1"), headers={"ce_id": b"e1"}),
        replace(release("urn:x:2"), headers={"ce_id": b"e2"}),
    ]
    newest = [replace(one, topic=Topic.CURRENT) for one in lane]
    older = replace(release("urn:x:3"), topic=Topic.CURRENT, headers={"ce_id": b"e3"})
    store = MemoryStore()
    async with keeping(store, MemoryLog([*lane, *newest, older])) as (_, health):
        await wait_until(lambda: health.ready()[0], 5)
        assert store.shown == ["urn:x:1", "urn:x:2", "urn:x:3"]


async def test_a_rebuild_holds_only_a_few_releases_in_memory() -> None:
    """Reading goes on when what was read is in the views: a long log costs time, not memory."""
    store = MemoryStore()
    behind: list[int] = []

    class Counted(MemoryLog):
        async def __call__(self, take: Callable[[Record], None], between: Callable[[], Awaitable[None]]) -> Position:
            for number, one in enumerate(self.records):
                take(one)
                if number % 10 == 9:
                    await between()
                    behind.append(number + 1 - sum(len(documents) for documents in store.generations.values()))
            return NOWHERE

    async with keeping(store, Counted([release(f"urn:x:{number}") for number in range(50)])) as (_, health):
        await wait_until(lambda: health.ready()[0], 5)
    assert behind == [0] * 5


async def test_whole_views_are_left_alone() -> None:
    """A restart of the gateway rebuilds nothing."""
    store, log = MemoryStore({"g1": []}, served="g1"), MemoryLog([release("urn:x:1")])
    async with keeping(store, log) as (keeper, health):
        await wait_until(lambda: health.ready()[0], 5)
        assert await keeper.handle(release("urn:x:2")) is None
        assert (log.readings, store.shown) == (0, ["urn:x:2"])


async def test_emptied_views_come_back() -> None:
    """Noticed without any request, and not ready meanwhile."""
    store, log = MemoryStore({"g1": []}, served="g1"), MemoryLog([release("urn:x:1")])
    async with keeping(store, log) as (_, health):
        await wait_until(lambda: health.ready()[0], 5)
        store.empty()
        await wait_until(lambda: store.shown == ["urn:x:1"], 5)
        await wait_until(lambda: health.ready()[0], 5)


async def test_a_rebuild_that_loses_its_generation_begins_again() -> None:
    """Redis may be emptied at that very moment too; until then nothing counts as whole."""
    store, log = MemoryStore(), MemoryLog([release("urn:x:1"), release("urn:x:2")])

    def once() -> None:
        log.during = None
        store.empty()

    log.during = once
    health = Witness(store)
    async with keeping(store, log, health=health):
        await wait_until(lambda: store.shown == ["urn:x:1", "urn:x:2"], 5)
        assert log.readings == 2
    assert None not in health.served_when_ok


async def test_a_release_waits_with_its_offset_while_there_are_no_views() -> None:
    """Its completion comes once it is in the views; nothing is handled into the void."""
    store, log = MemoryStore(away=True), MemoryLog()
    async with keeping(store, log) as (keeper, health):
        completion = await keeper.handle(release("urn:x:1"))
        assert isinstance(completion, Completion)
        await wait_until(lambda: not health.ready()[0], 5)
        assert not completion.done()
        store.away = False
        await wait_until(completion.done, 5)
        assert store.shown == ["urn:x:1"]


async def test_only_the_owner_of_the_lanes_rebuilds() -> None:
    """Two gateways would otherwise fill two generations against each other."""
    store, log = MemoryStore(), MemoryLog([release("urn:x:1")])
    async with keeping(store, log, owner=False) as (keeper, health):
        await wait_until(lambda: "rebuilt" in str(health.ready()[1]), 5)
        assert log.readings == 0
        await keeper.gained(frozenset({0}))
        await wait_until(lambda: store.shown == ["urn:x:1"], 5)


@pytest.mark.parametrize("value", [b"not json", b"{}", None, b'{"type": "story.received"}'])
async def test_a_record_that_is_no_release_is_unprocessable(value: bytes | None) -> None:
    """The loop parks it with its bytes."""
    keeper = ViewsKeeper(MemoryStore(), MemoryLog(), Health())
    with pytest.raises(Unprocessable):
        await keeper.handle(record(Topic.RELEASED, "k", value))
