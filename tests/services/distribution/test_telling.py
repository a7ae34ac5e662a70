"""What an owner is told of an endpoint in trouble: at its other endpoints, once, signed, durably; and in the audit."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from services.distribution.journal import TIER_OF
from services.distribution.outcome import Outcome, Refused, Unreachable
from services.distribution.sending import SendRequest
from services.distribution.telling import MOST_RECEIVERS
from shared.domain.events import OwnerTold, parse_event
from shared.domain.story import Lane
from shared.domain.subscription import EndpointState
from shared.platform.publishing import Appended, Outgoing
from shared.platform.signature import sign
from shared.platform.topics import Topic
from tests.services.distribution.deliveries import (
    NOON,
    STORY,
    block_record,
    delivery,
    endpoint,
    item,
    nothing,
    record,
    released,
    subscription,
)
from tests.services.distribution.ledger import Bench, Log

SICK, OTHER = "ep_sick", "ep_other"
SHARDS = frozenset({0})
URL = "https://hooks.example.com/token-in-a-path"
HOUR = timedelta(hours=1)
FAILED = Refused(500)


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    made.know(endpoint(SICK, URL), endpoint(OTHER), subscription("s1", SICK))
    await made.deliverer.gained(SHARDS)
    return made


def told(bench: Bench, *topics: Topic) -> list[OwnerTold]:
    """What is owed to other endpoints."""
    events = [parse_event(one.value) for one in bench.log.on(*(topics or (Topic.DUE,)))]
    return [event for event in events if isinstance(event, OwnerTold)]


def audited(bench: Bench) -> list[dict[str, Any]]:
    return [json.loads(one.value or b"") for one in bench.log.on(Topic.AUDIT)]


async def fail(bench: Bench, after: timedelta, outcome: Outcome = FAILED) -> None:
    """Let one more delivery fail after some time, and whoever is to be told be told."""
    bench.clock.advance(after)
    number = len(bench.log.rows())
    bench.wire.answers = [outcome]
    one = delivery(SICK, f"{STORY}:{number}", shard=0)
    one.term = bench.tenure.term(0)
    await bench.dispatch.deliver(one)
    await bench.telling.look()


async def read_on(bench: Bench, *topics: Topic) -> None:
    """Let the deliverer take all that is owed to other endpoints, and send it."""
    for one in bench.log.on(*(topics or (Topic.DUE,))):
        now = round(bench.clock.now().timestamp() * 1000)
        await bench.deliverer.handle(replace(record(one.topic, one.value), timestamp_ms=now))
    await bench.waiting.perform_due()
    await bench.work()


def arrived(bench: Bench) -> list[SendRequest]:
    """What was sent to the other endpoint."""
    return [one for one in bench.wire.sent if one.url != URL]


async def test_an_owner_is_told_at_its_other_endpoint_that_one_fails(bench: Bench) -> None:
    """Signed for that endpoint; whose endpoint it is, since when and how far, and nothing of where it is."""
    await fail(bench, 0 * HOUR)
    await fail(bench, 18 * HOUR)
    await read_on(bench)
    [request] = arrived(bench)
    assert json.loads(request.body) == {
        "type": "endpoint.failing",
        "timestamp": "2026-11-25T06:00:00.000Z",
        "data": {
            "endpoint_id": SICK,
            "since": "2026-11-24T12:00:00.000Z",
            "percent": 25,
            "disables_at": "2026-11-27T12:00:00.000Z",
        },
    }
    [key] = bench.registry.keys_of(OTHER, NOON)
    given = dict(request.headers)
    signed = sign(given["webhook-id"], int(given["webhook-timestamp"]), request.body, [key])
    assert (given["webhook-id"][:4], given["webhook-signature"]) == ("evt_", signed)


async def test_each_quarter_is_told_once(bench: Bench) -> None:
    """However often it is looked at, by whoever owns the shard by then."""
    await fail(bench, 0 * HOUR)
    for _ in range(5):
        await fail(bench, 12 * HOUR)
        await bench.catch_up()
        bench = await bench.restarted()
        await bench.telling.look()
    assert [one.data.data["percent"] for one in told(bench)] == [25, 50, 75]


async def test_a_crash_before_the_record_tells_it_again_under_the_same_id(bench: Bench) -> None:
    """And whoever reads both sends one."""
    await fail(bench, 0 * HOUR)
    await fail(bench, HOUR)
    await bench.conditions.write(bench.conditions.all()[0])
    bench.log.fail_on = Topic.ENDPOINT_HEALTH
    with pytest.raises(ConnectionError):
        await fail(bench, 18 * HOUR)
    bench.log.fail_on = None
    again = await bench.restarted()
    await fail(again, HOUR)
    first, second = told(again)
    assert first.data.delivery_id == second.data.delivery_id
    await read_on(again)
    assert len(arrived(again)) == 1


async def test_the_next_outage_is_told_anew(bench: Bench) -> None:
    """Under an id of its own."""
    for _ in range(2):
        await fail(bench, HOUR)
        await fail(bench, 20 * HOUR)
        bench.conditions.succeeded(SICK)
    first, second = told(bench)
    assert first.data.data["percent"] == second.data.data["percent"] == 25
    assert first.data.delivery_id != second.data.delivery_id


async def test_only_active_endpoints_of_the_same_owner_are_told(bench: Bench) -> None:
    """Not the one that is told of, not what is paused, pending or disabled, and nobody else's."""
    for state in (EndpointState.PAUSED, EndpointState.PENDING, EndpointState.DISABLED):
        bench.know(endpoint(f"ep_{state}", state=state))
    bench.know(endpoint("ep_foreign", subscriber="sub_2"), endpoint("ep_third"))
    await fail(bench, 0 * HOUR)
    await fail(bench, 18 * HOUR)
    assert {one.data.endpoint_id for one in told(bench)} == {OTHER, "ep_third"}


