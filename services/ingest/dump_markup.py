"""Which markup was left behind in a text dump? Scripts go with their content, other tags leave their text."""

import re
from typing import Final

MARKUP_REMOVED: Final = "markup-removed"

_NAMES: Final = (
    "a|abbr|article|aside|audio|b|blockquote|body|br|button|code|div|em|embed|figcaption|figure|font|footer|form|h[1-6]"
    "|head|header|hr|html|i|iframe|img|input|li|link|main|meta|nav|object|ol|p|picture|pre|script|section|small|source|span"
    "|strong|style|sub|sup|svg|table|tbody|td|tfoot|th|thead|time|tr|u|ul|video"
)
# No attempt reads past the next '<', so the scan is linear; what is not a tag of HTML ("<3") stays.
_TAG: Final = re.compile(rf"</?(?P<name>{_NAMES})(?:\s[^<>]*|/)?>", re.I | re.A)
_CLOSERS: Final = {
    name: re.compile(rf"</{name}\s{{0,20}}>", re.I | re.A) for name in ("script", "style", "iframe", "object", "svg")
}


def without_markup(text: str) -> str:
    """`text` less the tags of HTML and all that stands in scripts, styles and embedded objects.

    A script that is never closed ends with its line. Line breaks in what is removed stay: lines keep their numbers.
    """
    if "<" not in text:
        return text
    pieces = []
    at = 0
    unclosed: set[str] = set()
    while tag := _TAG.search(text, at):
        pieces.append(text[at : tag.start()])
        at = tag.end()
        name = tag["name"].lower()
        if name in _CLOSERS and not tag[0].startswith("</") and not tag[0].endswith("/>"):
            closed = None if name in unclosed else _CLOSERS[name].search(text, at)
            if closed is None:
                unclosed.add(name)  # searched to the end once: never again
            end = closed.end() if closed else _end_of_line(text, at)
            pieces.append("\n" * text.count("\n", at, end))
            at = end
    pieces.append(text[at:])
    return "".join(pieces)


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
