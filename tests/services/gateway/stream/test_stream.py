"""What does a client see that connects and listens, on every channel?"""

import asyncio

import pytest

from services.gateway.stream.ports import Grant, HeaderView
from shared.domain.facts import Facts
from shared.domain.story import Kind, Lane
from shared.domain.subscription import Filter
from shared.platform.metrics import REGISTRY
from tests.services.gateway.stream.channels import Channel, connected, each
from tests.services.gateway.stream.listening import Event, gateway
from tests.services.gateway.stream.releases import ReleasedLog, released
from tests.waiting import wait_until


@connected
async def test_hello_comes_first_and_carries_where_the_client_begins(channel: Channel) -> None:
    """Without id the stream begins now, and the hello's id is that point."""
    log = ReleasedLog()
    log.append(released())
    async with gateway(log) as running:
        client = await channel.listen(running)
        hello = await client.next()
        assert (hello.event, hello.id) == ("hello", "e1-0-1")
        assert hello.data == {"resumed_from": "e1-0-1", "requested": None}
        assert hello.retry is not None


@each
async def test_without_an_id_the_stream_begins_now(channel: Channel) -> None:
    """What was released before is not shown, and the client has an id to come back with before it saw anything."""
    log = ReleasedLog()
    log.append(released("urn:before"))
    async with gateway(log) as running:
        client = await channel.greeted(running)
        assert client.last_id == "e1-0-1"
        running.log.append(released("urn:now"))
        assert (await client.next()).data["story_id"] == "urn:now"


@each
async def test_a_story_is_its_item_with_seq_and_lane(channel: Channel) -> None:
    """`seq` is the offset; the id is the position behind it."""
    async with gateway() as running:
        client = await channel.greeted(running)
        running.log.append(released(headline="Übersee\n\nzwei Zeilen"))
        story = await client.next()
        assert (story.event, story.id) == ("story", "e1-0-1")
        assert (story.data["seq"], story.data["lane"], story.data["kind"]) == (0, "routine", "publish")
        assert story.data["story"]["headlines"] == [{"value": "Übersee\n\nzwei Zeilen"}]
        assert story.data["released_at"] == "2026-11-23T12:00:00.000Z"


@each
async def test_a_flash_takes_the_waiting_routine_with_it_in_ring_order(channel: Channel) -> None:
    """Coalescing never changes the order, and a flash waits for no tick."""
    async with gateway(coalesce_s=3600) as running:
        client = await channel.greeted(running)
        running.log.append(released("urn:a"))
        running.log.append(released("urn:b"))
        running.log.append(released("urn:c", lane=Lane.FLASH))
        seen = await client.take(3)
        assert [event.data["story_id"] for event in seen] == ["urn:a", "urn:b", "urn:c"]
        assert [event.id for event in seen] == ["e1-0-1", "e1-0-2", "e1-1-2"]


@each
async def test_routine_is_written_after_the_tick(channel: Channel) -> None:
    """A routine story needs no flash to go out."""
    async with gateway() as running:
        client = await channel.greeted(running)
        running.log.append(released("urn:a"))
        assert (await client.next()).data["story_id"] == "urn:a"


@connected
async def test_heartbeats_tell_the_cursor_and_set_no_id(channel: Channel) -> None:
    """A silent wire still says where the client is."""
    async with gateway(heartbeat_s=0.2) as running:
        running.log.append(released())
        client = await channel.listen(running)
        beats = (await client.take(3))[1:]
        assert {beat.event for beat in beats} == {"heartbeat"}
        assert beats[0].data["cursor"] == "e1-0-1"
        assert beats[0].id is None
        assert beats[0].data["at"].endswith("Z")


@each
async def test_a_filter_keeps_out_what_does_not_match(channel: Channel) -> None:
    """Query names are those of the filter: any of within one, all of across, `not.` excludes."""
    async with gateway() as running:
        client = await channel.greeted(running, "sections=World&sections=sport&not.sources=spam&keywords=consulate")
        world, other = Facts(sections=("world",), sources=("wire",)), Facts(sections=("arts",))
        running.log.append(released("urn:1", headline="The consulate opens", facts=world))
        running.log.append(released("urn:2", headline="The consulate closes", facts=other))
        running.log.append(released("urn:3", headline="No such word", facts=world))
        spam = Facts(sections=("world",), sources=("spam",))
        running.log.append(released("urn:4", headline="Consulate for sale", facts=spam))
        running.log.append(released("urn:5", headline="A consulate again", facts=world))
        assert [event.data["story_id"] for event in await client.take(2)] == ["urn:1", "urn:5"]


@each
async def test_a_subscription_is_narrowed_by_the_query(channel: Channel) -> None:
    """What is granted is never widened by what is asked for."""

    def authorize(view: HeaderView) -> Grant:
        assert view.param("subscription") == "sub_9"
        return Grant("me", Filter(sections=("world",)))

    async with gateway(authorize=authorize) as running:
        client = await channel.greeted(running, "subscription=sub_9&languages=en")
        running.log.append(released("urn:1", facts=Facts(sections=("arts",), languages=("en",))))
        running.log.append(released("urn:2", facts=Facts(sections=("world",), languages=("de",))))
        running.log.append(released("urn:3", facts=Facts(sections=("world",), languages=("en",))))
        assert (await client.next()).data["story_id"] == "urn:3"


