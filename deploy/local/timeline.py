"""How long did each hop take? One story's times, told in lines with milliseconds."""

from __future__ import annotations

from collections.abc import Mapping

HOPS = ("accepted", "enriched", "decided", "released", "matched")


def lines(stage_times: Mapping[str, int], webhook_us: int | None, stream_us: int | None) -> list[str]:
    """Return one line per hop: what happened, ms since the hop before it, ms since the story was accepted.

    Times are epoch µs of this machine's clock; a hop that left no time is left out.
    """
    known = {name: stage_times[name] for name in HOPS if name in stage_times}
    if "accepted" not in known:
        return []
    start = known["accepted"]
    told = []
    before = start
    for name, at in known.items():
        told.append(_line(name, at - before, at - start))
        before = at
    released = known.get("released", before)
    if webhook_us is not None:
        told.append(_line("webhook verified", webhook_us - before, webhook_us - start))
    if stream_us is not None:
        told.append(_line("stream event seen", stream_us - released, stream_us - start))
    return told


def _line(what: str, since_before_us: int, since_start_us: int) -> str:
    bar = "▏" * min(40, max(0, since_start_us // 2000))
    return f"  {what:<18} +{since_before_us / 1000:8.1f} ms   {since_start_us / 1000:9.1f} ms  {bar}"
