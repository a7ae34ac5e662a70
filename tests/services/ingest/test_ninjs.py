"""What a ninjs document may hold, and what the desk is told when it may not."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from services.ingest import ninjs
from services.ingest.parsed import MAX_CONTENT_BYTES, Parsed, TooLarge, Unparsable
from tests.services.ingest.judges import assert_valid


def item(**fields: Any) -> dict[str, Any]:
    """A small valid item, with `fields` set; a field set to None is left out."""
    whole = {
        "uri": "urn:example:wire:1",
        "type": "text",
        "version": "3",
        "versionCreated": "2026-11-23T12:00:00+01:00",
        "headlines": [{"role": "main", "value": "Lighthouse keeper retires"}],
        "bodies": [{"contentType": "text/plain", "value": "The keeper of the Orrin light retired on Monday."}],
        **fields,
    }
    return {key: value for key, value in whole.items() if value is not None}


def parsed(**fields: Any) -> Parsed:
    return ninjs.parse(json.dumps(item(**fields)).encode())


def refused(body: dict[str, Any] | bytes) -> dict[str | None, str]:
    """The refusal of `body` as pointer → message."""
    with pytest.raises(Unparsable) as refusal:
        ninjs.parse(body if isinstance(body, bytes) else json.dumps(body).encode())
    return {error.pointer: error.message for error in refusal.value.errors}


def test_facts_beside_the_story_are_read_from_it() -> None:
    """Identity, version, urgency, embargo, section and status are told to those who decide."""
    story = parsed(
        urgency=2,
        embargoedUntil="2026-11-24T00:00:00+01:00",
        pubStatus="withheld",
        subjects=[{"name": "Coast", "rel": "section"}],
    )
    assert (story.story_id, story.provider_version, story.urgency) == ("urn:example:wire:1", 3, 2)
    assert story.embargo_until == datetime(2026, 11, 23, 23, tzinfo=UTC)
    assert story.published_at == datetime(2026, 11, 23, 11, tzinfo=UTC)
    assert (story.section, story.pub_status, story.confidence) == ("Coast", "withheld", 1.0)


def test_every_field_comes_through_unchanged() -> None:
    """What the source said is what subscribers get, field by field."""
    given = item(
        standard={"name": "ninjs", "version": "3.0"},
        edNote="Adds the keeper's age.",
        altIds=[{"role": "desk", "value": "77"}],
        people=[{"name": "Edda Holm", "contactInfo": [{"value": "edda@example.org"}]}],
        places=[{"name": "Orrin", "geoJSON": {"type": "Point", "coordinates": [4.5, 58.1]}}],
        associations=[{"uri": "urn:example:wire:0", "name": "earlier", "rel": "evolvedFrom", "urgency": 9}],
        rightsInfo={"langId": "https://example.org/rights", "encodedRights": "none"},
    )
    assert ninjs.parse(json.dumps(given).encode()).story == given


def test_an_item_without_uri_keeps_none() -> None:
    """Its identity is given later, from its source."""
    story = parsed(uri=None)
    assert story.story_id is None
    assert "uri" not in story.story


def test_html_alone_gets_its_plain_text_beside_it() -> None:
    """Search, keywords and text clients count on a text/plain body; the HTML stays as given."""
    html = "<p>One &amp; two.</p><script>x()</script><p>Three.</p>"
    story = parsed(bodies=[{"contentType": "text/html", "value": html}])
    assert [body["value"] for body in story.story["bodies"]] == [html, "One & two.\n\nThree."]
    assert ninjs.PLAIN_TEXT_DERIVED in story.labels
    assert_valid(story.story)


def test_a_description_stands_in_for_a_missing_body() -> None:
    """Agencies send briefs that way; the label says so."""
    story = parsed(bodies=None, descriptions=[{"value": "The keeper retired."}])
    assert story.story["bodies"][0]["value"] == "The keeper retired."
    assert ninjs.BODY_FROM_DESCRIPTION in story.labels


def test_urgency_9_is_read_as_8_and_kept() -> None:
    """Wires use 1 to 8; what was filed stays in altIds."""
    story = parsed(urgency=9)
    assert story.story["urgency"] == story.urgency == 8
    assert story.story["altIds"] == [{"role": "urgency", "value": "9"}]
    assert ninjs.URGENCY_9 in story.labels
    assert_valid(story.story)


@pytest.mark.parametrize(("version", "number"), [("1", 1), ("007", 7), ("20261124183000", 20261124183000)])
def test_digits_are_the_providers_version(version: str, number: int) -> None:
    """A provider's number is final, so it must be read exactly."""
    assert parsed(version=version).provider_version == number


@pytest.mark.parametrize("version", ["0", "1.2", "draft", "٣", "9" * 30, ""])
def test_other_versions_are_labelled_and_left_to_us(version: str) -> None:
    """A version that cannot order releases is kept in the story but decides nothing."""
    story = parsed(version=version)
    assert story.provider_version is None
    assert ninjs.VERSION_NOT_A_NUMBER in story.labels
    assert story.story["version"] == version


