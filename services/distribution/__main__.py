"""`python -m services.distribution`: match releases to endpoints and deliver them as signed webhooks."""

import argparse

from services.distribution.main import main
from shared.platform import jobs

if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.distribution",
        description="Match releases to endpoints and deliver them as signed webhooks. Settings come from WIRE_* "
        "variables (see .env.example).",
        epilog="example: WIRE_KAFKA=127.0.0.1:9092 WIRE_OPS_PORT=8085 python -m services.distribution",
    ).parse_args()
    jobs.main(main)
