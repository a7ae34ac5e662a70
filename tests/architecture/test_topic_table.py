"""Does the table of topics name those who read them?"""

from collections.abc import Iterable

import pytest

from services.distribution.main import DUE_TOPICS
from services.distribution.tables import TOPICS as DISTRIBUTION_TABLES
from services.gateway.deliveries_view import DeliveriesView
from services.gateway.following import tables
from services.gateway.in_transit import InTransit
from services.monitor.board import FOLLOWED_TOPICS
from services.monitor.dead_letters import TOPICS as DEAD_LETTERS
from shared.platform.records import Record
from shared.platform.topics import Topic, spec


def passed_over(_: Record) -> None:
    """Take a record and forget it."""


GATEWAY = tables(passed_over, passed_over, InTransit(), DeliveriesView(), passed_over).values()


@pytest.mark.parametrize(
    ("service", "topics"),
    [
        ("gateway", [topic for table in GATEWAY for topic in table.topics]),
        ("monitor", [*FOLLOWED_TOPICS, *DEAD_LETTERS]),
        ("distribution", [*DUE_TOPICS, *DISTRIBUTION_TABLES]),
    ],
)
def test_whoever_follows_a_topic_is_named_as_its_reader(service: str, topics: Iterable[Topic]) -> None:
    """By the lists that the services themselves read by."""
    assert [topic for topic in topics if service not in spec(topic).readers] == []


def test_only_whom_a_topic_names_parks_there() -> None:
    """Dead letters have one writer each, the service in their name."""
    dead = [spec(topic) for topic in DEAD_LETTERS]
    assert [row.writers for row in dead] == [(row.topic.name.removeprefix("DEAD_").lower(),) for row in dead]
