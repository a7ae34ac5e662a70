"""Does a client that comes back get what it missed, on every channel: all, once, and is it told what it cannot get?"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.stream.ports import Grant, HeaderView
from services.gateway.stream.positions import Position, id_of
from shared.domain.facts import Facts
from shared.domain.story import Kind, Lane
from tests.services.gateway.stream.channels import Channel, connected, each
from tests.services.gateway.stream.listening import Event, gateway
from tests.services.gateway.stream.releases import ReleasedLog, released

FLASH, ROUTINE = Lane.FLASH, Lane.ROUTINE


def seqs(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.data["lane"], event.data["seq"]) for event in events if event.event == "story"]


def mixed_log(lanes: list[Lane]) -> ReleasedLog:
    log = ReleasedLog()
    for number, lane in enumerate(lanes):
        log.append(released(f"urn:{number}", lane=lane))
    return log


@given(lanes=st.lists(st.sampled_from([FLASH, ROUTINE]), max_size=6), in_ring=st.booleans())
@settings(max_examples=12, deadline=None)
@each
async def test_from_every_position_nothing_is_missed_and_nothing_comes_twice(
    lanes: list[Lane], in_ring: bool, channel: Channel
) -> None:
    """Whatever a client has of each lane, it gets the rest of both, each lane in order; from memory or from the log."""
    log = mixed_log(lanes)
    ends = {lane: lanes.count(lane) for lane in (FLASH, ROUTINE)}
    async with gateway(log, ring_age_s=900 if in_ring else -60) as running:
        extra = 0
        for flash in range(ends[FLASH] + 1):
            for routine in range(ends[ROUTINE] + 1):
                client = await channel.greeted(running, last_id=id_of("e1", Position(flash, routine)))
                seen = seqs(await running.shown(client))
                expected = [("flash", seq) for seq in range(flash, ends[FLASH] + extra)]
                expected += [("routine", seq) for seq in range(routine, ends[ROUTINE] + extra)]
                assert sorted(seen) == expected
                assert [one for one in seen if one[0] == "flash"] == expected[: ends[FLASH] + extra - flash]
                assert [one for one in seen if one[0] == "routine"] == expected[ends[FLASH] + extra - flash :]
                extra += 1
                await client.close()


@given(
    lanes=st.lists(st.sampled_from([FLASH, ROUTINE]), min_size=1, max_size=8),
    cuts=st.lists(st.integers(0, 3), max_size=6),
)
@settings(max_examples=12, deadline=None)
@each
async def test_any_chain_of_connections_adds_up_to_the_whole(
    lanes: list[Lane], cuts: list[int], channel: Channel
) -> None:
    """Cut after any event, come back with its id: together the connections saw each story once."""
    async with gateway(mixed_log(lanes)) as running:
        seen: list[Event] = []
        last_id: str | None = None
        while (left := len(lanes) - len(seqs(seen))) > 0:
            client = await channel.greeted(running, "cursor=earliest", last_id)
            seen += await client.take(min(cuts.pop(0), left) if cuts else left)
            last_id = client.last_id or last_id
            await client.close()
        everything = [(lane.value, seq) for lane in (FLASH, ROUTINE) for seq in range(lanes.count(lane))]
        assert sorted(seqs(seen)) == everything


@connected
@pytest.mark.parametrize(
    ("query", "last_id", "resumed_from", "requested"),
    [
        ("cursor=e1-0-4", None, "e1-0-4", "e1-0-4"),
        ("cursor=e1-0-0", "e1-0-4", "e1-0-4", "e1-0-4"),
        ("cursor=earliest", None, "e1-0-3", "earliest"),
        ("", "e1-0-1", "e1-0-3", "e1-0-1"),
        ("", "old-7-9", "e1-0-3", "old-7-9"),
        ("", "e1-0-7", "e1-0-7", "e1-0-7"),
        ("", None, "e1-0-5", None),
    ],
)
async def test_hello_says_where_it_really_begins_and_from_where_it_was_asked_to(
    query: str, last_id: str | None, resumed_from: str, requested: str | None, channel: Channel
) -> None:
    """Its id is that point, so that a client which is cut before its first story loses nothing."""
    log = mixed_log([ROUTINE] * 5)
    log.delete_before(Position(0, 3))
    async with gateway(log) as running:
        hello = await (await channel.listen(running, query, last_id)).next()
        assert (hello.event, hello.id) == ("hello", resumed_from)
        assert hello.data == {"resumed_from": resumed_from, "requested": requested}


@each
async def test_a_cursor_in_the_query_resumes_like_the_header(channel: Channel) -> None:
    """For clients that cannot set headers."""
    async with gateway(mixed_log([ROUTINE] * 3)) as running:
        client = await channel.greeted(running, "cursor=e1-0-1")
        assert seqs(await client.take(2)) == [("routine", 1), ("routine", 2)]


@each
async def test_the_header_wins_over_the_query(channel: Channel) -> None:
    """A browser repeats its first URL at every reconnection."""
    async with gateway(mixed_log([ROUTINE] * 3)) as running:
        client = await channel.greeted(running, "cursor=e1-0-0", last_id="e1-0-2")
        assert seqs(await client.take(1)) == [("routine", 2)]


@each
async def test_earliest_begins_where_the_log_does_without_a_gap(channel: Channel) -> None:
    """Whoever asks for all there is misses nothing that he asked for."""
    log = mixed_log([ROUTINE] * 4)
    log.delete_before(Position(0, 2))
    async with gateway(log, ring_age_s=-60) as running:
        client = await channel.greeted(running, "cursor=earliest")
        assert seqs(await client.take(2)) == [("routine", 2), ("routine", 3)]


@each
async def test_what_the_log_has_lost_is_told_as_a_gap(channel: Channel) -> None:
    """From where the client was to where the log begins, reason `history`, before anything else."""
    log = mixed_log([ROUTINE] * 5)
    log.delete_before(Position(0, 3))
    async with gateway(log) as running:
        client = await channel.greeted(running, last_id="e1-0-1")
        gap, *stories = await client.take(3)
        assert (gap.event, gap.id) == ("gap", "e1-0-3")
        assert gap.data == {"from": "e1-0-1", "to": "e1-0-3", "reason": "history"}
        assert seqs(stories) == [("routine", 3), ("routine", 4)]


@pytest.mark.parametrize("foreign", ["old-7-9", "12-4020", "garbage", "e1-0-999999999"])
@each
async def test_an_id_of_another_life_of_the_log_is_told_a_gap_and_gets_what_is_at_hand(
    foreign: str, channel: Channel
) -> None:
    """Offsets of another log say nothing here: better some stories twice than one never."""
    async with gateway(mixed_log([ROUTINE] * 2)) as running:
        client = await channel.greeted(running, last_id=foreign)
        gap, *stories = await client.take(3)
        assert gap.data == {"from": foreign, "to": "e1-0-0", "reason": "epoch"}
        assert seqs(stories) == [("routine", 0), ("routine", 1)]


@each
async def test_with_a_time_an_unknown_id_resumes_by_time(channel: Channel) -> None:
    """`since` says what the id cannot any more."""
    log = ReleasedLog()
    now = datetime.now(UTC)
    for minutes in (30, 20, 10):
        at = now - timedelta(minutes=minutes)
        log.append(released(f"urn:{minutes}"), at_ms=int(at.timestamp() * 1000))
    since = (now - timedelta(minutes=25)).isoformat().replace("+", "%2B")
    async with gateway(log, ring_age_s=300) as running:
        client = await channel.greeted(running, f"since={since}", last_id="old-1-1")
        gap, *stories = await client.take(3)
        assert (gap.data["to"], gap.data["reason"]) == ("e1-0-1", "epoch")
        assert seqs(stories) == [("routine", 1), ("routine", 2)]


@each
async def test_a_client_that_heard_a_faster_process_waits_for_this_one(channel: Channel) -> None:
    """Its position is ahead of what was read here: it gets nothing twice, and nothing is lost."""
    async with gateway(mixed_log([ROUTINE])) as running:
        client = await channel.greeted(running, last_id="e1-0-3")
        assert client.last_id == "e1-0-3"
        for number in range(1, 5):
            running.log.append(released(f"urn:{number}"))
        assert seqs(await client.take(2)) == [("routine", 3), ("routine", 4)]


@each
async def test_flash_comes_first_to_whoever_is_behind(channel: Channel) -> None:
    """However long the routine backlog, it waits for every flash."""
    async with gateway(mixed_log([ROUTINE, ROUTINE, FLASH, ROUTINE, FLASH])) as running:
        client = await channel.greeted(running, last_id="e1-0-0")
        assert seqs(await client.take(5)) == [("flash", 0), ("flash", 1), *(("routine", seq) for seq in range(3))]


@pytest.mark.parametrize("kept_s", [0, 120], ids=["out of the log", "out of memory"])
@each
async def test_a_flash_filed_during_a_replay_overtakes_the_rest_of_it(kept_s: int, channel: Channel) -> None:
    """The log is read some at a time, and before each time the new flashes go out."""
    log = mixed_log([ROUTINE] * 9)
    async with gateway(log, ring_age_s=-60) as running:
        ordinary = log.read

        async def read(lane: Lane, since: int, until: int) -> object:
            found = await ordinary(lane, since, until)
            if log.reads == 1:
                at_ms = int((datetime.now(UTC) + timedelta(seconds=kept_s)).timestamp() * 1000)
                log.append(released("urn:flash", lane=FLASH), at_ms=at_ms)
            return found

        log.read = read  # type: ignore[method-assign, assignment]
        client = await channel.greeted(running, last_id="e1-0-0")
        order = seqs(await client.take(10))
        assert order.index(("flash", 0)) == 3
        assert [seq for lane, seq in order if lane == "routine"] == list(range(9))


@each
async def test_a_replay_that_wants_nothing_ends_in_a_checkpoint(channel: Channel) -> None:
    """The id moves past the whole stretch, read from the log or from memory."""
    for age in (900, -60):
        async with gateway(mixed_log([ROUTINE] * 5), ring_age_s=age) as running:
            client = await channel.greeted(running, "sections=arts", last_id="e1-0-0")
            checkpoint = await client.next()
            assert (checkpoint.event, checkpoint.id) == ("checkpoint", "e1-0-5")


@each
async def test_a_subscription_begins_at_its_start_and_calls_it_no_gap(channel: Channel) -> None:
    """What was accepted before it is none of this client's."""

    def authorize(view: HeaderView) -> Grant:
        return Grant("me", start={ROUTINE: 2})

    async with gateway(mixed_log([ROUTINE] * 4), authorize=authorize) as running:
        client = await channel.greeted(running, "subscription=s&cursor=e1-0-0")
        assert seqs(await client.take(2)) == [("routine", 2), ("routine", 3)]


@each
async def test_a_replay_is_filtered_like_the_live_stream(channel: Channel) -> None:
    """Facts and words of records out of the log are judged by the same filters."""
    log = ReleasedLog()
    log.append(released("urn:1", headline="A consulate", facts=Facts(sections=("world",))))
    log.append(released("urn:2", headline="Nothing of it", facts=Facts(sections=("world",))))
    log.append(released("urn:3", 2, FLASH, Kind.KILL))
    for age in (900, -60):
        async with gateway(log, ring_age_s=age) as running:
            client = await channel.greeted(running, "keywords=consulate&cursor=earliest")
            assert seqs(await client.take(2)) == [("flash", 0), ("routine", 0)]


@connected
async def test_a_log_that_cannot_be_read_costs_the_asking_client_a_retry_only(channel: Channel) -> None:
    """It is told when to come back; whoever is live goes on."""
    async with gateway(mixed_log([ROUTINE] * 3), ring_age_s=-60) as running:
        live = await channel.greeted(running)
        running.log.away = True
        client = await channel.listen(running, last_id="e1-0-0")
        assert (await client.next()).event == "retry"
        assert await client.ended() == b""
        running.log.append(released("urn:next"))
        assert (await live.next()).data["story_id"] == "urn:next"
