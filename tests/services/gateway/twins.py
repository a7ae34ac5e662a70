"""In-memory twins of what the gateway asks of the outside, and a whole gateway over them."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx2
from cryptography.fernet import Fernet

from services.gateway.app import Listening, create_app, nobody
from services.gateway.context import Gateway
from services.gateway.decisions import Decisions
from services.gateway.deliveries_view import DeliveriesView
from services.gateway.desk_view import DeskView
from services.gateway.endpoint_rules import EndpointRules
from services.gateway.entitlements import Entitlements
from services.gateway.followed import Followed
from services.gateway.health_view import HealthView
from services.gateway.in_transit import InTransit
from services.gateway.keychain import Keychain
from services.gateway.keyring import KeyRing
from services.gateway.own_writes import OwnWrites
from services.gateway.read_cache import ReadCache
from services.gateway.receipts import Receipts
from services.gateway.registrar import Registrar
from services.gateway.registry import Registry
from services.gateway.rehearsals import Rehearsals
from services.gateway.replays import Replays
from services.gateway.request_rates import RequestRates
from services.gateway.resealing import Resealing
from services.gateway.retries import Retries
from services.gateway.stories import Stories
from services.gateway.stream.positions import NOWHERE
from services.gateway.subscriptions import Subscriptions
from services.gateway.tickets import Tickets
from services.gateway.views.documents import Document
from services.gateway.views.ports import Place, Reached, ViewsMissing
from services.gateway.visible import Visible, by_products
from shared.domain.events import DeskDecided, parse_event
from shared.domain.keys import Scope, hash_key
from shared.domain.lifecycle import Deciding, Position, decide
from shared.domain.state import Principal, StoryState, StoryText, TextRef
from shared.domain.story import Lane
from shared.platform.audit import Audit
from shared.platform.clock import FixedClock
from shared.platform.egress import EgressPolicy, parse_allow
from shared.platform.health import Health
from shared.platform.principals import PrincipalBook
from shared.platform.publishing import Appended, Headers, Outgoing, PublishTimeout
from shared.platform.records import Record
from shared.platform.sealing import Sealer
from shared.platform.topics import Topic, key_of

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SHARDS = 6
LIFE = "e"
SEALER = Sealer(Fernet.generate_key().decode())
OPERATOR = "sl_local_operator"


def record(topic: Topic, key: str, value: bytes | None, headers: Mapping[str, str] | None = None) -> Record:
    named = {name: text.encode() for name, text in (headers or {}).items()}
    return Record(topic, 0, 0, key, value, named, int(NOON.timestamp() * 1000))


class MemoryTopics:
    """`Publishing` into lists. `away` makes it answer like a broker that is gone."""

    def __init__(self) -> None:
        self.written: list[Outgoing] = []
        self.away = False
        self._offsets = itertools.count(100)
        self.told: list[Any] = []

    async def publish(
        self, topic: Topic, key: str, value: bytes | None, headers: Headers = (), *, partition: int | None = None
    ) -> Appended:
        [appended] = await self.publish_all([Outgoing(topic, key, value, headers, partition)])
        return appended

    async def publish_all(self, records: list[Outgoing]) -> list[Appended]:
        await asyncio.sleep(0)  # as with a broker, others go on meanwhile
        if self.away:
            raise PublishTimeout("not confirmed")
        self.written.extend(records)
        for one in records:
            for told in self.told:
                told(one)
        return [Appended(one.topic, 0, next(self._offsets), 0) for one in records]

    def on(self, topic: Topic) -> list[Outgoing]:
        return [one for one in self.written if one.topic is topic]


class MemoryViews:
    """`Views` and `Progress` in a dictionary; `missing` makes them vanish. `read` counts what was asked of them."""

    def __init__(self, followed: Followed) -> None:
        self.followed = followed
        self.position = NOWHERE
        self.read = 0
        self.newest: dict[str, Document] = {}
        self.texts: dict[str, dict[int, Document]] = {}
        self.missing = False

    def put(self, document: Document) -> None:
        """A release comes to the routine lane, to this process and into the views."""
        self.followed.apply(replace(record(Topic.RELEASED, document.story_id, b""), offset=self.position.routine))
        self.position = self.position.at(Lane.ROUTINE, self.position.routine + 1)
        self.newest[document.story_id] = document
        if not document.is_notice:
            self.texts.setdefault(document.story_id, {})[document.item.version] = document

    async def reached(self) -> Reached:
        if self.missing:
            raise ViewsMissing("the views are being rebuilt")
        return Reached("g1", self.position)

    async def story(self, story_id: str) -> Document | None:
        self._check()
        return self.newest.get(story_id)

    async def versions(self, story_id: str) -> list[Document]:
        self._check()
        return [one for _, one in sorted(self.texts.get(story_id, {}).items())]

    async def listed(
        self, section: str | None, before: Place | None, since_us: int, at_most: int
    ) -> list[tuple[Place, Document]]:
        self._check()
        found = [
            (Place(one.at_us, one.story_id), one)
            for one in self.newest.values()
            if (section is None or section in one.facts.sections) and one.at_us >= since_us
        ]
        return sorted((one for one in found if before is None or one[0] < before), reverse=True)[:at_most]

    def _check(self) -> None:
        self.read += 1
        if self.missing:
            raise ViewsMissing("the views are being rebuilt")


class MemoryTexts:
    """`Texts` by offset."""

    def __init__(self) -> None:
        self.kept: dict[int, StoryText] = {}

    async def text(self, at: TextRef) -> StoryText | None:
        return self.kept.get(at.offset)


class MemoryNames:
    """`Names` as a test says; unknown names have no address."""

    def __init__(self) -> None:
        self.known: dict[str, Sequence[str]] = {"hooks.example.com": ["93.184.216.34"]}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        return self.known.get(host, ())


class MemoryEnds:
    """`ReleasedEnds` as a test says."""

    def __init__(self) -> None:
        self.at: dict[Lane, int] = {Lane.FLASH: 12, Lane.ROUTINE: 4020}

    async def ends(self) -> Mapping[Lane, int]:
        return self.at


class MemoryStubs:
    """`Stubs` in a set; with `away` set nobody can tell what was used."""

    def __init__(self) -> None:
        self.torn: set[str] = set()
        self.away = False

    async def tear(self, name: str, lasts_s: float) -> bool:
        await asyncio.sleep(0)  # as with Redis, others go on meanwhile
        was = name in self.torn and not self.away
        self.torn.add(name)
        return not was


@dataclass(slots=True)
class World:
    """One gateway, what stands behind it, and a client for each kind of key."""

    topics: MemoryTopics
    views: MemoryViews
    texts: MemoryTexts
    names: MemoryNames
    ends: MemoryEnds
    desk: DeskView
    transit: InTransit
    registry: Registry
    deliveries: DeliveriesView
    book: PrincipalBook
    clock: FixedClock
    health: Health
    http: httpx2.AsyncClient
    gateway: Gateway
    followed: Followed
    known: list[bool] = field(default_factory=lambda: [True])
    moderated: bool = True

    def key(self, name: str, *scopes: Scope, subscriber: str | None = None) -> dict[str, str]:
        """Make a key known and return the headers that carry it."""
        value = f"sl_local_{name}"
        principal = Principal(
            key_id=f"key_{name}",
            hash=hash_key(value),
            prefix=value[:9],
            subscriber=subscriber,
            person=name,
            scopes=scopes,
            created_at=NOON,
        )
        key = key_of(principal.key_id, "key")
        self.book.apply(record(Topic.PRINCIPAL_STATE, key, principal.model_dump_json().encode()))
        return {"authorization": f"Bearer {value}"}

    @property
    def operator(self) -> dict[str, str]:
        return {"authorization": f"Bearer {OPERATOR}"}

    def know(self, state: StoryState) -> None:
        """Moderation writes a state."""
        self.desk.apply(record(Topic.STATE, state.story_id, state.model_dump_json().encode()))

    def moderate(self, out: Outgoing) -> None:
        """Moderation takes a decision the moment it is published."""
        if out.topic is not Topic.INBOX_FLASH or not self.moderated:
            return
        event = parse_event(out.value)
        assert isinstance(event, DeskDecided)
        before = self.desk.state(event.story_id) or StoryState(story_id=event.story_id)
        if before.entry(event.event_id) is None:
            self.know(decide(before, Deciding(event.event_id, event.data), self.clock.now(), Position()))


@asynccontextmanager
async def world(
    *,
    public_site: bool = False,
    listening: Listening = nobody,
    allow: str = "",
    sealer: Sealer = SEALER,
    origins: frozenset[str] = frozenset(),
    rates: RequestRates | None = None,
    visible: Visible | None = None,
    wait_s: float = 0.05,
) -> AsyncIterator[World]:
    """A gateway over twins, its tables loaded."""
    followed = Followed()
    followed.loaded = True
    topics, views, texts = MemoryTopics(), MemoryViews(followed), MemoryTexts()
    names, ends = MemoryNames(), MemoryEnds()
    desk, transit, registry, deliveries = DeskView(), InTransit(), Registry(), DeliveriesView()
    clock, health, known = FixedClock(NOON), Health(), [True]
    book = PrincipalBook(OPERATOR)
    audit = Audit(topics, clock, "gateway-test")
    stories = Stories(views, desk)
    entries, health_view = OwnWrites(topics, registry.apply), HealthView()
    rules = EndpointRules(EgressPolicy(allow=parse_allow(allow)), names)
    keychain = Keychain(registry, entries, sealer, clock)
    gateway = Gateway(
        keys=KeyRing(book, OwnWrites(topics, book.apply), audit, clock, "local"),
        desk=desk,
        receipts=Receipts(desk, transit, clock, wait_s=wait_s),
        decisions=Decisions(desk, transit, topics, audit, clock, wait_s=wait_s),
        texts=texts,
        stories=stories,
        kept=ReadCache(views, desk, followed),
        registry=registry,
        registrar=Registrar(registry, entries, topics, keychain, rules, clock, SHARDS),
        keychain=keychain,
        resealing=Resealing(keychain, audit),
        subscriptions=Subscriptions(registry, entries, ends, clock, _cursor_of),
        entitlements=Entitlements(registry, entries, audit),
        rehearsals=Rehearsals(stories, clock),
        deliveries=deliveries,
        retries=Retries(deliveries, stories, topics, clock, SHARDS),
        replays=Replays(registry, health_view, OwnWrites(topics, health_view.apply), clock, LIFE),
        followed=followed,
        tickets=Tickets(clock, sealer, MemoryStubs()),
        clock=clock,
        visible=visible or by_products(registry),
    )
    desk.all_loaded()
    app = create_app(
        gateway,
        health,
        known=lambda: known[0],
        public_site=public_site,
        listening=listening,
        origins=origins,
        rates=rates,
    )
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://wire.test") as http:
        made = World(
            topics=topics,
            views=views,
            texts=texts,
            names=names,
            ends=ends,
            desk=desk,
            transit=transit,
            registry=registry,
            deliveries=deliveries,
            book=book,
            clock=clock,
            health=health,
            http=http,
            gateway=gateway,
            known=known,
            followed=followed,
        )
        topics.told.append(made.moderate)
        yield made


def _cursor_of(start: Mapping[Lane, int]) -> str:
    return f"{LIFE}-{start.get(Lane.FLASH, 0)}-{start.get(Lane.ROUTINE, 0)}"
