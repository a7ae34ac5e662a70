"""Reading: stories, versions, differences and lists, each through the gate."""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from services.gateway.stories import MOST_SCANNED, _cursor
from services.gateway.views.ports import Place
from shared.domain.facts import Facts
from shared.domain.lifecycle import decide
from shared.domain.release_item import newest_note, release_item
from shared.domain.state import KillRecord
from shared.domain.story import Kind
from shared.platform.topics import Topic
from tests.domain.stories import deciding
from tests.services.gateway.stories import FACTS, URL, URN, document, filed
from tests.services.gateway.twins import NOON, World, record

LATER = "urn:slugline:test:2"


@pytest.fixture
def reader(wire: World) -> World:
    """Two stories, the first in two versions; anybody's key reads."""
    wire.key("sue", "subscriber", subscriber="acme")
    wire.views.put(document(1))
    wire.views.put(document(2, Kind.UPDATE, headline="Bridge closes"))
    wire.views.put(document(1, story_id=URL, headline="Elsewhere", at=NOON))
    return wire


async def get(wire: World, path: str, **params: Any) -> httpx2.Response:
    return await wire.http.get(path, params=params or None, headers={"authorization": "Bearer sl_local_sue"})


def path_of(story_id: str, rest: str = "") -> str:
    return f"/v1/stories/{quote(story_id, safe='')}{rest}"


def kill(wire: World, story_id: str = URN) -> None:
    """The kill's own record is there, and nothing else yet."""
    dead = KillRecord(story_id=story_id, version=2, release_no=3, cause="e9", at=1, replacement="urn:x:better")
    wire.desk.apply(record(Topic.KILLED, story_id, dead.model_dump_json().encode()))


def withhold(wire: World) -> None:
    """The state says withheld, and the views do not know yet."""
    state = filed(filed(), event_id="e2", version=2, text="other")
    wire.know(state.model_copy(update={"withheld": True, "release_no": 3}))


@pytest.mark.parametrize("story_id", [URN, URL])
async def test_a_story_is_read_by_its_id_whatever_it_looks_like(reader: World, story_id: str) -> None:
    """A URN or a URL with slashes and a query, in the path or as `?uri=`."""
    by_path = await get(reader, path_of(story_id))
    by_uri = await get(reader, "/v1/stories", uri=story_id)
    assert by_path.json()["story_id"] == by_uri.json()["story_id"] == story_id
    assert by_path.json()["story"]["uri"] == story_id


@pytest.mark.parametrize("rest", ["/versions", "/versions/1", "/diff"])
async def test_parts_of_a_story_are_read_by_path_and_by_uri(reader: World, rest: str) -> None:
    """`?uri=` stands wherever a story is read."""
    by_path = await get(reader, path_of(URL, rest))
    by_uri = await get(reader, f"/v1/stories{rest}", uri=URL)
    assert by_path.status_code == 200
    assert by_path.json() == by_uri.json()


async def test_an_id_is_decoded_once(reader: World) -> None:
    """`%252F` in a path is the text `%2F` in an id, not a slash."""
    odd = "urn:x:a%2Fb"
    reader.views.put(document(1, story_id=odd))
    assert (await get(reader, path_of(odd))).json()["story_id"] == odd
    assert (await get(reader, "/v1/stories/urn:x:a%2Fb")).status_code == 404


async def test_unescaped_slashes_are_another_path(reader: World) -> None:
    """What is not percent-encoded is no id: 404, not some other story."""
    assert (await get(reader, f"/v1/stories/{URL.partition('?')[0]}")).status_code == 404


async def test_versions_and_their_difference(reader: World) -> None:
    """All released versions, one of them, and what changed, as JSON pointers."""
    versions = (await get(reader, path_of(URN, "/versions"))).json()["items"]
    assert [one["version"] for one in versions] == [1, 2]
    assert (await get(reader, path_of(URN, "/versions/1"))).json()["version"] == 1
    changes = (await get(reader, path_of(URN, "/diff"), **{"from": 1, "to": 2})).json()["changes"]
    assert changes == [{"pointer": "/headlines/0/value", "was": "Bridge opens", "is": "Bridge closes"}]


async def test_a_difference_can_be_read(reader: World) -> None:
    """Each text that was changed, in pieces, beside the pointers."""
    reader.views.put(document(3, Kind.CORRECT, headline="Bridge closed", corrects={"version": 2, "note": "tense"}))
    told = (await get(reader, path_of(URN, "/diff"))).json()
    assert (told["from"], told["to"], told["corrects"]) == (2, 3, {"version": 2, "note": "tense"})
    pieces = [("same", "Bridge "), ("removed", "closes"), ("added", "closed")]
    assert told["texts"] == [{"field": "headline", "pieces": [{"how": how, "text": text} for how, text in pieces]}]


