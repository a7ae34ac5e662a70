"""Filing over HTTP: what is promised, to whom, and what is said when nothing can be promised."""

from typing import Any

import pytest

from services.ingest.app import MAX_BODY
from shared.domain.events import Enriched, derived_id
from shared.domain.facts import Facts
from shared.domain.lifecycle import Filing, Ruling, decide
from shared.domain.state import Applied, Outcome, StoryState
from shared.domain.story import Kind, Lane, content_hash
from shared.platform.topics import Topic
from tests.services.ingest.doors import NINJS, NOON, IngestBench

STORIES = "/v1/intake/stories"


@pytest.fixture
def bench() -> IngestBench:
    return IngestBench()


def released(story: dict[str, Any], event_id: str = "e1", version: int = 1) -> StoryState:
    """A story that the desk has released as filed."""
    filed = Enriched(
        kind=Kind.PUBLISH,
        lane=Lane.ROUTINE,
        urgency=4,
        source="desk",
        assigned=True,
        content_hash=content_hash(story),
        story=story,
        filed_by="Dana",
        facts=Facts(),
    )
    enriched = derived_id("enrich", event_id)  # the desk enters the id of enrichment's event
    filing = Filing(enriched, version, filed, Ruling(), filed_as=event_id)
    return decide(StoryState(story_id=str(story["uri"])), filing, NOON)


async def test_a_story_is_accepted_once_the_broker_has_it(bench: IngestBench) -> None:
    """The answer of the contract, and the record on the routine topic under the story's id."""
    async with bench.client() as client:
        answer = await client.post(STORIES, json=NINJS)
    assert answer.status_code == 202
    said = answer.json()
    assert said["story_id"] == NINJS["uri"]
    assert (said["version"], said["assigned"], said["kind"], said["lane"]) == (1, True, "publish", "routine")
    assert said["accepted_at"] == "2026-11-24T12:00:00.000Z"
    [(topic, key, _)] = bench.log.appended
    assert (topic, key) == (Topic.RECEIVED, NINJS["uri"])
    assert bench.log.filings()[0].event_id == said["event_id"]


async def test_without_the_broker_nothing_is_promised(bench: IngestBench) -> None:
    """503 with Retry-After; the same request later is accepted once."""
    bench.log.away = True
    async with bench.client() as client:
        answer = await client.post(STORIES, json=NINJS)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        bench.log.away = False
        assert (await client.post(STORIES, json=NINJS)).status_code == 202
    assert len(bench.log.filings()) == 1


async def test_a_provider_version_is_final_and_its_event_id_repeats(bench: IngestBench) -> None:
    """A request that timed out and came again is the same event, so the desk takes it once."""
    async with bench.client() as client:
        first = await client.post(STORIES, json={**NINJS, "version": "7"})
        second = await client.post(STORIES, json={**NINJS, "version": "7"})
    assert first.json()["version"] == 7
    assert first.json()["assigned"] is False
    assert first.json()["event_id"] == second.json()["event_id"]


async def test_one_idempotency_key_gives_one_answer(bench: IngestBench) -> None:
    """200 with the first answer for the same body, 422 for another."""
    async with bench.client() as client:
        first = await client.post(STORIES, json=NINJS, headers={"idempotency-key": "k1"})
        again = await client.post(STORIES, json=NINJS, headers={"idempotency-key": "k1"})
        other = await client.post(STORIES, json={**NINJS, "by": "X"}, headers={"idempotency-key": "k1"})
    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 422)
    assert again.json() == first.json()
    assert len(bench.log.filings()) == 1


async def test_an_emptied_redis_costs_an_answer_not_a_version(bench: IngestBench) -> None:
    """With the key store lost the same request gets the same event id: the desk sees one input."""
    async with bench.client() as client:
        first = await client.post(STORIES, json=NINJS, headers={"idempotency-key": "k1"})
        bench.answers.kept.clear()
        again = await client.post(STORIES, json=NINJS, headers={"idempotency-key": "k1"})
    assert again.json()["event_id"] == first.json()["event_id"]


async def test_an_identical_story_is_a_duplicate(bench: IngestBench) -> None:
    """200 with the first event id; nothing is filed."""
    story = {**NINJS, "uri": NINJS["uri"]}
    async with bench.client() as client:
        await client.post(STORIES, json=story)
        filed = bench.log.filings()[0]
        state = released(filed.data.story, filed.event_id)
        bench.states.known[filed.story_id] = state
        answer = await client.post(STORIES, json=story)
    assert answer.status_code == 200
    assert answer.json()["duplicate"] is True
    assert answer.json()["event_id"] == filed.event_id
    assert answer.json()["kind"] == "publish"
    assert len(bench.log.filings()) == 1


async def test_a_filed_body_cannot_pass_for_one_of_our_own_making(bench: IngestBench) -> None:
    """Bodies marked as derived are outside the content hash: two texts could then pass as one."""
    texts = [{"contentType": "text/plain", "value": f"Text {number}.", "role": "derived"} for number in (1, 2)]
    async with bench.client() as client:
        for body in texts:
            await client.post(STORIES, json={**NINJS, "bodies": [body]})
    first, second = bench.log.filings()
    assert first.data.content_hash != second.data.content_hash
    assert "role" not in first.data.story["bodies"][0]


