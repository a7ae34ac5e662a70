"""The composition root of moderation: settings in, connections opened, jobs run."""

from contextlib import AsyncExitStack
from functools import partial

from services.moderation.adapters.archive import FOLLOWERS, GROUP, LEAD, KafkaArchive
from services.moderation.adapters.ledger import KafkaLedger
from services.moderation.adapters.lifts import CHECK as CLOCK_CHECK
from services.moderation.adapters.lifts import KafkaLifts
from services.moderation.adapters.texts import AHEAD, KafkaTexts, RecentTexts
from services.moderation.embargo_clock import EmbargoClock
from services.moderation.handlers import Desk
from services.moderation.housekeeping import Housekeeping
from services.moderation.intake import handler
from services.moderation.latecomers import Latecomers
from services.moderation.own_writes import OwnWrites
from services.moderation.ownership import CHECK as STATES_CHECK
from services.moderation.ownership import Owner
from services.moderation.ports import NoLongerOwner
from services.moderation.settings import ModerationSettings
from services.moderation.state_book import StateBook
from services.moderation.story_queue import StoryQueue
from shared.domain.errors import Unprocessable
from shared.platform.clock import BrokerClock
from shared.platform.consuming import Membership, Park, Record, Source, consume
from shared.platform.health import Health
from shared.platform.http import ops_app, serve
from shared.platform.jobs import Job, run
from shared.platform.parking import DeadLetters
from shared.platform.publishing import Publisher
from shared.platform.reading import Lookup
from shared.platform.topics import spec

FLASH_AT_MOST = 64
AT_MOST = 4


async def main(settings: ModerationSettings) -> None:
    """Run the desk until a signal stops it. Raises JobError when a job fails: start the process again."""
    async with AsyncExitStack() as opened:
        await run(await jobs(settings, opened))


async def jobs(settings: ModerationSettings, opened: AsyncExitStack) -> dict[str, Job]:
    """Open what the service needs, to be closed by `opened`, and return its jobs by name."""
    kafka, health, clock, membership = settings.kafka, Health(STATES_CHECK, CLOCK_CHECK), BrokerClock(), Membership()
    publisher = await opened.enter_async_context(Publisher(kafka, "moderation", on_append_time=clock.observe))
    lookup = await opened.enter_async_context(Lookup(kafka, ahead=AHEAD))
    book, queue, own, recent = StateBook(), StoryQueue(), OwnWrites(), RecentTexts()
    opened.push_async_callback(queue.abandon)
    archive, texts = KafkaArchive(kafka, own), KafkaTexts(lookup, recent)
    ledger = KafkaLedger(publisher, membership, own, recent)
    desk, latecomers = Desk(book, ledger, texts, clock), Latecomers(book, archive, ledger, texts, queue, own)
    housekeeping = Housekeeping(book, ledger, queue, clock, membership.alive)
    embargoes = EmbargoClock(book, KafkaLifts(publisher, clock, health, membership), clock)
    inboxes = spec(LEAD).partitions
    inbox = partial(
        consume,
        kafka,
        group=GROUP,
        member=f"moderation-{settings.instance}",
        sources=[Source(LEAD, FLASH_AT_MOST), *(Source(topic, AT_MOST) for topic in FOLLOWERS)],
        handle=handler(desk, queue, inboxes.production if settings.profile == "production" else inboxes.local),
        park=_while_ours(DeadLetters(publisher, "moderation").park, membership),
        ownership=Owner(book, archive, desk, queue, health, latecomers),
        health=health,
        membership=membership,
        parked_per_minute=settings.park_per_minute,
    )
    return {
        "inbox": lambda stop: inbox(stop=stop),
        "latecomers": latecomers.run,
        "housekeeping": housekeeping.run,
        "embargo clock": embargoes.run,
        "broker time": embargoes.keep_time,
        "ops": lambda stop: serve(ops_app(health), settings.bind, settings.ops_port, stop),
    }


def _while_ours(park: Park, membership: Membership) -> Park:
    """Park nothing either once the record may be somebody else's to take."""

    async def guarded(record: Record, error: Unprocessable) -> object:
        if not membership.alive():
            raise NoLongerOwner("the last heartbeat is too old to park a record")
        return await park(record, error)

    return guarded
