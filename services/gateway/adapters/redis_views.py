"""How do views lie in Redis? Generations under one pointer; a release is applied by one script, or not at all.

`<prefix>serving` names the generation that is read, `<prefix>building` the one being filled. Of generation g:
`g:story:<id>` (newest release), `g:text:<id>` and `g:number:<id>` (per version its newest release and that one's
number), `g:list` and `g:list:<section>` (story ids by time), `g:reached` (the next offset of each lane), `g:run` (the
run of the server in which it was begun). None of them has a time to live: views of which Redis had taken a part
would answer 404 for what is there. So would those of another run: a server that comes back with a snapshot, or takes
another's place, may lack what was applied last, and its offsets have passed.
"""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import orjson
import redis.asyncio
from pydantic import BaseModel
from redis.exceptions import OutOfMemoryError, RedisError

from services.gateway.stream.positions import LANES, NOWHERE, Position
from services.gateway.views.documents import Document
from services.gateway.views.ports import Place, Reached, ViewsMissing
from shared.domain.facts import Facts
from shared.domain.item import Item

_APPLY: Final = """
local serving, building, story, number, text, list, reached = unpack(KEYS)
local generation, no, kind, version, item, facts, at, id, shown, lane, offset = unpack(ARGV)
if redis.call('GET', serving) ~= generation and redis.call('GET', building) ~= generation then return -1 end
if tonumber(offset) >= tonumber(redis.call('HGET', reached, lane) or '0') then
  redis.call('HSET', reached, lane, offset + 1)
end
local was = redis.call('HGET', story, 'kind')
if was == 'kill' then return 0 end
no = tonumber(no)
local notice = kind == 'kill' or kind == 'withhold'
if not notice and no > tonumber(redis.call('HGET', number, version) or '0') then
  redis.call('HSET', number, version, no)
  redis.call('HSET', text, version, cjson.encode({item, facts}))
end
if no <= tonumber(redis.call('HGET', story, 'no') or '0') then return 0 end
local sections = {}
for i = 12, #ARGV do sections[ARGV[i]] = true end
for slug in string.gmatch(redis.call('HGET', story, 'sections') or '', '%S+') do
  if notice then sections[slug] = true
  elseif not sections[slug] then redis.call('ZREM', list .. ':' .. slug, id) end
end
local names = {}
for slug in pairs(sections) do
  names[#names + 1] = slug
  if shown == '1' then redis.call('ZADD', list .. ':' .. slug, at, id) end
end
if shown == '1' then redis.call('ZADD', list, at, id) end
redis.call('HSET', story, 'no', no, 'kind', kind, 'item', item, 'facts', facts, 'sections', table.concat(names, ' '))
if kind == 'kill' then redis.call('DEL', number, text) end
return 1
"""

_PUBLISH: Final = """
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
"""

_REACH: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] and redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) > tonumber(redis.call('HGET', KEYS[3], ARGV[i]) or '0') then
    redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  end
