"""Which stories does an RSS, Atom or JSON Feed document hold?"""

import re
import warnings
from calendar import timegm
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import fastfeedparser
import feedparser

from services.ingest.cleaning import (
    BIDI_CONTROLS_REMOVED,
    comparable,
    html_to_text,
    looks_like_markup,
    one_line,
    without_bidi_controls,
    without_forbidden,
)
from services.ingest.ninjs import PLAIN_TEXT_DERIVED
from services.ingest.ninjs_check import instant, is_uri
from services.ingest.parsed import (
    MAX_CONTENT_BYTES,
    NINJS_3_1,
    SECTION_REL,
    FieldError,
    Parsed,
    TooLarge,
    Unparsable,
    content_size,
)

MAX_FEED_BYTES: Final = 8 * 1024 * 1024
MAX_SLOW_BYTES: Final = 1024 * 1024
"""The tolerant parser reads about 1,000 entries a second, so only feeds up to this size are tried with it."""
MAX_ENTRIES: Final = 5_000

TRUNCATED: Final = "truncated"
CONTENT_DROPPED: Final = "oversize-content-dropped"

_FULL_TEXT_CHARS: Final = 600
_MAX_HTML_CHARS: Final = MAX_CONTENT_BYTES // 2  # its plain text comes beside it
_MAX_SHORT_CHARS: Final = 1000
_MAX_CATEGORIES: Final = 50
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,4}")

Entry = Mapping[str, Any]


def parse(body: bytes) -> tuple[Parsed, ...]:
    """Read every entry of a feed, in its order; entries without a title and without text are left out.

    `source_item_id` is the guid (RSS), id (Atom, JSON Feed) or link. Content is kept as text/html as given, beside a
    derived text/plain; the first category is the section, all are subjects as literals. An entry is labelled
    `truncated` if its text is under 600 characters or equals its summary: the page may hold more. Feeds are seldom
    clean and nobody reads a refusal, so control characters are taken out instead of refused.

    Raises Unparsable or TooLarge. Nothing is fetched: neither parser is ever given an address.
    """
    if len(body) > MAX_FEED_BYTES:
        raise TooLarge("the feed", len(body), MAX_FEED_BYTES)
    if not body.strip():
        raise Unparsable(FieldError(None, None, "the feed is empty; send its document"))
    feed, entries = _read(body)
    if len(entries) > MAX_ENTRIES:
        said = f"the feed has {len(entries)} entries; at most {MAX_ENTRIES} are taken at once"
        raise Unparsable(FieldError(None, None, said))
    language = _language(feed)
    site = _short(feed.get("title"))
    stories = tuple(filter(None, (_story(entry, language, site) for entry in entries)))
    if not stories:
        raise Unparsable(FieldError(None, None, "no entry of this feed has a title or a text; nothing can be filed"))
    return stories


def _read(body: bytes) -> tuple[Entry, list[Entry]]:
    """Feed and entries from the fast parser, or from the tolerant one where the fast one fails or finds nothing."""
    fast = _attempt(fastfeedparser.parse, body)
    if fast[1]:
        return fast
    if len(body) > MAX_SLOW_BYTES:
        said = "not well-formed as RSS, Atom or JSON Feed, and too long for the tolerant reader; check the document"
        raise Unparsable(FieldError(None, None, said))
    slow = _attempt(_tolerant, body)
    if slow[1]:
        return slow
    raise Unparsable(FieldError(None, None, "no entries found; send an RSS 2.0, Atom or JSON Feed document"))


def _tolerant(body: bytes) -> Any:
    return feedparser.parse(body, resolve_relative_uris=False, sanitize_html=False)


