"""What did all the schedules of one run exercise? A judge who has seen nothing happen has judged nothing."""

from collections import Counter
from dataclasses import dataclass, field

from shared.domain.story import Kind
from tests.simulation.world import World

MEANT = (
    "schedules",
    "inputs",
    "crashes",
    "arrivals",
    "bad answers",
    "kills",
    "withholds",
    "embargoes",
    "second sendings",
    "left alone",
    "paused",
    "in a burst",
    "slow",
    "events shown",
    "kills shown",
    "stories gone",
    "wipes",
)


@dataclass
class Tally:
    """Counts of one run, by name."""

    counts: Counter[str] = field(default_factory=Counter)

    def take(self, world: World) -> None:
        """Add what one world has gone through."""
        arrivals = world.receivers.arrivals
        answered = [(one.endpoint_id, one.story_id, one.release_no) for one in arrivals if one.answered]
        shown = [one for listener in world.listeners for story in listener.seen.values() for one in story]
        behind = world.behind()
        self.counts += Counter(
            {
                "schedules": 1,
                "inputs": len(world.driver.inputs),
                "crashes": world.crashes,
                "arrivals": len(arrivals),
                "bad answers": len(arrivals) - len(answered),
                "kills": sum(one.kind is Kind.KILL for one in arrivals),
                "withholds": sum(one.kind is Kind.WITHHOLD for one in arrivals),
                "embargoes": len(world.driver.not_before),
                "second sendings": len(answered) - len(set(answered)),
                "left alone": behind["breaker"],
                "paused": behind["paused"],
                "in a burst": behind["burst"],
                "slow": behind["slow"],
                "events shown": len(shown),
                "kills shown": sum(one.kind is Kind.KILL for one in shown),
                "stories gone": len(world.reader.gone),
                "wipes": world.wipes,
            }
        )

    def missing(self) -> list[str]:
        """Name what never happened."""
        return [name for name in MEANT if not self.counts[name]]

    def __str__(self) -> str:
        return ", ".join(f"{self.counts[name]:,} {name}" for name in MEANT)
