"""Which parser reads this body? By its content type; what cannot be read says why."""

from services.ingest import dump, ninjs
from services.ingest.parsed import Parsed

NINJS_TYPES = frozenset({"application/json", "application/vnd.iptc.ninjs+json"})
DUMP_TYPE = "text/plain"
TAKEN = "application/json or application/vnd.iptc.ninjs+json (ninjs 3.x), text/plain (a story page as text)"


class UnsupportedType(Exception):
    """No parser reads this content type."""

    def __init__(self, given: str) -> None:
        super().__init__(f"{given or 'no content type'} is not taken; send {TAKEN}")


def parse(body: bytes, content_type: str) -> Parsed:
    """Return the story in `body`. Raises `UnsupportedType`, `Unparsable`, `TooLarge`."""
    media, _, parameters = content_type.partition(";")
    media = media.strip().lower()
    charset = next((each.strip()[8:] for each in parameters.split(";") if each.strip().startswith("charset=")), "utf-8")
    if charset.strip('"').lower().replace("_", "-") not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedType(f"charset {charset}")
    if media in NINJS_TYPES:
        return ninjs.parse(body)
    if media == DUMP_TYPE:
        return dump.parse(body)
    raise UnsupportedType(media)