end
return 1
"""

_WITHDRAW: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""

_SWEPT_AT_ONCE: Final = 500
_TIES: Final = 16


class RedisViews:
    """`Store` and `Views` of `services.gateway.views.ports`. Not for a Redis cluster: scripts make up keys."""

    def __init__(self, client: redis.asyncio.Redis, prefix: str) -> None:
        """`prefix` begins every key."""
        self._client = client
        self._prefix = prefix
        self._apply = client.register_script(_APPLY)
        self._reach = client.register_script(_REACH)
        self._publish = client.register_script(_PUBLISH)
        self._withdraw = client.register_script(_WITHDRAW)
        self._furthest = Reached("", NOWHERE)

    # Store

    async def serving(self) -> str | None:
        async with _answering():
            policy = (await self._client.info("memory")).get("maxmemory_policy", "")
            if str(policy).startswith("allkeys"):
                raise ViewsMissing(f"Redis may drop parts of the views: maxmemory-policy is {policy}, not noeviction")
            serving = _word(await self._client.get(self._key("serving")))
            if serving is not None and _word(await self._client.get(f"{self._key(serving)}:run")) != await self._run():
                await self._withdraw([self._key("serving")], [serving])
                return None
            return serving

    async def begin(self) -> str:
        generation = f"g{time.time_ns() // 1_000_000}"
        async with _answering():
            await self._client.delete(self._key("building"))
            await self.sweep()  # what is left of an earlier try may be why there was no room for it
            run = await self._run()
            await self._client.mset({f"{self._key(generation)}:run": run, self._key("building"): generation})
        return generation

    async def apply(self, generation: str, documents: Sequence[Document]) -> bool:
        async with _answering(), self._client.pipeline(transaction=False) as pipe:
            for document in documents:
                await self._apply(*self._call(generation, document), client=pipe)
            return all(answer != -1 for answer in await pipe.execute())

    async def reach(self, generation: str, position: Position) -> bool:
        async with _answering():
            keys = [self._key("serving"), self._key("building"), f"{self._key(generation)}:reached"]
            lanes = [value for lane in LANES for value in (lane.value, position.of(lane))]
            return bool(await self._reach(keys, [generation, *lanes]))

    async def publish(self, generation: str) -> bool:
        async with _answering():
            keys = [self._key("serving"), self._key("building")]
            return bool(await self._publish(keys, [generation]))

    async def sweep(self) -> None:
        async with _answering():
            used = {_word(await self._client.get(self._key(name))) for name in ("serving", "building")}
            found: list[bytes] = []
            async for key in self._client.scan_iter(match=f"{self._prefix}g*", count=_SWEPT_AT_ONCE):
                if key.decode("utf-8", "replace").removeprefix(self._prefix).partition(":")[0] not in used:
                    found.append(key)
                if len(found) >= _SWEPT_AT_ONCE:
                    await self._client.unlink(*found)
                    found.clear()
            if found:
                await self._client.unlink(*found)

    # Views

    async def reached(self) -> Reached:
        generations: list[str] = []
        before = self._furthest  # known before the question: what others learn meanwhile may be newer

        def question(pipe: Any, at: str) -> None:
            generations.append(at)
            pipe.hmget(f"{at}:reached", [lane.value for lane in LANES])

        [found] = await self._ask(question)
        generation, position = generations[-1].removeprefix(self._prefix), Position(*(int(at or 0) for at in found))
        reached = Reached(generation, position)
        if generation == before.generation and position != position.no_earlier_than(before.position):
            raise ViewsMissing("the views lack what they held before: they are an old snapshot")
        self._furthest = reached
        return reached

    async def story(self, story_id: str) -> Document | None:
        [found] = await self._ask(lambda pipe, at: pipe.hmget(f"{at}:story:{story_id}", ["item", "facts"]))
        return _document(*found) if found[0] else None

    async def versions(self, story_id: str) -> list[Document]:
        [found] = await self._ask(lambda pipe, at: pipe.hgetall(f"{at}:text:{story_id}"))
        read = [_document(*_pair(value)) for value in found.values()]
        return sorted(read, key=lambda document: document.item.version)

    async def listed(
        self, section: str | None, before: Place | None, since_us: int, at_most: int
    ) -> list[tuple[Place, Document]]:
        name = "list" if section is None else f"list:{section}"
        wanted = await self._places(name, before, since_us, at_most)
        if not wanted:
            return []

        def stories(pipe: Any, at: str) -> Any:
            for place in wanted:
                pipe.hmget(f"{at}:story:{place.story_id}", ["item", "facts"])

        answers = await self._ask(stories)
        return [(place, _document(*one)) for place, one in zip(wanted, answers, strict=True) if one[0]]

    async def _places(self, name: str, before: Place | None, since_us: int, at_most: int) -> list[Place]:
        """The next places of a list; stories released in one microsecond are told apart by their ids."""
        top = "+inf" if before is None else str(before.at_us)
        count = at_most + (_TIES if before else 0)
        while True:
            [found] = await self._ask(partial(_range, name, top, since_us, count))
            places = [Place(int(score), member.decode()) for member, score in found]
            wanted = [place for place in places if before is None or place < before][:at_most]
            if len(wanted) == at_most or len(found) < count:
                return wanted
            count *= 4

    async def _run(self) -> str:
        """The name of the server's present run, another one after every restart."""
        return str((await self._client.info("server"))["run_id"])

    async def _ask(self, question: Any) -> list[Any]:
        """Ask within one transaction with the pointer, so that an answer out of emptied views is known as such."""
        async with _answering():
            serving = _word(await self._client.get(self._key("serving")))
            while serving is not None:
                async with self._client.pipeline(transaction=True) as pipe:
                    pipe.get(self._key("serving"))
                    question(pipe, self._key(serving))
                    still, *answers = await pipe.execute()
                if _word(still) == serving:
                    return answers
                serving = _word(still)
        raise ViewsMissing("the views are being rebuilt")

    def _call(self, generation: str, document: Document) -> tuple[list[str], list[str | int]]:
        item, at = document.item, self._key(generation)
        keys = [
            self._key("serving"),
            self._key("building"),
            f"{at}:story:{item.story_id}",
            f"{at}:number:{item.story_id}",
            f"{at}:text:{item.story_id}",
            f"{at}:list",
            f"{at}:reached",
        ]
        values: list[str | int] = [
            generation,
            item.release_no,
            item.kind.value,
            item.version,
            item.model_dump_json(),
            _judged_on(document),
            document.at_us,
            item.story_id,
            int(document.was_shown),
            item.lane.value,
            -1 if item.seq is None else item.seq,
        ]
        return keys, [*values, *document.facts.sections]

    def _key(self, name: str) -> str:
        return f"{self._prefix}{name}"


@asynccontextmanager
async def _answering() -> AsyncIterator[None]:
    """Redis away, full or restarting is the same to everybody: there are no views now."""
    try:
        yield
    except OutOfMemoryError as error:
        raise ViewsMissing("Redis is full: the views need more memory, raise its maxmemory") from error
    except (RedisError, OSError) as error:
        raise ViewsMissing(f"Redis does not answer: {type(error).__name__}") from error


def _range(name: str, top: str, since_us: int, count: int, pipe: Any, at: str) -> None:
    pipe.zrevrangebyscore(f"{at}:{name}", top, since_us, start=0, num=count, withscores=True)


def _word(value: bytes | str | None) -> str | None:
    return value.decode() if isinstance(value, bytes) else value


def _pair(value: bytes) -> tuple[bytes, bytes]:
    item, facts = orjson.loads(value)
    return item, facts


def _document(item: bytes, facts: bytes) -> Document:
    return Document(
        Item.model_validate_json(item), Facts.model_validate_json(facts), _Reaching.model_validate_json(facts).reach
    )


class _Reaching(BaseModel):
    """The story's reach, kept beside the facts; views written before it was have none."""

    reach: Facts | None = None


def _judged_on(document: Document) -> str:
    facts, reach = document.facts.model_dump_json(), document.reach
    return facts if reach is None else f'{facts[:-1]},"reach":{reach.model_dump_json()}}}'
