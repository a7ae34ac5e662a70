"""How late is the wire and where is a story? What operations sees in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cli.api import Api, story_path

WORST_FIRST = ("STOP", "STALL", "REWIND", "LOSING", "OK", None)


def lag(api: Api, *, group: str | None, partitions: bool) -> list[dict[str, Any]]:
    """Return the lag table, one row per reader and topic unless `partitions` are wanted."""
    params = {"group": group} if group else {}
    rows: list[dict[str, Any]] = api.ask("GET", "monitor", "/v1/ops/lag", role="operator", params=params)
    return rows if partitions else together(rows)


def together(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Fold partitions: lags add up, the oldest age and the worst verdict count, with its reason."""
    folded: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        known = folded.setdefault((row["group"], row["topic"]), {**row, "partition": None, "lag": None, "age_s": None})
        known["lag"] = _sum(known["lag"], row["lag"])
        known["age_s"] = _most(known["age_s"], row["age_s"])
        known["drain_s"] = _most(known["drain_s"], row["drain_s"])
        if WORST_FIRST.index(row["verdict"]) < WORST_FIRST.index(known["verdict"]):
            known |= {"verdict": row["verdict"], "why": row["why"]}
    return sorted(folded.values(), key=lambda row: (WORST_FIRST.index(row["verdict"]), -(row["age_s"] or 0)))


def lag_table(rows: Sequence[dict[str, Any]]) -> str:
    """The table as text."""
    head = ("VERDICT", "LAG", "AGE", "DRAIN", "GROUP", "TOPIC", "WHY")
    told = [
        (
            row["verdict"] or "-",
            _number(row["lag"]),
            seconds(row["age_s"]),
            seconds(row["drain_s"]),
            row["group"],
            row["topic"] + ("" if row["partition"] is None else f"[{row['partition']}]"),
            row["why"],
        )
        for row in rows
    ]
    return aligned([head, *told])


def needs_somebody(rows: Sequence[dict[str, Any]]) -> bool:
    """Whether a reader is not well."""
    return any(row["verdict"] not in (None, "OK") for row in rows)


def trace(api: Api, story_id: str) -> dict[str, Any]:
    """Return a story's flight record."""
    flight: dict[str, Any] = api.ask("GET", "monitor", story_path("/v1/ops/stories", story_id), role="operator")
    return flight


def trace_text(flight: dict[str, Any]) -> str:
    """The flight record as text: what it waits for, its hops with milliseconds, its stages."""
    lines = [str(flight["story_id"])]
    lines += [
        f"  waits for {wait['waiting_for']} at {wait['stage']} since {wait['since']}: {wait['why']}"
        for wait in flight["waiting"]
    ]
    lines.append(aligned([_hop(hop) for hop in flight["hops"]], indent="  "))
    if flight["stages_s"]:
        stages = ", ".join(f"{stage} {value * 1000:.1f} ms" for stage, value in flight["stages_s"].items())
        lines.append(f"  stages: {stages}")
    return "\n".join(lines)


def seconds(value: float | None) -> str:
    """Seconds for a person: `0 s`, `4.2 s`, `3 min`, `2.5 h`; `-` when unknown."""
    if value is None:
        return "-"
    if value < 120:
        return f"{value:.1f} s" if value else "0 s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


def aligned(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Columns as wide as their widest cell; the last one is left as it is."""
    if not rows:
        return f"{indent}(nothing)"
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    widths[-1] = 0
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(f"{indent}{line.rstrip()}" for line in lines)


def _hop(hop: dict[str, Any]) -> tuple[str, ...]:
    details = hop["details"]
    shown = [str(details[name]) for name in ("action", "state", "status", "outcome", "endpoint_id") if name in details]
    if "endpoints" in details:
        count = details["endpoints"]
        shown.append(f"{count} endpoint{'' if count == 1 else 's'}")
    release = f"r{hop['release_no']}" if hop["release_no"] else f"v{hop['version']}" if hop["version"] else ""
    place = f"{hop['topic']}[{hop['partition']}]@{hop['offset']}"
    return (str(hop["at"])[11:23], f"+{hop['ms']} ms", hop["hop"], release, place, " ".join(shown))


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _most(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)
