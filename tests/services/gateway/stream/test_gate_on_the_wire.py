"""What does the gate keep off the stream, live and replayed, on every channel?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.state import StoryState
from shared.domain.story import Kind, Lane
from tests.services.gateway.stream.channels import Channel, each
from tests.services.gateway.stream.listening import Event, Gateway, gateway
from tests.services.gateway.stream.releases import ReleasedLog, Standings, released

FLASH, ROUTINE = Lane.FLASH, Lane.ROUTINE


async def replay(channel: Channel, running: Gateway) -> list[tuple[str, int]]:
    """The stories that a client is shown which begins at the log's beginning."""
    client = await channel.greeted(running, "cursor=earliest")
    return stories(await running.shown(client))


def stories(events: list[Event]) -> list[tuple[str, int]]:
    found = [(event.data["story_id"], event.data["release_no"]) for event in events if event.event == "story"]
    return [one for one in found if not one[0].startswith("urn:end")]


@pytest.mark.parametrize("ring_age_s", [900, -60], ids=["from memory", "from the log"])
@each
async def test_after_a_kill_a_replay_shows_the_kill_only(ring_age_s: float, channel: Channel) -> None:
    """Dead stays dead: nothing of the story, and no byte of its text."""
    log = ReleasedLog()
    log.append(released("urn:dead", 1, headline="Unspeakable"))
    log.append(released("urn:other", 1))
    log.append(released("urn:dead", 2, headline="Unspeakable"))
    log.append(released("urn:dead", 3, FLASH, Kind.KILL))
    async with gateway(log, ring_age_s=ring_age_s) as running:
        assert await replay(channel, running) == [("urn:dead", 3), ("urn:other", 1)]


@each
async def test_a_kill_known_before_its_notice_stops_what_is_waiting_to_be_written(channel: Channel) -> None:
    """The gate is asked at the moment of writing: a routine story in its tick is already too late."""
    async with gateway(coalesce_s=3600) as running:
        client = await channel.greeted(running)
        running.log.append(released("urn:dead", 1))
        running.standings.kill("urn:dead")
        running.log.append(released("urn:other", 1, FLASH))
        assert (await client.next()).data["story_id"] == "urn:other"


@each
async def test_whatever_arrives_under_a_killed_id_is_dead_on_arrival(channel: Channel) -> None:
    """The kill was read before the first client, from `story.killed`."""
    standings = Standings()
    standings.kill("urn:dead", 1)
    async with gateway(standings=standings) as running:
        client = await channel.greeted(running)
        running.log.append(released("urn:dead", 2))
        running.log.append(released("urn:other", 1))
        assert (await client.next()).data["story_id"] == "urn:other"


@each
async def test_a_withheld_story_shows_the_notice_only_until_it_is_released_again(channel: Channel) -> None:
    """Older releases are refused while the withhold stands, and shown again after it is lifted."""
    log, standings = ReleasedLog(), Standings()
    log.append(released("urn:w", 1))
    log.append(released("urn:w", 2, FLASH, Kind.WITHHOLD))
    standings.state(StoryState(story_id="urn:w", newest=1, released=1, release_no=2, withheld=True))
    async with gateway(log, standings) as running:
        assert await replay(channel, running) == [("urn:w", 2)]
        log.append(released("urn:w", 3, FLASH, Kind.RELEASE))
        assert await replay(channel, running) == [("urn:w", 2), ("urn:w", 3)]


@each
async def test_a_copy_of_a_release_is_shown_once(channel: Channel) -> None:
    """A desk that was restarted writes its last release again: same story, same number."""
    async with gateway() as running:
        client = await channel.greeted(running)
        for release in (released("urn:a"), released("urn:a"), released("urn:b")):
            running.log.append(release)
        assert [event.data["story_id"] for event in await client.take(2)] == ["urn:a", "urn:b"]
        assert [name for name, _ in await replay(channel, running)] == ["urn:a", "urn:b"]


@each
async def test_every_release_of_a_story_is_shown_in_order_however_many_are_newer(channel: Channel) -> None:
    """The stream refuses nothing merely because a newer release exists."""
    log = ReleasedLog()
    for number in (1, 2, 3):
        log.append(released("urn:a", number, kind=Kind.UPDATE))
    async with gateway(log) as running:
        assert await replay(channel, running) == [("urn:a", 1), ("urn:a", 2), ("urn:a", 3)]


@each
async def test_a_routine_release_overtaken_by_flash_is_refused_behind_it(channel: Channel) -> None:
    """Flash first: who has seen release 2 is not shown release 1 after it; whoever reads between gets both."""
    log = ReleasedLog()
    log.append(released("urn:a", 1))
    log.append(released("urn:a", 2, FLASH))
    async with gateway(log) as running:
        assert await replay(channel, running) == [("urn:a", 2)]


LANES = st.sampled_from([FLASH, ROUTINE])


@st.composite
def lives(draw: st.DrawFn) -> list[tuple[str, int, Lane, Kind]]:
    """Releases of two stories in the order of their lanes, the lanes interleaved at will: every arrival order."""
    queues: dict[Lane, list[tuple[str, int, Lane, Kind]]] = {FLASH: [], ROUTINE: []}
    for story_id in ("urn:a", "urn:b"):
        length = draw(st.integers(1, 4))
        killed = draw(st.booleans())
        for number in range(1, length + 1):
            lane = draw(LANES)
            if killed and number == length:
                queues[FLASH].append((story_id, number, FLASH, Kind.KILL))
            else:
                queues[lane].append((story_id, number, lane, Kind.UPDATE))
                if draw(st.booleans()):
                    queues[lane].append((story_id, number, lane, Kind.UPDATE))
    arrival = []
    while any(queues.values()):
        lane = draw(LANES) if all(queues.values()) else next(lane for lane in queues if queues[lane])
        arrival.append(queues[lane].pop(0))
    return arrival


def check(seen: list[tuple[str, int]], arrival: list[tuple[str, int, Lane, Kind]]) -> None:
    """Per story: numbers rise, the newest is shown, and nothing after a kill but the kill was last."""
    for story_id in {story_id for story_id, *_ in arrival}:
        numbers = [number for name, number in seen if name == story_id]
        assert numbers == sorted(set(numbers))
        assert numbers[-1] == max(number for name, number, *_ in arrival if name == story_id)


@given(arrival=lives(), cut=st.integers(0, 8), kept=st.integers(0, 8))
@settings(max_examples=20, deadline=None)
@each
async def test_in_every_arrival_order_releases_rise_and_the_newest_is_shown(
    arrival: list[tuple[str, int, Lane, Kind]], cut: int, kept: int, channel: Channel
) -> None:
    """Live, cut after any event and resumed, and replayed: no number falls or comes twice, the last always comes."""
    async with gateway() as running:
        client = await channel.greeted(running)
        start = client.last_id
        for release in arrival[:cut]:
            running.log.append(released(*release))
        running.log.append(released("urn:end-of-life", lane=FLASH))
        seen = await client.until_story("urn:end-of-life")
        seen = seen[:kept]
        await client.close()
        for release in arrival[cut:]:
            running.log.append(released(*release))
        client = await channel.greeted(running, last_id=seen[-1].id if seen else start)
        check(stories(seen + await running.shown(client)), arrival)
        killed = {story_id for story_id, _, _, kind in arrival if kind is Kind.KILL}
        replayed = await replay(channel, running)
        check(replayed, arrival)
        assert all(replayed.count(one) == 1 for one in replayed)
        assert all([name for name, _ in replayed].count(story_id) == 1 for story_id in killed)
