"""How does one run go? Listeners first, then stories and faults side by side, then patience, then every record."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx2

from deploy.local.accounts import bearer
from tests.chaos import cast, gathering
from tests.chaos.accounting import is_settled
from tests.chaos.books import Account, Ledger
from tests.chaos.driver import Doors, Driver
from tests.chaos.endpoints import EndpointServer
from tests.chaos.fault_book import RECOVERS_WITHIN_S, FaultBook
from tests.chaos.history import Event, History
from tests.chaos.plan import FAR_S, Story
from tests.chaos.recordings import Listener, Window
from tests.chaos.replays import Replayed, ask_again
from tests.chaos.streams import follow_poll, follow_stream
from tests.chaos.views import ViewReader
from tests.journeys.instance import Wire
from tests.journeys.people import a_secret
from tests.waiting import wait_until

TOLD_EVERY_S = 5.0
LOOKED_EVERY_S = 2.0
PAGES_READ = 3000
"""Story pages read after the run, at most: all of them in a run of five minutes."""
ACTIVE_WITHIN_S = 60.0
BROKEN_BY_ITSELF_S = 15.0
"""A process that ends so soon after a fault ends on its account."""
BACK_WITHIN_S = 30.0

Say = Callable[[str], None]
Inflict = Callable[[FaultBook], Awaitable[None]]


async def no_faults(_: FaultBook) -> None:
    """Inflict nothing."""


@dataclass(slots=True)
class Run:
    """One run in progress; `book` holds the faults that were inflicted."""

    wire: Wire
    seed: int | str
    listeners: list[Listener]
    say: Say
    patience_s: float
    ledger: Ledger = field(default_factory=Ledger)
    book: FaultBook = field(default_factory=FaultBook)
    clients: list[httpx2.AsyncClient] = field(default_factory=list)
    servers: list[EndpointServer] = field(default_factory=list)
    asks_again: bool = False
    replays: list[Replayed] = field(default_factory=list)

    def client(self, base: str, key: str, opened: AsyncExitStack) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(base_url=base, headers=bearer(key), timeout=20.0)
        opened.push_async_callback(client.aclose)
        return client


async def conduct(
    wire: Wire,
    seed: int | str,
    stories: Sequence[Story],
    *,
    listeners: list[Listener] | None = None,
    inflict: Inflict = no_faults,
    say: Say = lambda _: None,
    patience_s: float = 100.0,
    asks_again: bool = False,
) -> History:
    """Tell `stories` to a running wire while `inflict` does its work, and return everything for the judge.

    `patience_s`: how long receipts, and then what is still owed, are waited for once all is told and healthy.
    `asks_again`: with the replays of `cast.replays`.
    """
    until_s = max(story.at_s for story in stories)
    cast_of = listeners or [*cast.endpoints(seed, until_s), *cast.readers()]
    run = Run(wire, seed, cast_of, say, patience_s, asks_again=asks_again)
    async with AsyncExitStack() as opened:
        doors = await _doors(run, opened)
        subscribers = [run.client(wire.now.gateway, wire.key(who), opened) for who in ("subscriber", "subscriber2")]
        await opened.enter_async_context(_endpoints(run, subscribers))
        await opened.enter_async_context(_readers(run, subscribers[0]))
        views = ViewReader(doors.editors[0], run.ledger, Random(f"{seed} views"))
        async with _background(views.watch(), _progress(run), *_lives(run)):
            asked = _asked_again(run, subscribers, until_s)
            await asyncio.gather(Driver(doors, run.ledger).tell(stories), inflict(run.book), *asked)
            say("all stories are told; waiting for what is still owed")
            await _settle(run, doors.editors[0])
        return await _history(run, doors, subscribers, views, opened)


async def _doors(run: Run, opened: AsyncExitStack) -> Doors:
    """Clients for three desks and two editors; two of the desks get keys of their own."""
    now = run.wire.now
    operator = run.client(now.gateway, run.wire.key("operator"), opened)
    keys = [run.wire.key("desk")]
    for name in ("Dora Desk", "Dirk Desk"):
        answer = await operator.post("/v1/keys", json={"person": name, "scopes": ["desk"]})
        answer.raise_for_status()
        keys.append(answer.json()["key"])
    editors = [run.client(now.gateway, run.wire.key(name), opened) for name in ("editor", "editor2")]
    desks = [run.client(now.gateway, key, opened) for key in keys]
    return Doors([run.client(now.ingest, key, opened) for key in keys], desks, editors)


def _asked_again(run: Run, subscribers: list[httpx2.AsyncClient], until_s: float) -> list[Awaitable[None]]:
    """One task for each replay that is asked for in this run, by the endpoint's own subscriber."""
    owners = {one.name: (one, _owner(number, subscribers)) for number, one in enumerate(_served(run))}
    run.replays = [one for one in cast.replays(until_s) if one.name in owners] if run.asks_again else []

    async def ask(replayed: Replayed) -> None:
        listener, client = owners[replayed.name]
        await wait_until(lambda: run.ledger.begun, ACTIVE_WITHIN_S)
        await ask_again(client, listener, replayed, run.ledger.begun, run.patience_s)

    return [ask(replayed) for replayed in run.replays]


