"""Reading as HTTP has it: validators, HEAD, codings, other origins, rates, and what a key may see."""

import asyncio
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from services.gateway.origins import origins_of
from services.gateway.request_rates import WINDOW_S, RequestRates
from services.gateway.settings import GatewaySettings
from shared.domain.facts import Facts
from shared.domain.products import Bounds
from shared.domain.state import KillRecord, Principal
from shared.domain.story import Kind
from shared.domain.subscription import Filter
from shared.platform.rates import Ask, Grant, GrantsAway, OwnGrants
from shared.platform.topics import Topic
from tests.services.gateway.stories import FACTS, URL, URN, document
from tests.services.gateway.test_stories import path_of
from tests.services.gateway.twins import World, record, world

PAGE = "https://news.example.com"
SUE = {"authorization": "Bearer sl_local_sue"}
LIST = "/v1/stories"
READ = [LIST, path_of(URN), path_of(URN, "/versions"), path_of(URN, "/versions/1"), path_of(URN, "/diff")]


@pytest.fixture
def reader(wire: World) -> World:
    """Two stories and a reader."""
    wire.key("sue", "subscriber", subscriber="acme")
    wire.views.put(document(1, body="The bridge opened on Monday. " * 100))
    wire.views.put(document(1, story_id=URL, headline="Elsewhere"))
    return wire


