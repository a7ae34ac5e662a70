"""Who wants what: filters over stories, subscriptions that hold them, endpoints that receive.

A filter is any-of within a field and all-of across fields; `not` excludes; an empty filter matches all.
"""

import re
from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from shared.domain.facts import Facts, slug
from shared.domain.story import Lane, Ninjs, headline_of, plain_body_of

_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_UNSPACED_PAIR: Final = re.compile(f"(?=({_UNSPACED.pattern}.))", re.DOTALL)
_WORD: Final = re.compile(r"\w+")


def words_of(keyword: str) -> str:
    """Return a keyword as texts are asked for it: its case-folded words, one space between them; empty for none."""
    return " ".join(_WORD.findall(keyword.casefold()))


def anchors_of(words: str) -> set[str]:
    """Return pieces of a keyword (its `words_of`); every text that has the keyword has one of them as an anchor."""
    first, _, more = words.partition(" ")
    anchors = {f"{first} {more.partition(' ')[0]}" if more else first}
    if unspaced := _UNSPACED.search(words):
        anchors.add(words[unspaced.start() : unspaced.start() + 2])
    return anchors


class Text:
    """The words of one release, prepared once and asked many times (keywords of every filter)."""

    __slots__ = ("_raw", "_words")

    def __init__(self, story: Ninjs) -> None:
        self._raw = "\n".join((headline_of(story), str(story.get("slugline", "")), plain_body_of(story))).casefold()
        self._words = f" {' '.join(_WORD.findall(self._raw))} "

    def has(self, keyword: str) -> bool:
        """Tell whether the case-folded word or phrase occurs whole.

        Scripts written without spaces have no word borders to respect: there it is a substring.
        """
        words = words_of(keyword)
        return bool(words) and self.holds(words)

    def holds(self, words: str) -> bool:
        """Tell whether a keyword occurs that is given as its `words_of`."""
        return f" {words} " in self._words or (_UNSPACED.search(words) is not None and words in self._raw)

    def anchors(self) -> set[str]:
        """Its words and pairs of words; of scripts without spaces each character, and with what follows it."""
        words = self._words.split()
        anchors = {*words, *map(" ".join, pairwise(words))}
        if _UNSPACED.search(self._raw):
            anchors.update(_UNSPACED.findall(self._raw), _UNSPACED_PAIR.findall(self._raw))
        return anchors


class Terms(BaseModel):
    """The clauses of a filter, or of its `not`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sections: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = ()
    keywords: tuple[str, ...] = ()

    @field_validator("sections")
    @classmethod
    def _slugs(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(slug(name) for name in names)

    @field_validator("places")
    @classmethod
    def _codes(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(code if code.startswith("geonames:") else code.upper() for code in codes)

    @field_validator("keywords")
    @classmethod
    def _unquoted(cls, keywords: tuple[str, ...]) -> tuple[str, ...]:
        plain = tuple(keyword.strip().strip('"“”').strip() for keyword in keywords)
        if not all(_WORD.search(keyword) for keyword in plain):
            raise ValueError("a keyword needs at least one letter or digit")
        return plain


class Filter(Terms):
    """What a subscription wants. `urgency_max: 3` means 1–3; unknown fields are refused."""

    urgency_max: int | None = Field(default=None, ge=1, le=8)
    not_: Terms = Field(default=Terms(), alias="not")

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Clause(BaseModel):
    """One clause judged: which field, whether it let the story pass, and the story's value there."""

    model_config = ConfigDict(frozen=True)

    field: str
    passed: bool
    wanted: tuple[Any, ...]
    found: tuple[Any, ...]


def explain(wanted: Filter, facts: Facts, text: Text | None) -> list[Clause]:
    """Judge every clause that says something; the filter matches when all passed.

    `text` None means an item without text (withhold, kill): keyword clauses then pass, keyword exclusions
    do not exclude, so that nobody misses a notice.
    """
    return [
        Clause(field=name, passed=passed, wanted=terms, found=_found(name.removeprefix("not."), terms, facts, text))
        for name, passed, terms in _judged(wanted, facts, text)
    ]


