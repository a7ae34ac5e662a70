"""How does a feed look in RSS 2.0?"""

from email.utils import format_datetime
from typing import Final

from lxml import etree

from services.gateway.feeds.entries import Feed

MEDIA_TYPE: Final = "application/rss+xml"
ATOM: Final = "http://www.w3.org/2005/Atom"


def rss(feed: Feed) -> bytes:
    """Return the document; ids are those of the Atom feed."""
    root = etree.Element("rss", version="2.0", nsmap={"atom": ATOM})
    channel = etree.SubElement(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.url)
    _add(channel, "description", feed.title)
    _add(channel, "lastBuildDate", format_datetime(feed.updated, usegmt=True))
    etree.SubElement(channel, f"{{{ATOM}}}link", rel="self", type=MEDIA_TYPE, href=feed.url)
    for entry in feed.entries:
        item = etree.SubElement(channel, "item")
        _add(item, "title", entry.title)
        _add(item, "guid", entry.id, isPermaLink="false")
        _add(item, "pubDate", format_datetime(entry.updated, usegmt=True))
        _add(item, "description", entry.html or entry.text)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _add(parent: etree._Element, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, name, attributes).text = text