def _served(run: Run) -> list[Listener]:
    return [one for one in run.listeners if one.is_endpoint]


def _owner(number: int, subscribers: list[httpx2.AsyncClient]) -> httpx2.AsyncClient:
    """Half of the endpoints belong to one subscriber, half to another."""
    return subscribers[number % len(subscribers)]


@asynccontextmanager
async def _endpoints(run: Run, subscribers: list[httpx2.AsyncClient]) -> AsyncIterator[None]:
    """Serve every endpoint, active and subscribed."""
    waiting = _served(run)
    async with AsyncExitStack() as served:
        for number, listener in enumerate(waiting):
            client = _owner(number, subscribers)
            server = EndpointServer(listener, served.enter_context(run.wire.lend()), a_secret())
            run.servers.append(server)
            await server.open()
            served.push_async_callback(server.close)
            about = {"description": listener.name, "secret": server.secret, "rate_limit": listener.manner.rate or None}
            made = await _made(client, "/v1/endpoints", url=server.url, **about)
            listener.endpoint_id = made["endpoint_id"]
        for number, listener in enumerate(waiting):
            client = _owner(number, subscribers)
            await _until_active(client, listener)
            wanted = {"endpoint_id": listener.endpoint_id, "ordering": listener.ordering, "filter": listener.wanted}
            await _made(client, "/v1/subscriptions", name=f"{listener.name} {secrets.token_hex(3)}", **wanted)
        yield


async def _made(client: httpx2.AsyncClient, path: str, **asked: Any) -> dict[str, Any]:
    answer = await client.post(path, json=asked)
    answer.raise_for_status()
    made: dict[str, Any] = answer.json()
    return made


async def _until_active(client: httpx2.AsyncClient, listener: Listener) -> None:
    async def active() -> bool:
        answer = await client.get(f"/v1/endpoints/{listener.endpoint_id}")
        return answer.status_code == 200 and answer.json()["state"] == "active"

    await wait_until(active, ACTIVE_WITHIN_S, every=0.05, message=f"{listener.name} is active")


@asynccontextmanager
async def _readers(run: Run, client: httpx2.AsyncClient) -> AsyncIterator[None]:
    """Follow the stream for every reader; entered once each has been greeted."""
    readers = [one for one in run.listeners if not one.is_endpoint]
    greeted = [asyncio.Event() for _ in readers]
    follow = {"stream": follow_stream, "poll": follow_poll}
    following = [follow[one.channel](client, one, there) for one, there in zip(readers, greeted, strict=True)]
    async with _background(*following):
        async with asyncio.timeout(ACTIVE_WITHIN_S):
            await asyncio.gather(*(there.wait() for there in greeted))
        yield