async def test_of_very_many_endpoints_the_oldest_are_told(bench: Bench) -> None:
    """A thousand that fail at once do not become a million webhooks."""
    younger = [endpoint(f"ep_{n}", created_at=NOON + timedelta(seconds=n)) for n in range(1, MOST_RECEIVERS + 10)]
    bench.know(*younger)
    await fail(bench, 0 * HOUR)
    await fail(bench, 18 * HOUR)
    assert {one.data.endpoint_id for one in told(bench)} == {OTHER, *(f"ep_{n}" for n in range(1, MOST_RECEIVERS))}


async def test_the_audit_says_it_even_if_nobody_can_be_told(bench: Bench) -> None:
    """Who, what, of which endpoint; no URL."""
    bench.delete(OTHER)
    await fail(bench, 0 * HOUR)
    await fail(bench, 18 * HOUR)
    assert told(bench) == []
    [entry] = audited(bench)
    assert (entry["actor"], entry["action"], entry["object"]) == ("system", "endpoint.failing", SICK)
    assert entry["detail"]["percent"] == 25
    assert URL not in json.dumps(entry)


async def test_gone_is_told_once_with_its_reason(bench: Bench) -> None:
    """Two 410 at once are one disabling."""
    await fail(bench, 0 * HOUR, Refused(410))
    await fail(bench, timedelta(seconds=1), Refused(410))
    bench.read_registry()
    for _ in range(2):
        await bench.telling.look()
    [one] = told(bench)
    assert one.data.event == "endpoint.disabled"
    assert one.data.data == {
        "endpoint_id": SICK,
        "since": "2026-11-24T12:00:00.000Z",
        "reason": "gone",
        "disabled_at": "2026-11-24T12:00:01.000Z",
    }


@dataclass
class Interrupted(Log):
    """A log that lets something happen while it is written to."""

    meanwhile: Callable[[], None] = nothing

    async def publish_all(self, outgoing: Sequence[Outgoing]) -> list[Appended]:
        self.meanwhile()
        return await super().publish_all(outgoing)


