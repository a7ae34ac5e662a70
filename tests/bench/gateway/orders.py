"""What is a load client told? Orders, one JSON object a line: which, and about which group of connections.

- `open`: host, port, heads (a file with a JSON list: the head of each client's request), sample (how many clients are
  looked at), receive_buffer (bytes, 0: the kernel's), chain (a certificate to trust: speaks TLS)
- `told`: writes into `into` what came since the last time: how many to each client, then the stories of the sample
- `stop_reading`, `close`
"""

import json
import os
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from tests.bench.gateway.lines import Line, connecting, source_of
from tests.bench.gateway.reading import Sample

ORDER_BYTES = 65_536


class Lines(Protocol):
    """The connections, as orders see them."""

    @property
    def last_us(self) -> int: ...

    def open(self, lines: Iterator[Line]) -> None: ...

    def close(self, line: Line) -> None: ...

    def stop_reading(self, line: Line) -> None: ...


class Orders:
    """Carries orders out, one after the other; each is answered when it is done."""

    def __init__(self, client: Lines, say: Callable[[str], None]) -> None:
        self._client = client
        self._say = say
        self._groups: dict[str, list[Line]] = {}
        self._rest = b""
        self._made = 0
        self._began_us = 0

    def read(self, stdin: int) -> bool:
        """Take what is on stdin; False when it has ended."""
        data = os.read(stdin, ORDER_BYTES)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            order: dict[str, Any] = json.loads(line)
            getattr(self, f"_{order['do']}")(order)
        return bool(data)

    def opened(self, refused: Counter[int]) -> None:
        """All of a group are open, or were refused with these statuses."""
        took_us = time.time_ns() // 1000 - self._began_us
        self._answer({"refused": dict(refused), "began_us": self._began_us, "took_us": took_us})

    def _answer(self, told: dict[str, Any]) -> None:
        self._say(f"answer {json.dumps(told)}")

    def _open(self, order: dict[str, Any]) -> None:
        heads = json.loads(Path(order["heads"]).read_text())
        every = max(1, len(heads) // order["sample"]) if order["sample"] else len(heads) + 1
        context = ssl.create_default_context(cafile=order["chain"]) if order["chain"] else None
        group = self._groups[order["group"]] = []
        self._began_us = time.time_ns() // 1000

        def lines() -> Iterator[Line]:
            for index, head in enumerate(heads):
                sock = connecting((order["host"], order["port"]), source_of(self._made), order["receive_buffer"])
                self._made += 1
                sample = Sample(index) if index % every == 0 else None
                tls = None if context is None else (context, order["host"])
                group.append(line := Line(sock, head.encode(), sample, tls))
                yield line

        self._client.open(lines())

    def _told(self, order: dict[str, Any]) -> None:
        group = self._groups[order["group"]]
        samples = [line.sample for line in group if line.sample is not None]
        came = [one for sample in samples for one in sample.came]
        with Path(order["into"]).open("w", encoding="ascii") as out:
            out.write(json.dumps([line.count for line in group]) + "\n")
            out.writelines(f"{client} {number} {due} {at}\n" for client, number, due, at in came)
        gaps = sum(sample.gaps for sample in samples)
        last_id = samples[0].last_id if samples else ""
        for line in group:
            line.count = 0
        for sample in samples:
            sample.came, sample.gaps = [], 0
        self._answer({"gaps": gaps, "last_id": last_id, "last_us": self._client.last_us})

    def _close(self, order: dict[str, Any]) -> None:
        for line in self._groups.pop(order["group"]):
            self._client.close(line)
        self._answer({})

    def _stop_reading(self, order: dict[str, Any]) -> None:
        for line in self._groups[order["group"]]:
            self._client.stop_reading(line)
        self._answer({})
