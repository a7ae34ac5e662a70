"""Where may `?uri=` stand instead of the segment with the id? The rewrite that gateway's `RawPath` routes by."""

from typing import Final
from urllib.parse import parse_qsl, quote

READ_BY_URI: Final = ("/v1/stories", "/v1/desk/stories")

_PARTS: Final = frozenset(
    {"versions", "diff", "recipients", "release", "reject", "hold", "withhold", "urgency", "embargo", "kill"}
)


def with_uri(path: str, query: bytes) -> str:
    """Return the raw path with the query's `uri` put in as the missing segment, where one is missing."""
    base = next((base for base in READ_BY_URI if path == base or path.startswith(f"{base}/")), None)
    if base is None or b"uri=" not in query:
        return path
    rest = path.removeprefix(base)
    uri = dict(parse_qsl(query.decode("ascii", "replace"))).get("uri")
    if not uri or rest.split("/")[1:2] not in ([], [""], *([part] for part in _PARTS)):
        return path
    return f"{base}/{quote(uri, safe='')}{rest.rstrip('/')}"
