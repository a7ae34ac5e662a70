"""What is a story about, in IPTC Media Topics, and how sure may we be of it?

Order of trust: the provider's own codes, then the source's section, then our lexicon. The lexicon speaks only when one
or two subjects stand out; where everything is a little true, nothing is said.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import ahocorasick

from services.enrich.lexicon import names, rows
from services.enrich.words import begins_word, ends_word
from shared.domain.facts import slug

CREATOR = "slugline-enrich"
_SCHEME = "http://cv.iptc.org/newscodes/mediatopic/"
_CODE = re.compile(r"^(?:https?://cv\.iptc\.org/newscodes/mediatopic/|medtop:)(\d{8})$")
# The gist stands at the top of a story; the rest adds cost and noise.
_READ_CHARS = 16_384
_HEADLINE_COUNTS = 3
# One word says little however often it comes; saturates at four mentions.
_MOST_PER_WORD = 4
_ENOUGH_SCORE = 5
_ENOUGH_WORDS = 3
_ENOUGH_FINE_SCORE = 4
_ENOUGH_FINE_WORDS = 2
# Measured on news: keeping what leads by this share is right in about 19 of 20 stories.
_STANDS_OUT = 0.6
_MOST_TOPS = 2
_MOST_FINE = 3
_SECTION_CONFIDENCE = 80
_MOST_CONFIDENCE = 95


@dataclass(frozen=True, slots=True)
class Concept:
    """One Media Topics concept; `code` has eight digits, `broader` is the code of its parent or ""."""

    code: str
    broader: str
    name: str


@dataclass(frozen=True, slots=True)
class Section:
    """What one section of a source tells: its slug, a topic code or "", a country or ""."""

    slug: str
    code: str
    country: str


@dataclass(frozen=True, slots=True)
class TopicsFound:
    """`entries` are ninjs 3.1 subjects of ours; `codes` are `medtop:` codes, filed and found, with all broader ones."""

    entries: tuple[dict[str, Any], ...] = ()
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """How loudly the lexicon's words for one code speak, and how many different words did."""

    code: str
    points: int
    words: int


