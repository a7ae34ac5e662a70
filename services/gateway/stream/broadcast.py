"""What is written to everybody who is up to date? Each release once per filter and tick, and heartbeats."""

import time
from collections.abc import Sequence

from services.gateway.stream import frames
from services.gateway.stream.clients import Client
from services.gateway.stream.dialects import Dialect
from services.gateway.stream.filter_groups import FilterGroup, FilterGroups
from services.gateway.stream.frames import Entry
from services.gateway.stream.positions import Position, id_of
from services.gateway.stream.wanted import Judged
from services.gateway.stream.wire import Wire
from shared.platform.metrics import GATE_REFUSALS, STALENESS_SECONDS


class Broadcast:
    """Sends what has come to the live clients of the groups that want it; every check is made at that moment.

    `flushed` is the position up to which all was sent, `count` how many releases that were.
    """

    def __init__(self, wire: Wire, checkpoint_every: int) -> None:
        self._wire = wire
        self._checkpoint_every = checkpoint_every
        self._checkpoint_at = checkpoint_every
        self._pending: list[tuple[Entry, Position]] = []
        self._heartbeats: dict[Dialect, bytes] = {}
        self.groups = FilterGroups()
        self.flushed = Position()
        self.count = 0

    def add(self, entry: Entry, before: Position) -> None:
        """Let a release wait for the next `send`; `before` is the ring's head before it."""
        self._pending.append((entry, before))

    @property
    def waiting(self) -> int:
        """How many releases wait."""
        return len(self._pending)

    def send(self) -> None:
        """Write all that waits, in ring order."""
        self.flushed = self._wire.ring.head
        pending, self._pending = self._pending, []
        if not pending:
            return
        self.count += len(pending)
        releases = [judged for entry, before in pending if (judged := self._judged(entry, before))]
        wanting: dict[FilterGroup, list[Judged]] = {}
        for judged in releases:
            for group in self.groups.wanting(judged):
                wanting.setdefault(group, []).append(judged)
        self._write(wanting)
        if self.count >= self._checkpoint_at:
            self._checkpoint()
        _count_lateness(releases)

    def cursor(self) -> str:
        """The resume point behind all that was sent."""
        return id_of(self._wire.epoch, self.flushed)

    def beat(self, client: Client) -> None:
        """Write one client its heartbeat, with the checkpoint that a stretch it wanted nothing of may owe it."""
        dialect = client.group.dialect
        dialect.count("heartbeat")
        if client.position is not None:
            client.write(frames.heartbeat(dialect, id_of(self._wire.epoch, client.position)))
            return
        data = self._heartbeats.get(dialect)
        if data is None:
            data = self._heartbeats[dialect] = frames.heartbeat(dialect, self.cursor())
        if self.count > max(client.group.sent_through, client.checked):
            client.checked = self.count
            dialect.count("checkpoint")
            data = frames.checkpoint(dialect, self.cursor()) + data
        client.write(data)

    def tick(self) -> None:
        """The heartbeats of before are out of date."""
        self._heartbeats.clear()

    def _judged(self, entry: Entry, before: Position) -> Judged | None:
        refused = self._wire.gate.judge(entry, before)
        if refused is not None:
            GATE_REFUSALS.labels("stream", refused).inc()
            return None
        return Judged(entry, id_of(self._wire.epoch, before.at(entry.lane, entry.offset + 1)))

    def _write(self, wanting: dict[FilterGroup, list[Judged]]) -> None:
        """One write per client; the bytes are one object for all who are told the same."""
        events: dict[tuple[Dialect, str], bytes] = {}
        for group, releases in wanting.items():
            dialect = group.dialect
            told = []
            for judged in releases:
                event = events.get((dialect, judged.at))
                if event is None:
                    event = events[dialect, judged.at] = frames.story(dialect, judged.at, judged.entry)
                told.append(event)
            group.sent_through = self.count
            dialect.count("story", len(told) * len(group.live))
            group.write(told[0] if len(told) == 1 else b"".join(told))

    def _checkpoint(self) -> None:
        """Tell the groups that were sent nothing for long where they are; at `_checkpoint_at` the first one is due."""
        self._checkpoint_at = self.count + self._checkpoint_every
        for group in self.groups:
            if self.count - group.sent_through >= self._checkpoint_every:
                group.sent_through = self.count
                group.dialect.count("checkpoint", len(group.live))
                group.write(frames.checkpoint(group.dialect, self.cursor()))
            self._checkpoint_at = min(self._checkpoint_at, group.sent_through + self._checkpoint_every)


def _count_lateness(releases: Sequence[Judged]) -> None:
    now = time.time()
    for judged in releases:
        if judged.entry.accepted_us is not None:
            late = now - judged.entry.accepted_us / 1_000_000
            STALENESS_SECONDS.labels("stream", judged.entry.lane).observe(max(late, 0.0))
