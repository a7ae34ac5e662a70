"""When all is quiet: is every input accounted for, and did every endpoint get what it was owed?"""

from collections.abc import Mapping, Sequence

from services.gateway.refusals import Gone, NotFound
from shared.domain.events import Released, StoryReleased, parse_event
from shared.domain.state import StoryState
from shared.domain.story import NOTICES, Kind, Lane
from shared.domain.subscription import Ordering
from shared.platform.topics import Topic
from tests.simulation.driver import Driver
from tests.simulation.listeners import URGENT as HEARS_URGENT
from tests.simulation.listeners import Listener, Page
from tests.simulation.log import Log
from tests.simulation.receivers import ENDPOINTS, URGENCY_MAX, URGENT, Receivers, Violation


def reckon(log: Log, driver: Driver, receivers: Receivers) -> None:
    """Raise `Violation` for the first thing that is missing."""
    states = {one.key: StoryState.model_validate_json(one.value or b"") for one in log.of(Topic.STATE)}
    for event_id, story_id in driver.inputs.items():
        if story_id not in states or states[story_id].entry(event_id) is None:
            raise Violation(f"an input is lost: {event_id} of {story_id}")
    on_the_wire = _releases(log)
    for story_id in driver.stories:
        releases = on_the_wire.get(story_id, {})
        expected = set(range(1, (states[story_id].release_no if story_id in states else 0) + 1))
        if set(releases) != expected:
            raise Violation(f"{story_id} has releases {sorted(expected)}; on the wire are {sorted(releases)}")
        for endpoint_id in ENDPOINTS:
            _reckon_endpoint(endpoint_id, story_id, releases, receivers)


def reckon_shown(log: Log, listeners: Sequence[Listener], pages: Mapping[str, Page]) -> None:
    """Raise `Violation` unless streams and pages end with the newest release of each story."""
    on_the_wire = _releases(log)
    for story_id, page in pages.items():
        releases = on_the_wire.get(story_id, {})
        newest = releases[max(releases)].data if releases else None
        _reckon_page(story_id, newest, page)
        for listener in listeners:
            asks = newest is not None and (listener.name != HEARS_URGENT or newest.facts.urgency <= URGENCY_MAX)
            if newest is None or not (asks or newest.item.kind is Kind.KILL):
                continue
            seen = listener.seen.get(story_id, [])
            if not seen or seen[-1].release_no != newest.item.release_no:
                raise Violation(f"{listener.name} of {story_id}, which ends with {newest.item.release_no}: {seen}")


def _reckon_page(story_id: str, newest: Released | None, page: Page) -> None:
    if newest is None:
        right = isinstance(page, NotFound | Gone)  # a kill of what nobody knew
    elif newest.item.kind is Kind.KILL:
        right = isinstance(page, Gone)
    else:
        right = isinstance(page, list) and (page[0].release_no, page[0].kind) == (
            newest.item.release_no,
            newest.item.kind,
        )
    if not right:
        raise Violation(f"the page of {story_id}, whose newest release is {newest and newest.item}: {page}")


def _releases(log: Log) -> dict[str, dict[int, StoryReleased]]:
    """The releases on the wire, by story and number."""
    found: dict[str, dict[int, StoryReleased]] = {}
    for topic in (Topic.RELEASED, Topic.RELEASED_FLASH):
        for record in log.of(topic):
            event = parse_event(record.value)
            if isinstance(event, StoryReleased):
                found.setdefault(event.story_id, {})[event.data.item.release_no] = event
    return found


def _reckon_endpoint(endpoint_id: str, story_id: str, releases: dict[int, StoryReleased], receivers: Receivers) -> None:
    arrivals = receivers.had(endpoint_id, story_id)
    has = {one.release_no for one in arrivals if one.answered}
    met = False  # whether a release so far was one it asks for
    for number in sorted(releases):
        item = releases[number].data.item
        if item.kind in NOTICES:
            # who never saw anything of the story need not be told to forget it
            owed = any(one.release_no < number for one in arrivals)
        else:
            met = met or endpoint_id != URGENT or releases[number].data.facts.urgency <= URGENCY_MAX
            owed = met
        if owed and number not in has and not _excused(ENDPOINTS[endpoint_id], number, releases, has):
            raise Violation(
                f"release {number} ({item.kind}) of {story_id} never came to {endpoint_id}, which has {has}"
            )


def _excused(ordering: Ordering, number: int, releases: dict[int, StoryReleased], has: set[int]) -> bool:
    """A newer one reached the same endpoint, or a notice ended it.

    Under `every` only in a story that ever rode flash: where lanes mix, a matcher that has just started cannot know
    what went through before it, and may owe the newest release ahead of others.
    """
    item = releases[number].data.item
    if item.kind is Kind.KILL:
        return False
    others = [event.data.item for event in releases.values()]
    overtakes = ordering is Ordering.LATEST or any(
        other.lane is Lane.FLASH and other.kind not in NOTICES for other in others
    )
    for newer in (other for other in others if other.release_no > number):
        if newer.kind is Kind.KILL or (newer.kind in NOTICES and item.kind not in NOTICES):
            return True
        if newer.release_no in has and (overtakes or item.kind in NOTICES):
            return True
    return False
