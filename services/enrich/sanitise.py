"""What of a filed story may a reader's browser be shown, and in which two forms does its body travel?"""

from typing import Any

from services.enrich.markup import clean_html, html_of_text, is_active, is_active_url, scrub, strip_active, text_of_html
from shared.domain.story import DERIVED_ROLE

ACTIVE_REMOVED = "active-content-removed"
_HTML_TYPES = frozenset(("text/html", "application/xhtml+xml", "application/html"))
_LINK_KEYS = frozenset(("href", "url"))
_MARKUP_LISTS = frozenset(("bodies", "headlines", "descriptions"))
# Associations nest stories in stories and GeoJSON lists in lists; nothing honest is deeper than this.
_MAX_NESTING = 40


def sanitised(story: dict[str, Any]) -> tuple[dict[str, Any], frozenset[str]]:
    """Give a copy of a ninjs story that is safe to show, with a text/plain and a text/html body, and its labels.

    Strings are text and stay text, but for active elements; HTML passes an allow-list. Running it again
    changes nothing. Raises ValueError for markup that no article has; then `escaped` is the way.
    """
    cleaner = _Cleaner()
    clean = cleaner.mapping(story, 0)
    _complete_bodies(clean)
    return clean, frozenset({ACTIVE_REMOVED} if cleaner.removed else ())


def escaped(story: dict[str, Any]) -> dict[str, Any]:
    """Give the story with every `<` made harmless: safe whatever it holds, and no word is lost."""
    clean: dict[str, Any] = _defused(story, 0)
    _complete_bodies(clean)
    return clean


def headline(story: dict[str, Any]) -> str:
    """Give the first headline as text, else the title, else ""."""
    for entry in story.get("headlines", ()):
        value: str = entry["value"]
        return text_of_html(value) if _media_type(entry) == "text/html" else value
    title: str = story.get("title", "")
    return title


class _Cleaner:
    """Walks one story and remembers whether anything active was met."""

    def __init__(self) -> None:
        self.removed = False

    def mapping(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        clean = {}
        for key, item in value.items():
            if key in _MARKUP_LISTS and isinstance(item, list):
                clean[key] = [self.block(block) for block in item]
            elif key in _LINK_KEYS and isinstance(item, str) and is_active_url(item):
                self.removed = True
            else:
                clean[key] = self.anything(item, depth + 1)
        return clean

    def anything(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if depth > _MAX_NESTING and isinstance(value, dict | list):
            raise ValueError(f"nested deeper than {_MAX_NESTING}")
        if isinstance(value, dict):
            return self.mapping(value, depth)
        if isinstance(value, list):
            return [self.anything(item, depth + 1) for item in value]
        return value

    def block(self, block: dict[str, Any]) -> dict[str, Any]:
        """Clean one headline, description or body and count it again where it was counted."""
        value = scrub(block["value"])
        if _media_type(block) == "text/html":
            self.removed = self.removed or is_active(value)
            clean = block | {"contentType": "text/html", "value": clean_html(value)}
        else:
            declared = {"contentType": _media_type(block)} if "contentType" in block else {}
            clean = block | declared | {"value": self.text(value)}
        return _recounted(clean) if clean["value"] != block["value"] else clean

    def text(self, value: str) -> str:
        value = scrub(value)
        stripped = strip_active(value)
        self.removed = self.removed or stripped != value
        return stripped


def _defused(value: Any, depth: int) -> Any:
    """Copy anything of a story with `<` made harmless; what nests too deep is dropped."""
    if isinstance(value, str):
        return strip_active(scrub(value)).replace("<", "‹")
    if depth > 2 * _MAX_NESTING and isinstance(value, dict | list):
        return [] if isinstance(value, list) else {}
    if isinstance(value, list):
        return [_defused(item, depth + 1) for item in value]
    if isinstance(value, dict):
        links = {
            key for key, item in value.items() if key in _LINK_KEYS and isinstance(item, str) and is_active_url(item)
        }
        return {key: _defused(item, depth + 1) for key, item in value.items() if key not in links}
    return value


def _complete_bodies(story: dict[str, Any]) -> None:
    """Add the missing one of text/plain and text/html, made from the other; bodies derived before are made anew."""
    bodies: list[dict[str, Any]] = story.get("bodies", [])
    filed = [body for body in bodies if body.get("role") != DERIVED_ROLE] or bodies
    first_of = {_media_type(body): body["value"] for body in reversed(filed)}
    if "text/plain" in first_of and "text/html" not in first_of:
        filed = [*filed, _derived("text/html", html_of_text(first_of["text/plain"]))]
    elif "text/html" in first_of and "text/plain" not in first_of:
        filed = [*filed, _derived("text/plain", strip_active(text_of_html(first_of["text/html"])))]
    if filed:
        story["bodies"] = filed


def _derived(content_type: str, value: str) -> dict[str, Any]:
    return {"role": DERIVED_ROLE, "contentType": content_type, "value": value}


def _recounted(block: dict[str, Any]) -> dict[str, Any]:
    text = text_of_html(block["value"]) if _media_type(block) == "text/html" else block["value"]
    counts = {"charCount": len(text), "wordCount": len(text.split())}
    return block | {name: count for name, count in counts.items() if name in block}


def _media_type(block: dict[str, Any]) -> str:
    """Give the media type without parameters; a block that does not say is HTML only if it looks so."""
    declared = str(block.get("contentType", "")).split(";")[0].strip().lower()
    if declared in _HTML_TYPES:
        return "text/html"
    if declared:
        return declared
    value = block["value"]
    return "text/html" if "</" in value and value.lstrip().startswith("<") else "text/plain"
