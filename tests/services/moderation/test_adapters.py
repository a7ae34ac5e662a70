"""What the adapters refuse to write, and what they tell of the broker's clock."""

import time

import pytest

from services.moderation.adapters.archive import FOLLOWERS, GROUP, LEAD, KafkaArchive
from services.moderation.adapters.ledger import KafkaLedger
from services.moderation.adapters.lifts import CHECK, KafkaLifts
from services.moderation.ports import NoLongerOwner
from shared.domain.state import KillRecord, StoryState
from shared.platform.clock import BrokerClock
from shared.platform.consuming import Membership
from shared.platform.health import Health
from shared.platform.provisioning import GROUPS, provision
from shared.platform.publishing import Publisher
from shared.platform.settings import KafkaSettings
from shared.platform.topics import Topic
from tests.domain.stories import nothing_known


class Hands:
    """A monotonic clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize("silence", [5.0, 60.0])
async def test_nothing_is_written_once_the_last_heartbeat_is_half_a_session_old(silence: float) -> None:
    """A process that was paused must not come back from the dead."""
    hands = Hands()
    membership = Membership(session_timeout=10, monotonic=hands)
    membership.beat()
    hands.seconds = silence
    nowhere = Publisher(KafkaSettings(bootstrap="127.0.0.1:1"))
    with pytest.raises(NoLongerOwner, match="heartbeat"):
        await KafkaLedger(nowhere, membership).keep_state(nothing_known())


def test_offsets_are_provisioned_for_the_very_topics_that_are_read() -> None:
    """A topic without a start would keep the service from starting."""
    assert GROUPS[GROUP] == (LEAD, *FOLLOWERS)


async def test_a_record_that_is_no_state_does_not_keep_an_owner_from_its_stories(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    """Bytes of somebody else on the compacted topics are passed over; a story keeps the last state that was its own."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    await provision(kafka, profile="local")
    state = nothing_known().model_copy(update={"release_no": 3})
    async with Publisher(kafka) as publisher:
        at = await publisher.publish(Topic.STATE, state.story_id, state.model_dump_json().encode())
        await publisher.publish(Topic.STATE, state.story_id, b"{ no json")
        await publisher.publish(Topic.STATE, "strange", b"{ no json", partition=at.partition)
        await publisher.publish(Topic.KILLED, "strange", b"\xff", partition=at.partition)
    found: list[StoryState] = []
    kills: list[KillRecord] = []
    owned = frozenset({at.partition})
    await KafkaArchive(kafka).load(owned, lambda _, each: found.append(each), lambda _, each: kills.append(each))
    assert (found, kills) == ([state], [])


@pytest.mark.parametrize(("ahead_s", "ready"), [(0, True), (5, False), (-5, False)])
async def test_a_clock_far_off_the_brokers_makes_the_process_unready(
    kafka_bootstrap: str, topic_prefix: str, ahead_s: int, ready: bool
) -> None:
    """Embargoes end by the broker's clock; a wrong one here asks for a person."""
    kafka = KafkaSettings(bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)
    await provision(kafka, profile="local")
    clock, health = BrokerClock(wall=lambda: time.time() + ahead_s), Health(CHECK)
    async with Publisher(kafka, on_append_time=clock.observe) as publisher:
        await KafkaLifts(publisher, clock, health).probe()
    assert health.ready()[0] is ready


async def test_a_broker_that_does_not_answer_makes_the_process_unready_and_does_not_end_it() -> None:
    """The time is asked for again; what must be written meanwhile waits on its own deadline."""
    health = Health()
    lifts = KafkaLifts(Publisher(KafkaSettings(bootstrap="127.0.0.1:1")), BrokerClock(), health)
    await lifts.probe()
    assert health.ready() == (False, {CHECK: "the broker does not tell its time"})