async def test_what_is_forgotten_while_it_is_told_is_told_once() -> None:
    """A disabled endpoint of which there is no record yet is as good as one that does well."""
    log = Interrupted()
    bench = Bench(log=log)
    bench.know(endpoint(SICK, URL), endpoint(OTHER), subscription("s1", SICK))
    await bench.deliverer.gained(SHARDS)
    await fail(bench, 0 * HOUR, Refused(410))
    bench.read_registry()

    def forget_all() -> None:
        for each in bench.conditions.all():
            bench.conditions.forget(each)

    log.meanwhile = forget_all
    for _ in range(3):
        await bench.telling.look()
    assert len(told(bench)) == len(audited(bench)) == 1


async def test_a_successor_tells_of_an_endpoint_whose_record_alone_says_that_it_is_disabled(bench: Bench) -> None:
    """Its owner died between disabling it and telling that."""
    await fail(bench, 0 * HOUR, Refused(410))
    bench.read_registry()
    again = Bench(log=bench.log, registry=bench.registry, clock=bench.clock)
    await again.deliverer.lost(SHARDS)
    again.read_registry()
    await again.telling.look()
    assert told(again) == []
    await again.deliverer.gained(SHARDS)
    await again.telling.look()
    assert [one.data.event for one in told(again)] == ["endpoint.disabled"]
    third = await again.restarted()
    third.read_registry()
    await third.telling.look()
    assert len(told(third)) == 1


async def test_the_end_of_72_hours_is_told_as_disabled(bench: Bench) -> None:
    """With the first failure, which its health does not show any more by then."""
    await fail(bench, 0 * HOUR)
    await fail(bench, 72 * HOUR)
    await bench.reader.step()
    bench.read_registry()
    bench.clock.advance(HOUR)
    await bench.catch_up()
    last = told(bench)[-1].data
    assert (last.event, last.data["reason"], last.data["since"]) == (
        "endpoint.disabled",
        "failing",
        "2026-11-24T12:00:00.000Z",
    )


async def test_an_endpoint_that_is_enabled_again_leaves_no_record(bench: Bench) -> None:
    """And is told of anew when it is disabled once more."""
    await fail(bench, 0 * HOUR, Refused(410))
    bench.read_registry()
    await bench.catch_up()
    bench.know(endpoint(SICK, URL))
    await bench.fall_due(60)
    await bench.catch_up()
    assert bench.log.health()[-1].value is None
    bench.log.appended = [one for one in bench.log.appended if one.topic is not Topic.SUBSCRIPTION_STATE]
    await fail(bench, HOUR, Refused(410))
    bench.read_registry()
    await bench.telling.look()
    assert len({one.data.delivery_id for one in told(bench)}) == 2


async def lose(bench: Bench, begin: int, end: int, at: timedelta) -> None:
    """Let a paused endpoint be owed releases until they are too old."""
    bench.know(endpoint(SICK, URL, state=EndpointState.PAUSED))
    for offset in range(begin, end):
        one = item(story_id=f"{STORY}:{offset}").model_copy(update={"seq": offset, "released_at": bench.clock.now()})
        bench.log.lanes[Lane.ROUTINE, offset] = released(one)
        bench.recipients.add(one.story_id, [SICK])
        await bench.deliverer.handle(block_record(one, SICK, offset=offset))
    await bench.fall_due(at.total_seconds())
    await bench.catch_up()


async def test_what_is_lost_for_good_is_told_as_ranges(bench: Bench) -> None:
    """Three days after a pause began: where in which lane, and how many."""
    await lose(bench, 0, 3, 73 * HOUR)
    [one] = told(bench)
    assert one.data.event == "endpoint.expired"
    assert one.data.data == {
        "endpoint_id": SICK,
        "since": "2026-11-27T13:00:00.000Z",
        "reason": "too_old",
        "ranges": [
            {
                "lane": "routine",
                "first_seq": 0,
                "last_seq": 2,
                "releases": 3,
                "at": "2026-11-27T13:00:00.000Z",
            }
        ],
    }