def _attempt(parser: Callable[[bytes], Any], body: bytes) -> tuple[Entry, list[Entry]]:
    """What `parser` finds; nothing if it fails, since both leak errors of every kind on damaged feeds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = parser(body)
        # Plain dictionaries: feedparser's own answer to other names than were asked for.
        return dict(found["feed"].items()), [dict(entry.items()) for entry in found["entries"]]
    except Exception:  # noqa: BLE001 - a parser's own bug is the same to us as a damaged feed
        return {}, []


def _story(entry: Entry, language: str | None, site: str) -> Parsed | None:
    html, summary = _html(entry)
    body = _plain(html)
    headline = _short(entry.get("title")) or _first_line(body)
    if not headline:
        return None
    labels: tuple[str, ...] = ()
    if len(html) > _MAX_HTML_CHARS:
        html, body, labels = "", "", (CONTENT_DROPPED,)
    published = _published(entry)
    categories = _categories(entry)
    story: dict[str, Any] = {"type": "text", "standard": dict(NINJS_3_1)}
    story |= _times(entry, published)
    story["headlines"] = [{"role": "main", "contentType": "text/plain", "value": headline}]
    story["bodies"], derived = _bodies(html, body or _plain(summary)[:_MAX_HTML_CHARS] or headline)
    story |= {name: value for name, value in (("by", _short(entry.get("author"))), ("language", language)) if value}
    if categories:
        story["subjects"] = categories
    if site:
        story["infoSources"] = [{"name": site, "role": "publisher"}]
    if content_size(story) > MAX_CONTENT_BYTES:
        story["bodies"] = [{"role": "text", "contentType": "text/plain", "value": headline}]
        labels = (CONTENT_DROPPED,)
    return Parsed(
        story=story,
        source_item_id=_item_id(entry),
        section=categories[0]["name"] if categories else None,
        published_at=published,
        labels=(*labels, *derived, *_marks(entry, body, summary)),
    )


def _bodies(html: str, plain: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    text = {"role": "text", "contentType": "text/plain", "value": plain}
    if not html or not looks_like_markup(html):
        return [text], ()
    return [text, {"role": "html", "contentType": "text/html", "value": html}], (PLAIN_TEXT_DERIVED,)


def _html(entry: Entry) -> tuple[str, str]:
    """The longest content of an entry, its summary where it has none, and the summary."""
    summary = _text(entry.get("summary")) or _text(entry.get("description"))
    contents = entry.get("content") if isinstance(entry.get("content"), list) else []
    values = [_text(part.get("value")) for part in contents or () if isinstance(part, Mapping)]
    return max([*values, ""], key=len) or summary, summary


def _plain(html: str) -> str:
    html = html[: 2 * _MAX_HTML_CHARS]
    return html_to_text(html) if looks_like_markup(html) else html.strip()


def _marks(entry: Entry, body: str, summary: str) -> tuple[str, ...]:
    """`truncated` and the like: what a human should know about how the entry came."""
    has_content = bool(entry.get("content"))
    same = has_content and bool(summary) and comparable(body[:2000]) == comparable(_plain(summary)[:2000])
    bidi = any(
        isinstance(value, str) and without_bidi_controls(value) != value
        for value in (entry.get("title"), entry.get("summary"), entry.get("description"), *_raw_contents(entry))
    )
    return ((TRUNCATED,) if len(body) < _FULL_TEXT_CHARS or same else ()) + ((BIDI_CONTROLS_REMOVED,) if bidi else ())


def _raw_contents(entry: Entry) -> list[Any]:
    contents = entry.get("content")
    return [part.get("value") for part in contents if isinstance(part, Mapping)] if isinstance(contents, list) else []


def _text(value: Any) -> str:
    return without_bidi_controls(without_forbidden(value)) if isinstance(value, str) else ""


def _short(value: Any) -> str:
    """A one-line field as text: titles are often HTML, escaped once more than they should be."""
    text = _text(value)[: 8 * _MAX_SHORT_CHARS]
    return one_line(html_to_text(text) if looks_like_markup(text) else text)[:_MAX_SHORT_CHARS]


def _first_line(body: str) -> str:
    return one_line(body.split("\n", maxsplit=1)[0])[:120].strip()


def _item_id(entry: Entry) -> str | None:
    for field in ("id", "guid", "link"):
        if name := _text(entry.get(field)).strip():
            return name
    return None


def _categories(entry: Entry) -> list[dict[str, Any]]:
    """Subjects in the feed's order, each once; the first also carries the section's `rel`."""
    tags = entry.get("tags") if isinstance(entry.get("tags"), list) else []
    subjects: dict[str, dict[str, Any]] = {}
    for tag in tags or ():
        if not isinstance(tag, Mapping) or not (term := _short(tag.get("term"))):
            continue
        subject = {"name": _short(tag.get("label")) or term, "literal": term}
        scheme = _text(tag.get("scheme")).strip()
        if is_uri(scheme):
            subject["creator"] = scheme
        subjects.setdefault(term, subject)
    chosen = list(subjects.values())[:_MAX_CATEGORIES]
    if chosen:
        chosen[0]["rel"] = SECTION_REL
    return chosen


def _times(entry: Entry, published: datetime | None) -> dict[str, str]:
    changed = _moment(entry, "updated") or published
    named = (("firstCreated", published), ("versionCreated", changed))
    return {name: moment.isoformat().replace("+00:00", "Z") for name, moment in named if moment}


def _published(entry: Entry) -> datetime | None:
    return _moment(entry, "published") or _moment(entry, "updated")


def _moment(entry: Entry, field: str) -> datetime | None:
    """A time as aware UTC: the fast parser gives RFC 3339, the tolerant one a struct_time in UTC."""
    if (parsed := entry.get(f"{field}_parsed")) is not None:
        try:
            return datetime.fromtimestamp(timegm(parsed), UTC)
        except (ValueError, OverflowError, OSError, TypeError):
            return None
    value = entry.get(field)
    moment = instant(value.strip()) if isinstance(value, str) else None
    return moment.replace(microsecond=0) if moment else None


def _language(feed: Entry) -> str | None:
    named = _text(feed.get("language")).strip()
    return named if _LANGUAGE.fullmatch(named) else None
