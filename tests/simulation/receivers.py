"""What do the endpoints see, and may they see it? Every arrival is judged at once, by what arrived before."""

import json
import types
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime

from services.distribution.outcome import Delivered, GateShut, Outcome, Timing
from services.distribution.sending import Answer, Gate, SendRequest, always_open
from shared.domain.delivery import delivery_id
from shared.domain.story import Kind
from shared.domain.subscription import Endpoint, EndpointSecret, EndpointState, Filter, Ordering, Subscription
from shared.platform.clock import FixedClock
from shared.platform.signature import HmacKey
from shared.platform.topics import Topic, key_of
from tests.simulation.log import Log

ALL, EVERY, URGENT = "ep_all", "ep_every", "ep_urgent"
ENDPOINTS = {ALL: Ordering.LATEST, EVERY: Ordering.EVERY, URGENT: Ordering.LATEST}
URGENCY_MAX = 2  # of what `ep_urgent` asks for
SECRET = HmacKey(bytes(32)).text


class Violation(AssertionError):
    """Something that must never happen has happened."""


@dataclass
class Arrival:
    """One POST that reached an endpoint; `unsure`: the sender died before it had written the answer down."""

    endpoint_id: str
    story_id: str
    release_no: int
    kind: Kind
    answered: bool = False
    unsure: bool = False


@types.coroutine
def standstill() -> Generator[None, Outcome | None, Outcome | None]:
    """Stand still until the schedule goes on with this exchange."""
    return (yield)


@dataclass
class Contents:
    """What went out under each number, through whatever channel, and when a text may be seen first."""

    clock: FixedClock
    not_before: dict[str, datetime]
    """By the words of a text; the driver's own ledger."""

    _first: dict[tuple[str, int], object] = field(default_factory=dict)

    def judge(self, story_id: str, release_no: int, item: dict[str, object]) -> None:
        """Raise `Violation` for a public item that differs from what went out before, or comes before its time."""
        told = f"release {release_no} of {story_id}"
        # `seq` is the offset of one of the copies on the lane, if a crash left several
        same = {name: value for name, value in item.items() if name != "seq"}
        first = self._first.setdefault((story_id, release_no), same)
        if first != same:
            raise Violation(f"other bytes than before under one number: {told}\n{first}\n{same}")
        self.judge_time(told, json.dumps(item["story"]))

    def judge_time(self, told: str, words: str) -> None:
        early = [text for text, at in self.not_before.items() if text in words and at > self.clock.now()]
        if early:
            raise Violation(f"a text before its time: {told}")


@dataclass
class Receivers:
    """The endpoints behind one `Sender`; a 2xx of theirs counts once the sender has it."""

    contents: Contents
    settling: Arrival | None = None
    """Whose answer the sender is about to write down."""

    arrivals: list[Arrival] = field(default_factory=list)

    async def send(self, request: SendRequest, gate: Gate = always_open) -> Answer:
        await standstill()
        if not gate():
            return Answer(GateShut(), Timing(total=1.0))
        arrival = self._arrive(request)
        outcome = await standstill()
        assert outcome is not None
        arrival.answered = isinstance(outcome, Delivered)
        self.settling = arrival
        return Answer(outcome, Timing(total=1.0))

    async def close(self) -> None: ...

    def had(self, endpoint_id: str, story_id: str) -> list[Arrival]:
        return [one for one in self.arrivals if (one.endpoint_id, one.story_id) == (endpoint_id, story_id)]

    def _arrive(self, request: SendRequest) -> Arrival:
        item = json.loads(request.body)["data"]
        endpoint_id = request.url.rpartition("/")[2]
        arrival = Arrival(endpoint_id, item["story_id"], item["release_no"], Kind(item["kind"]))
        earlier = self.had(endpoint_id, arrival.story_id)
        self.arrivals.append(arrival)
        expected = delivery_id(arrival.story_id, arrival.release_no, endpoint_id)
        if dict(request.headers)["webhook-id"] != expected:
            raise Violation(f"another webhook-id than its own: {arrival}")
        self.contents.judge(arrival.story_id, arrival.release_no, item)
        _judge_order(arrival, earlier)
        return arrival


def _judge_order(arrival: Arrival, earlier: list[Arrival]) -> None:
    if arrival.kind is not Kind.KILL and any(one.kind is Kind.KILL for one in earlier):
        raise Violation(f"after a kill: {arrival}")
    for one in earlier:
        known = one.answered and not one.unsure
        if known and one.release_no == arrival.release_no:
            raise Violation(f"twice, though its answer was written down: {arrival}")
        if known and one.release_no > arrival.release_no:
            raise Violation(f"older after newer: {arrival} after release {one.release_no}")


def endpoint_of(endpoint_id: str, state: EndpointState, at: datetime) -> Endpoint:
    return Endpoint(
        endpoint_id=endpoint_id, subscriber="sub", url=f"http://127.0.0.1:9/{endpoint_id}", state=state, created_at=at
    )


def register(log: Log, at: datetime) -> None:
    """Put the endpoints and their subscriptions on the log."""
    for endpoint_id, ordering in ENDPOINTS.items():
        endpoint = endpoint_of(endpoint_id, EndpointState.ACTIVE, at)
        subscription = Subscription(
            subscription_id=f"s_{endpoint_id}",
            subscriber="sub",
            name=endpoint_id,
            endpoint_id=endpoint_id,
            ordering=ordering,
            filter=Filter(urgency_max=URGENCY_MAX if endpoint_id == URGENT else None),
            created_at=at,
        )
        secret = EndpointSecret(endpoint_id=endpoint_id, sealed=(SECRET,))
        for entity, part, value in (
            (endpoint_id, "endpoint", endpoint),
            (endpoint_id, "secret", secret),
            (subscription.subscription_id, "subscription", subscription),
        ):
            log.append(Topic.SUBSCRIPTION_STATE, key_of(entity, part), value.model_dump_json().encode())