async def test_a_repeat_is_filed_although_it_is_the_same(bench: IngestBench) -> None:
    """A deliberate resend is never a duplicate."""
    async with bench.client() as client:
        await client.post(STORIES, json=NINJS)
        filed = bench.log.filings()[0]
        bench.states.known[filed.story_id] = released(filed.data.story, filed.event_id)
        answer = await client.post(STORIES, json=NINJS, params={"kind": "repeat"})
    assert answer.status_code == 202
    assert bench.log.filings()[-1].data.kind is Kind.REPEAT


async def test_a_repeat_the_desk_has_answered_leaves_the_story_at_its_version(bench: IngestBench) -> None:
    """It made no version: the same text is a duplicate again, and `If-Match` on the version that stands is met."""
    async with bench.client() as client:
        await client.post(STORIES, json=NINJS)
        filed = bench.log.filings()[0]
        state = released(filed.data.story, filed.event_id)
        bench.states.known[filed.story_id] = state
        repeat = (await client.post(STORIES, json=NINJS, params={"kind": "repeat"})).json()["event_id"]
        answered = Applied(event_id=repeat, outcome=Outcome.RELEASED, at=1, version=1)
        bench.states.known[filed.story_id] = state.model_copy(update={"applied": (*state.applied, answered)})
        same = await client.post(STORIES, json=NINJS)
        newer = await client.post(STORIES, json={**NINJS, "by": "X"}, headers={"if-match": '"1"'})
    assert (same.status_code, same.json()["event_id"]) == (200, filed.event_id)
    assert (newer.status_code, newer.json()["version"]) == (202, 2)


async def test_the_next_filing_of_a_story_is_an_update(bench: IngestBench) -> None:
    """Version 2 is proposed at once, before the desk has seen version 1."""
    async with bench.client() as client:
        await client.post(STORIES, json=NINJS)
        answer = await client.post(STORIES, json={**NINJS, "slugline": "FERRY"})
    assert (answer.json()["version"], answer.json()["kind"]) == (2, "update")


async def test_if_match_refuses_a_story_that_moved_on(bench: IngestBench) -> None:
    """412 names the newest version."""
    async with bench.client() as client:
        await client.post(STORIES, json=NINJS)
        answer = await client.post(STORIES, json={**NINJS, "slugline": "X"}, headers={"if-match": '"0"'})
    assert answer.status_code == 412
    assert "version 1" in answer.json()["detail"]


async def test_urgency_decides_the_lane_and_a_quota_guards_it(bench: IngestBench) -> None:
    """The fourth flash of a source within a minute rides routine, its urgency unchanged."""
    async with bench.client() as client:
        answers = [
            await client.post(STORIES, json={**NINJS, "uri": f"urn:x:{number}"}, params={"urgency": 1})
            for number in range(4)
        ]
    assert [answer.json()["lane"] for answer in answers] == ["flash", "flash", "flash", "routine"]
    assert {filing.data.urgency for filing in bench.log.filings()} == {1}


@pytest.mark.parametrize(
    ("query", "body", "told"),
    [
        ("2026-11-24T13:00:00Z", "2026-11-24T14:00:00Z", "2026-11-24T14:00:00.000Z"),
        ("2026-11-24T15:00:00Z", "2026-11-24T14:00:00Z", "2026-11-24T15:00:00.000Z"),
    ],
)
async def test_the_later_embargo_wins_and_is_told(bench: IngestBench, query: str, body: str, told: str) -> None:
    """Query and body differ: nobody is early because of the other."""
    async with bench.client() as client:
        answer = await client.post(STORIES, json={**NINJS, "embargoedUntil": body}, params={"embargo_until": query})
    assert answer.json()["embargo_until"] == told


async def test_an_embargo_that_is_over_is_none_and_labelled(bench: IngestBench) -> None:
    """Accepted, not embargoed."""
    async with bench.client() as client:
        answer = await client.post(STORIES, json=NINJS, params={"embargo_until": "2026-11-24T11:59:59Z"})
    assert answer.status_code == 202
    assert answer.json()["labels"] == ["embargo-over"]


async def test_a_source_that_cancels_withholds_and_asks_for_the_kill(bench: IngestBench) -> None:
    """Two decisions for the desk, no filing."""
    async with bench.client() as client:
        answer = await client.post(STORIES, json={**NINJS, "pubStatus": "canceled"})
    assert answer.status_code == 202
    assert [event.data.action for event in bench.log.decisions()] == ["withhold", "kill"]
    assert bench.log.filings() == []