@each
async def test_every_kill_appears_and_a_withhold_goes_by_reach(channel: Channel) -> None:
    """A notice has no text to be judged on: a kill is for all, a withhold for whom any release may have reached."""
    async with gateway() as running:
        world = await channel.greeted(running, "sections=world&keywords=consulate")
        arts = await channel.greeted(running, "sections=arts")
        reach = Facts(sections=("world",))
        running.log.append(released("urn:w", 2, Lane.FLASH, Kind.WITHHOLD, reach=reach))
        running.log.append(released("urn:k", 2, Lane.FLASH, Kind.KILL, reach=reach))
        assert [event.data["kind"] for event in await world.take(2)] == ["withhold", "kill"]
        assert (await arts.next()).data["kind"] == "kill"


@each
async def test_a_correction_reaches_those_the_wrong_text_had_reached(channel: Channel) -> None:
    """The corrected facts no longer match, those of the story so far do."""
    async with gateway() as running:
        client = await channel.greeted(running, "places=TJ")
        now, all_so_far = Facts(places=("IN",)), Facts(places=("IN", "TJ"))
        running.log.append(released("urn:1", 2, kind=Kind.CORRECT, facts=now, reach=all_so_far))
        assert (await client.next()).data["kind"] == "correct"


@each
async def test_a_checkpoint_moves_the_id_past_what_was_filtered_out(channel: Channel) -> None:
    """A client that wants nothing of a long stretch need not come back to its beginning."""
    async with gateway(checkpoint_every=3) as running:
        client = await channel.greeted(running, "sections=arts")
        for number in range(3):
            running.log.append(released(f"urn:{number}"))
        checkpoint = await client.next()
        assert (checkpoint.event, checkpoint.id, checkpoint.data) == ("checkpoint", "e1-0-3", {"cursor": "e1-0-3"})


@each
async def test_a_heartbeat_brings_the_checkpoint_a_short_stretch_owes(channel: Channel) -> None:
    """Fewer than that many wait for the next heartbeat."""
    async with gateway(heartbeat_s=0.2) as running:
        client = await channel.greeted(running, "sections=arts")
        running.log.append(released())
        assert (await client.until("checkpoint"))[-1].id == "e1-0-1"


@connected
async def test_a_checkpoint_that_is_owed_goes_before_the_heartbeat(channel: Channel) -> None:
    """So that whoever remembers the heartbeat's cursor remembers what its own id is."""
    async with gateway(heartbeat_s=0.2) as running:
        client = await channel.greeted(running, "sections=arts")
        running.log.append(released())
        await client.until("checkpoint")
        beat = await client.next()
        assert (beat.event, beat.data["cursor"]) == ("heartbeat", "e1-0-1")


@pytest.mark.parametrize("value", [b"", b"not json", b"{}", b'{"type": "story.unknown"}', None])
@each
async def test_a_record_that_nobody_can_read_stops_no_client(value: bytes | None, channel: Channel) -> None:
    """The stream observes: it logs the record, passes it, and goes on."""
    async with gateway() as running:
        client = await channel.greeted(running)
        running.log.append_value(Lane.ROUTINE, value)
        running.log.append(released())
        assert (await client.next()).id == "e1-0-2"


@each
async def test_a_key_holds_as_many_connections_as_it_may(channel: Channel) -> None:
    """429 with Retry-After; one that ends makes room."""

    def authorize(_: HeaderView) -> Grant:
        return Grant("me", key="key_1")

    async with gateway(authorize=authorize, most_per_key=1) as running:
        first = await channel.greeted(running)
        more = await channel.ask(running)
        assert (more.status, more.headers["retry-after"]) == (429, "10")
        await first.close()
        await wait_until(lambda: running.clients() == 0, within=5)
        assert (await channel.ask(running)).status == channel.status


@each
async def test_a_client_that_leaves_is_forgotten(channel: Channel) -> None:
    """Nothing is kept of it, and the gauge falls."""
    async with gateway() as running:
        client = await channel.greeted(running)
        gauge = REGISTRY.get_sample_value("wire_stream_clients", {"channel": channel.name})
        await client.close()
        await wait_until(lambda: running.clients() == 0, within=5)
        assert len(running.hub._live.groups) == 0
        assert REGISTRY.get_sample_value("wire_stream_clients", {"channel": channel.name}) == (gauge or 0) - 1


@connected
async def test_a_stopping_process_lets_its_clients_go_and_says_when_to_come_back(channel: Channel) -> None:
    """Each within the drain time, with a `retry:` of its own."""
    async with gateway() as running:
        clients = [await channel.listen(running) for _ in range(5)]
        for client in clients:
            await client.next()
        running.stop.set()
        last = [await client.next() for client in clients]
        assert all(event == Event("retry", None, None, event.retry) and event.retry for event in last)
        assert [await client.ended() for client in clients] == [b""] * 5


@each
async def test_how_stale_a_flush_was_is_counted_once_per_story(channel: Channel) -> None:
    """From the door to the flush, whatever the number of clients."""
    labels = {"channel": "stream", "lane": "flash"}
    async with gateway() as running:
        clients = [await channel.greeted(running) for _ in range(3)]
        before = REGISTRY.get_sample_value("wire_staleness_seconds_count", labels) or 0
        running.log.append(released(lane=Lane.FLASH))
        await asyncio.gather(*(client.next() for client in clients))
        assert REGISTRY.get_sample_value("wire_staleness_seconds_count", labels) == before + 1
