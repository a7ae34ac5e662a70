"""How does a feed look as JSON Feed 1.1?"""

import json
from typing import Any, Final

from services.gateway.feeds.entries import Entry, Feed
from shared.domain.item import rfc3339

MEDIA_TYPE: Final = "application/feed+json"
VERSION: Final = "https://jsonfeed.org/version/1.1"


def json_feed(feed: Feed) -> bytes:
    """Return the document; ids are those of the Atom feed."""
    document = {
        "version": VERSION,
        "title": feed.title,
        "feed_url": feed.url,
        "items": [_item(entry) for entry in feed.entries],
    }
    return json.dumps(document, ensure_ascii=False).encode()


def _item(entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {"id": entry.id, "title": entry.title, "date_modified": rfc3339(entry.updated)}
    if entry.html:
        item["content_html"] = entry.html
    if entry.text or not entry.html:
        item["content_text"] = entry.text
    if entry.by:
        item["authors"] = [{"name": entry.by}]
    return item
