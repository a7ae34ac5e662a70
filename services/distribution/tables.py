"""What distribution keeps in memory of the compacted topics, loaded whole before anything is sent."""

from dataclasses import dataclass, field

from services.distribution.health_book import HealthBook
from services.distribution.held_back import HeldBack
from services.distribution.recipients import Recipients
from services.distribution.registry import Registry
from services.distribution.replay_book import ReplayBook
from services.distribution.standings import Standings
from shared.platform.consuming import Record
from shared.platform.topics import Topic

TOPICS = (Topic.SUBSCRIPTION_STATE, Topic.RECIPIENTS, Topic.STATE, Topic.KILLED, Topic.ENDPOINT_HEALTH)


async def at_once() -> None:
    """The tables of whoever reads nothing from elsewhere are never behind."""


@dataclass(frozen=True, slots=True)
class Tables:
    registry: Registry
    recipients: Recipients
    standings: Standings
    held: HeldBack = field(default_factory=HeldBack)
    health: HealthBook = field(default_factory=HealthBook)
    replays: ReplayBook = field(default_factory=ReplayBook)

    def apply(self, record: Record) -> None:
        """Give a record to the table of its topic."""
        if record.topic is Topic.SUBSCRIPTION_STATE:
            self.registry.apply(record)
        elif record.topic is Topic.RECIPIENTS:
            self.recipients.apply(record)
        elif record.topic is Topic.ENDPOINT_HEALTH:
            self.held.apply(record)
            self.health.apply(record)
            self.replays.apply(record)
        else:
            self.standings.apply(record)