async def ask(wire: World, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await wire.http.request(method, path, headers=SUE | {"accept-encoding": "identity"} | named)


def kill(wire: World, story_id: str = URN) -> None:
    dead = KillRecord(story_id=story_id, version=1, release_no=2, cause="e9", at=1)
    wire.desk.apply(record(Topic.KILLED, story_id, dead.model_dump_json().encode()))


@pytest.mark.parametrize("path", [*READ, "/feeds/latest.atom"])
async def test_whoever_has_it_is_told_so(reader: World, path: str) -> None:
    """304 without a body, with the validator, whether it comes from the routes or from memory."""
    first = await ask(reader, path)
    for _ in range(2):
        again = await ask(reader, path, if_none_match=first.headers["etag"])
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("path", READ)
async def test_what_has_changed_is_not_304(reader: World, path: str) -> None:
    """A new release, and a kill that nothing but the gate knows yet."""
    first = (await ask(reader, path)).headers["etag"]
    reader.views.put(document(2, Kind.UPDATE, version=1, headline="Bridge closes"))
    reader.views.put(document(3, Kind.UPDATE, version=2, headline="Bridge open again"))
    second = await ask(reader, path, if_none_match=first)
    assert second.status_code == 200
    kill(reader)
    third = await ask(reader, path, if_none_match=second.headers["etag"])
    assert third.status_code == (200 if path == LIST else 410)
    assert "Bridge" not in third.text


@pytest.mark.parametrize("path", [*READ, "/livez", "/feeds/latest.json", "/v1/subscriptions"])
async def test_head_is_get_without_a_body(reader: World, path: str) -> None:
    """The same status and headers, the length of what GET would bring included."""
    whole = await ask(reader, path)
    for _ in range(2):
        head = await ask(reader, path, "HEAD")
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers == whole.headers


async def test_head_of_what_is_not_there_is_404(reader: World) -> None:
    """As GET, without the problem's words."""
    head = await ask(reader, path_of("urn:x:nobody"), "HEAD")
    assert (head.status_code, head.content) == (404, b"")


@pytest.mark.parametrize("path", [LIST, "/feeds/latest.atom"])
async def test_an_answer_is_sent_in_the_coding_that_is_asked_for(reader: World, path: str) -> None:
    """Decoded it is the same; caches are told what it depends on."""
    plain = await ask(reader, path)
    for coding in ("gzip", "br"):
        for _ in range(2):
            async with reader.http.stream("GET", path, headers=SUE | {"accept-encoding": coding}) as answer:
                raw = b"".join([piece async for piece in answer.aiter_raw()])
            assert answer.headers["content-encoding"] == coding
            assert len(raw) < len(plain.content)
            assert "Accept-Encoding" in answer.headers["vary"]
            if coding == "gzip":
                assert gzip.decompress(raw) == plain.content


async def test_a_page_from_memory_asks_the_views_nothing(reader: World) -> None:
    """Whoever asks, and however often; another query is another page."""
    reader.key("tom", "subscriber", subscriber="other")
    await ask(reader, LIST)
    read = reader.views.read
    for _ in range(5):
        assert len((await ask(reader, LIST)).json()["items"]) == 2
    assert reader.views.read == read
    assert len((await ask(reader, f"{LIST}?limit=1")).json()["items"]) == 1


def by_subscriber(principal: Principal | None) -> Bounds:
    """Acme may see the world's news, everybody else sport."""
    acme = principal is not None and principal.subscriber == "acme"
    return (Filter(sections=("world",)) if acme else Filter(sections=("sport",)),)


@pytest.mark.parametrize("rest", ["", "/versions", "/versions/1", "/diff"])
async def test_nobody_reads_beyond_what_he_may_see(rest: str) -> None:
    """Lists leave it out and the story is 404, also when the answer to somebody else is at hand."""
    async with world(visible=by_subscriber) as wire:
        wire.key("sue", "subscriber", subscriber="acme")
        tom = wire.key("tom", "subscriber", subscriber="other")
        wire.views.put(document(1))
        wire.views.put(
            document(1, story_id=URL, facts=Facts.model_validate(FACTS.model_dump() | {"sections": ["sport"]}))
        )
        for _ in range(2):
            assert [one["story_id"] for one in (await ask(wire, LIST)).json()["items"]] == [URN]
            other = await wire.http.get(LIST, headers=tom)
            assert [one["story_id"] for one in other.json()["items"]] == [URL]
            assert (await ask(wire, path_of(URN, rest))).status_code == 200
            assert (await wire.http.get(path_of(URN, rest), headers=tom)).status_code == 404


async def test_a_filter_narrows_what_a_key_may_see_and_never_widens_it() -> None:
    """Asking for another section brings nothing."""
    async with world(visible=by_subscriber) as wire:
        wire.key("sue", "subscriber", subscriber="acme")
        wire.views.put(document(1, facts=Facts(sections=("sport",))))
        assert (await ask(wire, f"{LIST}?sections=sport")).json()["items"] == []


@pytest.mark.parametrize("path", [LIST, path_of(URN), path_of("urn:x:nobody"), "/feeds/latest.atom"])
async def test_with_redis_emptied_no_answer_is_wrong(reader: World, path: str) -> None:
    """503 with Retry-After, also for what was read before; never a 404 or an empty list; then the same as before."""
    before = await ask(reader, path)
    reader.gateway.kept.clock = lambda: 1e9  # what was confirmed is long ago
    reader.views.missing = True
    gone = await ask(reader, path)
    assert (gone.status_code, gone.headers["retry-after"]) == (503, "1")
    reader.views.missing = False
    assert (await ask(reader, path)).content == before.content


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml, text/*", "application/json;q=0", "application/json;q=0, */*", "nonsense"]
)
async def test_whoever_takes_no_json_is_told_406(reader: World, accept: str) -> None:
    """As a problem, before anything is done."""
    answer = await ask(reader, LIST, accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (406, "application/problem+json")


@pytest.mark.parametrize("accept", ["*/*", "application/*;q=0.1", "text/html, */*;q=0.8", "Application/JSON", ""])
async def test_whoever_takes_json_among_others_is_answered(reader: World, accept: str) -> None:
    """By a range, with a weight, in any case."""
    assert (await ask(reader, LIST, accept=accept)).status_code == 200


async def test_feeds_are_what_they_are(reader: World) -> None:
    """Their media type is in their name; Accept says nothing there."""
    assert (await ask(reader, "/feeds/latest.atom", accept="text/html")).status_code == 200


async def test_a_compressed_body_is_415(reader: World) -> None:
    """It would be counted by its wrapping."""
    headers = reader.operator | {"content-type": "application/json", "content-encoding": "gzip"}
    answer = await reader.http.post("/v1/keys", content=gzip.compress(b"{}"), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (415, "/errors/unsupported-type")


@pytest.mark.parametrize(
    ("path", "allow"),
    [(LIST, "GET, HEAD"), ("/v1/subscriptions", "GET, HEAD, POST"), ("/v1/endpoints/x", "DELETE, GET, HEAD, PATCH")],
)
async def test_a_405_names_every_method_of_the_path(reader: World, path: str, allow: str) -> None:
    """Not only those of the first route that has it."""
    answer = await ask(reader, path, "PUT")
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)


# Other origins


async def test_no_page_may_read_without_a_setting(reader: World) -> None:
    """Neither a preflight nor an answer says so."""
    answer = await ask(reader, LIST, origin=PAGE)
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_a_page_that_is_named_may_read_and_no_other() -> None:
    """Never with credentials; what an answer depends on is told to caches either way."""
    async with world(origins=origins_of(PAGE)) as wire:
        wire.key("sue", "subscriber", subscriber="acme")
        for path in (LIST, path_of("urn:x:nobody")):
            answer = await ask(wire, path, origin=PAGE)
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "ETag" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers
            assert "Origin" in answer.headers["vary"]
        for origin in ("https://evil.example.com", "null", f"{PAGE}.evil.example", "http://news.example.com"):
            answer = await ask(wire, LIST, origin=origin)
            assert "access-control-allow-origin" not in answer.headers
            assert "Origin" in answer.headers["vary"]


async def test_a_preflight_is_answered_without_a_key() -> None:
    """A browser sends none with it."""
    async with world(origins=origins_of(PAGE)) as wire:
        asked = {"origin": PAGE, "access-control-request-method": "POST"}
        answer = await wire.http.options("/v1/subscriptions", headers=asked)
        assert answer.status_code == 204
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        other = await wire.http.options(LIST, headers=asked | {"origin": "https://evil.example.com"})
        assert (other.status_code, other.headers["content-type"]) == (403, "application/problem+json")


@pytest.mark.parametrize("origins", ["*", "news.example.com", f"{PAGE}/", f"{PAGE}, *", "https://user@x", "null"])
def test_what_is_no_origin_stops_the_start(origins: str) -> None:
    """A wildcard above all."""
    with pytest.raises(ValidationError, match="cors_origins"):
        GatewaySettings(cors_origins=origins)


# Rates


@dataclass
class Away:
    """Shared tokens that cannot be had."""

    asked: int = 0

    async def grant(self, asks: Sequence[Ask]) -> Sequence[Grant]:
        self.asked += 1
        raise GrantsAway("gone")


def rates_of(rate: float, seconds: list[float], shared: Any = None) -> RequestRates:
    own = OwnGrants(lambda: seconds[0])
    return RequestRates(rate, shared or OwnGrants(lambda: seconds[0]), own, clock=lambda: seconds[0])


async def test_a_key_that_asks_too_much_is_told_when_to_come_again() -> None:
    """429 as a problem; what is left is on every answer, from memory or not; another key is not held back."""
    seconds = [1000.0]
    async with world(rates=rates_of(0.5, seconds)) as wire:
        wire.key("sue", "subscriber", subscriber="acme")
        tom = wire.key("tom", "subscriber", subscriber="other")
        left = [(await ask(wire, LIST)).headers["ratelimit"] for _ in range(5)]
        assert left == ['"key";r=4;t=2', '"key";r=3;t=4', '"key";r=2;t=6', '"key";r=1;t=8', '"key";r=0;t=10']
        held = await ask(wire, LIST)
        assert (held.status_code, held.headers["retry-after"]) == (429, "2")
        assert held.json()["type"] == "/errors/too-many-requests"
        assert held.headers["ratelimit-policy"] == '"key";q=5;w=10'
        assert (await wire.http.get(LIST, headers=tom)).status_code == 200
        assert (await wire.http.get("/livez")).status_code == 200
        seconds[0] += 2
        assert [(await ask(wire, LIST)).status_code for _ in range(2)] == [200, 429]


async def test_two_gateways_share_one_rate() -> None:
    """What one has given out the other lacks."""
    seconds = [1000.0]
    shared = OwnGrants(lambda: seconds[0])
    gateways = [rates_of(10.0, seconds, shared) for _ in range(2)]
    verdicts = [await gateways[number % 2].take("key_sue") for number in range(200)]
    assert sum(verdict.goes for verdict in verdicts) == 10 * WINDOW_S


async def test_without_redis_each_gateway_counts_by_itself() -> None:
    """The quota holds, and Redis is not asked for each request."""
    seconds, away = [1000.0], Away()
    rates = rates_of(10.0, seconds, away)
    verdicts = [await rates.take("key_sue") for _ in range(200)]
    assert (sum(verdict.goes for verdict in verdicts), away.asked) == (10 * WINDOW_S, 1)


async def test_many_at_once_take_no_more_than_there_is() -> None:
    """Also while the first slice is fetched."""
    rates = rates_of(10.0, [1000.0])
    verdicts = await asyncio.gather(*(rates.take("key_sue") for _ in range(300)))
    assert sum(verdict.goes for verdict in verdicts) == 100


async def test_a_key_that_was_quiet_is_forgotten() -> None:
    """Memory goes by who asks now, not by who ever did."""
    seconds = [1000.0]
    rates = rates_of(10.0, seconds)
    for number in range(100):
        await rates.take(f"key_{number}")
    seconds[0] += 120
    await rates.take("key_sue")
    assert rates.keys == 1