@asynccontextmanager
async def _background(*work: Any) -> AsyncIterator[None]:
    """Run coroutines while the block lasts; one that fails fails the block at its end."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


def _lives(run: Run) -> list[Any]:
    async def live(server: EndpointServer) -> None:
        await wait_until(lambda: run.ledger.begun, ACTIVE_WITHIN_S)
        await server.live(run.ledger.begun)

    return [live(server) for server in run.servers]


async def _progress(run: Run) -> None:
    while True:
        await asyncio.sleep(TOLD_EVERY_S)
        came = sum(len(one.came) for one in run.listeners if one.is_endpoint)
        kills = run.book.kills()
        passed = time.time() - run.ledger.begun if run.ledger.begun else 0.0
        run.say(
            f"{passed:6.0f} s  {len(run.ledger.accounts)} stories, {run.ledger.accepted} accepted, {came} webhooks, "
            f"{len(run.book.faults)} faults ({kills} kills), {sum(run.ledger.repeats.values())} requests repeated"
        )


async def _settle(run: Run, gateway: httpx2.AsyncClient) -> None:
    """Wait until all embargoes of the run are over, all receipts told, and nothing is owed that can still come."""
    due = [entry.until for _, entry in run.ledger.entries() if (entry.step.embargo_s or FAR_S) < FAR_S]
    await asyncio.sleep(max([0.0, *due]) - time.time())
    await gathering.gather_receipts(gateway, run.ledger, run.patience_s)
    waiting = list(run.ledger.accounts.values())

    async def nothing_is_owed() -> bool:
        waiting[:] = await _unsettled(run, waiting)
        return not waiting

    with suppress(AssertionError):
        await wait_until(nothing_is_owed, run.patience_s, every=LOOKED_EVERY_S)


async def _unsettled(run: Run, accounts: list[Account]) -> list[Account]:
    """Those of which something may still come; the receivers get their turn in between."""
    history, left = History(run.ledger, run.listeners, windows(run.book)), list[Account]()
    for number, account in enumerate(accounts):
        if not is_settled(history, account):
            left.append(account)
        if number % 50 == 0:
            await asyncio.sleep(0)
    return left


async def _history(
    run: Run, doors: Doors, subscribers: list[httpx2.AsyncClient], views: ViewReader, opened: AsyncExitStack
) -> History:
    """Ask the product for its own records and put everything together."""
    run.say("asking the product for its own records")
    now = run.wire.now
    await gathering.gather_receipts(doors.editors[0], run.ledger, 0.0)
    rows = await gathering.delivery_rows(now.kafka)
    left_alone = {}
    for number, listener in enumerate(_served(run)):
        rows |= await gathering.deliveries_told(_owner(number, subscribers), listener)
        left_alone[listener.name] = await gathering.breaker_told(_owner(number, subscribers), listener)
    stories = list(run.ledger.accounts)
    chosen = Random(f"{run.seed} pages").sample(stories, min(PAGES_READ, len(stories)))
    readings = await views.read_all(chosen)
    letters = await gathering.dead_letters(run.client(now.monitor, run.wire.key("operator"), opened))
    faults = [one for one in windows(run.book) if one.kind != "ended by itself"]
    return History(
        run.ledger,
        run.listeners,
        windows(run.book),
        rows,
        readings,
        views.sightings,
        views.digests,
        events=[Event(str(one.kind), one.target, one.healthy_again is not None) for one in run.book.taken()],
        recoveries=run.book.recoveries(),
        unasked_ends=[
            f"{life.name} (process {life.pid}) ended with {life.code}"
            for life in run.book.unasked
            if not any(one.begin <= (life.ended or 0) <= one.end + BROKEN_BY_ITSELF_S for one in faults)
        ],
        dead_letters=letters,
        view_answers=views.answers[200],
        view_errors=views.wrong,
        replays=run.replays,
        left_alone=left_alone,
    )


def windows(book: FaultBook) -> list[Window]:
    """When each fault was in force, one without effect too; what ended by itself is one of its own."""
    faults = [
        Window(str(one.kind), one.target, one.began, one.healthy_again or one.ended + RECOVERS_WITHIN_S)
        for one in book.faults
    ]
    ended = [(life.name, life.ended) for life in book.unasked if life.ended is not None]
    return faults + [Window("ended by itself", name, at, at + BACK_WITHIN_S) for name, at in ended]
