"""`python -m tests.bench.matching`: how long does it take to find who wants a story, among ten thousand filters?

No broker: the registry as the matcher has it, and made-up stories of a wire's length. Beside it the same filters
asked one by one, and what else grows with the endpoints.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from services.distribution.matching import ShardOf, by_shard, matches
from services.distribution.recipients import records_of
from services.distribution.registry import Registry
from shared.domain.events import Released
from shared.domain.facts import Facts
from shared.domain.item import Item
from shared.domain.story import Kind, Lane, lane_of
from shared.domain.subscription import Endpoint, Filter, Subscription, Text, wants
from shared.platform.publishing import Outgoing
from shared.platform.records import Record
from shared.platform.topics import Topic, key_of
from tests.bench.figures import spread, table
from tests.bench.kept import KEPT_IN, keep
from tests.bench.machine import commit_at_hand, resident_mib, where

COMMAND = "make bench-matching"
FLOOR_MS, AIM_MS = 10, 3
"""Of the p99 of one story's look-up among 10,000 distinct filters."""
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECTIONS = tuple(f"section-{number}" for number in range(20))
SUBJECTS = tuple(f"medtop:{20_000_000 + number}" for number in range(1_200))
PLACES = tuple(f"{one}{other}" for one in "ABCDEFGHIJ" for other in "ABCDEFGHIJKLMNOPQRST")
SOURCES = tuple(f"source-{number}" for number in range(40))
LANGUAGES = ("en", "en-GB", "en-US", "de", "fr", "ru", "es", "ar", "zh")
VOCABULARY = 30_000
WORDS_IN_STORY = 500
FEWER, OF_EACH = 20, 200
"""The second look-up: a twentieth of the filters, two hundred subscriptions of each."""


@dataclass(slots=True)
class Draw:
    """Made-up filters and stories of one seed. Like in prose and newsrooms, a few words, places and topics are common
    and most are rare (1/rank)."""

    chance: random.Random
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        letters = "etaoinshrdlucmfw"
        self.words = tuple(
            "".join(self.chance.choices(letters, k=3 + self.chance.randrange(7))) for _ in range(VOCABULARY)
        )

    def one(self, of: tuple[str, ...]) -> str:
        return of[min(int(len(of) ** self.chance.random()) - 1, len(of) - 1)]

    def some(self, of: tuple[str, ...], most: int = 3) -> tuple[str, ...]:
        return tuple(sorted({self.one(of) for _ in range(self.chance.randint(1, most))}))

    def filter(self) -> Filter:
        """One to four clauses, keywords as often as any, now and then an exclusion."""
        offered: dict[str, Callable[[], Any]] = {
            "sections": lambda: self.some(SECTIONS),
            "subjects": lambda: self.some(SUBJECTS, 4),
            "places": lambda: self.some(PLACES, 4),
            "sources": lambda: self.some(SOURCES),
            "languages": lambda: self.some(LANGUAGES, 2),
            "keywords": self._keywords,
            "urgency_max": lambda: self.chance.randint(1, 7),
            "lanes": lambda: [self.chance.choice(tuple(Lane))],
        }
        asked = self.chance.sample(sorted(offered), k=self.chance.randint(1, 4))
        wanted = {name: offered[name]() for name in asked}
        if self.chance.random() < 0.2:
            wanted["not"] = {"sources": self.some(SOURCES), "keywords": self._keywords()}
        return Filter.model_validate(wanted)

    def filters(self, count: int) -> list[Filter]:
        """So many different ones."""
        found: dict[str, Filter] = {}
        while len(found) < count:
            one = self.filter()
            found.setdefault(one.model_dump_json(), one)
        return list(found.values())

    def release(self, number: int) -> Released:
        urgency = self.chance.choice((1, 2, 3, 4, 4, 4, 5))
        facts = Facts(
            sections=self.some(SECTIONS, 2),
            subjects=self.some(SUBJECTS, 8),
            places=self.some(PLACES, 5),
            sources=(self.one(SOURCES),),
            languages=(self.one(LANGUAGES),),
            urgency=urgency,
            lanes=(lane_of(urgency),),
        )
        prose = " ".join(self.one(self.words) for _ in range(WORDS_IN_STORY))
        story = {"headlines": [{"value": prose[:60]}], "bodies": [{"contentType": "text/plain", "value": prose}]}
        item = Item(
            lane=lane_of(urgency),
            kind=Kind.PUBLISH,
            story_id=f"urn:slugline:bench:{number}",
            version=1,
            release_no=1,
            released_at=NOW,
            story=story,
        )
        return Released(item=item, facts=facts)

    def _keywords(self) -> list[str]:
        """Single words mostly, some phrases of two or three."""
        most = 1 if self.chance.random() < 0.8 else 3
        return [" ".join(self.one(self.words) for _ in range(self.chance.randint(1, most))) for _ in range(2)]