def test_a_cancel_needs_no_text_but_a_uri() -> None:
    """An order to withdraw names its story and nothing else."""
    cancel = {"uri": "urn:example:wire:1", "pubStatus": "canceled"}
    assert ninjs.parse(json.dumps(cancel).encode()).pub_status == "canceled"
    assert "must name its story" in refused({"pubStatus": "canceled"})["/uri"]


def test_bidi_controls_are_taken_out_and_told() -> None:
    """A headline must not read differently from what it says."""
    story = parsed(headlines=[{"value": "Mayor \u202edesiarp\u202c again"}])
    assert story.story["headlines"][0]["value"] == "Mayor desiarp again"
    assert "bidi-controls-removed" in story.labels


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"versioncreated": "2026-11-23T12:00:00Z"}, "/versioncreated", "did you mean 'versionCreated'"),
        ({"embargoed": "2026-11-23T12:00:00Z"}, "/embargoed", "'embargoedUntil'"),
        ({"shoeSize": 44}, "/shoeSize", "unknown field"),
        ({"headlines": [{"value": "x", "lang": "en"}]}, "/headlines/0/lang", "unknown field"),
        ({"version": 3}, "/version", "must be a string, not a number; put it in quotes"),
        ({"versionCreated": "yesterday"}, "/versionCreated", "RFC 3339"),
        ({"versionCreated": "2026-02-30T12:00:00Z"}, "/versionCreated", "RFC 3339"),
        ({"versionCreated": "2026-11-23T12:00:00"}, "/versionCreated", "offset"),
        ({"embargoedUntil": "2026-11-23T12:00:00"}, "/embargoedUntil", "offset"),
        ({"headlines": None}, "/headlines", "give one headline"),
        ({"headlines": [{"value": "  "}]}, "/headlines", "give one headline"),
        ({"bodies": None}, "/bodies", "give the text"),
        ({"bodies": [{"contentType": "text/html", "value": "<img src=x>"}]}, "/bodies", "no words"),
        ({"bodies": [{"contentType": "text/plain"}]}, "/bodies/0", "value is missing"),
        ({"type": "picture"}, "/type", "type picture is not taken yet; only text"),
        ({"type": None, "eventDetails": {}}, "/type", "only text"),
        ({"urgency": 0}, "/urgency", "from 1"),
        ({"urgency": 10}, "/urgency", "from 1"),
        ({"urgency": True}, "/urgency", "whole number"),
        ({"uri": "no uri"}, "/uri", "absolute URI"),
        ({"uri": "https://example.org/ä"}, "/uri", "ASCII"),
        ({"uri": "javascript:alert(1)"}, "/uri", "links are not taken"),
        ({"uri": "urn:x:" + "a" * 1100}, "/uri", "1024"),
        ({"slugline": "a\x00b"}, "/slugline", "U+0000"),
        ({"people": [{"name": "a\x1bb"}]}, "/people/0/name", "U+001B"),
        ({"pubStatus": "killed"}, "/pubStatus", "usable, withheld, canceled"),
        ({"subjects": {}}, "/subjects", "must be an array"),
        ({"subjects": ["x"]}, "/subjects/0", "must be an object"),
        ({"subjects": [{"relevance": 101}]}, "/subjects/0/relevance", "0 to 100"),
        ({"places": [{"geoJSON": {"type": "Point"}}]}, "/places/0/geoJSON", "GeoJSON"),
        ({"rightsInfo": {}}, "/rightsInfo", "exactly one of"),
        ({"associations": [{"uri": "urn:a:b"}]}, "/associations/0", "name is missing"),
    ],
)
def test_a_refusal_names_the_field_and_what_to_do(fields: dict[str, Any], pointer: str, words: str) -> None:
    """Every fault is told where it stands."""
    assert words in refused(item(**fields))[pointer]


def test_all_faults_are_told_at_once() -> None:
    """A desk mends an item in one go."""
    assert set(refused(item(version=3, urgency=0, foo=1))) == {"/version", "/urgency", "/foo"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b'{"uri": "\xff"}', "line 1 is not UTF-8"),
        (b'{"uri": }', "line 1, column 9"),
        (b"[]", "one by one"),
        (b'"text"', "JSON object"),
        (b'{"urgency": NaN}', "NaN"),
        (b'{"uri": "urn:a:b", "uri": "urn:c:d"}', "'uri' stands twice"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"urgency": ' + b"1" * 5000 + b"}", "400 digits"),
        (b'{"headlines": [{"value": "\\ud800"}]}', "surrogate"),
    ],
)
def test_what_is_no_json_object_says_why(body: bytes, words: str) -> None:
    """Input that never becomes an item is told apart by its own fault."""
    assert any(words in message for message in refused(body).values())


def test_a_byte_order_mark_is_no_fault() -> None:
    """Editors on some systems write one."""
    assert ninjs.parse(b"\xef\xbb\xbf" + json.dumps(item()).encode()).story_id == "urn:example:wire:1"


def test_a_story_over_the_limit_is_too_large() -> None:
    """The limit holds for content, whatever the topics could take."""
    with pytest.raises(TooLarge) as refusal:
        parsed(bodies=[{"contentType": "text/plain", "value": "ä" * (MAX_CONTENT_BYTES // 2)}])
    assert refusal.value.limit == MAX_CONTENT_BYTES