@pytest.mark.parametrize(
    ("content", "content_type", "status", "told"),
    [
        (b"", "application/json", 422, "empty"),
        (b"", "text/plain", 422, "empty"),
        (b"{", "application/json", 422, "not JSON"),
        (b'{"uri": "\xff"}', "application/json", 422, "UTF-8"),
        (b"x" * (MAX_BODY + 1), "text/plain", 413, "at most"),
        (b"<p>hi</p>", "text/html", 415, "text/html"),
        (b"hello", "text/plain; charset=iso-8859-1", 415, "charset"),
        (b'{"headlines": "no"}', "application/json", 422, ""),
        (b"one\x00two", "text/plain", 422, ""),
    ],
)
async def test_what_cannot_be_read_says_why(
    bench: IngestBench, content: bytes, content_type: str, status: int, told: str
) -> None:
    """A problem in plain words; what was not empty or too large is kept in quarantine."""
    async with bench.client() as client:
        answer = await client.post(STORIES, content=content, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.text
    if status == 422:
        assert answer.json()["errors"]
        assert [kept for _, kept, _ in bench.log.parked] == ([content] if content else [])
    assert bench.log.filings() == []


@pytest.mark.parametrize(
    "params",
    [
        {"embargo_until": "2026-11-24T12:00:00"},
        {"embargo_until": "tomorrow"},
        {"urgency": "0"},
        {"urgency": "soon"},
        {"kind": "kill"},
        {"kind": "explode"},
        {"story_id": "with space"},
    ],
)
async def test_a_bad_parameter_is_named(bench: IngestBench, params: dict[str, str]) -> None:
    """422 that points at the parameter."""
    async with bench.client() as client:
        answer = await client.post(STORIES, json=NINJS, params=params)
    assert answer.status_code == 422
    assert next(iter(params)) in answer.json()["errors"][0]["parameter"]


async def test_a_door_that_is_still_reading_the_keys_asks_for_patience(bench: IngestBench) -> None:
    """Just after a start a good key is 503, never 401: the feeder repeats instead of giving up."""
    bench.keys_known = False
    async with bench.client("sl_local_not_read_yet") as client:
        answer = await client.post(STORIES, json=NINJS)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        bench.keys_known = True
        assert (await client.post(STORIES, json=NINJS)).status_code == 401


@pytest.mark.parametrize(
    ("key", "status"), [(None, 401), ("sl_local_wrong", 401), ("sl_local_reader", 403), ("sl_local_editor", 202)]
)
async def test_only_a_desk_key_files(bench: IngestBench, key: str | None, status: int) -> None:
    """No key, unknown key, wrong scope; an editor's key includes the desk's."""
    async with bench.client(key) as client:
        answer = await client.post(STORIES, json=NINJS)
    assert answer.status_code == status


async def test_a_key_files_as_its_own_source_only(bench: IngestBench) -> None:
    """A wire cannot pretend to be another."""
    async with bench.client("sl_local_wire") as client:
        own = await client.post(STORIES, json=NINJS)
        other = await client.post(STORIES, json=NINJS, params={"source": "reuters"})
    assert own.status_code == 202
    assert bench.log.filings()[0].data.source == "courier"
    assert other.status_code == 403


async def test_a_correction_is_filed_for_a_story_whose_id_is_a_url(bench: IngestBench) -> None:
    """The id is one percent-encoded segment, slashes and all."""
    story_id = "https://courier.example/news/1?x=1"
    body = {
        "note": "the island is Inkeri",
        "fields": ["/headlines/0/value"],
        "story": {"headlines": [{"value": "Ferry to Inkeri reopens"}]},
    }
    path = "/v1/intake/stories/https%3A%2F%2Fcourier.example%2Fnews%2F1%3Fx%3D1/corrections"
    async with bench.client() as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == 202
    assert answer.json()["story_id"] == story_id
    [filing] = bench.log.filings()
    assert filing.data.correction is not None
    assert filing.data.correction.note == "the island is Inkeri"
    assert filing.data.kind is Kind.CORRECT


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"fields": ["/by"], "story": {"by": "X"}}, "/note"),
        ({"note": "x", "story": {"by": "X"}}, "/fields"),
        ({"note": "x", "fields": ["by"], "story": {"by": "X"}}, "/fields/0"),
        ({"note": "x", "fields": ["/uri"], "story": {"by": "X"}}, "/fields/0"),
        ({"note": "x", "fields": ["/by"], "story": {}}, "/story"),
        ({"note": "x", "fields": ["/by"], "story": {"byline": "X"}}, "/story/byline"),
        ({"note": "x", "fields": ["/by"], "story": {"by": "X"}, "more": 1}, "/more"),
    ],
)
async def test_a_correction_without_its_parts_is_refused(
    bench: IngestBench, body: dict[str, Any], pointer: str
) -> None:
    """422 that points at what is missing or unknown."""
    async with bench.client() as client:
        answer = await client.post("/v1/intake/stories/urn:x:1/corrections", json=body)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", STORIES, 405), ("GET", "/v1/intake/nothing", 404), ("GET", "/livez", 200), ("GET", "/readyz", 200)],
)
async def test_the_rest_of_the_door(bench: IngestBench, method: str, path: str, status: int) -> None:
    """Unknown paths and methods are problems too; health needs no key."""
    async with bench.client(None) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