def registry_of(filters: Iterable[Filter], of_each: int) -> Registry:
    """A registry in which `of_each` subscriptions, each with its endpoint, have each filter."""
    registry = Registry(lambda sealed: sealed)
    wanted = ((number, each) for number, each in enumerate(each for each in filters for _ in range(of_each)))
    for number, each in wanted:
        endpoint_id, subscription_id = f"ep_{number:024x}", f"sub_{number:024x}"
        endpoint = Endpoint(endpoint_id=endpoint_id, subscriber="acme", url="https://example.com/", created_at=NOW)
        subscription = Subscription(
            subscription_id=subscription_id,
            subscriber="acme",
            name="bench",
            endpoint_id=endpoint_id,
            filter=each,
            created_at=NOW,
        )
        _put(registry, key_of(endpoint_id, "endpoint"), endpoint.model_dump_json())
        _put(registry, key_of(subscription_id, "subscription"), subscription.model_dump_json(by_alias=True))
    return registry


def _put(registry: Registry, key: str, value: str) -> None:
    registry.apply(Record(Topic.SUBSCRIPTION_STATE, 0, 0, key, value.encode(), {}, 0))


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds of one call: by the clock, and of them those in which this process had a processor."""

    clock: float
    cpu: float


def timed(what: Callable[..., object], *given: object) -> Took:
    began, cpu = time.perf_counter(), time.thread_time()
    what(*given)
    return Took((time.perf_counter() - began) * 1_000, (time.thread_time() - cpu) * 1_000)


def measure(count: int, stories: int, seed: int, commit: str) -> str:
    """The report; raises SystemExit when the index does not answer as the filters do."""
    draw = Draw(random.Random(seed))
    filters = draw.filters(count)
    releases = [draw.release(number) for number in range(stories)]
    began = time.perf_counter()
    registry = registry_of(filters, 1)
    took, resident = time.perf_counter() - began, resident_mib(os.getpid())
    found = [len(look_up(registry, each)) for each in releases]
    if any(one_by_one(filters, each) != number for each, number in zip(releases[:5], found, strict=False)):
        raise SystemExit("The index and the filters one by one do not agree.")
    lines = [
        "## Who wants a story",
        "",
        f"`{COMMAND}`: {count} made-up filters, no two the same, and stories of {WORDS_IN_STORY} words. The look-up",
        f"may take {FLOOR_MS} ms at p99 and aims at {AIM_MS}; `CPU` leaves out when others had the processor.",
        "",
        *where(commit),
        "",
        *table(["ms", "times", "p50", "p99", "p50 CPU", "p99 CPU"], rows(registry, filters, releases)),
        "",
        f"A story is wanted by {sum(found) / len(found):.0f} of the filters on average, by {max(found)} at most.",
        f"All of them were registered within {took:.1f} s, and the process then had {resident:.0f} MiB.",
    ]
    return "\n".join(lines)


def rows(registry: Registry, filters: list[Filter], releases: list[Released]) -> list[list[str]]:
    count = len(filters)
    few = count // FEWER
    shared = registry_of(filters[:few], OF_EACH)
    endpoints, shard_of = frozenset(registry.endpoints), ShardOf(6)
    return [
        _row("the matcher's look-up", [timed(look_up, registry, each) for each in releases]),
        _row("of it: the words of the text", [timed(Text, each.item.story) for each in releases]),
        _row("the filters one by one", [timed(one_by_one, filters, each) for each in releases[:30]]),
        _row(f"look-up, {few} filters of {OF_EACH} each", [timed(look_up, shared, each) for each in releases[:50]]),
        _row(f"{count} endpoints by shard, first time", [timed(by_shard, endpoints, shard_of)]),
        _row(f"{count} endpoints by shard", [timed(by_shard, endpoints, shard_of) for _ in range(20)]),
        _row(f"records of {count} recipients", [timed(records, endpoints, shard_of) for _ in range(20)]),
    ]


def look_up(registry: Registry, release: Released) -> frozenset[str]:
    return matches(registry, release, release.item.lane, 0)


def one_by_one(filters: Iterable[Filter], release: Released) -> int:
    text = Text(release.item.story)
    return sum(wants(each, release.facts, text) for each in filters)


def records(endpoints: frozenset[str], shard_of: ShardOf) -> list[Outgoing]:
    return list(records_of("urn:slugline:bench", {}, endpoints, 1, shard_of))


def _row(what: str, took: list[Took]) -> list[str]:
    spreads = (spread([each.clock for each in took]), spread([each.cpu for each in took]))
    return [what, str(len(took)), *(f"{at:.2f}" for found in spreads if found for at in (found.p50, found.p99))]


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.bench.matching", description="Measure the matcher's look-up.")
    asked.add_argument("--filters", type=int, default=10_000, help="distinct filters, each of an endpoint of its own")
    asked.add_argument("--stories", type=int, default=300, help="releases looked up")
    asked.add_argument("--seed", type=int, default=1, help="of the made-up filters and stories")
    asked.add_argument("--no-keep", action="store_true", help="only print; leave docs/benchmarks.md as it is")
    given = asked.parse_args()
    os.nice(15)
    report = measure(given.filters, given.stories, given.seed, commit_at_hand())
    say(report)
    if not given.no_keep:
        keep(COMMAND, report)
        say(f"Kept in {KEPT_IN}.")


if __name__ == "__main__":
    main()
