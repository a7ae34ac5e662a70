"""Who listens? Endpoints of every manner in both orders with different filters, and readers of the stream."""

from random import Random

from tests.chaos.plan import SOURCES
from tests.chaos.recordings import Listener, Manner
from tests.chaos.replays import Replayed
from tests.chaos.wording import TOPICS

_WELL = Manner()
CAP = 2.0
"""A second, at an endpoint that is owed about one: bursts of it have to wait."""


def endpoints(seed: int | str, until_s: float, most: int = 2) -> list[Listener]:
    """The endpoints of a run whose last story is told after `until_s`; those that go away return well before it.

    Those that refuse do it at most `most` times for each delivery: one refusal costs 10 s, a second one a minute more.
    """
    rng = Random(f"{seed} cast")
    away = _absences(rng, until_s), _absences(rng, until_s)
    return [
        _endpoint("all-latest", "latest", {}),
        _endpoint("all-every", "every", {}),
        _endpoint("flash", "latest", {"lanes": ["flash"]}),
        _endpoint("urgent-every", "every", {"urgency_max": 3, "languages": ["en"]}),
        _endpoint("not-some", "latest", {"keywords": list(TOPICS[:4]), "not": {"sources": list(SOURCES[:5])}}),
        _endpoint("slow-latest", "latest", {"sources": list(SOURCES[:6])}, Manner(slow_s=0.8)),
        _endpoint("slow-every", "every", {"keywords": list(TOPICS[2:5])}, Manner(slow_s=0.8)),
        _endpoint("refusing-latest", "latest", {"keywords": list(TOPICS[5:8])}, Manner(refuses=0.15, most=most)),
        _endpoint("refusing-every", "every", {"sources": list(SOURCES[8:12])}, Manner(refuses=0.15, most=most)),
        _endpoint("away-latest", "latest", {"sources": list(SOURCES[10:15])}, Manner(away=away[0])),
        _endpoint("away-every", "every", {"keywords": [TOPICS[8]]}, Manner(away=away[1])),
        _endpoint("capped-latest", "latest", {"sources": list(SOURCES[5:7])}, Manner(rate=CAP)),
        _endpoint("capped-every", "every", {"keywords": [TOPICS[0]]}, Manner(rate=CAP)),
        _endpoint("dead-latest", "latest", {"sources": [SOURCES[16]]}, Manner(dead=True)),
        _endpoint("dead-every", "every", {"sources": [SOURCES[17]]}, Manner(dead=True)),
    ]


def replays(until_s: float) -> list[Replayed]:
    """Who asks for everything once more: in both orders, one of them while the wire is well, one of a slow receiver."""
    return [
        Replayed("all-every", until_s * 0.45, until_s * 0.1),
        Replayed("all-latest", until_s * 0.6, until_s * 0.1),
        Replayed("slow-every", until_s * 0.7, until_s * 0.2),
    ]


def readers() -> list[Listener]:
    """Readers of the stream; one that wants some sources only sees every kill all the same."""
    return [
        Listener("stream-all", "stream", "every", {}),
        Listener("stream-some", "stream", "every", {"sources": list(SOURCES[:10])}),
        Listener("poll-all", "poll", "every", {}),
    ]


def _endpoint(name: str, ordering: str, wanted: dict[str, object], manner: Manner = _WELL) -> Listener:
    return Listener(name, "webhook", "every" if ordering == "every" else "latest", wanted, manner)


def _absences(rng: Random, until_s: float) -> tuple[tuple[float, float], ...]:
    """Short ones, about one in four minutes: what is tried within is tried again 10 s, then 70 s later."""
    count = max(1, int(until_s / 240))
    begins = [until_s * (number + rng.uniform(0.15, 0.5)) / count for number in range(count)]
    return tuple((begin, begin + min(6.0, until_s / 8)) for begin in begins)
