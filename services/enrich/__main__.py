"""python -m services.enrich --lane flash|routine: cleans and describes what was filed."""

import argparse
from functools import partial

from services.enrich.main import main
from shared.domain.story import Lane
from shared.platform import jobs

EXAMPLE = "example: WIRE_KAFKA=127.0.0.1:9092 WIRE_OPS_PORT=8084 python -m services.enrich --lane flash"


def lane() -> Lane:
    """Read the lane off the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m services.enrich",
        description="Clean and describe filed stories for the desk, one lane a process. Settings come from WIRE_* "
        "variables (see .env.example).",
        epilog=EXAMPLE,
    )
    parser.add_argument("--lane", type=Lane, choices=list(Lane), required=True, help="which pair of topics to serve")
    given: Lane = parser.parse_args().lane
    return given


if __name__ == "__main__":
    jobs.main(partial(main, lane()))
