"""What is kept of answers about stories: given again while it is true, and not a moment longer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from services.gateway.desk_view import DeskView
from services.gateway.followed import Followed
from services.gateway.read_cache import CONFIRMED_S, Made, ReadCache
from services.gateway.refusals import NotFound, NotReady
from services.gateway.representations import Representation
from services.gateway.stream.positions import NOWHERE, Position
from services.gateway.views.ports import Reached, ViewsMissing
from shared.domain.state import KillRecord
from shared.platform.reading import TopicPartition
from shared.platform.topics import Topic
from tests.services.gateway.stories import URN, filed
from tests.services.gateway.twins import record

KEY = ("/v1/stories", b"")


@dataclass
class Views:
    """How far the views are, and a page of them that counts how often it is made."""

    reached_to: Position = NOWHERE
    generation: str = "g1"
    missing: bool = False
    asked: int = 0
    made: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go_on.set()

    async def reached(self) -> Reached:
        self.asked += 1
        if self.missing:
            raise ViewsMissing("the views are being rebuilt")
        return Reached(self.generation, self.reached_to)

    async def page(self) -> Made:
        self.made += 1
        body = f"page {self.made}".encode()
        self.begun.set()
        await self.go_on.wait()
        return Made(Representation(body), frozenset({URN}))


@dataclass
class Bench:
    """A cache, and all that it depends on."""

    views: Views
    desk: DeskView
    followed: Followed
    cache: ReadCache
    seconds: list[float]

    async def read(self, make: Callable[[], Awaitable[Made]] | None = None) -> str:
        answer = (await self.cache.get(KEY, make or self.views.page)).answer
        return answer.body.decode() if isinstance(answer, Representation) else str(answer)

    def release(self, offset: int = 0) -> None:
        """This process sees a release; the views do not have it yet."""
        self.followed.apply(replace(record(Topic.RELEASED, URN, b"{}"), offset=offset))

    def kill(self, story_id: str) -> None:
        dead = KillRecord(story_id=story_id, version=1, release_no=2, cause="e9", at=1)
        self.desk.apply(record(Topic.KILLED, story_id, dead.model_dump_json().encode()))

    def withhold(self, withheld: bool) -> None:
        state = filed().model_copy(update={"withheld": withheld, "release_no": 2})
        self.desk.apply(record(Topic.STATE, URN, state.model_dump_json().encode()))


@pytest.fixture
def bench() -> Bench:
    views, desk, followed, seconds = Views(), DeskView(), Followed(), [0.0]
    followed.begin(lambda: {TopicPartition(Topic.RELEASED, 0): 0, TopicPartition(Topic.RELEASED_FLASH, 0): 0})
    return Bench(views, desk, followed, ReadCache(views, desk, followed, clock=lambda: seconds[0]), seconds)


async def test_an_answer_is_given_again_without_asking_anybody(bench: Bench) -> None:
    """Neither Redis nor whoever makes it."""
    assert [await bench.read(), await bench.read(), await bench.read()] == ["page 1"] * 3
    assert (bench.views.asked, bench.views.made) == (1, 1)


async def test_nothing_is_kept_before_the_released_lanes_are_read(bench: Bench) -> None:
    """Whoever does not know what was released does not know what is missing; Redis is asked each time."""
    bench.followed.loaded = False
    assert [await bench.read(), await bench.read()] == ["page 1"] * 2
    assert bench.views.asked == 2


async def test_a_release_ends_an_answer_as_soon_as_it_is_seen(bench: Bench) -> None:
    """While the views lag behind, Redis says each time whether the answer still is what they hold."""
    assert await bench.read() == "page 1"
    bench.release(offset=0)
    assert [await bench.read(), await bench.read()] == ["page 1"] * 2
    assert (bench.views.asked, bench.views.made) == (3, 1)
    bench.views.reached_to = Position(0, 1)
    assert [await bench.read(), await bench.read()] == ["page 2"] * 2
    assert bench.views.asked == 4


@pytest.mark.parametrize("lane", [Topic.RELEASED, Topic.RELEASED_FLASH])
async def test_both_lanes_count(bench: Bench, lane: Topic) -> None:
    """A flash as well as routine copy."""
    await bench.read()
    bench.followed.apply(replace(record(lane, URN, b"{}"), offset=0))
    assert bench.cache.hit(KEY) is None


async def test_a_kill_ends_every_answer_at_once(bench: Bench) -> None:
    """Before its release comes to the views, and whatever story it is."""
    await bench.read()
    bench.kill("urn:x:another")
    assert bench.cache.hit(KEY) is None
    assert await bench.read() == "page 2"


async def test_a_withhold_and_its_end_do_too(bench: Bench) -> None:
    """In both directions; a state that changes neither leaves the answer alone."""
    bench.withhold(False)
    await bench.read()
    bench.withhold(False)
    assert bench.cache.hit(KEY) is not None
    for withheld in (True, False):
        bench.withhold(withheld)
        assert bench.cache.hit(KEY) is None
        await bench.read()
    assert bench.views.made == 3


async def test_a_kill_that_comes_while_an_answer_is_made_is_in_it(bench: Bench) -> None:
    """The answer that still has the story is thrown away and made anew."""
    bench.views.go_on.clear()
    reading = asyncio.create_task(bench.read())
    await bench.views.begun.wait()
    bench.kill(URN)
    bench.views.go_on.set()
    assert await reading == "page 2"


async def test_a_kill_of_another_story_holds_nobody_up(bench: Bench) -> None:
    """What is being made goes out; it is not kept for the next caller."""
    bench.views.go_on.clear()
    reading = asyncio.create_task(bench.read())
    await bench.views.begun.wait()
    bench.kill("urn:x:another")
    bench.views.go_on.set()
    assert await reading == "page 1"
    assert bench.cache.hit(KEY) is None


async def test_a_story_that_is_withheld_and_let_go_without_end_is_503(bench: Bench) -> None:
    """After a few tries, rather than a text that may not be shown."""

    async def meanwhile() -> Made:
        bench.withhold(bench.views.made % 2 == 0)
        return await bench.views.page()

    with pytest.raises(NotReady):
        await bench.read(meanwhile)


async def test_one_makes_what_many_ask_for(bench: Bench) -> None:
    """A page that everybody wants at the same moment is read once."""
    assert set(await asyncio.gather(*(bench.read() for _ in range(50)))) == {"page 1"}
    assert (bench.views.asked, bench.views.made) == (1, 1)


async def test_whoever_comes_after_a_release_is_not_given_what_was_begun_before(bench: Bench) -> None:
    """He waits for the next one, which all who wait share."""
    bench.views.go_on.clear()
    before = asyncio.create_task(bench.read())
    await bench.views.begun.wait()
    bench.release(offset=0)
    bench.views.reached_to = Position(0, 1)
    after = [asyncio.create_task(bench.read()) for _ in range(5)]
    await asyncio.sleep(0)
    bench.views.go_on.set()
    assert await before == "page 1"
    assert set(await asyncio.gather(*after)) == {"page 2"}
    assert bench.views.made == 2


async def test_a_caller_who_leaves_takes_nobody_with_him(bench: Bench) -> None:
    """The others get what he began."""
    bench.views.go_on.clear()
    first, second = asyncio.create_task(bench.read()), asyncio.create_task(bench.read())
    await bench.views.begun.wait()
    first.cancel()
    bench.views.go_on.set()
    assert await second == "page 1"


async def test_a_refusal_is_kept_and_no_longer_than_it_is_true(bench: Bench) -> None:
    """Asking for what is not there costs nothing; the release that brings it ends that."""
    asked = 0

    async def nobody() -> Made:
        nonlocal asked
        asked += 1
        raise NotFound("there is no such story")

    for _ in range(3):
        assert await bench.read(nobody) == "there is no such story"
    assert asked == 1
    bench.release(offset=0)
    bench.views.reached_to = Position(0, 1)
    assert await bench.read() == "page 1"


async def test_a_failure_is_not_kept(bench: Bench) -> None:
    """Neither missing views nor a bug: the next caller tries again."""
    bench.views.missing = True
    for _ in range(2):
        with pytest.raises(NotReady):
            await bench.read()
    bench.views.missing = False
    assert await bench.read() == "page 1"


async def test_an_emptied_redis_is_noticed_within_a_second(bench: Bench) -> None:
    """Then it is 503 until the views are whole again, and the same answer after that."""
    assert await bench.read() == "page 1"
    bench.views.missing = True
    bench.seconds[0] += CONFIRMED_S
    with pytest.raises(NotReady):
        await bench.read()
    bench.views.missing = False
    assert await bench.read() == "page 1"


async def test_another_generation_is_read_anew(bench: Bench) -> None:
    """Views that were rebuilt may hold something else."""
    await bench.read()
    bench.views.generation = "g2"
    bench.seconds[0] += CONFIRMED_S
    assert await bench.read() == "page 2"


async def test_a_release_that_only_the_views_have_is_seen_within_a_second(bench: Bench) -> None:
    """This process may be the last to hear of it."""
    await bench.read()
    bench.views.reached_to = Position(0, 1)
    bench.seconds[0] += CONFIRMED_S
    assert await bench.read() == "page 2"


async def test_what_was_not_asked_for_longest_goes_first(bench: Bench) -> None:
    """The memory is bounded, whatever is asked for; what grows by a coding counts too."""
    bench.cache.most_bytes = 100_000

    async def ask(name: str, body: bytes = b"x" * 20_000) -> None:
        async def made() -> Made:
            return Made(Representation(body), frozenset())

        await bench.cache.get((name,), made)

    for name in ("a", "b", "c", "d"):
        await ask(name)
    assert bench.cache.hit(("a",)) is not None
    await ask("e")
    assert [name for name in "abcde" if bench.cache.hit((name,))] == ["a", "c", "d", "e"]
    kept = bench.cache.hit(("e",))
    assert kept is not None
    assert isinstance(kept.answer, Representation)
    assert kept.answer.coding("gzip") == "gzip"
    before = bench.cache.bytes
    await kept.answer.make("gzip")
    bench.cache.grew(kept)
    assert bench.cache.bytes == before + kept.answer.size - 20_000
    await ask("huge", b"x" * 200_000)
    assert bench.cache.bytes <= 100_000
