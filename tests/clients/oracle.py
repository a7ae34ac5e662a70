"""What is a client owed, and was it that? The driver's own arithmetic, with nothing of the product in it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Put:
    """One release as the driver put it on the wire."""

    story_id: str
    release_no: int
    lane: str
    section: str
    language: str
    kill: bool = False

    @property
    def key(self) -> tuple[str, int]:
        return self.story_id, self.release_no


@dataclass(frozen=True, slots=True)
class Wants:
    """What a client's filter and its subscriber's products let through; None: anything."""

    section: str | None = None
    language: str | None = None

    def take(self, put: Put) -> bool:
        """A filter asks for sections, but every kill appears; a product is for languages, kills included."""
        return (put.kill or self.section in (None, put.section)) and self.language in (None, put.language)


def faults(published: Sequence[Put], told: Sequence[dict[str, Any]], wants: Wants) -> list[str]:
    """Say everything that is wrong with what a client was told: events in their order, as it reports them.

    Missing may be what a flash of the same story overtook, and what was killed before it was read again; nothing else,
    since the log holds all of it: a gap is a fault of its own here.
    """
    known = {put.key: put for put in published}
    shown = [_key_of(event) for event in told if event["event"] == "story"]
    return [
        *(f"{name} was told: {event['data']}" for event in told if (name := event["event"]) == "gap"),
        *(f"{key} came {times} times" for key, times in Counter(shown).items() if times > 1),
        *(f"{key} was never put" for key in shown if key not in known),
        *(f"{key} is none of its business" for key in shown if key in known and not wants.take(known[key])),
        *_out_of_order(shown),
        *_lost(known, set(shown), wants),
    ]


def _out_of_order(shown: Sequence[tuple[str, int]]) -> Iterator[str]:
    newest: dict[str, int] = {}
    for story_id, release_no in shown:
        if release_no < newest.get(story_id, 0):
            yield f"{(story_id, release_no)} came behind release {newest[story_id]}"
        newest[story_id] = max(release_no, newest.get(story_id, 0))


def _lost(known: dict[tuple[str, int], Put], shown: set[tuple[str, int]], wants: Wants) -> Iterator[str]:
    for put in known.values():
        if wants.take(put) and put.key not in shown and not _is_excused(put, known, shown):
            yield f"{put.key} was lost"


def _is_excused(put: Put, known: dict[tuple[str, int], Put], shown: set[tuple[str, int]]) -> bool:
    """Whether something newer that was shown took its place: a kill, or a flash if it was routine itself."""
    newer = [one for key, one in known.items() if key in shown and one.story_id == put.story_id]
    newer = [one for one in newer if one.release_no > put.release_no and one.lane == "flash"]
    return any(one.kill or put.lane == "routine" for one in newer)


def _key_of(event: dict[str, Any]) -> tuple[str, int]:
    return event["data"]["story_id"], event["data"]["release_no"]
