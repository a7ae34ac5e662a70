"""Feeds: the newest stories in three formats, and what becomes of an entry that is taken back."""

import json
from datetime import datetime
from xml.etree import ElementTree as ET

import feedparser
import pytest

from services.gateway.feeds.entries import entry_of
from shared.domain.facts import Facts
from shared.domain.state import KillRecord
from shared.domain.story import Kind
from shared.platform.topics import Topic
from tests.services.gateway.stories import URL, URN, document, filed, item
from tests.services.gateway.twins import World, record

ATOM = "{http://www.w3.org/2005/Atom}"
TOMBSTONE = "{http://purl.org/atompub/tombstones/1.0}deleted-entry"


@pytest.fixture
def feeds(wire: World) -> World:
    wire.key("sue", "subscriber", subscriber="acme")
    wire.views.put(document(1))
    wire.views.put(document(2, story_id=URL, headline="R&D <fast>", body="x < y"))
    return wire


async def get(wire: World, path: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    answer = await wire.http.get(path, headers={"authorization": "Bearer sl_local_sue", **headers})
    return answer.status_code, answer.content, dict(answer.headers)


async def test_the_atom_feed_is_atom(feeds: World) -> None:
    """What RFC 4287 asks of a feed and of each entry, newest first, markup escaped."""
    status, body, headers = await get(feeds, "/feeds/latest.atom")
    root = ET.fromstring(body)
    assert (status, headers["content-type"], root.tag) == (200, "application/atom+xml; charset=utf-8", f"{ATOM}feed")
    for element in (root, *root.iter(f"{ATOM}entry")):
        assert element.findtext(f"{ATOM}id")
        assert element.findtext(f"{ATOM}title")
        assert datetime.fromisoformat(element.findtext(f"{ATOM}updated", "")).tzinfo is not None
    assert root.find(f"{ATOM}author/{ATOM}name") is not None
    assert [one.findtext(f"{ATOM}id") for one in root.iter(f"{ATOM}entry")] == [URL, URN]
    assert root.findtext(f"{ATOM}entry/{ATOM}title") == "R&D <fast>"


@pytest.mark.parametrize("form", ["atom", "rss"])
async def test_an_independent_reader_understands_it(feeds: World, form: str) -> None:
    """feedparser finds no fault, the same ids and the texts."""
    _, body, headers = await get(feeds, f"/feeds/latest.{form}")
    read = feedparser.parse(body, response_headers={"content-type": headers["content-type"]})
    assert not read.bozo
    assert [entry.id for entry in read.entries] == [URL, URN]
    assert "The bridge opened" in str(read.entries[1])


async def test_the_json_feed_holds_the_same_entries(feeds: World) -> None:
    """JSON Feed 1.1: version, title, items with id and content."""
    _, body, headers = await get(feeds, "/feeds/latest.json")
    read = json.loads(body)
    assert headers["content-type"].startswith("application/feed+json")
    assert read["version"] == "https://jsonfeed.org/version/1.1"
    assert [(one["id"], one["title"]) for one in read["items"]] == [(URL, "R&D <fast>"), (URN, "Bridge opens")]


@pytest.mark.parametrize("known_by", ["state", "views"])
@pytest.mark.parametrize("form", ["atom", "rss", "json"])
async def test_a_killed_story_is_its_notice(feeds: World, form: str, known_by: str) -> None:
    """No word of it is left; in Atom it is a tombstone as well."""
    if known_by == "views":
        feeds.views.put(document(2, Kind.KILL))
    else:
        dead = KillRecord(story_id=URN, version=1, release_no=2, cause="e9", at=1)
        feeds.desk.apply(record(Topic.KILLED, URN, dead.model_dump_json().encode()))
    _, body, _ = await get(feeds, f"/feeds/latest.{form}")
    assert b"ridge open" not in body
    assert b"Killed" in body
    if form == "atom":
        [tombstone] = ET.fromstring(body).iter(TOMBSTONE)
        assert tombstone.get("ref") == URN
        assert datetime.fromisoformat(tombstone.get("when", "")).tzinfo is not None


@pytest.mark.parametrize("form", ["atom", "rss", "json"])
async def test_a_withheld_story_is_its_notice_without_tombstone(feeds: World, form: str) -> None:
    """It may come back, so it is not deleted."""
    feeds.know(filed().model_copy(update={"withheld": True, "release_no": 2}))
    _, body, _ = await get(feeds, f"/feeds/latest.{form}")
    assert (b"ridge open" in body, b"Withheld" in body, b"deleted-entry" in body) == (False, True, False)


async def test_a_feed_that_has_not_changed_is_304(feeds: World) -> None:
    """The ETag is that of the content; a kill changes it."""
    _, _, headers = await get(feeds, "/feeds/latest.atom")
    same = await get(feeds, "/feeds/latest.atom", **{"if-none-match": f'"other", W/{headers["etag"]}'})
    assert (same[0], same[1]) == (304, b"")
    feeds.views.put(document(2, Kind.KILL))
    assert (await get(feeds, "/feeds/latest.atom", **{"if-none-match": headers["etag"]}))[0] == 200


async def test_a_section_has_its_own_feed(feeds: World) -> None:
    """Only what is in it; one without stories is valid and empty."""
    feeds.views.put(document(3, story_id="urn:x:sport", facts=Facts(sections=("sport",))))
    _, sport, _ = await get(feeds, "/feeds/sections/sport.atom")
    assert [one.findtext(f"{ATOM}id") for one in ET.fromstring(sport).iter(f"{ATOM}entry")] == ["urn:x:sport"]
    status, empty, _ = await get(feeds, "/feeds/sections/nothing.atom")
    assert (status, list(ET.fromstring(empty).iter(f"{ATOM}entry"))) == (200, [])


@pytest.mark.parametrize("name", ["%D0%9D%D0%B0%D1%83%D0%BA%D0%B0", "%D0%BD%D0%B0%D1%83%D0%BA%D0%B0"])
async def test_a_section_is_found_in_any_script_and_spelling(feeds: World, name: str) -> None:
    """By its name or its slug, percent-encoded."""
    feeds.views.put(document(3, story_id="urn:x:science", facts=Facts(sections=("наука",))))
    _, body, _ = await get(feeds, f"/feeds/sections/{name}.atom")
    assert b"urn:x:science" in body


@pytest.mark.parametrize(
    "path", ["/feeds/latest.pdf", "/feeds/latest", "/feeds/sections/world.doc", "/feeds/sections/%00.atom"]
)
async def test_other_formats_are_refused(feeds: World, path: str) -> None:
    """As problems, like everything else."""
    status, _, headers = await get(feeds, path)
    assert (status in (404, 422), headers["content-type"]) == (True, "application/problem+json")


async def test_missing_views_are_503(feeds: World) -> None:
    """An empty feed would tell readers that everything is gone."""
    feeds.views.missing = True
    assert (await get(feeds, "/feeds/latest.atom"))[0] == 503


def test_what_xml_cannot_hold_is_replaced() -> None:
    """NULs and other control characters would make the whole feed unreadable."""
    entry = entry_of(item(1, headline="a\x00b\x0bc\ufffe", body="d\x1fe"))
    assert (entry.title, entry.text) == ("a\ufffdb\ufffdc\ufffd", "d\ufffde")


@pytest.mark.parametrize(
    ("story_id", "shown"),
    [("no iri", "urn:slugline:story:no%20iri"), ("urn:x:\x01", "urn:slugline:story:urn%3Ax%3A%01"), (URL, URL)],
)
def test_an_id_that_is_no_iri_is_made_one(story_id: str, shown: str) -> None:
    """An Atom id is an IRI; a story id need not be, nor even fit into XML."""
    assert entry_of(item(1, story_id=story_id)).id == shown
