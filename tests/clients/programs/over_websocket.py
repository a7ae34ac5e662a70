"""The websockets library, in a loop that goes on where it was and acknowledges as it goes."""

import asyncio
import json
import os
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

LISTENED = {"hello", "story", "gap", "checkpoint"}


async def main() -> None:
    cursor = "earliest"
    url = f"{os.environ['GATEWAY'].replace('http', 'ws', 1)}/v1/ws?{os.environ['FILTER']}"
    headers = {"authorization": f"Bearer {os.environ['KEY']}"}
    while True:
        try:
            protocols = [Subprotocol("slugline.v1")]
            async with connect(f"{url}&cursor={cursor}", additional_headers=headers, subprotocols=protocols) as socket:
                async for message in socket:
                    event = json.loads(message)
                    cursor = event["id"] or cursor
                    if event["event"] in LISTENED:
                        sys.stdout.write(json.dumps(event) + "\n")
                    if event["id"]:
                        await socket.send(json.dumps({"ack": event["id"]}))
        except (OSError, WebSocketException):
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    asyncio.run(main())