@pytest.mark.parametrize("rest", ["/versions/9", "/versions/x", "/diff?from=1&to=9", "/diff?from=0"])
async def test_versions_that_are_not_there(reader: World, rest: str) -> None:
    """404 for one that was not released, 422 for what is no number."""
    answer = await get(reader, path_of(URN, rest) if "?" not in rest else path_of(URN) + rest)
    assert answer.status_code == (422 if rest.endswith(("x", "from=0")) else 404)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_story_that_was_not_released_is_404(reader: World) -> None:
    """Held, embargoed, rejected and unknown look the same."""
    reader.know(filed(hold="names a minor", story_id=LATER))
    for story_id in (LATER, "urn:x:nobody"):
        assert (await get(reader, path_of(story_id))).status_code == 404


async def test_a_held_version_leaves_the_one_before_it_public(reader: World) -> None:
    """Nothing of version 2 shows, and version 1 stays."""
    reader.know(filed(filed(), event_id="e2", version=2, text="other", hold="names a minor"))
    assert (await get(reader, path_of(URN))).status_code == 200


@pytest.mark.parametrize("rest", ["", "/versions", "/versions/1", "/diff"])
async def test_a_kill_is_410_everywhere_at_once(reader: World, rest: str) -> None:
    """With the notice and the replacement, and without a word of the text, before the views know."""
    kill(reader)
    answer = await get(reader, path_of(URN, rest))
    assert answer.status_code == 410
    assert (answer.json()["replacement"], answer.json()["release_no"]) == ("urn:x:better", 3)
    assert "Bridge" not in answer.text


async def test_a_kill_that_only_the_views_know_is_410_too(reader: World) -> None:
    """Either of the two is enough."""
    reader.views.put(document(3, Kind.KILL))
    answer = await get(reader, path_of(URN))
    assert (answer.status_code, answer.json()["notice"]) == (410, "This story is canceled.")


@pytest.mark.parametrize("known_by", ["state", "views"])
async def test_a_withheld_story_is_its_notice_and_nothing_else(reader: World, known_by: str) -> None:
    """200 with the notice; versions and differences are 404."""
    if known_by == "state":
        withhold(reader)
    else:
        reader.views.put(document(3, Kind.WITHHOLD, version=2))
    answer = await get(reader, path_of(URN))
    assert (answer.status_code, answer.json()["kind"], answer.json()["release_no"]) == (200, "withhold", 3)
    assert answer.json()["story"]["pubStatus"] == "withheld"
    assert "Bridge" not in answer.text
    for rest in ("/versions", "/versions/1", "/diff"):
        assert (await get(reader, path_of(URN, rest))).status_code == 404


@pytest.mark.parametrize("action", ["withhold", "kill"])
async def test_a_notice_says_the_same_before_the_release_has_come_and_after(reader: World, action: str) -> None:
    """One release number is one content, wherever it is read: what the state tells is what will come by the wire."""
    decided = deciding("d1", action, break_glass=action == "kill", replacement="urn:x:better")
    state = decide(filed(filed(), event_id="e2", version=2, text="other"), decided, NOON + timedelta(minutes=1))
    note = newest_note(state)
    assert note is not None
    to_come = release_item(URN, note, None)
    reader.know(state)
    [shown] = [item for item in await reader.gateway.stories.newest(None, 10) if item.story_id == URN]
    assert shown == to_come.model_copy(update={"seq": shown.seq})
    if action == "withhold":
        page = (await get(reader, path_of(URN))).json()
        assert page == to_come.model_dump(mode="json")
    else:
        gone = (await get(reader, path_of(URN))).json()
        told = ("version", "release_no", "notice", "replacement")
        assert [gone[name] for name in told] == [getattr(to_come, name) for name in told]


async def test_lists_leave_out_what_is_killed_or_withheld(reader: World) -> None:
    """As soon as the state says so."""
    kill(reader, URL)
    withhold(reader)
    assert (await get(reader, "/v1/stories")).json()["items"] == []


