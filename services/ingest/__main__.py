"""`python -m services.ingest`: take stories in over HTTP, from a feed and from a folder."""

import argparse

from services.ingest.main import main
from shared.platform import jobs

if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m services.ingest",
        description="Take stories in over HTTP, from a polled feed and from a watched folder. Settings come from "
        "WIRE_* variables (see .env.example).",
        epilog="example: WIRE_INGEST_PORT=8081 WIRE_WATCH_FOLDER=/var/spool/wire python -m services.ingest",
    ).parse_args()
    jobs.main(main)
