"""httpx2's own EventSource, in a loop that goes on where it was."""

import json
import os
import sys
import time

import httpx2

LISTENED = {"hello", "story", "gap", "checkpoint"}


def main() -> None:
    cursor, url = "earliest", f"{os.environ['GATEWAY']}/v1/stream?{os.environ['FILTER']}"
    headers = {"authorization": f"Bearer {os.environ['KEY']}"}
    with httpx2.Client(timeout=60, headers=headers) as client:
        while True:
            try:
                with client.stream("GET", f"{url}&cursor={cursor}") as answer:
                    answer.raise_for_status()
                    for event in httpx2.EventSource(answer):
                        cursor = event.id or cursor
                        if event.event in LISTENED:
                            sys.stdout.write(json.dumps({"event": event.event, "data": event.json()}) + "\n")
            except httpx2.HTTPError:
                time.sleep(0.2)


if __name__ == "__main__":
    main()
