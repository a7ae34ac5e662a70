"""A process whose clock is not the broker's: it is not ready, and releases nothing early all the same."""

import time
from datetime import timedelta

import pytest

from deploy.local import machine
from deploy.local.ports import free_port
from services.moderation.embargo_clock import EmbargoClock
from services.moderation.state_book import StateBook
from shared.domain.lifecycle import decide
from shared.domain.state import StoryState
from shared.platform.clock import BrokerClock, SystemClock
from tests.domain.stories import filing
from tests.services.moderation.service import WITHIN, around_it, moderation_process, why_not_ready
from tests.services.moderation.test_embargo_clock import Sent
from tests.waiting import wait_until

AHEAD = 90


async def test_lifts_go_by_the_brokers_time_once_it_was_asked() -> None:
    """The clock of the machine is an argument here, a minute and a half ahead; the broker's answer puts it right."""
    clock, sent, book = BrokerClock(wall=lambda: time.time() + AHEAD), Sent(), StateBook()
    embargoes = EmbargoClock(book, sent, clock)
    now = SystemClock().now()
    book.put(0, decide(StoryState(story_id="s1"), filing("e1", embargo_until=now + timedelta(seconds=60)), now))
    monotonic = time.monotonic()
    clock.observe(time.time_ns() // 1_000_000, monotonic, monotonic + 0.001)
    await embargoes.tick()
    assert sent.lifts == []
    assert clock.skew_s == pytest.approx(AHEAD, abs=0.5)


async def test_a_process_with_a_wrong_clock_is_not_ready_and_releases_nothing_early(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    """The real one, shown a time that is ninety seconds ahead: it says so, and works by the broker's time."""
    try:
        library = machine.faketime()
    except machine.Missing as reason:
        pytest.skip(str(reason))
    wrong = {"LD_PRELOAD": str(library), "FAKETIME": f"+{AHEAD}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    port, story = free_port(), "urn:slugline:t:1"
    async with around_it(kafka_bootstrap, topic_prefix) as around, moderation_process(around.kafka, port, more=wrong):
        until = SystemClock().now() + timedelta(seconds=4)
        await around.file(story, "The report is out.", embargo_until=until)
        await wait_until(lambda: _only_its_clock_is_off(port), within=WITHIN)
        [event] = await wait_until(lambda: around.released(story), within=WITHIN)
        assert SystemClock().now() >= until
    assert event.data.item.released_at >= until.replace(microsecond=until.microsecond // 1000 * 1000)


async def _only_its_clock_is_off(port: int) -> bool:
    """Whether that is all the process complains of."""
    reasons = await why_not_ready(port)
    return set(reasons) == {"clock"} and "off the broker's" in reasons["clock"]
