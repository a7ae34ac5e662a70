"""Which page tells owners of endpoints when we try again? `python -m deploy.retry_page` writes it from the schedule."""

import sys
from pathlib import Path

from cli.schedule import rules, span
from services.gateway.routes.schedule import shown
from shared.domain.retry_schedule import STANDARD, Schedule

PAGE = Path(__file__).resolve().parents[1] / "docs" / "retry-schedule.md"
HEAD = """\
# When a failing webhook is tried again

`wire retry-schedule` and `GET /v1/retry-schedule` show this table for the wire that is asked. A delivery fails when the
answer is not 2xx, or not whole within 15 seconds. The first attempt is made at once; these follow while each one fails.

| attempt | wait before it | since the first failure |
|---|---|---|
"""
TAIL = """
Every attempt of a delivery carries the same `webhook-id` and a signature and `webhook-timestamp` of its own. An answer
of 410 ends it at once and disables the endpoint. The gate is asked before every attempt: what was killed or replaced
meanwhile is not sent again.

An endpoint that fails five times in a row, or half of the time, is left alone: it is probed after 10 seconds, then
after 20, 40 and so on up to 10 minutes, with one delivery. What it is owed meanwhile waits in the log and comes, in
order, once a probe is answered, whatever the table says. `GET /v1/endpoints/{id}` shows it as `health`.

Written by `python -m deploy.retry_page`.
"""


def page(schedule: Schedule = STANDARD) -> str:
    """The whole page."""
    told = shown(schedule).model_dump()
    rows = [f"| {one['attempt']} | {span(one['wait_s'])} | {span(one['after_s'])} |\n" for one in told["steps"]]
    sentences = [f"- {sentence}\n" for sentence in rules(told)]
    return "".join([HEAD, *rows, "\n", *sentences, TAIL])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")
