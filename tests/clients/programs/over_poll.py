"""Long polls with nothing but the standard library."""

import http.client
import json
import os
import sys
import time
from urllib.parse import urlsplit


def main() -> None:
    cursor, host = "earliest", urlsplit(os.environ["GATEWAY"]).netloc
    headers = {"authorization": f"Bearer {os.environ['KEY']}"}
    while True:
        asked = http.client.HTTPConnection(host, timeout=60)
        try:
            asked.request("GET", f"/v1/poll?{os.environ['FILTER']}&wait=20&cursor={cursor}", headers=headers)
            answer = asked.getresponse()
            told = json.load(answer) if answer.status == http.HTTPStatus.OK else None
        except (OSError, http.client.HTTPException, json.JSONDecodeError):  # cut off, refused, or half an answer
            told = None
        finally:
            asked.close()
        if told is None:
            time.sleep(0.2)
            continue
        cursor = told["cursor"]
        for event in told["events"]:
            sys.stdout.write(json.dumps(event) + "\n")


if __name__ == "__main__":
    main()
