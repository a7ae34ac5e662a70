"""How does copy pass between plain text and HTML, and what in either could run in a reader's browser?"""

import html
import re
from html.parser import HTMLParser

import nh3

_INLINE = {"q", "code", "em", "strong", "b", "i", "u", "s", "sub", "sup", "small", "abbr", "cite", "time", "a", "span"}
_BLOCKS = {
    *("p", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre"),
    *("div", "section", "article", "figure", "figcaption"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"),
}
_TAGS = _INLINE | _BLOCKS | {"br"}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "time": {"datetime"},
    "blockquote": {"cite"},
    "q": {"cite"},
    "th": {"colspan", "rowspan", "scope"},
    "td": {"colspan", "rowspan"},
    "ol": {"start"},
    "*": {"lang", "dir"},
}
_SCHEMES = {"http", "https", "mailto", "tel"}
# Elements whose content is no copy either, and those of which the tag alone can act.
_CONTENT_TOO = ("script", "style", "iframe", "object", "noscript", "template", "svg", "math", "applet")
_TAG_ALONE = (
    "embed",
    "form",
    "input",
    "button",
    "base",
    "meta",
    "link",
    "frame",
    "frameset",
    "portal",
    "video",
    "audio",
)
_ACTIVE_NAMES = frozenset((*_CONTENT_TOO, *_TAG_ALONE))
# Quoted values may hold `>` but no `<`; possessive, so that the scan stays linear whatever the copy holds.
_TAG = re.compile(
    r"""<\s{0,3}(?:/\s{0,3})?([a-zA-Z][\w:.-]*+)((?:[^<>"']|"[^"<]*+"|'[^'<]*+')*+>|[^<>]*+>?)""",
)
_OPEN = re.compile(r"<(?=[a-zA-Z/!?])")
_HANDLER = re.compile(r"(?:^|[\s/\"'])on[a-z]{3,}\s*=")
_ACTIVE_URL = re.compile(r"(?:javascript|vbscript|livescript):|data:(?:text/html|image/svg|application/)")
_ACTIVE_VALUE = re.compile(r"=\s*[\"']?\s*(?:javascript|vbscript|livescript):", re.IGNORECASE)
_INVISIBLE = re.compile(r"[\x00-\x20\x7f-\x9f\u200b-\u200f\u2060\ufeff]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
# Elements that have no content, or that the next of their kind closes.
_NEVER_DEEP = frozenset(
    (
        *("br", "hr", "wbr", "img", "input", "meta", "link", "area", "col", "embed", "source", "track", "param"),
        *("p", "li", "dt", "dd", "option", "tr", "td", "th", "thead", "tbody", "tfoot"),
    )
)
# html5ever spends time that grows with depth × length: deeper copy than this is no article.
MAX_TAGS = 20_000
MAX_DEPTH = 200


def scrub(text: str) -> str:
    """Give `text` without control characters and half surrogates, which no JSON reader should meet."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def is_active(text: str) -> bool:
    """Say whether markup in `text` could run, load or submit something when a browser shows it."""
    return any(_acts(tag) for tag in _TAG.finditer(text)) or _hides_action(text)


def is_active_url(url: str) -> bool:
    """Say whether following `url` would run something; white space and character references hide nothing."""
    return _ACTIVE_URL.search(_bare(url)) is not None


def strip_active(text: str) -> str:
    """Take active elements with their content, and tags that act, out of a plain text; the rest stays as it is.

    What looks active again after a removal (`<scr<script></script>ipt>`) goes too; what resists loses its `<`.
    """
    if "<" not in text:
        return text
    for _ in range(8):
        if not any(_acts(tag) for tag in _TAG.finditer(text)):
            break
        text = _without_active_tags(_without_active_elements(text))
    return _OPEN.sub("‹", text) if is_active(text) else text


def clean_html(value: str) -> str:
    """Give the part of an HTML body that the allow-list permits.

    Raises ValueError for markup too deep or too dense to be an article.
    """
    _refuse_excess(value)
    return nh3.clean(
        value,
        tags=_TAGS,
        clean_content_tags={"script", "style", "template", "noscript", "iframe", "object", "applet"},
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        strip_comments=True,
        link_rel="noopener noreferrer",
    ).strip()


def html_of_text(text: str) -> str:
    """Give plain text as paragraphs: an empty line parts them, a single line end is a `<br>`."""
    paragraphs = (html.escape(block.strip(), quote=False) for block in re.split(r"\n[ \t]*\n", text))
    return "\n".join(f"<p>{block.replace(chr(10), '<br>')}</p>" for block in paragraphs if block)


def text_of_html(value: str) -> str:
    """Give the words of clean HTML as plain text, blocks apart by an empty line."""
    reader = _TextReader()
    reader.feed(value)
    reader.close()
    lines = (re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(reader.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _TextReader(HTMLParser):
    """Collects text, with line ends where blocks begin and end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._break_at(tag)

    def handle_endtag(self, tag: str) -> None:
        self._break_at(tag)

    def handle_data(self, data: str) -> None:
        self.parts.append(data.replace("\n", " "))

    def _break_at(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self.parts.append(" ")
        elif tag in {"br", "tr", "li", "dt", "dd"}:
            self.parts.append("\n")
        elif tag in _BLOCKS:
            self.parts.append("\n\n")


def _acts(tag: re.Match[str]) -> bool:
    if tag[1].lower() in _ACTIVE_NAMES or tag[1].lower().startswith("svg:"):
        return True
    attributes = html.unescape(tag[2])
    return _HANDLER.search(attributes.lower()) is not None or ("=" in attributes and is_active_url(attributes))


def _hides_action(text: str) -> bool:
    """Say whether a handler stands behind a `<` that the tag grammar read otherwise than a browser might."""
    opened = _OPEN.search(text)
    if opened is None:
        return False
    rest = text[opened.start() :]
    return _HANDLER.search(rest.lower()) is not None or _ACTIVE_VALUE.search(rest) is not None


def _bare(url: str) -> str:
    return _INVISIBLE.sub("", html.unescape(url)).lower()


def _without_active_elements(text: str) -> str:
    """Cut from each opening tag to its next closing tag; an opening tag that is never closed is left to the tags."""
    for name in _CONTENT_TOO:
        opening, closing = re.compile(rf"<\s*{name}\b", re.IGNORECASE), re.compile(rf"<\s*/\s*{name}\b[^<>]*>?", re.I)
        kept, at = [], 0
        closings = iter(closing.finditer(text))
        close = next(closings, None)
        for found in opening.finditer(text):
            if found.start() < at:
                continue
            while close is not None and close.start() < found.end():
                close = next(closings, None)
            if close is None:
                break
            kept.append(text[at : found.start()])
            at = close.end()
        text = "".join((*kept, text[at:]))
    return text


def _without_active_tags(text: str) -> str:
    return _TAG.sub(lambda tag: "" if _acts(tag) else tag[0], text)


def _refuse_excess(value: str) -> None:
    depth = deepest = tags = 0
    for tag in _TAG.finditer(value):
        tags += 1
        name = tag[1].lower()
        if name in _NEVER_DEEP:
            continue
        depth = max(0, depth - 1) if "/" in tag[0][: tag.start(1) - tag.start()] else depth + 1
        deepest = max(deepest, depth)
    if tags > MAX_TAGS or deepest > MAX_DEPTH:
        raise ValueError(f"{tags} tags, {deepest} deep")
