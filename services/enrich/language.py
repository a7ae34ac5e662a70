"""In which language is this story written, and does that agree with what its source says?"""

import re
from dataclasses import dataclass
from typing import Protocol, Self

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from services.enrich.words import HANGUL, UNSPACED

LANGUAGE_DISPUTED = "language-disputed"
# One kilobyte tells as much as the whole story and costs 1 ms; below 60 letters the source knows better.
_READ_BYTES = 1024
_ENOUGH_LETTERS = 60
_SURE = 0.5
_NO_LANGUAGE = frozenset(("und", "mul", "zxx"))
_TAG = re.compile(r"^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*$")
# Languages whose short texts are told apart by the source's word only.
_ALIKE = (
    frozenset(("id", "ms")),
    frozenset(("da", "nb", "nn", "no")),
    frozenset(("bs", "hr", "sr", "sh")),
    frozenset(("cs", "sk")),
    frozenset(("hi", "mr", "ne")),
    frozenset(("xh", "zu")),
    frozenset(("fa", "prs")),
    frozenset(("ur", "ks", "pnb")),
)


class Identifier(Protocol):
    """Names a language and how sure it is of it, 0 to 1."""

    def classify(self, text: str) -> tuple[str, float]: ...


@dataclass(frozen=True, slots=True)
class Language:
    """A language tag (BCP 47): the declared one where the copy agrees, else a primary subtag.

    `disputed` tells that the copy contradicts what its story declares.
    """

    tag: str
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class LanguageReader:
    """Reads the language off a text; the model behind it is loaded once."""

    identifier: Identifier

    @classmethod
    def load(cls) -> Self:
        return cls(LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True))

    def read(self, text: str, declared: str | None, source_language: str | None) -> Language | None:
        """Give the language of `text`, or None when neither it nor its source tells.

        `declared` is what the story says, `source_language` what its source usually writes.
        """
        prior = _clean_tag(declared) or _clean_tag(source_language)
        start = text.encode("utf-8", "replace")[:_READ_BYTES].decode("utf-8", "ignore")
        if _letters(start) < _ENOUGH_LETTERS:
            return Language(prior) if prior else None
        found, confidence = self.identifier.classify(start)
        if confidence < _SURE or found in _NO_LANGUAGE or (prior is not None and _alike(found, primary(prior))):
            return Language(prior) if prior else None
        return Language(found, disputed=_clean_tag(declared) is not None)


def primary(tag: str) -> str:
    """Give the primary subtag of a BCP 47 tag in lower case: `pt` of `pt-BR`."""
    return tag.split("-", maxsplit=1)[0].lower()


def _clean_tag(tag: str | None) -> str | None:
    """Give a tag as it should be written, or None for what is no tag or says nothing (`und`)."""
    if tag is None or not _TAG.match(tag.strip()) or primary(tag.strip()) in _NO_LANGUAGE:
        return None
    first, *rest = tag.strip().split("-")
    return "-".join((first.lower(), *rest))


def _alike(one: str, other: str) -> bool:
    return one == other or any(one in group and other in group for group in _ALIKE)


def _letters(text: str) -> int:
    """Count letters; one of a syllabic or word script says as much as three of an alphabet."""
    return sum(3 if UNSPACED.match(char) or HANGUL.match(char) else 1 for char in text if char.isalpha())
