"""How does a feed look in Atom (RFC 4287), with tombstones (RFC 6721)?"""

from typing import Final

from lxml import etree

from services.gateway.feeds.entries import Entry, Feed, iri_of
from shared.domain.item import rfc3339

MEDIA_TYPE: Final = "application/atom+xml"
ATOM: Final = "http://www.w3.org/2005/Atom"
TOMBSTONES: Final = "http://purl.org/atompub/tombstones/1.0"


def atom(feed: Feed) -> bytes:
    """Return the document. A killed story is both: deleted, and for readers who pass over tombstones its notice."""
    root = etree.Element(f"{{{ATOM}}}feed", nsmap={None: ATOM, "at": TOMBSTONES})  # type: ignore[dict-item]  # stubs know no default
    _add(root, "id", iri_of(feed.url))
    _add(root, "title", feed.title)
    _add(root, "updated", rfc3339(feed.updated))
    author = etree.SubElement(root, f"{{{ATOM}}}author")
    _add(author, "name", "Slugline")
    etree.SubElement(root, f"{{{ATOM}}}link", rel="self", type=MEDIA_TYPE, href=feed.url)
    for entry in feed.entries:
        if entry.killed:
            tombstone = etree.SubElement(
                root, f"{{{TOMBSTONES}}}deleted-entry", ref=entry.id, when=rfc3339(entry.updated)
            )
            etree.SubElement(tombstone, f"{{{TOMBSTONES}}}comment").text = entry.text
        _entry(root, entry)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def _entry(root: etree._Element, entry: Entry) -> None:
    element = etree.SubElement(root, f"{{{ATOM}}}entry")
    _add(element, "id", entry.id)
    _add(element, "title", entry.title)
    _add(element, "updated", rfc3339(entry.updated))
    if entry.by:
        _add(etree.SubElement(element, f"{{{ATOM}}}author"), "name", entry.by)
    _add(element, "content", entry.html or entry.text, type="html" if entry.html else "text")


def _add(parent: etree._Element, name: str, text: str, **attributes: str) -> None:
    etree.SubElement(parent, f"{{{ATOM}}}{name}", attributes).text = text
