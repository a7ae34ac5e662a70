"""Does `make demo` prove what it says? Its exit code is 0 only for a verified webhook and a stream event."""

import asyncio
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.local.demo import Exit, demo
from deploy.local.layout import PROJECT
from tests.journeys.go_between import Instead, a_promise, between, hello_only, silence
from tests.journeys.instance import Wire
from tests.journeys.people import a_secret
from tests.journeys.texts import a_word
from tests.material import material

pytestmark = pytest.mark.broker


async def run_demo(wire: Wire, *arguments: str) -> tuple[int, str]:
    """Run `python -m deploy.local demo …` against the instance; returns its exit code and what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "deploy.local", "demo", *arguments),
        cwd=PROJECT,
        env=wire.environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            printed, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    return process.returncode or 0, printed.decode()


def a_page(folder: Path, sentence: str = "It will be open on Sundays too, the keeper said.") -> Path:
    """A story page of ours, in a file."""
    mark = a_word()
    page = folder / f"{mark}.txt"
    page.write_text(
        f"Home\nCulture\nThe Quiet Gazette\n\nHome Culture\n\nThe museum of {mark} shows its clocks again\n\n"
        "By Piet Lindgren\nMarch 4, 2025\n\n"
        f"The clocks of {mark} are wound again after two years in boxes, and all but one of them keep the hour.\n\n"
        f"{sentence}\n\nShare\nRelated stories\n",
        encoding="utf-8",
    )
    return page


async def test_the_seed_prints_what_the_verified_webhook_says(wire: Wire) -> None:
    """Headline, byline, date, section, first and last words, the hash as filed, and a timeline in milliseconds."""
    ended, printed = await run_demo(wire, str(material("seeds", "kashmir-story-page.txt")))
    assert ended == Exit.ARRIVED, printed
    for told in (
        "Taliban wins close consulates; Tajikistan reinforces border",
        "Kashmir Dot Com",
        "2021-07-06",
        "World",
        "A surge of Taliban wins … to unseat the religious movement.",
        "(as filed)",
    ):
        assert told in printed
    assert re.search(r"webhook verified +\+ *[\d.]+ ms", printed)
    assert re.search(r"stream event seen +\+ *[-\d.]+ ms", printed)


async def test_a_wrong_secret_proves_nothing(wire: Wire, tmp_path: Path) -> None:
    """A webhook that does not verify is told and is no proof."""
    ended, printed = await run_demo(wire, str(a_page(tmp_path)), "--secret", a_secret())
    assert ended == Exit.NOT_PROVEN, printed
    assert "does not verify" in printed


async def test_a_held_file_prints_its_reason(wire: Wire, tmp_path: Path) -> None:
    """Exit code 3 and the rule's own words."""
    held = a_page(tmp_path, "A clockmaker pleaded not guilty on Tuesday, the court's office said.")
    ended, printed = await run_demo(wire, str(held))
    assert ended == Exit.HELD, printed
    assert "it may touch a case before a court" in printed


async def test_a_file_that_is_no_story_is_refused(wire: Wire, tmp_path: Path) -> None:
    """Exit code 2, and what ingest says of it."""
    empty = tmp_path / "empty.txt"
    empty.write_text("\n")
    ended, printed = await run_demo(wire, str(empty))
    assert ended == Exit.REFUSED, printed
    assert "422" in printed


@pytest.mark.parametrize(
    ("kept_back", "told"),
    [
        ({("GET", "/v1/stream"): silence}, "no `hello`"),
        ({("GET", "/v1/stream"): hello_only}, "The stream event did not arrive."),
        ({("POST", "/v1/subscriptions"): a_promise}, "The webhook did not arrive."),
    ],
    ids=["silent-stream", "stream-without-the-story", "no-webhook"],
)
async def test_half_a_proof_is_none(
    kept_back: Mapping[tuple[str, str], Instead],
    told: str,
    wire: Wire,
    tmp_path: Path,
) -> None:
    """With a silent stream, a stream without the story, or no webhook it exits non-zero and says which was missing."""
    said: list[str] = []
    async with between(wire.now.gateway, kept_back) as gateway:
        ended = await demo(replace(wire.now, gateway=gateway), a_page(tmp_path), said.append, within=5.0)
    assert ended is Exit.NOT_PROVEN, said
    assert any(told in line for line in said), said
