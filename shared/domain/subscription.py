"""Who wants what: filters over stories, subscriptions that hold them, endpoints that receive.

A filter is any-of within a field and all-of across fields; `not` excludes; an empty filter matches all.
"""

import re
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from shared.domain.facts import Facts, slug
from shared.domain.story import Lane, Ninjs, headline_of, plain_body_of

_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_WORD: Final = re.compile(r"\w+")


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
        words = " ".join(_WORD.findall(keyword.casefold()))
        if not words:
            return False
        return f" {words} " in self._words or (_UNSPACED.search(words) is not None and words in self._raw)


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
    judged = [
        Clause(field=name, passed=_any_of(name, terms, facts, text), wanted=terms, found=_found(name, facts))
        for name, terms in _clauses(wanted)
    ]
    if wanted.urgency_max is not None:
        passed = facts.urgency <= wanted.urgency_max
        judged.append(Clause(field="urgency_max", passed=passed, wanted=(wanted.urgency_max,), found=(facts.urgency,)))
    for name, terms in _clauses(wanted.not_):
        excluded = _any_of(name, terms, facts, text) and not (name == "keywords" and text is None)
        judged.append(Clause(field=f"not.{name}", passed=not excluded, wanted=terms, found=_found(name, facts)))
    return judged


def wants(wanted: Filter, facts: Facts, text: Text | None) -> bool:
    """Tell whether the filter matches; see `explain` for the rules."""
    return all(clause.passed for clause in explain(wanted, facts, text))


_FIELDS: Final = ("sections", "subjects", "places", "sources", "languages", "lanes", "keywords")


def _clauses(terms: Terms) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, getattr(terms, name)) for name in _FIELDS if getattr(terms, name)]


def _found(name: str, facts: Facts) -> tuple[Any, ...]:
    return () if name == "keywords" else tuple(getattr(facts, name))


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