def wants(wanted: Filter, facts: Facts, text: Text | None) -> bool:
    """Tell whether the filter matches; see `explain` for the rules."""
    return all(passed for _, passed, _ in _judged(wanted, facts, text))


LISTS: Final = tuple(Terms.model_fields)
"""The clauses of `Terms`, in the order in which they are judged and shown."""


def _judged(wanted: Filter, facts: Facts, text: Text | None) -> Iterator[tuple[str, bool, tuple[Any, ...]]]:
    """Each clause that says something: its field, whether it passed, and its terms."""
    for name, terms in _clauses(wanted):
        yield name, _any_of(name, terms, facts, text), terms
    if wanted.urgency_max is not None:
        yield "urgency_max", facts.urgency <= wanted.urgency_max, (wanted.urgency_max,)
    for name, terms in _clauses(wanted.not_):
        excluded = _any_of(name, terms, facts, text) and not (name == "keywords" and text is None)
        yield f"not.{name}", not excluded, terms


def _clauses(terms: Terms) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, given) for name in LISTS if (given := getattr(terms, name))]


def _found(name: str, terms: tuple[Any, ...], facts: Facts, text: Text | None) -> tuple[Any, ...]:
    """What the story has there: of keywords those that occur, else all its facts of that name."""
    if name == "keywords":
        return () if text is None else tuple(each for each in terms if text.has(each))
    return (facts.urgency,) if name == "urgency_max" else tuple(getattr(facts, name))


def _any_of(name: str, terms: tuple[str, ...], facts: Facts, text: Text | None) -> bool:
    if name == "keywords":
        return text is None or any(text.has(keyword) for keyword in terms)
    if name == "languages":
        return any(_speaks(found, term) for found in facts.languages for term in terms)
    return not set(getattr(facts, name)).isdisjoint(terms)


def _speaks(found: str, wanted: str) -> bool:
    """RFC 4647 basic filtering: `en` matches `en-GB`, not the other way round."""
    found, wanted = found.lower(), wanted.lower()
    return found == wanted or found.startswith(f"{wanted}-")


class Ordering(StrEnum):
    """Whether a newer release may replace an undelivered one, or every release goes out in order."""

    LATEST = "latest"
    EVERY = "every"


class EndpointState(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"


class Disabled(BaseModel):
    """Why an endpoint is disabled: `gone`, it answered 410; `failing`, it took nothing for 72 h.

    `since`: its first failure since its last success, which is what tells one time of being disabled from another.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    reason: Literal["gone", "failing"]
    at: AwareDatetime
    since: AwareDatetime


class Endpoint(BaseModel):
    """Where webhooks go. Secrets are a record of their own (`EndpointSecret`)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint_id: str
    subscriber: str
    url: str
    description: str = ""
    rate_limit: float | None = None
    signing: tuple[Literal["v1", "v1a"], ...] = ("v1",)
    headers: dict[str, str] = {}
    state: EndpointState = EndpointState.PENDING
    created_at: AwareDatetime
    challenge: str = ""
    challenged_at: AwareDatetime | None = None
    disabled: Disabled | None = None


class EndpointSecret(BaseModel):
    """Secrets of an endpoint, newest first; sealed (encrypted) strings, never the plain ones."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint_id: str
    sealed: tuple[str, ...]
    retire_at: tuple[AwareDatetime | None, ...] = (None,)


class Subscription(BaseModel):
    """What one subscriber wants, and where it goes (`endpoint_id` None: stream only)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    subscription_id: str
    subscriber: str
    name: str
    endpoint_id: str | None
    ordering: Ordering = Ordering.LATEST
    filter: Filter
    created_at: AwareDatetime
    start: dict[Lane, int] = {}
    """First offset of each lane that counts: what was accepted before it is none of this subscription's."""
