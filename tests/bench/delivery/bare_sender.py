"""`python -m tests.bench.delivery.bare_sender`: how many signed POSTs can one Python process make, and nothing else?

Prints one line: POSTs in the measured time, seconds, seconds of CPU.
"""

import argparse
import asyncio
import itertools
import json
import sys
import time

import uvloop

from shared.platform.signature import new_secret, parse_secret
from tests.bench.delivery.posting import Line, line_to

BODY = b"x" * 1024


class Sender:
    """Every line posts again as soon as it is answered."""

    def __init__(self) -> None:
        self.answered = 0
        self.stopped = False
        self._number = itertools.count()

    def next(self, line: Line[int], posted: int, status: int) -> None:
        self.answered += 1
        if not self.stopped:
            line.post(f"bare_{posted}", BODY, next(self._number))


async def measure(hosts: list[str], port: int, warm_up_s: float, seconds: float) -> list[float]:
    sender, key = Sender(), parse_secret(new_secret()).key
    lines = [await line_to(host, port, f"/ok/{number}", key, sender.next) for number, host in enumerate(hosts)]
    for line in lines:
        line.post("bare", BODY, 0)
    await asyncio.sleep(warm_up_s)
    answered, began, used = sender.answered, time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    told = [sender.answered - answered, time.monotonic() - began, time.process_time() - used]
    sender.stopped = True
    await asyncio.sleep(0.2)
    for line in lines:
        line.close()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.delivery.bare_sender")
    parser.add_argument("--hosts", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--warm-up", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    asked = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        told = runner.run(measure(asked.hosts.split(","), asked.port, asked.warm_up, asked.seconds))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
