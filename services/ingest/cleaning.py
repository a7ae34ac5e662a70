"""Which characters a story may hold, and how HTML reads as plain text.

Copy itself is never normalised: NFC would rewrite Devanagari letters, and a body must hash to what was filed. Only
`comparable` normalises, for comparing.
"""

import re
import unicodedata
from collections.abc import Iterator
from html import unescape
from typing import Final

BIDI_CONTROLS_REMOVED: Final = "bidi-controls-removed"

# C0 but tab, line feed and return; DEL; C1 (Windows-1252 read as Latin-1); surrogates; two noncharacters XML forbids.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
# Embeddings, overrides and isolates reorder what a reader sees; the plain marks (LRM, RLM, ALM) stay.
_BIDI: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_SPACES: Final = re.compile(r"\s+")

_SKIPPED: Final = {name: re.compile(f"</{name}", re.I | re.A) for name in ("script", "style", "template", "noscript")}
# HTML's blocks, and those of NITF.
_BLOCKS: Final = frozenset(
    (
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "body.content",
        "body.head",
        "caption",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "head",
        "header",
        "headline",
        "hl1",
        "hl2",
        "hr",
        "html",
        "li",
        "main",
        "media",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "title",
        "tr",
        "ul",
    )
)
# Quoted values may hold '>', not '<': so no attempt reads past the next '<' and the whole scan stays linear.
_TAG: Final = re.compile(
    r"""</?([a-z][\w:.-]*+)(?:[^<>"']|"[^"<]*"|'[^'<]*')*+>|</?([a-z][\w:.-]*+)[^<>]*>""", re.I | re.A
)
_MARKUP: Final = re.compile(r"<(?:[a-z/!?])|&(?:#|[a-z])", re.I)


def forbidden_character(text: str) -> tuple[int, str] | None:
    """Index and name (`U+0000`) of the first character no story may hold, or None."""
    found = _FORBIDDEN.search(text)
    return (found.start(), f"U+{ord(found[0]):04X}") if found else None


def without_forbidden(text: str) -> str:
    """`text` less the characters no story may hold: for feeds, where nobody reads a refusal."""
    return _FORBIDDEN.sub("", text)


def without_bidi_controls(text: str) -> str:
    """`text` less the characters that can make it read differently from what it says."""
    return _BIDI.sub("", text)


def one_line(text: str) -> str:
    """`text` with every run of white space as one space, and none at the ends."""
    return _SPACES.sub(" ", text).strip()


def comparable(text: str) -> str:
    """A form in which two spellings of the same headline are equal: NFKC, case folded, letters and digits only."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (char if unicodedata.category(char)[0] in "LMN" else " " for char in folded)
    return " ".join("".join(kept).split())


def looks_like_markup(text: str) -> bool:
    """Whether `text` holds a tag or a character reference."""
    return _MARKUP.search(text) is not None


def html_to_text(html: str) -> str:
    """The words of `html`: paragraphs parted by one blank line, `br` as a line break, scripts and comments left out.

    Linear in its input, whatever that is. The result is text, not markup: it may hold `<`, so escape it when shown.
    """
    paragraphs = (
        "\n".join(filter(None, (one_line(line) for line in paragraph.split("\v"))))
        for paragraph in "".join(_pieces(html)).split("\f")
    )
    return "\n\n".join(filter(None, paragraphs))


def _pieces(html: str) -> Iterator[str]:
    # \f stands for a paragraph's end and \v for a line's: neither can come out of copy, which loses both first.
    at = 0
    while (opened := html.find("<", at)) >= 0:
        yield _text(html[at:opened])
        if html.startswith(("<!", "<?"), opened):
            at = _past_declaration(html, opened)
        elif tag := _TAG.match(html, opened):
            name = (tag[1] or tag[2]).lower()
            yield "\f" if name in _BLOCKS else "\v" if name == "br" else ""
            at = tag.end()
            if name in _SKIPPED and not tag[0].startswith("</"):
                closed = _SKIPPED[name].search(html, at)
                at = closed.start() if closed else len(html)
        else:
            yield "<"
            at = opened + 1
    yield _text(html[at:])


def _past_declaration(html: str, opened: int) -> int:
    """Where a comment, doctype, CDATA section or processing instruction ends; the end of `html` if it never does."""
    closer = "-->" if html.startswith("<!--", opened) else "]]>" if html.startswith("<![CDATA[", opened) else ">"
    closed = html.find(closer, opened + 2)
    return closed + len(closer) if closed >= 0 else len(html)


def _text(raw: str) -> str:
    spaced = unescape(raw).replace("\f", " ").replace("\v", " ")
    return without_bidi_controls(without_forbidden(spaced))