async def test_lists_are_newest_first_in_pages(reader: World) -> None:
    """Every story once, however small the page, also where some came at one instant."""
    for number in range(3, 10):
        reader.views.put(document(1, story_id=f"urn:x:{number}", at=NOON))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await get(reader, "/v1/stories", limit=2, **cursor)).json()
        seen += [one["story_id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert seen[0] == URN
    assert len(seen) == len(set(seen)) == 9


async def test_a_page_links_to_the_next(reader: World) -> None:
    """With the filter of the first; the last page links to none."""
    first = await get(reader, "/v1/stories", limit=1, sections="world")
    second = await get(reader, first.links["next"]["url"])
    assert [one["story_id"] for one in second.json()["items"]] == [URL]
    last = await get(reader, second.links["next"]["url"])
    assert (last.json()["items"], "link" in last.headers) == ([], False)


async def test_pages_of_a_span_of_time_end_where_it_does(reader: World) -> None:
    """The cursor goes on from the last page, never beyond either end."""
    span = {"since": NOON.isoformat(), "until": (NOON + timedelta(minutes=2)).isoformat(), "limit": 1}
    first = await get(reader, "/v1/stories", **span)
    assert [one["story_id"] for one in first.json()["items"]] == [URL]
    assert (await get(reader, first.links["next"]["url"])).json()["items"] == []


async def test_a_filter_that_wants_next_to_nothing_holds_nobody_up(reader: World) -> None:
    """So many stories are judged at once; then comes a short page with a cursor that goes on."""
    for number in range(MOST_SCANNED):
        reader.views.put(document(1, story_id=f"urn:x:{number}", at=NOON + timedelta(hours=1)))
    first = (await get(reader, "/v1/stories", keywords="elsewhere")).json()
    assert first["items"] == []
    second = (await get(reader, "/v1/stories", keywords="elsewhere", cursor=first["next"])).json()
    assert [one["story_id"] for one in second["items"]] == [URL]


async def test_whoever_keeps_an_answer_must_ask_each_time(reader: World) -> None:
    """A kept story could outlive its kill; shared caches keep nothing, and a problem is kept by nobody."""
    assert (await get(reader, path_of(URN))).headers["cache-control"] == "private, no-cache"
    assert (await get(reader, path_of("urn:x:nobody"))).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"sections": "world"}, True),
        ({"sections": "sport"}, False),
        ({"sections": ["sport", "world"]}, True),
        ({"places": "TJ", "languages": "en"}, True),
        ({"places": "TJ", "languages": "de"}, False),
        ({"subjects": "medtop:16000000"}, True),
        ({"keywords": "closes"}, True),
        ({"keywords": "opens quickly"}, False),
        ({"not.sources": "desk"}, False),
        ({"urgency_max": 3}, False),
        ({"since": (NOON + timedelta(minutes=2)).isoformat()}, True),
        ({"since": (NOON + timedelta(minutes=3)).isoformat()}, False),
        ({"until": (NOON + timedelta(minutes=2)).isoformat()}, False),
        ({"until": (NOON + timedelta(minutes=3)).isoformat()}, True),
        ({"since": (NOON + timedelta(minutes=2)).isoformat(), "until": "2027-01-01T00:00:00Z"}, True),
        ({"lanes": "routine"}, True),
        ({"lanes": "flash"}, False),
    ],
)
async def test_lists_are_filtered_as_subscriptions_are(reader: World, params: dict[str, Any], found: bool) -> None:
    """Any of within a field, all of across fields, `not.` excludes, `since` is a time."""
    items = (await get(reader, "/v1/stories", **params)).json()["items"]
    assert (URN in [one["story_id"] for one in items]) is found


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"colour": "red"}, "colour"),
        ({"not.colour": "red"}, "not.colour"),
        ({"urgency_max": "soon"}, "urgency_max"),
        ({"keywords": "!?"}, "keywords"),
        ({"since": "2026-11-24T12:00:00"}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"until": "tomorrow"}, "until"),
        ({"since": "2026-11-24T12:00:00Z", "until": "2026-11-24T12:00:00Z"}, "until"),
        ({"lanes": "fast"}, "lanes"),
        ({"since": "1763900000"}, "since"),
        ({"cursor": "%%%"}, "cursor"),
        ({"cursor": _cursor(Place(10**30, URN))}, "cursor"),
        ({"cursor": _cursor(Place(-1, URN))}, "cursor"),
        ({"limit": "1000"}, "limit"),
    ],
)
async def test_a_query_that_means_nothing_is_422(reader: World, params: dict[str, str], parameter: str) -> None:
    """An unknown field, a time without offset, a foreign cursor: each is named."""
    answer = await get(reader, "/v1/stories", **params)
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, parameter)


@pytest.mark.parametrize("path", ["/v1/stories", path_of(URN), path_of(URN, "/versions"), path_of("urn:x:nobody")])
async def test_missing_views_are_503_and_never_404_or_empty(reader: World, path: str) -> None:
    """Redis may be emptied at any moment."""
    reader.views.missing = True
    answer = await get(reader, path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("path", ["/v1/stories", path_of(URN), "/feeds/latest.atom"])
async def test_nothing_is_shown_before_the_gate_is_read(reader: World, path: str) -> None:
    """Views that are older than a kill must not be believed."""
    reader.desk.loaded = False
    assert (await get(reader, path)).status_code == 503


async def test_an_item_says_all_that_the_interface_names(reader: World) -> None:
    """Field for field."""
    names = {
        "seq", "lane", "kind", "story_id", "version", "release_no", "released_at", "corrects", "supersedes",
        "changes", "lineage", "labels", "stage_times", "story",
    }  # fmt: skip
    assert names <= (await get(reader, path_of(URN))).json().keys()


async def test_a_section_list_holds_that_section_only(reader: World) -> None:
    """By the facts of the newest release."""
    sport = Facts.model_validate(FACTS.model_dump() | {"sections": ["sport"]})
    reader.views.put(document(1, story_id=LATER, facts=sport))
    items = (await get(reader, "/v1/stories", sections="Sport")).json()["items"]
    assert [one["story_id"] for one in items] == [LATER]
