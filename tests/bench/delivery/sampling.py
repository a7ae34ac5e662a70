"""`python -m tests.bench.delivery.sampling OUT -m MODULE`: run a module, and note every few ms of CPU where it is.

Sampling by CPU time distorts little and counts no waiting. What C code does counts for the Python function that called
it. Written to OUT at the end: how many samples, and for each function those with it on top, and on the stack at all.
"""

import atexit
import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

EVERY_S = 0.002
"""Asked for; the kernel gives one at a tick of its clock at most. The process's own CPU says what one stands for."""


class Samples:
    """Counted in a signal handler, so nothing here waits or prints."""

    def __init__(self) -> None:
        self.taken = 0
        self.on_top: Counter[str] = Counter()
        self.on_stack: Counter[str] = Counter()

    def take(self, _: int, frame: FrameType | None) -> None:
        self.taken += 1
        if frame is not None:
            self.on_top[_name(frame)] += 1
        seen = set()
        while frame is not None:
            seen.add(_name(frame))
            frame = frame.f_back
        self.on_stack.update(seen)

    def write(self, path: Path) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        path.write_text(json.dumps({"taken": self.taken, "own": self.on_top, "whole": self.on_stack}))


def _name(frame: FrameType) -> str:
    code = frame.f_code
    return f"{'/'.join(Path(code.co_filename).parts[-2:])} {code.co_qualname}"


def main() -> None:
    out, _, module = sys.argv[1:4]
    samples = Samples()
    atexit.register(samples.write, Path(out))
    signal.signal(signal.SIGPROF, samples.take)
    signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