@dataclass(frozen=True, slots=True)
class TopicLexicon:
    """The words, concepts and sections we know; `words_of` finds a text's words in one pass for each language."""

    concepts: dict[str, Concept] = field(repr=False)
    sections: dict[str, Section] = field(repr=False)
    words_of: dict[str, Any] = field(repr=False)

    @classmethod
    def load(cls) -> Self:
        concepts = {code: Concept(code, broader, name) for code, broader, name in rows("media_topics")}
        sections = {}
        for own, others, code, country in rows("sections"):
            section = Section(own, code, country)
            sections.update({slug(name): section for name in (own, *names(others))})
        return cls(concepts, sections, _automata())

    def section(self, name: str) -> Section:
        """Give what a source's section tells; an unknown one keeps its own name as slug and tells nothing."""
        return self.sections.get(slug(name), Section(slug(name), "", ""))

    def section_for(self, codes: Iterable[str]) -> str | None:
        """Give the slug of the first section that stands for one of `codes` (`medtop:…`), for stories filed without."""
        by_code = {section.code: section.slug for section in reversed(self.sections.values()) if section.code}
        return next((by_code[code[7:]] for code in codes if code[7:] in by_code), None)

    def find(
        self,
        headline: str,
        text: str,
        *,
        language: str,
        section: str | None,
        filed: Iterable[dict[str, Any]] = (),
    ) -> TopicsFound:
        """Give the subjects of a story; nothing of ours where its provider filed Media Topics codes of its own."""
        own = filed_codes(filed)
        if own:
            return TopicsFound((), self._with_broader(own))
        entries: dict[str, dict[str, Any]] = {}
        code = self.section(section).code if section else ""
        if code:
            entries[code] = self._entry(code, _SECTION_CONFIDENCE, 100)
        scores = self.scores(headline, text, language)
        for found, entry in self._decided(scores).items():
            entries.setdefault(found, entry)
        return TopicsFound(tuple(entries.values()), self._with_broader(entries))

    def scores(self, headline: str, text: str, language: str) -> list[Score]:
        """Score every code that has a word in the story, best first; equal scores in the order of codes."""
        automaton = self.words_of.get(language)
        if automaton is None:
            return []
        counts: dict[tuple[str, str], int] = {}
        for weight, part in ((_HEADLINE_COUNTS, headline), (1, text[:_READ_CHARS])):
            for word, codes in _words_in(part.casefold(), automaton):
                for code in codes:
                    counts[code, word] = min(_MOST_PER_WORD, counts.get((code, word), 0) + weight)
        points: dict[str, list[int]] = {}
        for (code, _), count in counts.items():
            points.setdefault(code, []).append(count)
        scored = (Score(code, sum(found), len(found)) for code, found in points.items())
        return sorted(scored, key=lambda score: (-score.points, score.code))

    def _decided(self, scores: list[Score]) -> dict[str, dict[str, Any]]:
        """Keep the top-level codes that stand out, and under them the fine ones that are well attested."""
        tops = [score for score in scores if not self.concepts[score.code].broader]
        if not tops:
            return {}
        leading = [score for score in tops if score.points >= _STANDS_OUT * tops[0].points]
        if len(leading) > _MOST_TOPS:
            return {}
        kept = [score for score in leading if score.points >= _ENOUGH_SCORE and score.words >= _ENOUGH_WORDS]
        everything = sum(score.points for score in tops)
        entries = {}
        for score in kept:
            confidence = min(_MOST_CONFIDENCE, round(100 * score.points / everything))
            entries[score.code] = self._entry(score.code, confidence, round(100 * score.points / tops[0].points))
            for fine in self._fine_under(score.code, scores):
                share = min(1.0, fine.points / score.points)
                entries[fine.code] = self._entry(fine.code, round(confidence * share), round(100 * share))
        return entries

    def _fine_under(self, top: str, scores: list[Score]) -> list[Score]:
        enough = [s for s in scores if s.points >= _ENOUGH_FINE_SCORE and s.words >= _ENOUGH_FINE_WORDS]
        return [score for score in enough if top in self._chain(score.code)[1:]][:_MOST_FINE]

    def _entry(self, code: str, confidence: int, relevance: int) -> dict[str, Any]:
        return {
            "name": self.concepts[code].name,
            "rel": "about",
            "uri": _SCHEME + code,
            "creator": CREATOR,
            "relevance": relevance,
            "confidence": confidence,
        }

    def _chain(self, code: str) -> list[str]:
        chain = [code]
        while chain[-1] in self.concepts and self.concepts[chain[-1]].broader:
            chain.append(self.concepts[chain[-1]].broader)
        return chain

    def _with_broader(self, codes: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(f"medtop:{part}" for code in codes for part in self._chain(code)))


def filed_codes(subjects: Iterable[dict[str, Any]]) -> list[str]:
    """Give the Media Topics codes (eight digits) that a provider filed, by `uri` or `literal`, in its order."""
    found = (_CODE.match(entry.get(key, "")) for entry in subjects for key in ("uri", "literal"))
    return list(dict.fromkeys(match[1] for match in found if match is not None))


def merged(filed: list[dict[str, Any]], found: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give a provider's own subjects, then those found that it did not file under the same uri."""
    known = {entry.get("uri") for entry in filed}
    return [*filed, *(entry for entry in found if entry["uri"] not in known)]


def _automata() -> dict[str, Any]:
    """Build one automaton a language; a word's value is (word, whether it is only a beginning, its codes)."""
    codes_of: dict[str, dict[str, list[str]]] = {}
    for code, language, spoken in rows("topics"):
        for word in names(spoken):
            codes_of.setdefault(language, {}).setdefault(word, []).append(code)
    automata = {}
    for language, found in codes_of.items():
        automaton = ahocorasick.Automaton()
        for word, codes in found.items():
            automaton.add_word(word.rstrip("*"), (word.rstrip("*"), word.endswith("*"), tuple(dict.fromkeys(codes))))
        automaton.make_automaton()
        automata[language] = automaton
    return automata


def _words_in(text: str, automaton: Any) -> Iterable[tuple[str, tuple[str, ...]]]:
    for last, (word, beginning, codes) in automaton.iter(text):
        start, end = last - len(word) + 1, last + 1
        if begins_word(text, start) and (beginning or ends_word(text, end, plural=True)):
            yield word, codes
