"""When is a failing webhook tried again? The wire's own schedule as a table."""

from __future__ import annotations

from typing import Any

from cli.api import Api
from cli.operations import aligned

UNITS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))


def asked(api: Api) -> dict[str, Any]:
    """Return the schedule of the wire that is meant."""
    answer: dict[str, Any] = api.ask("GET", "gateway", "/v1/retry-schedule", role="subscriber")
    return answer


def table(answer: dict[str, Any]) -> str:
    """One line per attempt, then what lengthens a wait and what ends it."""
    rows = [("ATTEMPT", "WAIT", "SINCE THE FIRST FAILURE"), ("1", "-", "-")]
    rows += [(str(step["attempt"]), span(step["wait_s"]), span(step["after_s"])) for step in answer["steps"]]
    return "\n".join([aligned(rows), "", *rules(answer)])


def rules(answer: dict[str, Any]) -> list[str]:
    """The sentences beside the table."""
    return [
        f"A wait is longer by up to {answer['jitter_share']:.0%} of it, at most {span(answer['jitter_most_s'])}, "
        "so that what failed together does not come back together.",
        f"Retry-After lengthens a wait, up to {span(answer['retry_after_most_s'])}.",
        f"{span(answer['gives_up_after_s'])} after the first failure a delivery is given up: it is expired, and "
        "may be retried or replayed by hand.",
    ]


def span(seconds: float) -> str:
    """Exact and short: `10 s`, `1 h 11 min 10 s`."""
    parts = []
    for size, unit in UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count:g} {unit}")
    return " ".join(parts) or "0 s"