async def test_losses_are_told_once_a_day(bench: Bench) -> None:
    """A paused endpoint goes on losing; its health has all of it at any time."""
    await lose(bench, 0, 3, 73 * HOUR)
    for offset in range(3, 8):
        await lose(bench, offset, offset + 1, 12 * HOUR)
    for _ in range(6):
        await lose(bench, 0, 0, 12 * HOUR)
    assert [len(one.data.data["ranges"]) for one in told(bench)] == [1] * len(told(bench))
    assert 3 <= len(told(bench)) <= 4
    assert len({one.data.delivery_id for one in told(bench)}) == len(told(bench))


async def test_what_is_told_is_tried_again_like_any_delivery(bench: Bench) -> None:
    """In a tier before its offset passes, under the same id, with rows of its own kind."""
    await fail(bench, 0 * HOUR)
    await fail(bench, 18 * HOUR)
    bench.wire.answers = [Refused(503)]
    await read_on(bench)
    [waiting] = told(bench, Topic.RETRY_10S)
    assert waiting.data.attempts == 1
    await read_on(bench, Topic.RETRY_10S)
    assert len(arrived(bench)) == 1
    await bench.fall_due(20)
    first, second = arrived(bench)
    assert dict(first.headers)["webhook-id"] == dict(second.headers)["webhook-id"]
    assert first.body == second.body
    rows = [row.data for row in bench.log.rows() if row.data.endpoint_id == OTHER]
    assert [(row.kind, row.n, row.state) for row in rows] == [("failing", 1, "retrying"), ("failing", 2, "delivered")]


async def test_what_is_told_to_an_endpoint_that_is_paused_meanwhile_waits_for_a_day(bench: Bench) -> None:
    """Then it is given up; nobody tries it while it is paused."""
    await fail(bench, 0 * HOUR)
    await fail(bench, 18 * HOUR)
    bench.know(endpoint(OTHER, state=EndpointState.PAUSED))
    await read_on(bench)
    for _ in range(300):
        await bench.read_tiers()
        await bench.fall_due(600)
    rows = [row.data for row in bench.log.rows() if row.data.endpoint_id == OTHER]
    assert (rows[0].state, rows[0].n, rows[-1].state) == ("retrying", 0, "expired")
    assert arrived(bench) == []


async def test_what_is_told_and_does_not_get_its_turn_holds_no_offset_back(bench: Bench) -> None:
    """Behind a minute of other copy it goes into a tier, untried."""
    await fail(bench, 0 * HOUR)
    await fail(bench, 18 * HOUR)
    [one] = bench.log.on(Topic.DUE)
    passing = await bench.deliverer.handle(record(one.topic, one.value))
    await bench.waiting.perform_due()
    bench.clock.advance(timedelta(seconds=61))
    await bench.waiting.perform_due()
    assert passing is not None
    assert passing.done()
    [waiting] = told(bench, *TIER_OF)[-1:]
    assert waiting.data.attempts == 0
    await bench.work()
    assert arrived(bench) == []


async def test_nobody_is_told_for_a_shard_that_somebody_else_owns(bench: Bench) -> None:
    """Its new owner does."""
    await fail(bench, 0 * HOUR)
    await fail(bench, 10 * HOUR)
    [condition] = bench.conditions.all()
    bench.tenure.lost(SHARDS)
    condition.breaker.failed(1.0, bench.clock.advance(10 * HOUR), 0.0)
    await bench.telling.look()
    assert bench.log.on(Topic.DUE, Topic.AUDIT) == []


async def test_a_success_while_it_is_told_ends_the_outage(bench: Bench) -> None:
    """The record does not claim that something was told of an endpoint that does well."""
    await fail(bench, 0 * HOUR, Unreachable("timeout"))
    await fail(bench, 18 * HOUR)
    bench.conditions.succeeded(SICK)
    await bench.fall_due(60)
    await bench.catch_up()
    assert bench.log.health()[-1].value is None
